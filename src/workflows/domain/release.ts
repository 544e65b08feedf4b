import { adopt } from './adoption.ts';
import { finish } from './ending.ts';
import { idle } from './idle.ts';
import { initialise } from './initialise.ts';
import { alert, carryOut, recordOfSpec, recordOnce, warning, writeStatus } from './plans.ts';
import { targetName } from './names.ts';
import { isAnalysing, isAtRest } from './phases.ts';
import { promoting } from './promoting.ts';
import { analysing, leadsNowhere, waiting } from './analysing.ts';
import { keepFinalizer, terminate } from './terminating.ts';
import { withCookies } from './cookies.ts';
import { known } from './world.ts';
import type { Observation, ObservedCanary } from './observation.ts';
import type { Order } from './orders.ts';
import type { Action, Outcome, Release, Rules } from './state.ts';

const latestRules: Rules = 4;

/** A release that has just been asked for and has not looked yet. */
export function begin(start: {
  readonly id: string;
  readonly canary: Release['canary'];
  readonly seen?: readonly string[];
  /** The next tick of the run this one continues. */
  readonly dueAt?: number;
  /** An order that the run this one continues has accepted. */
  readonly retry?: Order;
  /** The latest, if not given. */
  readonly rules?: Rules;
}): Release {
  return {
    rules: start.rules ?? latestRules,
    id: start.id,
    canary: start.canary,
    turn: 0,
    hinted: 0,
    answered: 0,
    seen: start.seen ?? [],
    stale: true,
    lookedAt: 0,
    status: { phase: '', canaryWeight: 0, failedChecks: 0, iterations: 0, lastAppliedSpec: '', lastPromotedSpec: '' },
    weights: { primary: 100, canary: 0 },
    weighedAt: 0,
    dueAt: start.dueAt ?? 0,
    // A run that continues another one is between two ticks; any other says at once what it finds.
    ticked: start.dueAt === undefined,
    opened: false,
    opening: false,
    inconclusive: 0,
    asked: {},
    repairing: false,
    provenReplicas: 0,
    drainUntil: 0,
    superseded: false,
    early: start.retry ? [{ kind: 'retry', order: start.retry }] : [],
    orderIds: [],
    untold: [],
    notices: [],
    toldOnce: [],
    holdUntil: 0,
    quietUntil: 0,
  };
}

/**
 * Chooses what the release does next. The order of the questions is the specification; reasons to stop come before
 * reasons to go on. Pure: the same release at the same time always does the same.
 */
export function decide(release: Release, now: number): Action {
  const action = tellFirst(release, withCookies(release, choose(release, now)), now);
  return (isLast(action) ? archiving(release) : undefined) ?? action;
}

/** Keeps what has happened since it was kept last, if that is asked for. Undefined when there is nothing to keep. */
export function archiving({
  archives,
  acted,
  archived,
  turn,
}: Release): Extract<Action, { type: 'archive' }> | undefined {
  if (!archives || !acted || archived === turn) return undefined;
  return { type: 'archive', why: 'keep what has happened' };
}

function choose(release: Release, now: number): Action {
  // Whoever asks is owed an answer, whatever else is going on.
  const { unverified = [] } = release;
  if (unverified.length > 0) return { type: 'verify', orders: unverified, why: `${unverified.length} signed order(s)` };
  if (release.superseded) return { type: 'start-over' };
  const { observation } = release;
  // Before the look, which may be the very thing that cannot be done. A message ends the pause.
  if (now < release.holdUntil) {
    return { type: 'wait', until: release.holdUntil, why: release.stall?.message ?? 'retrying' };
  }
  if (!observation || release.stale) return look(release);
  if (release.hinted === release.answered) return act(release, observation, now);
  if (release.rules < 2 || now < release.dueAt || release.lookedAt < release.dueAt) return look(release);
  // What is due, and was looked at since then, is not put off by hints that come faster than looks; but nothing ends, and
  // nothing is waited for, before the last of them is answered.
  const action = act(release, observation, now);
  return action.type === 'wait' || isLast(action) ? look(release) : action;
}

