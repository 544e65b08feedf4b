import { askPeople } from './approvals.ts';
import { askGate, gate, isMuted } from './gates.ts';
import { canaryName, targetName } from './names.ts';
import { alert, carryOut, enterPhase, normal, record, recordOnce, warning, writeStatus } from './plans.ts';
import { taken } from './taken.ts';
import { halt, whyNotReady, type World } from './world.ts';
import { repair } from './repair.ts';
import type { Action, Release } from './state.ts';

/** A Canary at rest: drift is repaired, a changed target starts a release, anything else lets the run end. */
export function idle(release: Release, world: World, now: number): Action {
  const { settings, target, primary } = world;
  const repaired = repair(release, world);
  if (repaired) return repaired;
  switch (change(release, target.revision)) {
    case 'none':
      if (!release.retried) return rest(release, world);
      break;
    case 'reverted':
      // Not a release, but remembered, so that going back to the revision that failed starts one (Q5).
      return carryOut('tell', 'the target is back at the promoted revision', 'noted', [writeStatus(taken(target))]);
    case 'changed':
      break;
  }
  // One run is one story: what comes after a release that ended here is told by the next run.
  if (release.ended && release.ended.kind !== 'initialized') return { type: 'start-over' };
  const repairing = hasFailedPromotion(release);
  if (!settings.skipAnalysis && !repairing && !primary?.readiness.ready) {
    return halt(release, whyNotReady(primary, 'the primary is missing'));
  }
  return confirmRollout(release, world, now);
}

/** Asks the confirm-rollout gates and, once they are open, begins. Also from `Waiting`. */
export function confirmRollout(release: Release, world: World, now: number): Action {
  const { verdict, dueAt } = release;
  if (verdict?.outcome === 'held') return becomeWaiting(release, world, verdict.hook);
  switch (gate(release, world.settings, 'confirm-rollout')) {
    case 'open':
      return askPeople(release, world.settings, 'rollout', now) ?? start(release, world);
    case 'closed':
      return { type: 'wait', until: Math.max(dueAt, now), why: 'waiting for approval to begin' };
    case 'unknown':
      return askGate(world.settings, 'confirm-rollout', release.status.phase, 'ask whether the release may begin');
  }
}

function becomeWaiting(release: Release, { settings }: World, hook: string): Action {
  return carryOut(
    'tell',
    `waiting for approval ${hook}`,
    'halted',
    [
      enterPhase(settings, 'Waiting', {}),
      ...record(release, warning(`Halt ${canaryName(release)} advancement waiting for approval ${hook}`)),
    ],
    isMuted(settings, hook) ? [] : [alert('warn', 'Canary is waiting for approval.')],
  );
}

function start(release: Release, { settings, target }: World): Action {
  // After a failed promotion the healthy canary serves everyone, and goes on doing so while the repair rolls out (Q6).
  const canaryWeight = hasFailedPromotion(release) ? release.weights.canary : 0;
  return carryOut(
    'scaleUp',
    `New revision of ${settings.target.name}`,
    'started',
    [
      ...record(release, normal(`New revision detected! Scaling up ${targetName(release, settings)}`)),
      { do: 'scale-target', to: 'up' },
      enterPhase(settings, 'Progressing', {
        canaryWeight,
        failedChecks: 0,
        iterations: 0,
        ...taken(target),
      }),
    ],
    [alert('info', 'New revision detected, progressing canary analysis.', true)],
  );
}

/** Traffic is on the canary because the last promotion broke the primary. */
export function hasFailedPromotion({ status }: Release): boolean {
  return (status.phase === 'Failed' || status.phase === 'Waiting') && status.canaryWeight > 0;
}

/** @see engine spec 14.1 */
function change({ status }: Release, revision: string): 'none' | 'reverted' | 'changed' {
  if (status.lastAppliedSpec === '') return 'changed';
  if (revision === status.lastPromotedSpec) return revision === status.lastAppliedSpec ? 'none' : 'reverted';
  return revision === status.lastAppliedSpec ? 'none' : 'changed';
}

/** Someone scales the target up while no release runs: its pods serve nobody. Said once (Q52). */
function rest(release: Release, { settings, target, canary }: World): Action {
  const key = `scaled/${canary.generation}`;
  if (!settings.parks) return { type: 'rest' };
  if (target.replicas === 0 || hasFailedPromotion(release) || release.toldOnce.includes(key)) return { type: 'rest' };
  const message =
    `${settings.target.kind} ${targetName(release, settings)} has ${target.replicas} replicas while no release runs; ` +
    'they get no traffic. Leave spec.replicas out of its manifest';
  return { ...carryOut('tell', message, 'noted', [recordOnce(release, warning(message))]), once: key };
}
