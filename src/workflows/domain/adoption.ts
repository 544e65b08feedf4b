import { isAtRest } from './phases.ts';
import { carryOut, writeStatus } from './plans.ts';
import type { World } from './world.ts';
import type { Action, Release } from './state.ts';

/** Stands for a hash of Flagger's: ours by its prefix, and equal to no template. */
const unknown = 'v1:unknown';

/**
 * Hashes without our prefix were written by Flagger and cannot be computed here. A primary that equals the target shows
 * that nothing is pending; what failed stays failed; a release in flight is taken to be about the target as it is.
 * Taking over must never start a release by itself.
 *
 * @see engine spec 14.2
 */
export function adopt({ status }: Release, { target, primary }: World): Action | undefined {
  const { lastAppliedSpec, lastPromotedSpec, phase } = status;
  if (!isForeign(lastAppliedSpec) && !isForeign(lastPromotedSpec)) return undefined;
  const isPromoted = primary?.equalsTarget ?? false;
  const isApplied = isPromoted || phase === 'Failed' || !isAtRest(phase);
  return carryOut('tell', 'take over the status that Flagger left', 'noted', [
    writeStatus({
      lastAppliedSpec: isApplied || !isForeign(lastAppliedSpec) ? target.revision : unknown,
      lastPromotedSpec: isPromoted ? target.revision : unknown,
    }),
  ]);
}

function isForeign(hash: string): boolean {
  return hash !== '' && !hash.startsWith('v1:');
}