function act(release: Release, observation: Observation, now: number): Action {
  const { canary } = observation;
  if (!canary) return { type: 'rest' };
  const isEnding = canary.deleting || release.ending !== undefined;
  const frozen = release.rules < 4 && isEnding ? undefined : frozenFor(release, canary, now);
  return frozen ?? proceed(release, observation, canary, now);
}

function proceed(release: Release, observation: Observation, canary: ObservedCanary, now: number): Action {
  if (canary.deleting) return terminate(release, canary, now);
  if (release.ending) return finish(release, canary.settings, now);
  const finalizer = observation.problem?.reason === 'InvalidSpec' ? undefined : keepFinalizer(canary);
  if (finalizer) return finalizer;
  // What has begun is finished first: a way out, and a copy that no status tells of yet.
  if (canary.settings.suspend && release.copied === undefined) return suspended(release);
  const world = known(observation);
  if (!world) return hold(release, canary);
  if (canary.stalled !== undefined && !release.stall && !release.trouble) {
    return carryOut('tell', 'clear what was wrong', 'noted', [writeStatus({ stalled: null })]);
  }
  if (release.rules >= 4 && canary.unheeded !== canary.warned) {
    const warned = canary.unheeded ?? null;
    return carryOut('tell', canary.unheeded ?? 'all of the spec is heeded', 'noted', [writeStatus({ warned })]);
  }
  const adopted = adopt(release, world);
  if (adopted) return adopted;
  switch (release.status.phase) {
    case '':
    case 'Initializing':
      return initialise(release, world, now);
    case 'Initialized':
    case 'Succeeded':
    case 'Failed':
      return idle(release, world, now);
    case 'Waiting':
      return waiting(release, world, now);
    case 'Progressing':
    case 'WaitingPromotion':
      return analysing(release, world, now);
    case 'Promoting':
    case 'Finalising':
      return promoting(release, world, now);
    case 'Terminating':
    case 'Terminated':
      return { type: 'rest' };
  }
}

/** What the release cannot do anything about but wait, for as long as it takes; undefined when it goes on. */
export function heldUp(release: Release, now: number): string | undefined {
  const { observation } = release;
  if (!observation?.canary) return undefined;
  const action = proceed(release, observation, observation.canary, now);
  // A ladder that leads nowhere does so while its weight goes on being judged.
  if (action.type === 'analyse' || (action.type === 'wait' && !action.isHeldUp))
    return leadsNowhere(release, observation.canary.settings);
  if (action.type === 'wait') return action.why;
  return action.type === 'carry-out' && action.isHeldUp ? action.plan.summary : undefined;
}

function look(release: Release): Action {
  const { phase } = release.status;
  return {
    type: 'look',
    // Flagger asks the providers on every tick of an initialization, and never afterwards.
    metricsProviders: phase === '' || phase === 'Initializing',
    why: release.hinted > release.answered ? 'something may have changed' : 'see where things stand',
  };
}

/** Suspension stops everything where it is. It is told once for each time it is switched on. */
function suspended(release: Release): Action {
  if (release.toldOnce.includes('suspended')) return { type: 'rest' };
  const event = recordOnce(release, {
    type: 'Normal',
    message: 'skipping canary run as object is suspended',
  });
  return { ...carryOut('tell', 'suspended', 'noted', [event]), once: 'suspended' };
}

/** A release that cannot go on freezes its traffic where it is: whoever gets alerts has to hear of it (Q49). */
function frozenFor(release: Release, { settings, deleting }: ObservedCanary, now: number): Action | undefined {
  const { rules, frozenSince = now, observation, stall, toldOnce } = release;
  const { phase } = release.status;
  const deadline = frozenSince + settings.progressDeadlineSeconds * 1_000;
  const isRunning = rules >= 4 || isAnalysing(phase) || phase === 'Promoting' || phase === 'Finalising';
  if (!isRunning || now < deadline || frozenSince === now || toldOnce.includes('frozen')) return undefined;
  const why = observation?.problem?.message ?? stall?.message ?? (rules >= 4 ? heldUp(release, now) : '');
  if (why === undefined) return undefined;
  const seconds = Math.round((now - frozenSince) / 1_000);
  const isNew = phase === '' || phase === 'Initializing';
  const what = deleting ? 'Deletion' : isNew ? 'Initialization' : 'Release';
  const message = `${what} of ${targetName(release, settings)} has been held for ${seconds} s: ${why}`;
  const steps = [recordOfSpec(release, warning(message))];
  return { ...carryOut('tell', message, 'noted', steps, [alert('warn', message)]), once: 'frozen' };
}

