import { z } from 'zod';
import type { KubernetesObject } from '../clients/kubernetes.ts';
import { parseImageTrigger, type ImageTrigger } from '../schemas/image-trigger.ts';
import type { ImageSlot } from './pods.ts';
import { parsePolicy, type TagPolicy } from './policy.ts';
import { parseReference, repositoryKey } from './reference.ts';
import { parseDuration } from '../schemas/duration.ts';
import {
  durings,
  imageDefaults,
  pins,
  writeBacks,
  type During,
  type Pin,
  type WriteBack,
} from '../schemas/image-choices.ts';
import { ImagePolicies, type ImagePolicy } from '../schemas/image-policies.ts';

/** Annotations people put on a Canary. */
export const imagePolicies = 'serin.dev/image-policies';
export const imagePin = 'serin.dev/image-pin';
export const imageSuspend = 'serin.dev/image-suspend';
export const imageWriteBack = 'serin.dev/image-write-back';
export const imageReceivers = 'serin.dev/image-receivers';
export const imageDuringRelease = 'serin.dev/image-during-release';
export const imageRestart = 'serin.dev/restart-on-digest-change';
export const imagePoll = 'serin.dev/image-poll';

/** Which tags one image of a pod follows. */
export interface ContainerPolicy {
  readonly slot: ImageSlot;
  /** The policy as written, such as `semver:^1.4`. */
  readonly written: string;
  /** That and how it compares, to notice that it changed. */
  readonly text: string;
  readonly policy: TagPolicy;
  readonly adopt: boolean;
  readonly rollOnRetag: boolean;
  /** The only repository that counts, as `repositoryKey` spells it; the one in the pod template, if not said. */
  readonly repository?: string;
}

/** What people ask for a Canary's images. */
export interface ImageSettings {
  readonly policies: readonly ContainerPolicy[];
  readonly pin: Pin;
  readonly suspended: boolean;
  readonly writeBack: WriteBack;
  /** What a newer image does to a release in progress. */
  readonly during: During;
  /** With the tag alone in the pod template: replace pods all the same when it moves. */
  readonly restartOnDigestChange: boolean;
  /** Whose pushes count; every receiver that lists the namespace, if not said. */
  readonly receivers?: readonly string[];
  /** Time between two looks at the registry, in milliseconds; 0 for none. */
  readonly pollMs: number;
  /** The ImageTrigger that says so. */
  readonly trigger?: string;
}

export type Wanted = { readonly settings: ImageSettings } | { readonly problem: string };

/**
 * What is asked for a Canary: by the ImageTrigger that names it, else by its annotations; undefined when it follows no
 * image.
 *
 * @param triggers ImageTriggers of its namespace
 */
export function imageSettings(
  canary: KubernetesObject,
  triggers: readonly KubernetesObject[] = [],
): Wanted | undefined {
  const { name, annotations = {} } = canary.metadata;
  const own = triggers.filter((trigger) => canaryOf(trigger) === name);
  const [trigger, other] = own;
  if (trigger && other)
    return { problem: `ImageTriggers ${trigger.metadata.name} and ${other.metadata.name} both name this Canary` };
  if (trigger) return fromTrigger(trigger);
  if (annotations[imagePolicies] === undefined) return undefined;
  const forbidding = triggers.find(
    ({ spec }) => (spec as { forbidAnnotations?: unknown } | undefined)?.forbidAnnotations === true,
  );
  if (forbidding)
    return {
      problem: `ImageTrigger ${forbidding.metadata.name} forbids ${imagePolicies} in this namespace; write an ImageTrigger`,
    };
  return fromAnnotations(annotations);
}

/** The Canary that an ImageTrigger is about. */
export function canaryOf({ spec }: KubernetesObject): string | undefined {
  const name = (spec as { canaryRef?: { name?: unknown } } | undefined)?.canaryRef?.name;
  return typeof name === 'string' ? name : undefined;
}

