import { z } from 'zod';
import type { KubernetesObject } from '../clients/kubernetes.ts';
import { outerHost } from './aliases.ts';
import { imageIn, slotKey, type ImageSlot } from './pods.ts';
import type { Candidate } from './policy.ts';
import { repositoryKey, type ImageReference } from './reference.ts';

/** Annotations that image updates leave on a target: the event that changed it last, and what must be remembered. */
export const lastImageEvent = 'serin.dev/last-image-event';
export const desiredImages = 'serin.dev/desired-images';
export const failedImages = 'serin.dev/failed-images';
/** What was written over what, and when: a GitOps tool that puts it back soon is not fought. */
export const imageWrites = 'serin.dev/image-writes';
/** Images that a GitOps tool put back, and under which policy and pod template. */
export const imageConflicts = 'serin.dev/image-conflicts';
/** The highest image that waits for the end of a release. */
export const pendingImages = 'serin.dev/pending-images';
/** Who made the change: written with an image whose registry names somebody; pipelines and people may write it too. */
export const authorAnnotation = 'serin.dev/author';

/**
 * Annotation of a target: the trace of the push that its newest image came with, written with that image. A release that it
 * starts goes on with the trace.
 */
export const traceAnnotation = 'serin.dev/traceparent';
/** On a pod template: digests of tags that are written without them. Not ours by prefix, so that it makes a revision. */
export const templateDigests = 'image.serin.dev/digests';

const Images = z.record(z.string(), z.object({ tag: z.string(), digest: z.string() }));
const Accepted = z.record(
  z.string(),
  z.object({
    tag: z.string(),
    digest: z.string(),
    /** Where, as `repositoryKey` spells it; unknown in what earlier versions wrote. */
    repository: z.string().optional(),
  }),
);
const Failed = z.array(z.object({ container: z.string(), digest: z.string(), policy: z.string() }));
const Writes = z.record(z.string(), z.object({ from: z.string(), to: z.string(), at: z.string() }));
const Conflicts = z.record(
  z.string(),
  z.object({
    policy: z.string(),
    template: z.string(),
    owner: z.string(),
    /** When the image was written that was put back. */
    at: z.string(),
  }),
);

/**
 * What a target remembers, by container. Kept there, in the same patch as the image, so that no second store can
 * disagree.
 */
export interface ImageMemory {
  /** What was last accepted. */
  readonly desired: z.output<typeof Accepted>;
  /** Digests whose release failed under a policy; forgotten when the policy changes. */
  readonly failed: z.output<typeof Failed>;
  readonly writes: z.output<typeof Writes>;
  readonly conflicts: z.output<typeof Conflicts>;
  readonly pending: z.output<typeof Images>;
}

/**
 * What was last accepted for a slot that has this image. A container that has moved to another repository begins anew: the
 * tags of the one before say nothing about it.
 */
export function acceptedFor(
  { desired }: ImageMemory,
  slot: ImageSlot,
  image: ImageReference,
): ImageMemory['desired'][string] | undefined {
  const known = desired[slotKey(slot)];
  return known?.repository === undefined || known.repository === placeOf(image) ? known : undefined;
}

/** What is remembered of an image that is accepted for a slot. */
export function asAccepted(
  target: KubernetesObject,
  slot: ImageSlot,
  { tag, digest }: Candidate,
): ImageMemory['desired'][string] {
  const image = imageIn(target, slot);
  return { tag, digest, ...(image ? { repository: placeOf(image) } : {}) };
}

/**
 * The memory of failures, with all that is known of some images under their policies.
 *
 * @param forget images of which nothing but that is kept
 */
export function withFailures(
  { failed }: ImageMemory,
  known: readonly { readonly container: string; readonly policy: string; readonly digests: readonly string[] }[],
  forget: readonly string[] = [],
): ImageMemory['failed'] {
  const isReplaced = (entry: ImageMemory['failed'][number]) =>
    forget.includes(entry.container) ||
    known.some(({ container, policy }) => container === entry.container && policy === entry.policy);
  const now = known.flatMap(({ container, policy, digests }) =>
    digests.map((digest) => ({ container, digest, policy })),
  );
  // In the order of containers, or two polls by turns would each find it changed.
  const all = [...failed.filter((entry) => !isReplaced(entry)), ...now];
  return all.sort((a, b) => (a.container < b.container ? -1 : a.container > b.container ? 1 : 0));
}

/** Where an image is, by one name whoever wrote the pods. */
export function placeOf({ host, repository }: Pick<ImageReference, 'host' | 'repository'>): string {
  return repositoryKey({ host: outerHost(host), repository });
}

/** An annotation that someone garbled remembers nothing; the next write mends it. */
export function memoryOf(target: KubernetesObject): ImageMemory {
  const annotations = target.metadata.annotations ?? {};
  return {
    desired: read(Accepted, annotations[desiredImages]) ?? {},
    failed: read(Failed, annotations[failedImages]) ?? [],
    writes: read(Writes, annotations[imageWrites]) ?? {},
    conflicts: read(Conflicts, annotations[imageConflicts]) ?? {},
    pending: read(Images, annotations[pendingImages]) ?? {},
  };
}

/** The annotations that say it; those of an empty part are left out, so that an apply takes them away. */
export function annotationsOf(memory: ImageMemory): Record<string, string> {
  const parts = [
    [desiredImages, memory.desired],
    [failedImages, memory.failed],
    [imageWrites, memory.writes],
    [imageConflicts, memory.conflicts],
    [pendingImages, memory.pending],
  ] as const;
  const kept = parts.filter(([, part]) => Object.keys(part).length > 0);
  return Object.fromEntries(kept.map(([key, part]) => [key, JSON.stringify(part)]));
}

function read<T>(schema: z.ZodType<T>, text: string | undefined): T | undefined {
  try {
    return text === undefined ? undefined : schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
