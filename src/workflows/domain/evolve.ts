import { awaitsPeople } from './approvals.ts';
import { weightsInForce } from './adoption.ts';
import { hookFailed, judge, type Verdict } from './analysis.ts';
import { compatible } from './compatible.ts';
import { unreadySince } from './overdue.ts';
import { passOver } from './ticks.ts';
import { afterPlan } from './after-plan.ts';
import { isRepeated, obey, refuse } from './obey.ts';
import { names, targetName } from './names.ts';
import { hookCalls } from './gates.ts';
import { isAnalysing } from './phases.ts';
import { normal, warning } from './plans.ts';
import { heldUp } from './release.ts';
import { isUnderTest } from './steps.ts';
import type { CanaryStatus, Observation } from './observation.ts';
import type { EventRecord } from './plan.ts';
import type { Event, EventDraft, Held, Release } from './state.ts';

/** Most hint ids that are remembered. The comparison of revisions is the real guard; this only saves looks. */
const seenLimit = ({ rules }: Release) => (rules >= 4 ? 500 : 100);

/** Records what happened. Pure: the twin of `decide`. */
export function evolve(before: Release, event: Event): Release {
  const acts = event.type === 'carried-out' || event.type === 'ordered';
  const release: Release = { ...before, turn: before.turn + 1, ...(acts ? { acted: true } : {}) };
  switch (event.type) {
    case 'hinted':
      return hinted(release, event);
    case 'ordered':
      return ordered(release, event);
    case 'looked':
      return frozen(looked(release, compatible(event.observation), event.answered, event.now), event.now);
    case 'analysed':
      return frozen(analysed(release, event), event.now);
    case 'carried-out':
      return afterPlan(release, { ...event, overtaken: isOvertaken(before, event) });
    case 'hooks-called':
      return hooksCalled(release, event);
    case 'notified':
      return { ...release, notices: release.notices.filter(({ id }) => !event.ids.includes(id)) };
    case 'archived':
      return { ...release, archived: release.turn };
    case 'verified':
      return verified(release, event);
    case 'woke':
      return woke(release, event.now);
    case 'interrupted':
      return { ...release, stale: true };
    case 'failed':
      return failed(release, { ...event, overtaken: isOvertaken(before, event) });
  }
}

/** Whether a message has come that the decision did not know of: while it was carried out, or since the look before it. */
function isOvertaken({ hinted, answered }: Release, { overtaken = false }: { readonly overtaken?: boolean }): boolean {
  return overtaken || hinted > answered;
}

/** An order with a token waits until it is known whose it is; who an order says it is, no message can say for sure. */
function ordered(release: Release, { kind, order, now }: Extract<Event, { type: 'ordered' }>): Release {
  const { token, verified: _, ...rest } = order;
  if (!token || order.unreadable !== undefined || isRepeated(release, order)) return obey(release, kind, rest, now);
  return { ...release, unverified: [...(release.unverified ?? []), { kind, order: { ...rest, token } }] };
}

function verified(release: Release, { orders, actors, now }: Extract<Event, { type: 'verified' }>): Release {
  const left = (release.unverified ?? []).filter((one) => !orders.includes(one));
  return orders.reduce<Release>(
    (state, { kind, order: { token: _token, ...rest } }, index) => {
      // The same order, sent twice before anybody had looked at its token.
      if (isRepeated(state, rest)) return state;
      const actor = actors[index] ?? { refused: 'nobody looked at the token' };
      if ('refused' in actor) return refuse(state, kind, rest, now, actor.refused);
      if (state.usedTokens?.includes(actor.id))
        return refuse(state, kind, rest, now, 'this token has been used already');
      const used = [...(state.usedTokens ?? []), actor.id].slice(-seenLimit(release));
      return obey({ ...state, usedTokens: used }, kind, { ...rest, by: actor.subject, verified: true }, now);
    },
    { ...release, unverified: left },
  );
}

function hinted(release: Release, { hint }: Extract<Event, { type: 'hinted' }>): Release {
  // An id that is none tells no two hints apart.
  const id = release.rules < 4 || typeof hint?.eventId === 'string' ? hint?.eventId : undefined;
  if (id !== undefined && release.seen.includes(id)) return release;
  const seen = id === undefined ? release.seen : [...release.seen, id].slice(-seenLimit(release));
  // A change is a reason to try again what could not be done before it.
  return { ...release, hinted: release.hinted + 1, seen, holdUntil: 0, repaired: undefined };
}

