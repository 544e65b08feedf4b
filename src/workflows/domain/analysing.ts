import { askPeople, waitingFor } from './approvals.ts';
import { holdCapacity } from './capacity.ts';
import { askPromotion, promote, sayPromoted, shownWeight, skip } from './copying.ts';
import { beginEnding, cancelled, rolledBack, strandedText } from './ending.ts';
import { askGate, gate, hookCalls, isMuted } from './gates.ts';
import { confirmRollout } from './idle.ts';
import { canaryName, targetName } from './names.ts';
import { alert, carryOut, enterPhase, normal, record, warning, writeStatus } from './plans.ts';
import { halt, onPrimary, sameWeights, standBy, strandsTraffic, weightsNow, whyNotReady, type World } from './world.ts';
import { isOverdue } from './overdue.ts';
import { repair } from './repair.ts';
import { aborted, rejected, rollbackHooks, tooManyFailures } from './stopping.ts';
import { taken } from './taken.ts';
import { isUnderTest, nextStep, type NextStep } from './steps.ts';
import type { Settings, Weights } from './observation.ts';
import type { StatusPatch, Step } from './plan.ts';
import type { Action, Held, Release } from './state.ts';

/** Phase `Waiting`: a confirm-rollout gate is closed. */
export function waiting(release: Release, world: World, now: number): Action {
  const { settings, target } = world;
  if (release.aborted) return beginEnding(release, settings, aborted(release));
  if (release.rejected) return beginEnding(release, settings, rejected(release));
  if (target.revision === release.status.lastPromotedSpec)
    return beginEnding(release, settings, cancelled(release, settings));
  return rollbackHooks(release, settings) ?? confirmRollout(release, world, now);
}

/** Phases `Progressing` and `WaitingPromotion`: the revision is judged at each weight, and moves on, or back. */
export function analysing(release: Release, world: World, now: number): Action {
  const { settings, target, primary } = world;
  const { status } = release;
  if (release.copied !== undefined) return sayPromoted(release, settings, release.copied);
  if (release.aborted) return beginEnding(release, settings, aborted(release));
  if (release.rejected) return beginEnding(release, settings, rejected(release));
  if (target.revision !== status.lastAppliedSpec) {
    return target.revision === status.lastPromotedSpec
      ? beginEnding(release, settings, cancelled(release, settings))
      : restart(release, world, now);
  }
  const failed = settings.skipAnalysis ? undefined : tooManyFailures(release, settings);
  // Weights that are about to be taken back are not put back first.
  const asked = rollbackHooks(release, settings) ?? (failed ? undefined : repair(release, world));
  if (asked) return asked;
  // A broken primary neither gets traffic back nor holds up a revision that nobody analyses.
  const mends = settings.skipAnalysis || release.repairing || release.promoted;
  if (!mends && !primary?.readiness.ready) {
    return halt(release, whyNotReady(primary, 'the primary is missing'));
  }
  if (target.replicas === 0) return scaledAway(release, settings);
  if (!target.readiness.ready) return unready(release, world, now);
  if (settings.skipAnalysis) return skip(release, world, now);
  return failed ?? examine(release, world, now);
}

function examine(release: Release, world: World, now: number): Action {
  const { settings } = world;
  const { verdict, weights } = release;
  // A step whose status could not be written is finished before anything is judged.
  const says = settings.analysis.strategy === 'canary';
  if (says && weights.canary !== release.status.canaryWeight) return shift(release, settings, weights);
  if (verdict?.outcome === 'fail' || verdict?.outcome === 'inconclusive') return failedCheck(release, verdict);
  if (verdict?.outcome === 'held') return held(release, settings, verdict);
  // However it got here, a canary with traffic that waits for others is judged at each tick.
  const isDue = release.rules >= 3 && isUnderTest(release) && !verdict && now >= release.dueAt;
  const isHeld = release.status.phase === 'WaitingPromotion' && !release.repairing;
  if ((release.promoted || release.repairing) && !release.paused && !(isDue && isHeld)) {
    return promote(release, world, now);
  }
  // Without pre-rollout hooks the first weight opens the analysis.
  if (!release.opened && hookCalls(settings, 'pre-rollout', 'Progressing').length > 0) return open(release, settings);
  if (release.reweighed?.weight !== undefined && !isDue)
    return reweigh(release, settings, release.reweighed.weight, now);
  if (isUnderTest(release) && !verdict && !release.skipped) {
    if (now < release.dueAt) {
      const next = `next check ${at(release, settings)}`;
      const people = waitingFor(release);
      return { type: 'wait', until: release.dueAt, why: people ? `${people}; ${next}` : next };
    }
    return {
      type: 'analyse',
      revision: release.status.lastAppliedSpec,
      hooks: hookCalls(settings, 'rollout', release.status.phase),
      why: `check ${settings.target.name} ${at(release, settings)}`,
    };
  }
  if (release.paused) return { type: 'wait', why: `paused by ${release.paused.by ?? 'someone'}` };
  return advance(release, world, now);
}

