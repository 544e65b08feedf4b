import { passOver } from './ticks.ts';
import { isAnalysing } from './phases.ts';
import { revisionInFlight } from './names.ts';
import { normal, warning } from './plans.ts';
import type { EventRecord } from './plan.ts';
import type { Order, OrderKind } from './orders.ts';
import type { EventDraft, Release } from './state.ts';

/** Why this order cannot be followed now, or undefined when it can. */
export function refusal(release: Release, kind: OrderKind, order: Order): string | undefined {
  const { status, observation } = release;
  if (isRepeated(release, order)) return undefined;
  if (!observation) return 'the release has only just begun; ask again in a moment';
  if (!observation.canary) return 'the Canary no longer exists';
  const revision = revisionInFlight(release);
  if (order.revision !== undefined && order.revision !== revision) {
    return `the order is about revision ${order.revision}, the release about ${revision || 'none yet'}`;
  }
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
      return release.observation?.target?.readiness.ready === false && isAnalysing(status.phase)
        ? 'the canary is not ready'
        : isAnalysing(status.phase)
          ? undefined
          : analysisOnly(release, kind);
    case 'abort':
      return status.phase === 'Waiting' ? undefined : analysisOnly(release, kind);
  }
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
  const by = order.by ?? 'someone';
  const because = order.reason ? `: ${order.reason}` : '';
  if (no !== undefined) return tell(release, warning(`Order ${kind} by ${by} refused: ${no}`));
  const accepted = { ...order, at: now };
  const known: Release = {
    ...release,
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
        normal(`Promotion ordered by ${by} at weight ${release.weights.canary}${because}`),
      );
    case 'abort':
      return { ...known, aborted: accepted, paused: undefined };
  }
}

/** An accepted order of this kind, if there is one, can no longer be followed: it is dropped, and an event says why. */
export function unheeded(release: Release, kind: 'abort' | 'promote', why: string): Release {
  const accepted = kind === 'abort' ? release.aborted : release.promoted;
  if (!accepted) return release;
  const told = tell(release, warning(`Order ${kind} by ${accepted.by ?? 'someone'} could not be followed: ${why}`));
  return kind === 'abort' ? { ...told, aborted: undefined } : { ...told, promoted: undefined };
}

/** The next judgment is due at once, but never before the weight has been in force for a whole interval. */
function resumed(release: Release, now: number): Release {
  const intervalMs = release.observation?.canary?.settings.analysis.intervalMs ?? 0;
  const earliest = release.weighedAt + intervalMs;
  return { ...release, paused: undefined, dueAt: Math.max(Math.min(release.dueAt, now), earliest) };
}

function isRepeated(release: Release, order: Order): boolean {
  return order.id !== undefined && release.orderIds.includes(order.id);
}

function tell(release: Release, draft: EventDraft): Release {
  const event: EventRecord = { ...draft, scope: release.id };
  return { ...release, untold: [...release.untold, event] };
}
