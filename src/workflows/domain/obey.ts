import { notToDecide, rejectedGate, vote } from './approvals.ts';
import { passOver } from './ticks.ts';
import { isAnalysing } from './phases.ts';
import { revisionInFlight } from './names.ts';
import { normal, warning } from './plans.ts';
import { effectiveMaxWeight, isUnderTest } from './steps.ts';
import type { EventRecord } from './plan.ts';
import type { Order, OrderAnswer, OrderKind } from './orders.ts';
import type { EventDraft, Release } from './state.ts';

/** Why this order cannot be followed now, or undefined when it can. */
export function refusal(release: Release, kind: OrderKind, order: Order): string | undefined {
  const { status, observation } = release;
  if (isRepeated(release, order)) return undefined;
  if (!observation) return 'the release has only just begun; ask again in a moment';
  if (!observation.canary) return 'the Canary no longer exists';
  if (order.unreadable !== undefined) return order.unreadable;
  const revision = revisionInFlight(release);
  if (order.revision !== undefined && order.revision !== revision) {
    return `the order is about revision ${order.revision}, the release about ${revision || 'none yet'}`;
  }
  if (observation.canary.settings.verifiesActors && mustBeVerified.has(kind) && !order.verified && !order.token) {
    return `${kind} needs to know for sure who asks: send a signed token with it`;
  }
  if (kind === 'retry') return notToRetry(release);
  if (release.ending) return `the release is ending already: ${release.ending.because}`;
  if (status.phase === 'Promoting' || status.phase === 'Finalising' || release.copied !== undefined) {
    return `the promotion has begun: the primary already runs revision ${status.lastAppliedSpec}`;
  }
  switch (kind) {
    case 'pause':
      return analysisOnly(release, kind);
    case 'resume':
      return release.paused ? undefined : 'the release is not paused';
    case 'promote':
      return analysisOnly(release, kind) ?? notReady(release);
    case 'set-weight':
      return analysisOnly(release, kind) ?? notReady(release) ?? notAWeight(release, order.weight);
    case 'skip-step':
      return analysisOnly(release, kind) ?? notReady(release) ?? notToSkip(release);
    case 'approve':
    case 'reject':
      return notToDecide(release, kind, order);
    case 'abort':
      return status.phase === 'Waiting' ? undefined : analysisOnly(release, kind);
  }
}

/** Orders that let a revision go on. */
const mustBeVerified: ReadonlySet<OrderKind> = new Set(['approve', 'promote']);

function notReady({ observation }: Release): string | undefined {
  return observation?.target?.readiness.ready === false ? 'the canary is not ready' : undefined;
}

/** Within the strategy's bounds: what it could come to by itself. */
function notAWeight({ observation, status, weights }: Release, weight: number | undefined): string | undefined {
  const analysis = observation?.canary?.settings.analysis;
  if (analysis?.strategy !== 'canary') return `there are no weights to set in ${analysis?.strategy ?? 'this strategy'}`;
  if (status.phase === 'WaitingPromotion') return 'all steps are done, and the promotion waits for approval';
  const max = effectiveMaxWeight(analysis);
  if (weight === undefined || !Number.isInteger(weight) || weight < 1 || weight > max) {
    return `weight has to be a whole number from 1 to ${max}, the maximum of the analysis`;
  }
  return weight === weights.canary && !weights.mirrored ? `the canary has ${weight} percent already` : undefined;
}

function notToSkip(release: Release): string | undefined {
  if (release.paused) return `the release is paused by ${release.paused.by ?? 'someone'}; resume it first`;
  if (release.status.phase === 'WaitingPromotion') return 'all steps are done, and the promotion waits for approval';
  return isUnderTest(release) ? undefined : 'the canary gets no traffic yet: there is no step to skip';
}

/** Only what failed can be tried again; anything else begins by itself, or has been promoted. */
function notToRetry({ status, observation, ending }: Release): string | undefined {
  if (ending || status.phase !== 'Failed') {
    return `there is nothing to retry: the Canary is ${status.phase || 'not initialized'}`;
  }
  if (observation?.canary?.settings.suspend) return 'the Canary is suspended';
  const { target } = observation ?? {};
  if (target?.revision === status.lastPromotedSpec) return 'the target is back at the promoted revision';
  return undefined;
}

function analysisOnly({ status }: Release, kind: OrderKind): string | undefined {
  return isAnalysing(status.phase)
    ? undefined
    : `there is nothing to ${kind}: the Canary is ${status.phase || 'not initialized'}`;
}