/** Something has to be mended before anything can be done. Traffic stays as it is. */
function hold(release: Release, canary: ObservedCanary): Action {
  const problem = release.observation?.problem ?? { reason: 'NotFound', message: 'the target was not found' };
  if (release.ticked || canary.stalled !== problem.message) {
    return carryOut('tell', problem.message, 'halted', [
      writeStatus({ stalled: problem }),
      recordOfSpec(release, warning(problem.message)),
    ]);
  }
  // Whatever mends it is watched. Only a release that has moved traffic stays, to be steered and to end properly.
  const { phase } = release.status;
  if (isAtRest(phase) || phase === '' || phase === 'Initializing') return { type: 'rest' };
  return { type: 'wait', until: release.dueAt, why: problem.message };
}

/** Events about orders, gates and failures go out with the next plan, or before the release waits or rests. */
function tellFirst(release: Release, action: Action, now: number): Action {
  const { untold, notices, stall, quietUntil } = release;
  if (action.type === 'carry-out') {
    // What a plan has told before it was cut short is not told again when it is repeated (Q7).
    const told = stall?.told ?? [];
    const left = action.plan.steps.filter((step) => step.do !== 'record-event' || !told.includes(step.event.message));
    const steps = [...untold.map((event) => ({ do: 'record-event', event }) as const), ...left];
    return { ...action, plan: { ...action.plan, steps }, tells: untold.length };
  }
  if (action.type !== 'wait' && !isLast(action)) return action;
  // Nothing can be told about a Canary that is gone.
  const present = release.observation?.canary !== undefined;
  const unwritten = present && stall !== undefined && !stall.written;
  if (present && (untold.length > 0 || unwritten)) {
    if (now < quietUntil) {
      const until = action.type === 'wait' ? Math.min(action.until ?? quietUntil, quietUntil) : quietUntil;
      return { type: 'wait', until, why: stall?.message ?? 'telling again' };
    }
    const condition = unwritten ? [writeStatus({ stalled: { reason: stall.reason, message: stall.message } })] : [];
    const steps = [...condition, ...untold.map((event) => ({ do: 'record-event', event }) as const)];
    return { ...carryOut('tell', untold.at(-1)?.message ?? 'say what is wrong', 'noted', steps), tells: untold.length };
  }
  if (notices.length > 0) return { type: 'notify', notices, why: `${notices.length} message(s)` };
  return action;
}

/** After this the run is over. */
export function isLast({ type }: Action): boolean {
  return type === 'rest' || type === 'start-over';
}

/** What the run came to. */
export function outcome(release: Release): Outcome {
  const { status, ended, observation } = release;
  const { phase, lastAppliedSpec: revision } = status;
  const result = (word: Outcome['outcome'], reason: string): Outcome => ({ phase, outcome: word, revision, reason });
  if (!observation?.canary || observation.canary.deleting) return result('deleted', 'the Canary was deleted');
  if (observation.canary.settings.suspend) return result('suspended', 'the Canary is suspended');
  if (observation.problem) return result('held', observation.problem.message);
  switch (ended?.kind) {
    case 'promoted':
      return result('promoted', ended.reason);
    case 'rollback':
      return result('rolled back', ended.reason);
    case 'failed-promotion':
      return result('promotion failed', ended.reason);
    case 'cancelled':
      return result('cancelled', ended.reason);
    case 'initialized':
      return result('initialized', ended.reason);
    case undefined: {
      const failed = phase === 'Failed' && observation.target?.revision === revision;
      return result('unchanged', failed ? 'this revision has failed, and is unchanged' : 'nothing to do');
    }
  }
}
