import { consentUsed, peopleTold } from './approvals.ts';
import { nextTick } from './cadence.ts';
import { hookCalls } from './gates.ts';
import { unheeded } from './obey.ts';
import { warning } from './plans.ts';
import { isUnderTest } from './steps.ts';
import { sameWeights } from './world.ts';
import type { CanaryStatus, Observation } from './observation.ts';
import type { EventRecord, Notice, PlanFailure, StatusPatch, Step } from './plan.ts';
import type { AlertDraft, CarryOut, Event, Release } from './state.ts';

/** Longest a release waits before it tries again to bring traffic back, in milliseconds. */
const wayBackPauseMs = 5_000;

/** A copy that was refused because the target changed is decided on anew; not in a loop, should the look not see why. */
const refusedCopyPauseMs = 500;

type CarriedOut = Extract<Event, { type: 'carried-out' }>;

/** Records that a plan was carried out, as far as it was. */
export function afterPlan(before: Release, event: CarriedOut): Release {
  const { action, failure, now } = event;
  const done = failure ? action.plan.steps.slice(0, failure.step) : action.plan.steps;
  const release = applySteps(before, action, done, now);
  if (failure) return notCarriedOut(release, event, failure, done);
  const told = action.plan.verb === 'tell' ? release : { ...release, stall: undefined };
  const once = action.once ? { ...told, toldOnce: [...new Set([...told.toldOnce, action.once])] } : told;
  return consequence(peopleTold(answerOrders(addAlerts(once, action.alerts), action), action, now), event);
}

/** An order that came in while the opposite was being done was accepted, so it is owed an answer. */
function answerOrders(release: Release, { then, ending }: CarryOut): Release {
  const forward = ['set-weight', 'skip-step'] as const;
  if (then === 'restarted') return unheeded(release, ['abort', 'reject', 'promote', ...forward], restartedText);
  if (then === 'promoted') return unheeded(release, ['abort', 'reject', ...forward], 'the promotion has begun');
  if (then !== 'way-out' || !ending) return release;
  const contrary = ending.kind === 'promoted' ? (['abort', 'reject'] as const) : (['promote'] as const);
  return unheeded(release, [...contrary, ...forward], ending.because);
}

const restartedText = 'a newer revision has restarted the analysis';

