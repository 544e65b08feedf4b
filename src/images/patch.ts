import { z } from 'zod';
import type { KubernetesObject } from '../clients/kubernetes.ts';
import type { ImagePush } from '../workflows/image-push.ts';
import type { ImageSettings, Judgment } from './judge.ts';

/** Annotations that image updates leave on a target: the event that changed it last, and what must be remembered. */
export const lastImageEvent = 'serin.dev/last-image-event';
export const desiredImages = 'serin.dev/desired-images';
export const failedImages = 'serin.dev/failed-images';
/** Who made the change: written with an image whose registry names somebody; pipelines and people may write it too. */
export const authorAnnotation = 'serin.dev/author';

const Desired = z.record(z.string(), z.object({ tag: z.string(), digest: z.string() }));
const Failed = z.array(z.object({ container: z.string(), digest: z.string(), policy: z.string() }));

/** What a target remembers. Kept there, in the same patch as the image, so that no second store can disagree. */
export interface ImageMemory {
  /** What was last accepted, by container. */
  readonly desired: Readonly<Record<string, { readonly tag: string; readonly digest: string }>>;
  /** Digests whose release failed under a policy; forgotten when the policy changes. */
  readonly failed: readonly { readonly container: string; readonly digest: string; readonly policy: string }[];
}

/** An annotation that someone garbled remembers nothing; the next write mends it. */
export function memoryOf(target: KubernetesObject): ImageMemory {
  const annotations = target.metadata.annotations ?? {};
  return {
    desired: read(Desired, annotations[desiredImages]) ?? {},
    failed: read(Failed, annotations[failedImages]) ?? [],
  };
}

/**
 * The server-side apply that carries out judgments, or undefined when there is nothing to write or to remember. It holds
 * the images of all containers ever updated here, since what an apply leaves out is taken for given up.
 */
export function patchOf(
  target: KubernetesObject,
  judged: ReadonlyMap<string, Judgment>,
  settings: ImageSettings,
  push: ImagePush,
): KubernetesObject | undefined {
  const memory = memoryOf(target);
  const kept = [...judged].flatMap(([container, judgment]) => ('desired' in judgment ? [{ container, judgment }] : []));
  const desired = { ...memory.desired };
  for (const { container, judgment } of kept) desired[container] = judgment.desired;
  const policies = new Map(settings.policies.map(({ container, text }) => [container, text]));
  const failed = [
    ...memory.failed.filter((entry) => !kept.some(({ container }) => container === entry.container)),
    ...kept.flatMap(({ container, judgment }) =>
      judgment.failedDigests.map((digest) => ({ container, digest, policy: policies.get(container) ?? '' })),
    ),
  ];
  const images = imagesOf(target, Object.keys(desired), judged);
  const before = target.metadata.annotations ?? {};
  const wrote = kept.some(({ judgment }) => 'write' in judgment);
  const event = wrote ? eventOf(push) : before[lastImageEvent];
  const annotations: Record<string, string> = {
    ...(event === undefined ? {} : { [lastImageEvent]: event }),
    ...authorship(target, push.actor, wrote),
    [desiredImages]: JSON.stringify(desired),
    ...(failed.length > 0 ? { [failedImages]: JSON.stringify(failed) } : {}),
  };
  const remembered = [desiredImages, failedImages].every((key) => before[key] === annotations[key]);
  if (kept.length === 0 || (remembered && !wrote)) return undefined;

  const { apiVersion, kind } = target;
  const { name, namespace, resourceVersion } = target.metadata;
  return {
    apiVersion,
    kind,
    metadata: { name, namespace, resourceVersion, annotations },
    spec: { template: { spec: { containers: images } } },
  };
}

/**
 * Who made the change, as the registry names them. An image that nobody is named for takes the annotation away, rather
 * than leave the name of whoever made the one before.
 */
function authorship(target: KubernetesObject, actor: string | undefined, wrote: boolean): Record<string, string> {
  const author = wrote ? actor : target.metadata.annotations?.[authorAnnotation];
  return author ? { [authorAnnotation]: author } : {};
}

/** How a push is named in `serin.dev/last-image-event`. */
export function eventOf(push: ImagePush): string {
  return `${push.receiver}/${push.eventId}`;
}

function imagesOf(target: KubernetesObject, owned: readonly string[], judged: ReadonlyMap<string, Judgment>) {
  const spec = target.spec as { template: { spec: { containers: { name: string; image?: string }[] } } };
  return spec.template.spec.containers
    .filter(({ name }) => owned.includes(name))
    .map(({ name, image }) => {
      const judgment = judged.get(name);
      return { name, image: judgment && 'write' in judgment ? judgment.write : image };
    });
}

function read<T>(schema: z.ZodType<T>, text: string | undefined): T | undefined {
  try {
    return text === undefined ? undefined : schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