/** The first look of a run finds out where the Canary stands; later ones see what has changed. */
function looked(release: Release, observation: Observation, answered: number, now: number): Release {
  const { canary } = observation;
  const next: Release = {
    ...release,
    observation,
    unreadySince: unreadySince(release, observation, now),
    answered,
    stale: false,
    lookedAt: now,
    // Of a Canary that is gone, the run that saw it go is kept too.
    ...(canary ? { archives: canary.settings.archives ?? false } : {}),
  };
  if (!canary) return next;
  const grown = provenReplicas(next, observation);
  if (release.observation) return { ...next, provenReplicas: grown };
  const { status } = canary;
  const { intervalMs } = canary.settings.analysis;
  const weights = weightsInForce(canary.settings, status, observation.routes, release.rules);
  const begun: Release = {
    ...next,
    status,
    weights,
    weighedAt: now,
    // Whoever put this weight in force is gone with its clock: the weight is judged after a whole interval (Q2).
    dueAt: isAnalysing(status.phase) && release.dueAt === 0 ? now + intervalMs : Math.max(release.dueAt, now),
    opened: isUnderTest({ weights, status }),
    provenReplicas: grown,
    repairing: wasRepairing(status, observation),
    drainUntil: status.phase === 'Finalising' ? now + canary.settings.drainMs : 0,
  };
  return begun.early.reduce<Release>((state, { kind, order }) => obey(state, kind, order, now), {
    ...begun,
    early: [],
  });
}

/** Remembers since when nothing could be done. */
function frozen(release: Release, now: number): Release {
  const { frozenSince, rules, observation, stall } = release;
  const isFrozen =
    observation?.problem !== undefined || stall !== undefined || (rules >= 4 && heldUp(release, now) !== undefined);
  return { ...release, frozenSince: isFrozen ? (frozenSince ?? now) : undefined };
}

/** A release that finds a primary beyond hope, and no traffic there to lose, is there to mend it, whoever began it. */
function wasRepairing({ phase, canaryWeight }: CanaryStatus, { primary }: Observation): boolean {
  if (!isAnalysing(phase) || canaryWeight === 0) return false;
  if (!primary || primary.readiness.ready || primary.readiness.retriable) return false;
  return canaryWeight === 100 || primary.available === 0;
}

function provenReplicas(release: Release, { target }: Observation): number {
  return target?.readiness.ready ? Math.max(release.provenReplicas, target.available) : release.provenReplicas;
}

function analysed(release: Release, event: Extract<Event, { type: 'analysed' }>): Release {
  const observation = compatible(event.observation);
  const next = looked(release, observation, event.answered, event.now);
  const settings = observation.canary?.settings;
  // Nothing was examined: what stood in the way is decided on, and told, as at any other tick.
  if (!settings || !event.examination) return { ...next, ticked: true };
  const { hooks, readings } = event.examination;
  const verdict = judge(names(next, settings), settings.analysis.metrics, hooks, readings);
  const inconclusive = verdict.outcome === 'inconclusive' ? next.inconclusive + 1 : 0;
  const judged: Release = { ...withVerdict(next, verdict), inconclusive, ticked: false };
  // What is good enough to go on, while people keep it from going on, is judged again at the next tick.
  const isHeld = judged.paused !== undefined || awaitsPeople(judged, event.now);
  return verdict.outcome === 'pass' && isHeld ? passOver(judged, event.now) : judged;
}

/** What was found out about the canary, or what kept it from being found out. */
function withVerdict(release: Release, verdict: Verdict): Release {
  if (verdict.outcome === 'pass') return { ...release, verdict, trouble: undefined };
  const { message, check, trouble } = verdict;
  return {
    ...release,
    verdict,
    failedCheck: check,
    trouble: trouble !== undefined && release.rules >= 4 ? { reason: trouble, message } : undefined,
  };
}