function at({ weights, status }: Release, { analysis }: Settings): string {
  if (analysis.strategy !== 'canary') return `in iteration ${status.iterations}/${analysis.iterations}`;
  return weights.mirrored ? 'with mirrored traffic' : `at weight ${weights.canary}`;
}

/** The test is passed: what comes next. */
function advance(release: Release, world: World, now: number): Action {
  const { settings } = world;
  const next = nextStep(settings, release);
  if (next.type === 'stuck') {
    const message = stuckText(next);
    const known = release.toldOnce.includes(message);
    if (known && now < release.dueAt) return { type: 'wait', until: release.dueAt, why: message, isHeldUp: true };
    const steps = known ? [] : record(release, warning(message));
    return { ...carryOut('tell', message, 'halted', steps), once: message, isHeldUp: true };
  }
  // With copies of requests the canary has been tested already, and nothing increases in an iteration.
  const gated = settings.analysis.strategy === 'canary' && !release.weights.mirrored;
  const asked = gated ? askIncrease(release, settings, now) : undefined;
  if (asked) return asked;
  switch (next.type) {
    case 'complete':
      return promote(release, world, now);
    case 'shift':
      return askForMore(release, settings, next.weights, now) ?? shift(release, settings, next.weights);
    case 'iterate':
    case 'switch':
      return iterate(release, settings, next, now);
  }
}

const stuckText = ({ step }: Extract<NextStep, { type: 'stuck' }>) =>
  `analysis cannot advance: next step weight is ${step}`;

/** Why an analysis leads nowhere, however good its checks are. */
export function leadsNowhere(release: Release, settings: Settings): string | undefined {
  if (release.status.phase !== 'Progressing' || release.paused) return undefined;
  const next = nextStep(settings, release);
  return next.type === 'stuck' ? stuckText(next) : undefined;
}

/** Asks the gates for more traffic, or waits for them. Undefined when they are open. */
function askIncrease(release: Release, settings: Settings, now: number): Action | undefined {
  if (release.status.phase !== 'Progressing') return undefined;
  switch (gate(release, settings, 'confirm-traffic-increase')) {
    case 'closed':
      return { type: 'wait', until: Math.max(now, release.dueAt), why: 'more traffic is not approved' };
    case 'unknown':
      return askGate(settings, 'confirm-traffic-increase', release.status.phase, 'ask whether traffic may increase');
    case 'open':
      return undefined;
  }
}

/** Asks people for more traffic. Less, or copies of requests, need nobody's consent. */
function askForMore(release: Release, settings: Settings, to: Weights, now: number): Action | undefined {
  const isMore = to.canary > release.weights.canary && release.status.phase === 'Progressing';
  return isMore ? askPeople(release, settings, 'traffic-increase', now) : undefined;
}

/** A weight that somebody asked for: the ladder goes on from there. Less traffic needs nobody's approval. */
function reweigh(release: Release, settings: Settings, canary: number, now: number): Action {
  const to: Weights = { primary: 100 - canary, canary };
  const asked = canary > release.weights.canary ? askIncrease(release, settings, now) : undefined;
  return asked ?? askForMore(release, settings, to, now) ?? shift(release, settings, to);
}

function shift(release: Release, settings: Settings, weights: Weights): Action {
  const message = `Advance ${canaryName(release)} canary weight ${weights.canary}`;
  return carryOut('shiftTraffic', message, 'shifted', [
    ...holdCapacity(release, settings),
    { do: 'set-weights', weights },
    writeStatus({ canaryWeight: weights.canary }),
    ...record(release, ...starting(release, settings), normal(message)),
  ]);
}

/** Another interval with the same traffic; before the last one the gates for promotion are asked. */
function iterate(
  release: Release,
  settings: Settings,
  next: Extract<NextStep, { iteration: number }>,
  now: number,
): Action {
  const { iteration, weights } = next;
  const isSwitch = next.type === 'switch';
  const asked = isSwitch ? askPromotion(release, settings, now) : undefined;
  if (asked) return asked;
  const message = isSwitch
    ? switchText(settings)
    : `Advance ${canaryName(release)} canary iteration ${iteration}/${settings.analysis.iterations}`;
  const told =
    isSwitch && !settings.splitsTraffic ? [] : record(release, ...starting(release, settings), normal(message));
  const moves = settings.splitsTraffic && !sameWeights(weights, release.weights);
  const traffic: Step[] = moves ? [...holdCapacity(release, settings), { do: 'set-weights', weights }] : [];
  // Flagger tells of the switch before it happens, and of an iteration once it has begun.
  const steps: Step[] = isSwitch ? [...told, ...traffic] : traffic;
  return carryOut('shiftTraffic', message, 'shifted', [
    ...steps,
    writeStatus({ iterations: iteration }),
    ...(isSwitch ? [] : told),
  ]);
}

function switchText({ analysis }: Settings): string {
  return analysis.mirror ? 'Stop traffic mirroring and route all traffic to canary' : 'Routing all traffic to canary';
}

