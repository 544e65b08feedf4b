import { setTimeout as sleep } from 'node:timers/promises';
import { failureType } from '../../errors.ts';
import type { Bound } from '../../images/binding.ts';
import { gitOpsOwner, imageManager } from '../../images/gitops.ts';
import type { Judgment } from '../../images/judge.ts';
import { slotKey } from '../../images/pods.ts';
import type { ContainerPolicy } from '../../images/settings.ts';
import type { ImagePush } from '../../workflows/image-push.ts';
import { wantedNow, type Asking } from './seek.ts';
import type { Known } from './world.ts';

/** Images that come along with a pushed one, by `slotKey`. */
export type Companions = ReadonlyMap<
  string,
  { readonly policy: ContainerPolicy; readonly judgment: Extract<Judgment, { write: string }> }
>;

/**
 * What else of a pushed repository is wanted by now: a higher tag than the pushed one, or another tag for another
 * container. One build may push several, and they are to be one change of the pods, and one release.
 *
 * A registry that does not tell, or takes long to, keeps nobody from what was pushed.
 */
export async function companions(
  asking: Asking,
  known: Known,
  bound: readonly Bound[],
  push: ImagePush,
): Promise<Companions> {
  const tooLate = sleep(patienceMs, undefined, { ref: false });
  return (await Promise.race([lookFor(asking, known, bound, push), tooLate])) ?? new Map();
}

/** Longest look, in milliseconds: a repository may have hundreds of pages of tags, and a write is to be over in time. */
const patienceMs = 5_000;

async function lookFor(asking: Asking, known: Known, bound: readonly Bound[], push: ImagePush): Promise<Companions> {
  const { settings, target } = known;
  const found: [string, { policy: ContainerPolicy; judgment: Extract<Judgment, { write: string }> }][] = [];
  for (const one of bound) {
    const { policy } = one;
    if (settings.writeBack !== 'cluster' && gitOpsOwner(target, policy.slot, imageManager)) continue;
    const wanted = await unlessSilent(() => wantedNow(asking, known, one, push));
    if (!wanted || 'none' in wanted || wanted.isFirstSight || wanted.candidate.tag === push.tag) continue;
    if ('write' in wanted.judgment) found.push([slotKey(policy.slot), { policy, judgment: wanted.judgment }]);
  }
  return new Map(found);
}

/** Why a push waits for a moment. */
export function waitsFor(others: Companions): string {
  const tags = [...new Set([...others.values()].map(({ judgment }) => judgment.desired.tag))];
  return `${tags.join(' and ')} of the same repository may have been pushed along with it`;
}

async function unlessSilent<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (failureType(error)) return undefined;
    throw error;
  }
}
