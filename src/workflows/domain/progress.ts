import { revisionInFlight } from './names.ts';
import type { Phase } from './observation.ts';
import type { OrderAnswer } from './orders.ts';
import type { Action, Release } from './state.ts';

/** What a release does now, for machines and for the answer to an order. */
export interface Progress {
  readonly phase: Phase;
  readonly revision: string;
  /** Percent. */
  readonly canaryWeight: number;
  readonly failedChecks: number;
  readonly threshold: number;
  readonly paused: boolean;
  /** What became of the latest orders that had an id, newest last. */
  readonly orders: readonly OrderAnswer[];
  /** In plain words. */
  readonly doing: string;
}

export function progress(release: Release, doing: string): Progress {
  const { status, weights, observation } = release;
  return {
    phase: status.phase,
    revision: revisionInFlight(release),
    canaryWeight: weights.canary,
    failedChecks: status.failedChecks,
    threshold: observation?.canary?.settings.analysis.threshold ?? 0,
    paused: release.paused !== undefined,
    orders: release.answers ?? [],
    doing,
  };
}

/** An action in one plain sentence. */
export function describe(action: Action): string {
  switch (action.type) {
    case 'look':
    case 'analyse':
    case 'call-hooks':
    case 'notify':
    case 'wait':
      return action.why;
    case 'carry-out':
      return action.plan.summary;
    case 'start-over':
      return 'begins again with a newer revision';
    case 'rest':
      return 'nothing left to do';
  }
}
