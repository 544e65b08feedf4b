import { carryOut, writeStatus } from './plans.ts';
import type { CanaryStatus, Weights } from './observation.ts';
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
export function adopt({ status, weights }: Release, { target, primary }: World): Action | undefined {
  const { lastAppliedSpec, lastPromotedSpec, phase } = status;
  if (!isForeign(lastAppliedSpec) && !isForeign(lastPromotedSpec)) return undefined;
  const isPromoted = primary?.equalsTarget ?? false;
  // Once a promotion has begun the primary runs what was released: a target that differs is the next release.
  const isPast = phase === 'Initialized' || phase === 'Succeeded' || phase === 'Promoting' || phase === 'Finalising';
  const isApplied = isPromoted || !isPast;
  return carryOut('tell', 'take over the status that Flagger left', 'noted', [
    writeStatus({
      lastAppliedSpec: isApplied || !isForeign(lastAppliedSpec) ? target.revision : unknown,
      lastPromotedSpec: isPromoted ? target.revision : unknown,
      canaryWeight: weights.canary,
    }),
  ]);
}

/** Weights that a status stands for. Flagger writes 0 while a promotion waits or runs; the route knows better (Q14). */
export function weightsInForce(status: CanaryStatus, routes: Weights | undefined): Weights {
  const { phase, canaryWeight, lastAppliedSpec } = status;
  const unsaid = isForeign(lastAppliedSpec) && (phase === 'WaitingPromotion' || phase === 'Promoting');
  if (unsaid && canaryWeight === 0 && routes) return routes;
  return { primary: 100 - canaryWeight, canary: canaryWeight };
}

function isForeign(hash: string): boolean {
  return hash !== '' && !hash.startsWith('v1:');
}