function consequence(release: Release, { action, overtaken, now }: CarriedOut): Release {
  const { observation } = release;
  const settings = observation?.canary?.settings;
  const intervalMs = settings?.analysis.intervalMs ?? 0;
  const next = intervalMs > 0 ? nextTick(Math.min(release.dueAt, now), intervalMs, now) : now;
  switch (action.then) {
    case 'prepared':
      return { ...release, prepared: observation?.target?.revision, stale: true, ticked: true, dueAt: now };
    case 'switched':
      return { ...release, drainUntil: now + (settings?.drainMs ?? 0) };
    case 'initialised':
      return {
        ...parked(release),
        drainUntil: 0,
        ended: { kind: 'initialized', reason: 'the primary is ready and serves' },
      };
    case 'noted':
      return release;
    case 'halted': {
      // A step that was skipped is over when a gate, or people, are asked for the next one: the canary is judged again.
      const isAsked = action.people !== undefined || (release.rules >= 3 && release.verdict?.outcome === 'held');
      const skipped = isAsked ? undefined : release.skipped;
      return { ...release, skipped, ticked: false, verdict: undefined, dueAt: next };
    }
    case 'failed-check':
      return { ...release, ticked: false, verdict: undefined, dueAt: next };
    case 'repaired':
      return {
        ...release,
        stale: true,
        // What is seen to drift after a message may have drifted anew, however alike it looks.
        repaired: overtaken ? undefined : action.once?.replace('repaired ', ''),
        verdict: undefined,
      };
    case 'started':
      return {
        ...release,
        ...freshAnalysis,
        stale: true,
        ticked: false,
        repairing: release.status.canaryWeight > 0,
        dueAt: now + intervalMs,
      };
    case 'restarted':
      // A run is a story of its own; only a repair, which no status tells of, goes on in the run that knows of it.
      return release.repairing
        ? { ...release, ...freshAnalysis, stale: true, ticked: false, dueAt: now + intervalMs }
        : { ...release, superseded: true, dueAt: now + intervalMs };
    case 'opening':
      return { ...release, opening: true, ticked: false };
    case 'shifted': {
      // A new weight is no tick: the rollback hooks have been asked at this one.
      const { rollback } = release.asked;
      const asked = rollback ? { rollback } : {};
      // An iteration may begin with the traffic that there was: it is judged over an interval of its own all the same.
      const begun = { weighedAt: now, dueAt: now + intervalMs };
      const followed = { reweighed: undefined, skipped: undefined };
      return { ...consentUsed(release), ...begun, ...followed, opened: true, verdict: undefined, ticked: false, asked };
    }
    case 'promoted':
      return {
        ...release,
        verdict: undefined,
        trouble: undefined,
        ticked: false,
        asked: {},
        copied: undefined,
        // From here on the primary is another one.
        unreadySince: undefined,
        stale: true,
        dueAt: now + intervalMs,
        // Traffic may have been taken back with the copy, when analysis is skipped.
        drainUntil: release.weighedAt + (settings?.drainMs ?? 0),
      };
    case 'returned':
      return {
        ...release,
        ticked: false,
        dueAt: now + intervalMs,
        drainUntil: now + (settings?.drainMs ?? 0),
      };
    case 'way-out':
      return {
        ...release,
        trouble: undefined,
        // Whoever wanted to try again has: what was given up before it began is not begun for that once more.
        retried: release.rules >= 3 ? undefined : release.retried,
        ending: action.ending && { ...action.ending, stage: 'close' },
        drainUntil: now + (settings?.drainMs ?? 0),
      };
    case 'closed': {
      const ending = action.ending;
      if (!ending || !settings) return release;
      const left = ending.kind === 'failed-promotion' ? release : parked(release);
      const hooks = hookCalls(settings, 'post-rollout', left.status.phase).length > 0;
      return hooks
        ? { ...left, ending: { ...ending, stage: 'hooks' } }
        : { ...left, ending: undefined, ended: { kind: ending.kind, reason: ending.because } };
    }
    case 'reverting':
      return { ...release, reverted: 'target', stale: true };
    case 'reverted':
      return { ...release, reverted: 'traffic', drainUntil: now + (settings?.drainMs ?? 0) };
    case 'told':
      return {
        ...release,
        ending: undefined,
        ended: release.ending && { kind: release.ending.kind, reason: release.ending.because },
      };
  }
}

const freshAnalysis = {
  opened: false,
  opening: false,
  verdict: undefined,
  failedCheck: undefined,
  trouble: undefined,
  inconclusive: 0,
  asked: {},
  provenReplicas: 0,
  unreadySince: undefined,
  aborted: undefined,
  promoted: undefined,
  paused: undefined,
  reweighed: undefined,
  skipped: undefined,
  retried: undefined,
  rejected: undefined,
  approvals: undefined,
} as const;

/** The steps that were done have changed what we know of the world; the rest needs a look. */
function applySteps(release: Release, action: CarryOut, done: readonly Step[], now: number): Release {
  const told = Math.min(action.tells ?? 0, done.length);
  return done.reduce<Release>((state, step) => applyStep(state, step, now), {
    ...release,
    untold: release.untold.slice(told),
  });
}

function applyStep(release: Release, step: Step, now: number): Release {
  const { observation } = release;
  switch (step.do) {
    case 'set-weights':
    case 'ensure-routes': {
      // Weights that are new, or had to be put back, are judged anew, from now on.
      const anew = !sameWeights(step.weights, release.weights) || step.do === 'ensure-routes';
      const interval = observation?.canary?.settings.analysis.intervalMs ?? 0;
      return {
        ...release,
        weights: step.weights,
        weighedAt: anew ? now : release.weighedAt,
        dueAt: anew && isUnderTest({ ...release, weights: step.weights }) ? now + interval : release.dueAt,
        observation: observation && { ...observation, routes: step.weights },
      };
    }
    case 'write-status': {
      const { condition: _condition, stalled, warned, ...fields } = step.status;
      const status: CanaryStatus = { ...release.status, ...fields };
      const written = release.stall && stalled ? { ...release.stall, written: true } : release.stall;
      return { ...release, status, stall: written, observation: withConditions(observation, stalled, warned) };
    }
    case 'record-event':
      return addEventNotice(release, step.event, now);
    case 'promote':
      return { ...release, copied: step.revision };
    case 'ensure-autoscaler':
      return step.floor === undefined ? release : { ...release, floor: step.floor };
    case 'ensure-services':
    case 'ensure-primary':
    case 'ensure-apex':
    case 'scale-target':
    case 'revert-target':
    case 'revert-apex':
    case 'revert-routes':
      return release;
    case 'set-finalizer':
      return { ...release, observation: withFinalizer(observation, step.present) };
  }
}

