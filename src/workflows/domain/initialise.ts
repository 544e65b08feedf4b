import { canaryName } from './names.ts';
import { alert, carryOut, enterPhase, normal, record, warning } from './plans.ts';
import { taken } from './taken.ts';
import { halt, whyNotReady, type World } from './world.ts';
import type { Step } from './plan.ts';
import type { Action, Release } from './state.ts';

/**
 * From a Canary that was just applied to one that is at rest: the primary is made and becomes ready, then the apex and
 * the routes turn to it, and only then the target is parked.
 *
 * @see engine spec 6, steps 4 to 12; Q11 (the primary is awaited even when analysis is skipped), Q34, Q51
 */
export function initialise(release: Release, world: World, now: number): Action {
  const { primary, target, settings } = world;
  if (mustPrepare(release, world)) return prepare(release, world);
  if (!primary?.readiness.ready) return halt(release, whyNotReady(primary, 'the primary is being created'));
  if (release.drainUntil > 0) {
    const until = release.drainUntil;
    if (now < until) return { type: 'wait', until, why: 'the data plane hears of the primary' };
    return complete(release, world, []);
  }
  const turn: Step[] = [
    ...metricsEvent(release, world),
    { do: 'ensure-autoscaler', mode: 'create' },
    { do: 'ensure-apex' },
    { do: 'ensure-routes', weights: { primary: 100, canary: 0 } },
  ];
  if (!settings.parks || target.replicas === 0 || settings.drainMs === 0) return complete(release, world, turn);
  return carryOut('initialize', 'turn the apex and the routes to the primary', 'switched', turn);
}

function mustPrepare(release: Release, { primary, target, drift }: World): boolean {
  if (release.status.phase === '' || !primary) return true;
  if (release.prepared === target.revision) return false;
  // A broken first version is mended by the next one: the primary follows the target until it has been ready once.
  if (primary.ours && !primary.equalsTarget) return true;
  return drift.some((object) => object.startsWith('Service ') && object.endsWith('-primary'));
}

function prepare(release: Release, world: World): Action {
  const first = release.status.phase === '';
  return carryOut('initialize', 'create the Services and the primary', 'prepared', [
    ...(first ? [enterPhase(world.settings, 'Initializing')] : []),
    { do: 'ensure-services' },
    ...metricsEvent(release, world),
    { do: 'ensure-primary' },
  ]);
}

function complete(release: Release, world: World, before: readonly Step[]): Action {
  const { settings, target, primary } = world;
  // A primary that was there before and runs something else is not what the hashes would claim: leaving them empty
  // starts a release of the target (Q51).
  const adopted = primary !== undefined && !primary.ours && !primary.equalsTarget;
  const revision = adopted ? '' : target.revision;
  const applied = adopted ? { lastAppliedSpec: '' } : taken(target);
  return carryOut(
    'initialize',
    'park the target',
    'initialised',
    [
      ...before,
      { do: 'scale-target', to: 'zero' },
      enterPhase(settings, 'Initialized', {
        canaryWeight: 0,
        failedChecks: 0,
        iterations: 0,
        ...applied,
        lastPromotedSpec: revision,
      }),
      ...record(release, normal(`Initialization done! ${canaryName(release)}`)),
    ],
    [alert('info', `New ${settings.target.kind} detected, initialization completed.`, true)],
  );
}

function metricsEvent(release: Release, { metricsProviders, settings }: World): Step[] {
  if (!metricsProviders || settings.skipAnalysis) return [];
  const { error } = metricsProviders;
  return record(
    release,
    error === undefined
      ? normal('all the metrics providers are available!')
      : warning(`Error checking metric providers: ${error}`),
  );
}
