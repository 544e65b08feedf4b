import type { KubernetesObject } from '../clients/kubernetes.ts';
import type { ImagePush } from '../workflows/image-push.ts';
import type { Judgment } from './judge.ts';
import {
  annotationsOf,
  asAccepted,
  authorAnnotation,
  lastImageEvent,
  memoryOf,
  templateDigests,
  traceAnnotation,
  withFailures,
  type ImageMemory,
} from './memory.ts';
import { imageText, podWith, slotKey, templateOf, type ImageSlot } from './pods.ts';
import type { ContainerPolicy, ImageSettings } from './settings.ts';

/** What was decided for each image of a pod, by `slotKey`. */
export type Judged = ReadonlyMap<string, { readonly policy: ContainerPolicy; readonly judgment: Judgment }>;

/**
 * The server-side apply that carries out judgments, or undefined when there is nothing to write or to remember. It holds
 * all images ever updated here, since what an apply leaves out is taken for given up.
 *
 * @param at when it is written, RFC 3339
 * @param trace what the writing is part of, as a header has it
 */
export function patchOf(
  target: KubernetesObject,
  judged: Judged,
  settings: ImageSettings,
  push: ImagePush,
  at: string,
  trace?: string,
): KubernetesObject | undefined {
  const memory = memoryOf(target);
  const kept = [...judged].flatMap(([key, { policy, judgment }]) =>
    'desired' in judgment ? [{ key, policy, judgment }] : [],
  );
  const writes = kept.flatMap(({ key, policy, judgment }) => ('write' in judgment ? [{ key, policy, judgment }] : []));
  const isKept = (key: string) => kept.some((one) => one.key === key);
  const after: ImageMemory = {
    desired: {
      ...memory.desired,
      ...Object.fromEntries(
        kept.map(({ key, policy, judgment }) => [key, asAccepted(target, policy.slot, judgment.desired)]),
      ),
    },
    failed: withFailures(
      memory,
      [...judged].map(([container, { policy, judgment }]) => ({
        container,
        policy: policy.text,
        digests: judgment.failedDigests,
      })),
      kept.map(({ key }) => key),
    ),
    writes: {
      ...memory.writes,
      ...Object.fromEntries(
        writes.map(({ key, policy, judgment }) => [
          key,
          { from: imageText(target, policy.slot) ?? '', to: judgment.write, at },
        ]),
      ),
    },
    conflicts: without(memory.conflicts, isKept),
    pending: without(memory.pending, isKept),
  };
  const wrote = writes.length > 0;
  const remembered = annotationsOf(after);
  const before = annotationsOf(memory);
  const isNews = wrote || Object.keys({ ...before, ...remembered }).some((key) => before[key] !== remembered[key]);
  if (!isNews) return undefined;

  const digests = digestsOf(target, writes);
  return {
    ...applied(target, {
      ...eventAnnotation(target, wrote ? push : undefined),
      ...authorship(target, push.actor, wrote),
      ...traced(target, trace, wrote),
      ...remembered,
    }),
    spec: {
      template: {
        ...(digests ? { metadata: { annotations: { [templateDigests]: digests } } } : {}),
        spec: podWith(imagesOf(target, Object.keys(after.desired), judged, settings)),
      },
    },
  };
}

/** A server-side apply that changes what a target remembers, and nothing else of it. */
export function memoryPatch(
  target: KubernetesObject,
  change: Partial<ImageMemory>,
  settings: ImageSettings,
): KubernetesObject {
  const memory = { ...memoryOf(target), ...change };
  const digests = digestsOf(target, []);
  return {
    ...applied(target, {
      ...eventAnnotation(target, undefined),
      ...authorship(target, undefined, false),
      ...traced(target, undefined, false),
      ...annotationsOf(memory),
    }),
    spec: {
      template: {
        ...(digests ? { metadata: { annotations: { [templateDigests]: digests } } } : {}),
        spec: podWith(imagesOf(target, Object.keys(memory.desired), new Map(), settings)),
      },
    },
  };
}

function applied(
  { apiVersion, kind, metadata }: KubernetesObject,
  annotations: Record<string, string>,
): KubernetesObject {
  const { name, namespace, resourceVersion } = metadata;
  return {
    apiVersion,
    kind,
    metadata: { name, ...(namespace === undefined ? {} : { namespace }), resourceVersion, annotations },
  };
}

function eventAnnotation(target: KubernetesObject, push: ImagePush | undefined): Record<string, string> {
  const event = push ? eventOf(push) : target.metadata.annotations?.[lastImageEvent];
  return event === undefined ? {} : { [lastImageEvent]: event };
}

/**
 * Who made the change, as the registry names them. An image that nobody is named for takes the annotation away, rather
 * than leave the name of whoever made the one before.
 */
function authorship(target: KubernetesObject, actor: string | undefined, wrote: boolean): Record<string, string> {
  const author = wrote ? actor : target.metadata.annotations?.[authorAnnotation];
  return author ? { [authorAnnotation]: author } : {};
}

/** The trace of the push, for the release that it starts. */
function traced(target: KubernetesObject, trace: string | undefined, wrote: boolean): Record<string, string> {
  const kept = wrote ? trace : target.metadata.annotations?.[traceAnnotation];
  return kept ? { [traceAnnotation]: kept } : {};
}

/** How a push is named in `serin.dev/last-image-event`. */
export function eventOf(push: ImagePush): string {
  return `${push.receiver}/${push.eventId}`;
}

/** What the pod template says of digests that its images do not show; undefined when there is nothing to say. */
function digestsOf(
  target: KubernetesObject,
  writes: readonly { readonly key: string; readonly judgment: Extract<Judgment, { write: string }> }[],
): string | undefined {
  const before = templateOf(target).metadata?.annotations?.[templateDigests];
  const restarts = writes.filter(({ judgment }) => judgment.restart);
  if (restarts.length === 0) return before;
  const known = new Map((before ?? '').split(' ').flatMap((entry) => (entry ? [pairOf(entry)] : [])));
  for (const { key, judgment } of restarts) known.set(key, judgment.desired.digest);
  return [...known]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, digest]) => `${key}=${digest}`)
    .join(' ');
}

function imagesOf(target: KubernetesObject, owned: readonly string[], judged: Judged, settings: ImageSettings) {
  return slotsIn(target, settings)
    .filter((slot) => owned.includes(slotKey(slot)))
    .map((slot) => {
      const judgment = judged.get(slotKey(slot))?.judgment;
      const image = judgment && 'write' in judgment ? judgment.write : imageText(target, slot);
      return { ...slot, image };
    });
}

/** Every place of a pod template that has an image. Init containers and volumes count when a policy is about one. */
function slotsIn(target: KubernetesObject, { policies }: ImageSettings): readonly ImageSlot[] {
  const containers = templateOf(target).spec?.containers ?? [];
  const others = policies.map(({ slot }) => slot).filter(({ kind }) => kind !== 'container');
  const present = others.filter((slot) => imageText(target, slot) !== undefined);
  return [...containers.map(({ name }): ImageSlot => ({ kind: 'container', name })), ...present];
}

function without<T>(map: Readonly<Record<string, T>>, isOut: (key: string) => boolean): Record<string, T> {
  return Object.fromEntries(Object.entries(map).filter(([key]) => !isOut(key)));
}

function pairOf(entry: string): readonly [string, string] {
  const equals = entry.indexOf('=');
  return [entry.slice(0, equals), entry.slice(equals + 1)];
}