function fromAnnotations(annotations: Readonly<Record<string, string>>): Wanted {
  const parsed = ImagePolicies.safeParse(json(annotations[imagePolicies] ?? ''));
  if (!parsed.success)
    return { problem: `${imagePolicies} is not a JSON array of {container, policy}: ${z.prettifyError(parsed.error)}` };
  const policies: ContainerPolicy[] = [];
  for (const written of parsed.data) {
    const read = containerPolicy(written);
    if ('problem' in read) return { problem: `${imagePolicies}, container ${written.container}: ${read.problem}` };
    policies.push(read);
  }
  const choose = <T extends string>(key: string, choices: readonly T[], fallback: T): T | { problem: string } => {
    const text = annotations[key] ?? fallback;
    const choice = choices.find((one) => one === text);
    return choice ?? { problem: `${key} is "${text}"; use one of ${choices.join(', ')}` };
  };
  const pin = choose(imagePin, pins, imageDefaults.pin);
  const writeBack = choose(imageWriteBack, writeBacks, imageDefaults.writeBack);
  const during = choose(imageDuringRelease, durings, imageDefaults.during);
  for (const choice of [pin, writeBack, during]) if (typeof choice === 'object') return choice;
  const poll = annotations[imagePoll];
  const pollMs = poll === undefined ? imageDefaults.pollMs : pollInterval(poll);
  if (pollMs === undefined) return { problem: `${imagePoll} is "${poll}"; write a time of at least 1m, or off` };
  const receivers = annotations[imageReceivers]?.split(/[\s,]+/).filter((name) => name !== '');
  return {
    settings: {
      policies,
      pin: pin as Pin,
      writeBack: writeBack as WriteBack,
      during: during as During,
      suspended: annotations[imageSuspend] === 'true',
      restartOnDigestChange: annotations[imageRestart] === 'true',
      pollMs,
      ...(receivers ? { receivers } : {}),
    },
  };
}

function fromTrigger(object: KubernetesObject): Wanted {
  const where = `ImageTrigger ${object.metadata.name}`;
  const parsed = parseImageTrigger(object);
  if ('problem' in parsed) return { problem: `${where}: ${parsed.problem}` };
  const { spec } = parsed.trigger;
  const policies: ContainerPolicy[] = [];
  for (const image of spec.images) {
    const read = containerPolicy({ ...image, ...spelled(image.policy) });
    const problem = (text: string) => ({ problem: `${where}, container ${image.container}: ${text}` });
    if ('problem' in read) return problem(read.problem);
    const repository = image.repository === undefined ? undefined : parseReference(image.repository);
    if (repository && 'problem' in repository) return problem(`repository: ${repository.problem}`);
    policies.push({ ...read, ...(repository ? { repository: repositoryKey(repository.reference) } : {}) });
  }
  const pollMs = spec.poll.interval === undefined ? imageDefaults.pollMs : pollInterval(spec.poll.interval);
  if (pollMs === undefined)
    return { problem: `${where}: poll.interval is "${spec.poll.interval}"; write a time of at least 1m, or off` };
  return {
    settings: {
      policies,
      pin: spec.pin,
      writeBack: spec.writeBack.mode,
      during: spec.duringRelease,
      suspended: spec.suspend,
      restartOnDigestChange: spec.restartOnDigestChange,
      receivers: spec.receivers,
      pollMs,
      trigger: object.metadata.name,
    },
  };
}

/** A policy of an ImageTrigger, the way annotations spell it. */
function spelled(
  policy: ImageTrigger['spec']['images'][number]['policy'],
): Pick<ImagePolicy, 'policy' | 'extract' | 'sort' | 'coerce'> {
  const { semver, exact, glob, numerical, alphabetical, timestamp } = policy;
  if (semver) return { policy: `semver:${semver.range}`, coerce: semver.coerce };
  if (exact) return { policy: `exact:${exact.tag}`, coerce: imageDefaults.coerce };
  if (glob)
    return { policy: `glob:${glob.pattern}`, coerce: imageDefaults.coerce, ...(glob.sort ? { sort: glob.sort } : {}) };
  const sort = numerical ? 'numerical' : alphabetical ? 'alphabetical' : 'timestamp';
  const { pattern = '', extract } = numerical ?? alphabetical ?? timestamp ?? {};
  return {
    policy: `regex:${pattern}`,
    sort,
    coerce: imageDefaults.coerce,
    ...(extract === undefined ? {} : { extract }),
  };
}

function containerPolicy(written: ImagePolicy): ContainerPolicy | { readonly problem: string } {
  const { container, kind, policy: spelling, extract, sort, coerce, adopt, rollOnRetag } = written;
  const read = parsePolicy(spelling, {
    coerce,
    ...(extract === undefined ? {} : { extract }),
    ...(sort ? { sort } : {}),
  });
  if ('problem' in read) return read;
  return {
    slot: { kind, name: container },
    written: spelling,
    text: [spelling, extract, sort].filter((part) => part !== undefined).join(' '),
    policy: read.policy,
    adopt,
    rollOnRetag,
  };
}

/** Milliseconds; 0 for `off`, undefined for what is neither that nor a time of a minute or more. */
function pollInterval(text: string): number | undefined {
  if (text === 'off') return 0;
  const ms = parseDuration(text);
  return ms !== undefined && ms >= 60_000 ? ms : undefined;
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // not JSON is not an array either, which is what the caller says
  }
}
