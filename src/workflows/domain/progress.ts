import { revisionInFlight } from './names.ts';
import { deadlineOf, pendingApprovals, type PendingApproval } from './approvals.ts';
import type { Approval, Moment, Phase } from './observation.ts';
import type { OrderAnswer } from './orders.ts';
import type { Action, Release, Vote } from './state.ts';

/** What a release does now, for machines and for the answer to an order. */
export interface Progress {
  readonly phase: Phase;
  readonly revision: string;
  /** Percent. */
  readonly canaryWeight: number;
  readonly failedChecks: number;
  readonly threshold: number;
  readonly paused: boolean;
  /** Who has approved what so far, and who else may. Absent when nobody is asked. */
  readonly approvals?: readonly ApprovalProgress[];
  /** What became of the latest orders that had an id, newest last. */
  readonly orders: readonly OrderAnswer[];
  /** In plain words. */
  readonly doing: string;
}

export interface ApprovalProgress {
  readonly name: string;
  readonly before: Moment;
  readonly quorum: number;
  readonly votes: readonly Vote[];
  /** Empty for everybody. */
  readonly approvers: readonly string[];
  /** ISO 8601. Absent when people may take as long as they like. */
  readonly deadline?: string;
  /** What their silence means then. */
  readonly otherwise: Approval['otherwise'];
}

export function progress(release: Release, doing: string): Progress {
  const { status, weights, observation } = release;
  const approvals = pendingApprovals(release).map(waitedFor);
  return {
    phase: status.phase,
    revision: revisionInFlight(release),
    canaryWeight: weights.canary,
    failedChecks: status.failedChecks,
    threshold: observation?.canary?.settings.analysis.threshold ?? 0,
    paused: release.paused !== undefined,
    ...(approvals.length > 0 ? { approvals } : {}),
    orders: release.answers ?? [],
    doing,
  };
}

function waitedFor({ approval, asked }: PendingApproval): ApprovalProgress {
  const { name, before, quorum, approvers, otherwise } = approval;
  const until = deadlineOf(approval, asked);
  const deadline = until === Infinity ? {} : { deadline: new Date(until).toISOString() };
  return { name, before, quorum, votes: asked.votes, approvers, ...deadline, otherwise };
}

/** An action in one plain sentence. */
export function describe(action: Action): string {
  switch (action.type) {
    case 'look':
    case 'analyse':
    case 'call-hooks':
    case 'notify':
    case 'verify':
    case 'archive':
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
