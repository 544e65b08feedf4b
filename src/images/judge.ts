import { higherTag, select, type Candidate, type Selection } from './policy.ts';
import type { ImageReference } from './reference.ts';
import type { ContainerPolicy } from './settings.ts';
import type { Pin } from '../schemas/image-choices.ts';

/** What is known about one image of a pod when a push is judged. */
export interface Situation {
  readonly policy: ContainerPolicy;
  readonly pin: Pin;
  /** Replace pods when a tag moves that is written without its digest. */
  readonly restartOnDigestChange: boolean;
  /** The image in the target's pod template. */
  readonly template: ImageReference;
  /** The image in the primary's pod template, if there is one. */
  readonly promoted?: ImageReference | undefined;
  /** What was last accepted, from the target's annotation. */
  readonly desired?: Partial<Candidate> | undefined;
  /** Somebody has changed the image since it was written here. */
  readonly overwritten?: boolean;
  /** Somebody has put back what was written over here. */
  readonly reverted?: boolean;
  /** The last release failed. */
  readonly failed: boolean;
  /** The pod template is another one by now than that release was about. */
  readonly moved?: boolean;
  /** Digests that failed before under this very policy. */
  readonly failedDigests: readonly string[];
}

export type Judgment =
  | {
      readonly write: string;
      readonly desired: Candidate;
      readonly failedDigests: readonly string[];
      /** The image reads as before: pods are replaced for this digest alone. */
      readonly restart?: true;
    }
  /** The tag is the new point of comparison, but the pods stay as they are. */
  | { readonly keep: 'same-digest'; readonly desired: Candidate; readonly failedDigests: readonly string[] }
  | { readonly skip: SkipReason; readonly failedDigests: readonly string[] };

export type SkipReason =
  Extract<Selection<Candidate>, { none: string }>['none'] | 'failed-before' | 'promoted' | 'cannot-roll';

/** What a container is compared by: the tag and digest it has, or was last given. */
export function currentOf(
  situation: Pick<Situation, 'policy' | 'template' | 'desired' | 'reverted'>,
): Partial<Candidate> {
  const { policy, template, desired = {}, reverted = false } = situation;
  // A bare digest that is not ours is somebody's choice, whatever had been accepted before.
  const isPinned = template.tag === undefined && template.digest !== desired.digest && !reverted;
  if (isPinned) return template.digest === undefined ? {} : { digest: template.digest };
  // Someone may have moved the target ahead of us by hand; the higher of both is the point of comparison.
  const tag = higherTag(policy.policy, desired.tag, template.tag);
  const digest = desired.digest ?? digestOf(template, desired);
  return { ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) };
}

/**
 * Whether a container is to be moved to `candidate`: the policy says so, it ranks above what was accepted (R1) or is a
 * new digest of a mutable tag (R2), it is not what runs already (R3), and it has not failed before (R4).
 */
export function judge(situation: Situation, candidate: Candidate): Judgment {
  const { policy, pin, template, desired = {}, restartOnDigestChange } = situation;
  const running = digestOf(template, desired);
  const failedDigests = failuresOf(situation);
  const skip = (reason: SkipReason) => ({ skip: reason, failedDigests });
  const selection = select(policy.policy, currentOf(situation), [candidate], policy.adopt);
  if ('none' in selection) return skip(selection.none);
  if (failedDigests.includes(candidate.digest)) return skip('failed-before');

  if ([desired.digest, running].includes(candidate.digest) && !policy.rollOnRetag)
    return { keep: 'same-digest', desired: candidate, failedDigests };
  // Not remembered: should the revision in flight be promoted, the next event about this tag may bring it back.
  if (promotedDigest(situation) === candidate.digest) return skip('promoted');
  const write = image(template.name, pin, candidate);
  // With the tag alone a moved tag changes no character of the image, so no pod would ever be replaced.
  const isUnchanged = pin === 'tag' && template.tag === candidate.tag && template.digest === undefined;
  if (isUnchanged && !restartOnDigestChange) return skip('cannot-roll');
  return { write, desired: candidate, failedDigests, ...(isUnchanged ? { restart: true as const } : {}) };
}

/** No more of a judgment than what is to be compared with from now on. */
export function asBaseline(judgment: Judgment): Judgment {
  if (!('write' in judgment)) return judgment;
  const { desired, failedDigests } = judgment;
  return { keep: 'same-digest', desired, failedDigests };
}

/**
 * What failed: remembered digests, and the one whose release has just ended in a rollback. That one is known only until the
 * next release, so whoever asks writes it down.
 */
export function failuresOf(situation: Situation): readonly string[] {
  const { failed, moved = false, failedDigests, template, promoted, desired = {}, overwritten = false } = situation;
  if (!failed) return failedDigests;
  const running = digestOf(template, desired);
  const good = promotedDigest(situation);
  // After a failure a person may have put the old image back; what failed is then the one last accepted.
  const reverted = promoted !== undefined && template.tag === promoted.tag && (overwritten || running === good);
  const culprit = reverted ? desired.digest : moved ? undefined : running;
  if (culprit === undefined || culprit === good || failedDigests.includes(culprit)) return failedDigests;
  return [...failedDigests, culprit].slice(-20);
}

/**
 * What the primary runs, if that is known: by its own digest, or, while target and primary have the same tag without one,
 * by what was last accepted.
 */
function promotedDigest({ promoted, template, desired = {}, overwritten = false }: Situation): string | undefined {
  if (promoted === undefined || promoted.digest !== undefined) return promoted?.digest;
  const isAlike = !overwritten && template.digest === undefined && template.tag === promoted.tag;
  return isAlike ? digestOf(promoted, desired) : undefined;
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
