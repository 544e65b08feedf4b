import type { KubernetesObject } from '../clients/kubernetes.ts';
import type { During } from '../schemas/image-choices.ts';
import { asAccepted, memoryOf, type ImageMemory } from './memory.ts';
import { slotKey } from './pods.ts';
import { higherTag, type Candidate } from './policy.ts';
import type { ContainerPolicy } from './settings.ts';

/** What becomes of an image that comes while a release is in progress. */
export interface Waiting {
  readonly outcome: 'unchanged' | 'queued';
  readonly reason: string;
  /** What the target has to remember of it, if that is news. */
  readonly remember?: Partial<ImageMemory>;
}

/**
 * R5: what a newer image does to a release in progress, other than begin it again.
 *
 * @param changed policies whose image would change
 * @param queued it waited before
 */
export function whileReleasing(
  during: Exclude<During, 'restart'>,
  candidate: Candidate,
  changed: readonly ContainerPolicy[],
  target: KubernetesObject,
  queued: boolean,
): Waiting {
  const reason = 'a release is in progress';
  const memory = memoryOf(target);
  const mine = Object.fromEntries(changed.map(({ slot }) => [slotKey(slot), candidate]));
  // Remembered as seen, or the next look at the registry would bring it back once the release is over.
  if (during === 'ignore') {
    const seen = changed.map(({ slot }) => [slotKey(slot), asAccepted(target, slot, candidate)] as const);
    return { outcome: 'unchanged', reason, remember: { desired: { ...memory.desired, ...Object.fromEntries(seen) } } };
  }
  const isMine = changed.every(({ slot }) => memory.pending[slotKey(slot)]?.digest === candidate.digest);
  if (!queued && changed.some((policy) => ranksBelow(policy, candidate, memory)))
    return { outcome: 'unchanged', reason: 'a higher tag waits for the end of the release' };
  // It may have waited for something else before, such as the events of other tags.
  const isAnothers = changed.some(({ slot }) => memory.pending[slotKey(slot)] !== undefined);
  if (queued && !isMine && isAnothers) return { outcome: 'unchanged', reason: 'a newer image waits in its place' };
  return { outcome: 'queued', reason, ...(isMine ? {} : { remember: { pending: { ...memory.pending, ...mine } } }) };
}

function ranksBelow({ slot, policy }: ContainerPolicy, { tag }: Candidate, { pending }: ImageMemory): boolean {
  const waiting = pending[slotKey(slot)];
  return waiting !== undefined && waiting.tag !== tag && higherTag(policy, waiting.tag, tag) !== tag;
}