function withFinalizer(observation: Observation | undefined, finalizer: boolean): Observation | undefined {
  return observation?.canary && { ...observation, canary: { ...observation.canary, finalizer } };
}

function withConditions(
  observation: Observation | undefined,
  stalled: StatusPatch['stalled'],
  warned: StatusPatch['warned'],
): Observation | undefined {
  if (!observation?.canary) return observation;
  const stall = stalled === undefined ? {} : { stalled: stalled?.message };
  const warning = warned === undefined ? {} : { warned: warned ?? undefined };
  return { ...observation, canary: { ...observation.canary, ...stall, ...warning } };
}

/** A parked target has no pods; the observation need not be made again to know it. */
function parked(release: Release): Release {
  const { observation } = release;
  if (!observation?.target || !observation.canary?.settings.parks) return release;
  return { ...release, observation: { ...observation, target: { ...observation.target, replicas: 0, available: 0 } } };
}

function notCarriedOut(
  release: Release,
  { action, overtaken, now }: CarriedOut,
  failure: PlanFailure,
  done: readonly Step[],
): Release {
  // The target changed between the last look and the copy: nothing was copied, and the next look starts over (Q28).
  if (action.then === 'promoted' && failure.reason === 'Conflict') {
    return { ...release, stale: true, holdUntil: now + refusedCopyPauseMs };
  }
  const settings = release.observation?.canary?.settings;
  const intervalMs = settings?.analysis.intervalMs ?? 60_000;
  const pauseMs = action.ending ? Math.min(wayBackPauseMs, intervalMs) : intervalMs;
  const told: EventRecord = { ...warning(failure.message), scope: release.id };
  const recorded = done.flatMap((step) => (step.do === 'record-event' ? [step.event.message] : []));
  return {
    ...release,
    stale: true,
    // What failed was decided on without the message: with it, another plan may be right.
    holdUntil: overtaken ? 0 : now + pauseMs,
    quietUntil: action.plan.verb === 'tell' ? now + pauseMs : release.quietUntil,
    // A way out that was decided on, and may have begun, is gone to its end.
    ending: action.ending ?? release.ending,
    stall: {
      reason: failure.reason,
      message: failure.message,
      written: release.stall?.message === failure.message && release.stall.written,
      told: action.plan.verb === 'tell' ? (release.stall?.told ?? []) : [...(release.stall?.told ?? []), ...recorded],
    },
    untold: release.untold.some(({ message }) => message === told.message) ? release.untold : [...release.untold, told],
  };
}

function addAlerts(release: Release, alerts: readonly AlertDraft[]): Release {
  if (!release.observation?.canary?.settings.listeners.alerts) return release;
  const notices = alerts.map((draft, index): Notice => ({
    kind: 'alert',
    id: `${release.id}/${release.turn}/alert-${index}`,
    ...draft,
  }));
  return { ...release, notices: [...release.notices, ...notices] };
}

function addEventNotice(release: Release, event: EventRecord, now: number): Release {
  if (!release.observation?.canary?.settings.listeners.events) return release;
  const notice: Notice = {
    kind: 'event',
    id: `${release.id}/${release.turn}/event-${release.notices.length}`,
    type: event.type,
    message: event.message,
    phase: eventPhase(release, event.message),
    at: now,
  };
  return { ...release, notices: [...release.notices, notice] };
}

/** Two events carry the phase that is about to be written, not the one that is stored. @see engine spec 16.6 */
function eventPhase({ status }: Release, message: string): CanaryStatus['phase'] {
  if (message.startsWith('New revision detected! Scaling up')) return 'Progressing';
  if (message.startsWith('Canary failed! Scaling down')) return 'Failed';
  return status.phase;
}
