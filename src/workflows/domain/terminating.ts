import { canaryName } from './names.ts';
import { carryOut, enterPhase, normal, record, warning } from './plans.ts';
import { halt } from './world.ts';
import type { ObservedCanary } from './observation.ts';
import type { Action, Release } from './state.ts';

/**
 * A Canary that is deleted gives the target back what was its own: replicas first, then, once its pods are ready, the
 * Service and the routes, and after the data plane has heard of that it goes, and the primary with it. So the service has
 * ready endpoints at every moment (BC-18).
 *
 * @see engine spec 17
 */
export function terminate(release: Release, canary: ObservedCanary, now: number): Action {
  if (!canary.finalizer) return { type: 'rest' };
  const { settings, status } = canary;
  const { target, problem } = release.observation ?? {};
  // Nobody asks for it any more, or there is nothing left to give back to (BC-17).
  if (!settings.revertOnDeletion || (problem && !target)) return letGo(release, problem?.message);
  if (status.phase !== 'Terminating' || release.reverted === undefined) {
    const told = status.phase === 'Terminating' ? [] : [normal(`Terminating canary ${canaryName(release)}`)];
    return carryOut('revert', 'give the target its replicas back', 'reverting', [
      enterPhase(settings, 'Terminating', { canaryWeight: 0, iterations: 0 }),
      ...record(release, ...told),
      { do: 'revert-target' },
    ]);
  }
  if (release.reverted === 'target') {
    if (!target?.readiness.ready) {
      const why = target?.readiness.ready === false ? target.readiness.message : 'the target cannot be seen';
      return halt(release, `canary not ready during finalizing: ${why}`);
    }
    return carryOut('revert', 'give the target its traffic back', 'reverted', [
      { do: 'revert-apex' },
      { do: 'revert-routes' },
    ]);
  }
  if (now < release.drainUntil) {
    return { type: 'wait', until: release.drainUntil, why: 'the data plane hears of the target' };
  }
  return letGo(release);
}

function letGo(release: Release, why?: string): Action {
  const name = canaryName(release);
  const told = why === undefined ? [] : [warning(`canary ${name} is deleted without reverting anything: ${why}`)];
  return carryOut('revert', 'let the Canary go', 'noted', [
    ...record(release, ...told, normal(`Terminated canary ${name}`)),
    { do: 'set-finalizer', present: false },
  ]);
}

/** The finalizer is there exactly while the Canary asks for it. */
export function keepFinalizer(canary: ObservedCanary): Action | undefined {
  const { settings, finalizer } = canary;
  if (settings.revertOnDeletion === finalizer) return undefined;
  const summary = finalizer ? 'nothing is to be reverted on deletion' : 'be asked before the Canary is deleted';
  return carryOut('tell', summary, 'noted', [{ do: 'set-finalizer', present: settings.revertOnDeletion }]);
}