/** The opening tick: pre-rollout hooks judge the canary before it gets any traffic. */
function open(release: Release, settings: Settings): Action {
  if (gate(release, settings, 'pre-rollout') === 'closed') {
    return { type: 'wait', until: release.dueAt, why: 'pre-rollout hooks are asked again' };
  }
  if (!release.opening) {
    const event = normal(`Starting canary analysis for ${targetName(release, settings)}`);
    return carryOut('tell', event.message, 'opening', record(release, event));
  }
  return askGate(settings, 'pre-rollout', release.status.phase, 'pre-rollout hooks');
}

function starting(release: Release, settings: Settings) {
  if (release.opened) return [];
  const { remarks } = settings.analysis;
  return [normal(`Starting canary analysis for ${targetName(release, settings)}`), ...remarks.map(warning)];
}

function restart(release: Release, world: World, now: number): Action {
  const { settings, target } = world;
  // While a broken primary is being mended, the canary has the traffic and keeps it (Q6).
  const isBroken = isOverdue(release, 'primary', world, now);
  const weights = release.repairing || isBroken ? weightsNow(release) : onPrimary;
  if (strandsTraffic(release, weights)) return halt(release, strandedText);
  const message = `New revision detected! Restarting analysis for ${targetName(release, settings)}`;
  return carryOut('shiftTraffic', message, 'restarted', [
    ...record(release, normal(message)),
    { do: 'set-weights', weights },
    enterPhase(settings, 'Progressing', {
      canaryWeight: shownWeight(settings, weights),
      failedChecks: 0,
      iterations: 0,
      ...taken(target),
    }),
  ]);
}

function failedCheck(release: Release, verdict: { outcome: 'fail' | 'inconclusive'; message: string }): Action {
  // No data is not a bad reading: it holds the weight and is counted apart (Q55).
  const { status, trouble, observation } = release;
  const count: StatusPatch = verdict.outcome === 'fail' ? { failedChecks: status.failedChecks + 1 } : {};
  const isNew = trouble !== undefined && trouble.message !== observation?.canary?.stalled;
  const patch: StatusPatch = { ...count, ...(isNew ? { stalled: trouble } : {}) };
  return carryOut('tell', verdict.message, 'failed-check', [
    ...record(release, warning(verdict.message)),
    ...(Object.keys(patch).length > 0 ? [writeStatus(patch)] : []),
  ]);
}

function held(release: Release, settings: Settings, { gate, hook }: Held): Action {
  const name = canaryName(release);
  const muted = isMuted(settings, hook);
  if (gate === 'confirm-promotion') {
    // The iteration before is done once more while the gate is closed (Q37).
    const iterations = Math.max(0, settings.analysis.iterations - 1);
    if (release.status.phase === 'WaitingPromotion') {
      return carryOut('tell', `waiting for approval ${hook}`, 'halted', [writeStatus({ iterations })]);
    }
    const message = `Halt ${name} advancement waiting for promotion approval ${hook}`;
    return carryOut(
      'tell',
      message,
      'halted',
      // Traffic stays where it is, and the status says so (Q14).
      [enterPhase(settings, 'WaitingPromotion', { iterations }), ...record(release, warning(message))],
      muted ? [] : [alert('warn', 'Canary promotion is waiting for approval.')],
    );
  }
  const message = `Halt ${name} advancement waiting for traffic increase approval ${hook}`;
  const known = release.toldOnce.includes('traffic gate closed');
  return {
    ...carryOut(
      'tell',
      message,
      'halted',
      record(release, ...starting(release, settings), warning(message)),
      // One alert for a stretch of closed ticks, however long (Q13).
      muted || known ? [] : [alert('warn', 'Canary traffic increase is waiting for approval.')],
    ),
    once: 'traffic gate closed',
  };
}

function unready(release: Release, world: World, now: number): Action {
  const { settings, target } = world;
  const { readiness } = target;
  if (readiness.ready) throw new Error('only asked of a canary that is not ready');
  // Pods that an autoscaler adds later come up in their own time: the deadline is the revision's, not theirs (BC-14).
  const grewLater = readiness.rolledOut && release.provenReplicas > 0 && target.available >= release.provenReplicas;
  if (grewLater) return halt(release, readiness.message);
  if (!isOverdue(release, 'target', world, now)) return standBy(release, readiness.message);
  return beginEnding(release, settings, {
    ...rolledBack(`progress deadline exceeded: ${readiness.message}`),
    reasons: [
      warning(readiness.message),
      warning(
        `Rolling back ${canaryName(release)} progress deadline exceeded ${readiness.message}` +
          (readiness.cause ? `: ${readiness.cause}` : ''),
      ),
    ],
    alerts: [
      alert('error', `Progress deadline exceeded ${readiness.message}${readiness.cause ? `: ${readiness.cause}` : ''}`),
    ],
  });
}

/** A canary without replicas counts as ready, and serves nobody: it is scaled up again, once. */
function scaledAway(release: Release, settings: Settings): Action {
  const message = `halt ${canaryName(release)} advancement: canary ${settings.target.kind.toLowerCase()} is scaled to zero`;
  if (release.toldOnce.includes(message)) return halt(release, message);
  const steps: readonly Step[] = [...record(release, warning(message)), { do: 'scale-target', to: 'up' }];
  return { ...carryOut('scaleUp', `Scale ${settings.target.name} up again`, 'repaired', steps), once: message };
}
