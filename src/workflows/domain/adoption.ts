import { carryOut, writeStatus } from './plans.ts';
import { taken } from './taken.ts';
import { onPrimary } from './world.ts';
import type { CanaryStatus, Settings, Weights } from './observation.ts';
import type { World } from './world.ts';
import type { Action, Release, Rules } from './state.ts';

/** Stands for a hash of Flagger's: ours by its prefix, and equal to no template. */
const unknown = 'v1:unknown';

/**
 * Hashes without our prefix were written by Flagger and cannot be computed here. A primary that equals the target shows
 * that nothing is pending; what failed stays failed; a release in flight is taken to be about the target as it is.
 * Taking over must never start a release by itself.
 *
 * @see engine spec 14.2
 */
export function adopt({ status, weights }: Release, { settings, target, primary }: World): Action | undefined {
  const { lastAppliedSpec, lastPromotedSpec, phase } = status;
  if (!isForeign(lastAppliedSpec) && !isForeign(lastPromotedSpec)) return undefined;
  const isPromoted = primary?.equalsTarget ?? false;
  // Once a promotion has begun the primary runs what was released: a target that differs is the next release.
  const isPast = phase === 'Initialized' || phase === 'Succeeded' || phase === 'Promoting' || phase === 'Finalising';
  const isApplied = isPromoted || !isPast;
  return carryOut('tell', 'take over the status that Flagger left', 'noted', [
    writeStatus({
      ...(isApplied || !isForeign(lastAppliedSpec) ? taken(target) : { lastAppliedSpec: unknown }),
      lastPromotedSpec: isPromoted ? target.revision : unknown,
      ...(settings.analysis.strategy === 'canary' ? { canaryWeight: weights.canary } : {}),
    }),
  ]);
}

/** Weights that a status stands for. Where it does not say, the route knows better. */
export function weightsInForce(
  settings: Settings,
  status: CanaryStatus,
  routes: Weights | undefined,
  rules: Rules,
): Weights {
  const { phase, canaryWeight, lastAppliedSpec } = status;
  const stated: Weights = { primary: 100 - canaryWeight, canary: canaryWeight };
  if (canaryWeight > 0) return stated;
  if (settings.analysis.strategy !== 'canary') return weightsOfIterations(settings, status, routes, rules);
  // Flagger writes 0 while a promotion waits or runs (Q14), and nobody writes down that requests are mirrored.
  const unsaid = isForeign(lastAppliedSpec) && (phase === 'WaitingPromotion' || phase === 'Promoting');
  const mirrored = phase === 'Progressing' && settings.analysis.mirror && routes?.mirrored === true;
  return routes && (unsaid || mirrored) ? routes : stated;
}

/** Strategies that count iterations say no weight. */
function weightsOfIterations(
  settings: Settings,
  { phase, iterations }: CanaryStatus,
  routes: Weights | undefined,
  rules: Rules,
): Weights {
  if (!settings.splitsTraffic) return onPrimary;
  const { strategy, iterations: wanted, mirror } = settings.analysis;
  if (phase === 'WaitingPromotion' || phase === 'Promoting') return routes ?? onPrimary;
  if (phase !== 'Progressing' || iterations <= 0) return onPrimary;
  // More than are wanted were made before the switch as well, when somebody wants fewer since (Q18).
  const isUnswitched = rules >= 4 && strategy === 'blue-green' && routes?.canary === 0;
  if (strategy === 'ab-testing' || (iterations > wanted && !isUnswitched)) return { primary: 0, canary: 100 };
  return mirror ? { ...onPrimary, mirrored: true } : onPrimary;
}

function isForeign(hash: string): boolean {
  return hash !== '' && !hash.startsWith('v1:');
}
