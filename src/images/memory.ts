import { z } from 'zod';
import type { KubernetesObject } from '../clients/kubernetes.ts';

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
  readonly desired: z.output<typeof Images>;
  /** Digests whose release failed under a policy; forgotten when the policy changes. */
  readonly failed: z.output<typeof Failed>;
  readonly writes: z.output<typeof Writes>;
  readonly conflicts: z.output<typeof Conflicts>;
  readonly pending: z.output<typeof Images>;
}

/** An annotation that someone garbled remembers nothing; the next write mends it. */
export function memoryOf(target: KubernetesObject): ImageMemory {
  const annotations = target.metadata.annotations ?? {};
  return {
    desired: read(Images, annotations[desiredImages]) ?? {},
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
