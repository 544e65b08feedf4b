import { z } from 'zod';
import { higherTag, parsePolicy, select, type Candidate, type TagPolicy } from './policy.ts';
import { parseReference, repositoryKey, type ImageReference } from './reference.ts';

/** Annotations people put on a Canary. */
export const imagePolicies = 'serin.dev/image-policies';
export const imagePin = 'serin.dev/image-pin';
export const imageSuspend = 'serin.dev/image-suspend';
export const imageWriteBack = 'serin.dev/image-write-back';

export const pins = ['tag+digest', 'digest', 'tag'] as const;

export type Pin = (typeof pins)[number];

const Policies = z.array(
  z.strictObject({
    container: z.string().min(1),
    policy: z.string(),
    /** Semver: also read two-part and one-part versions. */
    coerce: z.boolean().default(false),
    /** Take over from a current tag that fits no order. */
    adopt: z.boolean().default(true),
    /** Roll the pods when a new tag points to the digest that already runs. */
    rollOnRetag: z.boolean().default(false),
  }),
);

export interface ContainerPolicy {
  readonly container: string;
  /** As written, to notice that it changed. */
  readonly text: string;
  readonly policy: TagPolicy;
  readonly adopt: boolean;
  readonly rollOnRetag: boolean;
}

/** What the annotations of a Canary ask for. */
export interface ImageSettings {
  readonly policies: readonly ContainerPolicy[];
  readonly pin: Pin;
  readonly suspended: boolean;
  /** `auto` leaves images alone that a GitOps tool owns; `cluster` writes them all the same. */
  readonly writeBack: 'auto' | 'cluster';
}

/** Reads the image annotations of a Canary; undefined when it follows no image. */
export function imageSettings(
  annotations: Readonly<Record<string, string>>,
): { readonly settings: ImageSettings } | { readonly problem: string } | undefined {
  const text = annotations[imagePolicies];
  if (text === undefined) return undefined;
  const parsed = Policies.safeParse(json(text));
  if (!parsed.success)
    return { problem: `${imagePolicies} is not a JSON array of {container, policy}: ${z.prettifyError(parsed.error)}` };
  const policies: ContainerPolicy[] = [];
  for (const { container, policy: written, coerce, adopt, rollOnRetag } of parsed.data) {
    const read = parsePolicy(written, { coerce });
    if ('problem' in read) return { problem: `${imagePolicies}, container ${container}: ${read.problem}` };
    policies.push({ container, text: written, policy: read.policy, adopt, rollOnRetag });
  }
  const pin = annotations[imagePin] ?? 'tag+digest';
  if (!isPin(pin)) return { problem: `${imagePin} is "${pin}"; use one of ${pins.join(', ')}` };
  const writeBack = annotations[imageWriteBack] ?? 'auto';
  if (writeBack !== 'auto' && writeBack !== 'cluster')
    return { problem: `${imageWriteBack} is "${writeBack}"; use auto or cluster` };
  return { settings: { policies, pin, suspended: annotations[imageSuspend] === 'true', writeBack } };
}

/** What is known about one container when a push is judged. */
export interface Situation {
  readonly policy: ContainerPolicy;
  readonly pin: Pin;
  /** The image in the target's pod template. */
  readonly template: ImageReference;
  /** The image in the primary's pod template, if there is one. */
  readonly promoted?: ImageReference;
  /** What was last accepted, from the target's annotation. */
  readonly desired?: Partial<Candidate>;
  /** The last release failed. */
  readonly failed: boolean;
  /** Digests that failed before under this very policy. */
  readonly failedDigests: readonly string[];
}

export type Judgment =
  | { readonly write: string; readonly desired: Candidate; readonly failedDigests: readonly string[] }
  /** The tag is the new point of comparison, but the pods stay as they are. */
  | { readonly keep: 'same-digest'; readonly desired: Candidate; readonly failedDigests: readonly string[] }
  | { readonly skip: SkipReason };

export type SkipReason =
  Extract<ReturnType<typeof select>, { none: string }>['none'] | 'failed-before' | 'promoted' | 'cannot-roll';

/**
 * Whether a container is to be moved to `candidate`: the policy says so, it ranks above what was accepted (R1) or is a
 * new digest of a mutable tag (R2), it is not what runs already (R3), and it has not failed before (R4).
 */
export function judge(situation: Situation, candidate: Candidate): Judgment {
  const { policy, pin, template, desired = {}, promoted } = situation;
  const running = digestOf(template, desired);
  // Someone may have moved the target ahead of us by hand; the higher of both is the point of comparison.
  const current = { tag: higherTag(policy.policy, desired.tag, template.tag), digest: desired.digest ?? running };
  const selection = select(policy.policy, current, [candidate], policy.adopt);
  if ('none' in selection) return { skip: selection.none };

  const failedDigests = failures(situation, running);
  if (failedDigests.includes(candidate.digest)) return { skip: 'failed-before' };

  if ([desired.digest, running].includes(candidate.digest) && !policy.rollOnRetag)
    return { keep: 'same-digest', desired: candidate, failedDigests };
  // Not remembered: should the revision in flight be promoted, the next event about this tag may bring it back.
  if (promoted && digestOf(promoted, desired) === candidate.digest) return { skip: 'promoted' };
  const write = image(template.name, pin, candidate);
  // With the tag alone a moved tag changes no character of the template, so no pod would ever be replaced.
  if (pin === 'tag' && template.tag === candidate.tag && template.digest === undefined) return { skip: 'cannot-roll' };
  return { write, desired: candidate, failedDigests };
}

/** Whether a pod template's image is of this repository, so that a policy for its container applies. */
export function isOfRepository(
  image: ImageReference,
  host: string,
  repository: string,
  canonical: (host: string) => string,
) {
  return repositoryKey({ ...image, host: canonical(image.host) }) === repositoryKey({ host, repository });
}

/** The reference in a pod template, or undefined for text that is none. */
export function referenceOf(text: unknown): ImageReference | undefined {
  const parsed = typeof text === 'string' ? parseReference(text) : undefined;
  return parsed && 'reference' in parsed ? parsed.reference : undefined;
}

/** What failed: remembered digests, and the one whose release has just ended in a rollback. */
function failures({ failed, failedDigests, template, promoted, desired = {} }: Situation, running: string | undefined) {
  if (!failed) return failedDigests;
  const good = promoted && digestOf(promoted, desired);
  // After a failure a person may have put the old image back; what failed is then the one last accepted.
  const reverted = promoted !== undefined && template.tag === promoted.tag && running === good;
  const culprit = reverted ? desired.digest : running;
  if (culprit === undefined || culprit === good || failedDigests.includes(culprit)) return failedDigests;
  return [...failedDigests, culprit].slice(-20);
}

function digestOf(reference: ImageReference, desired: Partial<Candidate>): string | undefined {
  return reference.digest ?? (reference.tag === desired.tag ? desired.digest : undefined);
}

function image(name: string, pin: Pin, { tag, digest }: Candidate): string {
  switch (pin) {
    case 'tag+digest':
      return `${name}:${tag}@${digest}`;
    case 'digest':
      return `${name}@${digest}`;
    case 'tag':
      return `${name}:${tag}`;
  }
}

function isPin(text: string): text is Pin {
  return (pins as readonly string[]).includes(text);
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // not JSON is not an array either, which is what the caller says
  }
}