function hooksCalled(release: Release, { moment, answers, now }: Extract<Event, { type: 'hooks-called' }>): Release {
  const settings = release.observation?.canary?.settings;
  if (!settings) return release;
  const asked = { ...release.asked, [moment]: answers };
  const refused = answers.find(({ error }) => error !== undefined);
  const passed = answers.filter(({ error }) => error === undefined);
  const tell = (state: Release, ...drafts: EventDraft[]): Release => ({
    ...state,
    untold: [...state.untold, ...drafts.map((draft): EventRecord => ({ ...draft, scope: release.id }))],
  });
  const next = { ...release, asked };
  switch (moment) {
    case 'confirm-rollout':
      return refused
        ? closedGate(tell(next, ...passed.map(passedText('Confirm-rollout'))), moment, refused.name, now)
        : tell(next, ...passed.map(passedText('Confirm-rollout')));
    case 'confirm-traffic-increase': {
      const starting = release.opened ? [] : [normal(`Starting canary analysis for ${targetName(release, settings)}`)];
      const told = tell({ ...next, opened: true }, ...starting, ...passed.map(passedText('Confirm-traffic-increase')));
      return refused ? closedGate(told, moment, refused.name, now) : forget(told, 'traffic gate closed');
    }
    case 'confirm-promotion': {
      const told = tell(next, ...passed.map(passedText('Confirm-promotion')));
      return refused ? closedGate(told, moment, refused.name, now) : told;
    }
    case 'pre-rollout': {
      const told = tell({ ...next, opening: false }, ...passed.map(passedText('Pre-rollout')));
      if (!refused) return { ...told, opened: true, trouble: undefined };
      return withVerdict(told, hookFailed(names(release, settings), 'pre-rollout', refused));
    }
    case 'rollback':
      return tell(
        next,
        ...answers
          .filter(({ error }) => error !== undefined)
          .map(({ name }) => normal(`Rollback hook ${name} not signaling a rollback`)),
      );
    case 'post-rollout':
      return release.ending ? { ...next, ending: { ...release.ending, stage: 'tell', answers } } : next;
    case 'rollout':
    case 'event':
      return next;
  }
}

const passedText = (word: string) => (answer: { readonly name: string }) =>
  normal(`${word} check ${answer.name} passed`);

/** A closed gate is told once, when the release begins to wait for it, and asked again at every tick. */
function closedGate(release: Release, gate: Held['gate'], hook: string, now: number): Release {
  const { phase } = release.status;
  const strategy = release.observation?.canary?.settings.analysis.strategy;
  const silent =
    (gate === 'confirm-rollout' && phase === 'Waiting') ||
    (gate === 'confirm-promotion' && phase === 'WaitingPromotion' && strategy === 'canary');
  return silent ? passOver(release, now) : { ...release, verdict: { outcome: 'held', gate, hook } };
}

function forget(release: Release, key: string): Release {
  return { ...release, toldOnce: release.toldOnce.filter((told) => told !== key) };
}

function woke(release: Release, now: number): Release {
  if (now < release.dueAt) {
    return { ...release, stale: release.stale || (now >= release.holdUntil && release.holdUntil > 0) };
  }
  const settings = release.observation?.canary?.settings;
  const { status, observation } = release;
  // An examination begins with a look of its own; every other tick needs one.
  const looksAnyway =
    isAnalysing(status.phase) &&
    isUnderTest(release) &&
    observation?.target?.readiness.ready === true &&
    settings !== undefined &&
    hookCalls(settings, 'rollback', 'Progressing').length === 0;
  return { ...release, ticked: true, asked: {}, holdUntil: 0, stale: release.stale || !looksAnyway };
}

/** Something could not be done within its budget. The release holds where it is, says so, and tries again. */
function failed(release: Release, event: Extract<Event, { type: 'failed' }>): Release {
  const { action, message, overtaken, now } = event;
  if (action.type === 'notify') {
    // People who cannot be reached must not hold up a release; its own events tell the same.
    return { ...release, notices: release.notices.filter((notice) => !action.notices.includes(notice)) };
  }
  // The history itself is still there for as long as Temporal keeps it.
  if (action.type === 'archive') return { ...release, archived: release.turn };
  if (action.type === 'verify') {
    const actors = action.orders.map(() => ({ refused: `the token could not be verified: ${message}` }));
    return verified(release, { type: 'verified', orders: action.orders, actors, now });
  }
  const intervalMs = release.observation?.canary?.settings.analysis.intervalMs ?? 60_000;
  const told: EventRecord = { ...warning(message), scope: release.id };
  return {
    ...release,
    stale: true,
    holdUntil: overtaken ? 0 : now + intervalMs,
    quietUntil: action.type === 'carry-out' ? now + intervalMs : release.quietUntil,
    untold: release.untold.some((event) => event.message === message) ? release.untold : [...release.untold, told],
  };
}
