import { beginEnding, finish, promotionFailed } from './ending.ts';
import { canaryName } from './names.ts';
import { carryOut, enterPhase, normal, record, recordOnce, warning, writeStatus } from './plans.ts';
import { halt, onPrimary, standBy, type World } from './world.ts';
import { isOverdue } from './overdue.ts';
import { repair } from './repair.ts';
import { promotionStep } from './steps.ts';
import type { Settings } from './observation.ts';
import type { Action, Ending, Release } from './state.ts';

/**
 * Phases `Promoting` and `Finalising`: the primary rolls to the new revision and takes its traffic back. The canary's
 * own state no longer matters once the primary is ready (Q30), and a newer revision waits for its turn (Q28).
 */
export function promoting(release: Release, world: World, now: number): Action {
  const { settings, primary, target } = world;
  const repaired = isTakenBack(release, world) ? undefined : repair(release, world);
  if (repaired) return repaired;
  if (!primary) return halt(release, 'the primary is missing');
  const { readiness } = primary;
  if (!readiness.ready && isOverdue(release, 'primary', world, now)) {
    return beginEnding(release, settings, promotionFailed(release, settings, readiness.message));
  }
  if (release.status.phase === 'Finalising') return finish({ ...release, ending: promoted }, settings, now);
  if (!readiness.ready) return standBy(release, readiness.message);
  if (!target.readiness.ready && release.ticked && release.weights.canary > 0) {
    return carryOut('tell', target.readiness.message, 'halted', record(release, warning(target.readiness.message)));
  }
  return isTakenBack(release, world) ? allBack(settings) : takeBack(release, settings, now);
}

/** Somebody else has given the primary all the traffic that it was about to get: nothing to put back (Q12). */
function isTakenBack({ status, weights }: Release, { routes, primary }: World): boolean {
  return status.phase === 'Promoting' && weights.canary > 0 && routes?.canary === 0 && !!primary?.readiness.ready;
}

function allBack(settings: Settings): Action {
  return carryOut('shiftTraffic', 'all traffic is on the primary', 'returned', [
    { do: 'ensure-autoscaler', mode: 'update' },
    { do: 'set-weights', weights: onPrimary },
    enterPhase(settings, 'Finalising', { canaryWeight: 0, iterations: 0 }),
  ]);
}

/** How every promotion ends, from `Finalising` on. */
const promoted: Ending = {
  kind: 'promoted',
  stage: 'close',
  because: 'promoted',
  reasons: [],
  alerts: [],
  answers: [],
};

function takeBack(release: Release, settings: Settings, now: number): Action {
  const { weights } = release;
  const { analysis } = settings;
  // Traffic is back already: a skipped analysis never gave any away.
  if (weights.canary === 0) {
    return settings.skipAnalysis ? finish({ ...release, ending: promoted }, settings, now) : allBack(settings);
  }
  // Steps would leave requests with a canary that has nobody to answer them.
  const { available, readiness } = release.observation?.target ?? {};
  const isAbandoned = available === 0;
  if (analysis.stepWeightPromotion === 0 || isAbandoned) {
    const message = 'Routing all traffic to primary';
    const why = isAbandoned && readiness?.ready === false ? [recordOnce(release, warning(readiness.message))] : [];
    return carryOut('shiftTraffic', message, 'returned', [
      { do: 'ensure-autoscaler', mode: 'update' },
      ...why,
      ...record(release, normal(message)),
      { do: 'set-weights', weights: onPrimary },
      enterPhase(settings, 'Finalising', { canaryWeight: 0, iterations: 0 }),
    ]);
  }
  const next = release.weighedAt + analysis.intervalMs;
  if (now < next) return { type: 'wait', until: next, why: 'the next step of traffic back to the primary' };
  const after = promotionStep(analysis, weights);
  const message = `Advance ${canaryName(release)} primary weight ${after.primary}`;
  return carryOut('shiftTraffic', message, 'returned', [
    { do: 'ensure-autoscaler', mode: 'update' },
    { do: 'set-weights', weights: after },
    ...record(release, normal(message)),
    after.canary === 0
      ? enterPhase(settings, 'Finalising', { canaryWeight: 0, iterations: 0 })
      : writeStatus({ canaryWeight: after.canary }),
  ]);
}