/** Follows an order, or says why not. Either way it leaves an event. */
export function obey(release: Release, kind: OrderKind, order: Order, now: number): Release {
  if (isRepeated(release, order)) return release;
  if (!release.observation) return { ...release, early: [...release.early, { kind, order }] };
  const no = refusal(release, kind, order);
  const by = nameOf(order);
  const because = order.reason ? `: ${order.reason}` : '';
  if (no !== undefined) return refuse(release, kind, order, now, no);
  const accepted = { ...order, at: now };
  const known: Release = {
    ...answered(release, kind, order, now),
    // The oldest ids are forgotten: an order is repeated within minutes or never.
    orderIds: order.id === undefined ? release.orderIds : [...release.orderIds, order.id].slice(-100),
    holdUntil: 0,
  };
  switch (kind) {
    case 'pause': {
      if (known.paused) return known;
      const paused = { ...known, paused: accepted };
      const held = paused.verdict?.outcome === 'pass' ? passOver(paused, now) : paused;
      return tell(held, normal(`Paused by ${by} at weight ${release.weights.canary}${because}`));
    }
    case 'resume':
      return tell(resumed(known, now), normal(`Resumed by ${by}${because}`));
    case 'promote':
      return tell(
        { ...known, promoted: accepted, paused: undefined },
        normal(
          `Promotion ordered by ${by} at weight ${release.weights.canary}${order.force ? ', past closed gates' : ''}${because}`,
        ),
      );
    case 'set-weight':
      return tell({ ...known, reweighed: accepted }, normal(`Weight ${order.weight} ordered by ${by}${because}`));
    case 'skip-step':
      return tell(
        { ...known, skipped: accepted },
        normal(`Step skipped by ${by} at weight ${release.weights.canary}${because}`),
      );
    case 'approve': {
      const counted = vote(known, order, now);
      return tell(hurried(counted.release, now), normal(counted.told));
    }
    case 'reject':
      return { ...known, rejected: { ...accepted, gate: rejectedGate(known, order) }, paused: undefined };
    case 'retry':
      // A run is one story: the one that follows tells of it.
      if (release.ended) return { ...known, retried: accepted };
      return tell({ ...known, retried: accepted }, normal(`Retry ordered by ${by}${because}`));
    case 'abort':
      return { ...known, aborted: accepted, paused: undefined };
  }
}

/** Does not follow an order, and says so. */
export function refuse(release: Release, kind: OrderKind, order: Order, now: number, why: string): Release {
  const event = warning(`Order ${kind} by ${nameOf(order)} refused: ${why}`);
  return tell(answered(release, kind, order, now, why), event);
}

function nameOf({ by, verified }: Order): string {
  return `${by ?? 'someone'}${verified ? ' (verified)' : ''}`;
}

/** Where an accepted order waits to be followed. */
const places = {
  abort: 'aborted',
  reject: 'rejected',
  promote: 'promoted',
  'set-weight': 'reweighed',
  'skip-step': 'skipped',
} as const;

/** Accepted orders of these kinds, if there are any, can no longer be followed: they are dropped, and events say why. */
export function unheeded(release: Release, kinds: readonly (keyof typeof places)[], why: string): Release {
  return kinds.reduce((state, kind) => {
    const accepted = state[places[kind]];
    if (!accepted) return state;
    const told = tell(state, warning(`Order ${kind} by ${nameOf(accepted)} could not be followed: ${why}`));
    return { ...told, [places[kind]]: undefined };
  }, release);
}

/** Answers that are kept for whoever asks: an order is asked about within seconds. */
const answersKept = 20;

/** Remembers what became of an order, for whoever asks by its id. */
function answered(release: Release, kind: OrderKind, { id }: Order, at: number, refused?: string): Release {
  if (id === undefined) return release;
  const answer: OrderAnswer = { id, kind, at, ...(refused === undefined ? {} : { refused }) };
  return { ...release, answers: [...(release.answers ?? []), answer].slice(-answersKept) };
}

function resumed(release: Release, now: number): Release {
  return { ...hurried(release, now), paused: undefined };
}

/** The next judgment is due at once, but never before the weight has been in force for a whole interval. */
function hurried(release: Release, now: number): Release {
  const intervalMs = release.observation?.canary?.settings.analysis.intervalMs ?? 0;
  const earliest = release.weighedAt + intervalMs;
  return { ...release, dueAt: Math.max(Math.min(release.dueAt, now), earliest) };
}

export function isRepeated(release: Release, order: Order): boolean {
  return order.id !== undefined && release.orderIds.includes(order.id);
}

function tell(release: Release, draft: EventDraft): Release {
  const event: EventRecord = { ...draft, scope: release.id };
  return { ...release, untold: [...release.untold, event] };
}
