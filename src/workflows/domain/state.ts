import type { Verdict } from './analysis.ts';
import type { CanaryStatus, HookType, Observation, Problem, Weights } from './observation.ts';
import type { Hint, Order, OrderAnswer, OrderKind } from './orders.ts';
import type { UnreadySince } from './overdue.ts';
import type {
  EventRecord,
  FailedCheck,
  HookAnswer,
  HookCall,
  Notice,
  Plan,
  PlanFailure,
  Reading,
  Verified,
} from './plan.ts';

/**
 * What the rules have come to. 2: messages are sent while the release goes on, and what is due is done though hints keep
 * coming. 3: a canary with traffic that waits for a gate is judged meanwhile, whatever was ordered. 4: messages are taken
 * for what they are, whatever was written into them; whoever gets alerts hears of everything that holds a release up; checks
 * that cannot be made are a condition; blue/green never promotes without the switch; the deadline of a DaemonSet runs from
 * when it was seen ready last; more ids of hints and tokens are remembered.
 */
export type Rules = 1 | 2 | 3 | 4;

/**
 * A release in flight: everything that must survive a restart, as plain JSON. `decide` reads it, `evolve` makes the next
 * one, and nothing else does.
 */
export interface Release {
  /** Version of the rules this release was begun under; later versions of `decide` keep honouring it. */
  readonly rules: Rules;
  /** Names this release in events, and its notices. */
  readonly id: string;
  readonly canary: { readonly namespace: string; readonly name: string };
  /** Events evolved so far; numbers notices. */
  readonly turn: number;

  /** Hints received, and how many of them the last look has answered. */
  readonly hinted: number;
  readonly answered: number;
  /** Ids of hints already counted, newest last, bounded. */
  readonly seen: readonly string[];
  /** The world as last seen. */
  readonly observation?: Observation;
  /** An action has changed the world since `observation`. */
  readonly stale: boolean;
  /** Milliseconds since the epoch of the last look. */
  readonly lookedAt: number;

  /** Status as this release last read or wrote it. */
  readonly status: CanaryStatus;
  /** Weights this release stands for: what it set, or found in the status when it began. */
  readonly weights: Weights;
  /** When those weights, or an iteration with them, came into force, in milliseconds since the epoch. */
  readonly weighedAt: number;
  /** The next tick, in milliseconds since the epoch: a judgment, a retry, another ask of a gate. */
  readonly dueAt: number;
  /** A tick came and what it has to say was not yet told. */
  readonly ticked: boolean;

  /** Revision for which the primary was prepared while initializing. */
  readonly prepared?: string;
  /** The pre-rollout hooks of this revision have passed. */
  readonly opened: boolean;
  /** `Starting canary analysis` was told at this tick, and the pre-rollout hooks are next. */
  readonly opening: boolean;
  /** What the last examination or gate of this tick came to, until it has been acted on. */
  readonly verdict?: Verdict | Held;
  /** The last check of this revision that did not pass, for the people who are told when that ends the release. */
  readonly failedCheck?: FailedCheck;
  /** What keeps checks from being made, for the `Stalled` condition: until one has been made. */
  readonly trouble?: Problem;
  /** Checks without a verdict, in a row. */
  readonly inconclusive: number;
  /** Answers of the gates and hooks asked at this tick. */
  readonly asked: Readonly<Partial<Record<HookType, readonly HookAnswer[]>>>;
  /** The run that began repairs a failed promotion: the canary has all traffic and goes straight to promotion. */
  readonly repairing: boolean;
  /** Most replicas this revision has been seen ready with. */
  readonly provenReplicas: number;
  /** Since when this revision, and the primary that runs what it runs, have not been ready. */
  readonly unreadySince?: UnreadySince;
  /** Replicas below which the primary's autoscaler must not go now, also when somebody makes it anew; 0 when it decides alone. */
  readonly floor?: number;
  /** Until when the data plane is given time to hear of the last change of routes. */
  readonly drainUntil: number;
  /** How this release is being ended. */
  readonly ending?: Ending;
  /** What a Canary that is being deleted has given back so far. */
  readonly reverted?: 'target' | 'traffic';
  /** A release has ended in this run. */
  readonly ended?: Ended;
  /** The run is to be continued as a new one, for a newer revision. */
  readonly superseded: boolean;
  /** What drift was repaired last in this run, so that a repair that does not hold is not repeated for ever. */
  readonly repaired?: string;

  readonly paused?: Accepted;
  readonly aborted?: Accepted;
  readonly promoted?: Accepted;
  /** A weight that was asked for and has not come into force. */
  readonly reweighed?: Accepted;
  /** The rest of the present step is not waited for. */
  readonly skipped?: Accepted;
  /** The revision that failed is to be released once more. */
  readonly retried?: Accepted;
  /** Somebody whose approval is asked for said no. */
  readonly rejected?: Accepted;
  /** Approvals that were asked for, by name. */
  readonly approvals?: Readonly<Record<string, AskedApproval>>;
  /** Orders with tokens that have not been looked at yet. */
  readonly unverified?: readonly Unverified[];
  /** Ids of tokens that orders were followed on: each is good for one. */
  readonly usedTokens?: readonly string[];
  /** Orders that came before the first look. */
  readonly early: readonly { readonly kind: OrderKind; readonly order: Order }[];
  readonly orderIds: readonly string[];
  /** What became of the latest orders, newest last. */
  readonly answers?: readonly OrderAnswer[];
  /** Events about orders, not yet recorded. */
  readonly untold: readonly EventRecord[];
  /** Messages for people outside, not yet sent. */
  readonly notices: readonly Notice[];
  /** The run has done something, and is worth keeping. */
  readonly acted?: true;
  /** What happens is to be kept in a sink, as the last look said. */
  readonly archives?: boolean;
  /** The turn at which all that had happened was kept. */
  readonly archived?: number;
  /** Things that are told once a release. */
  readonly toldOnce: readonly string[];
  /**
   * After an action could not be done: nothing before then, unless a message has come since that action was decided on.
   * Milliseconds since the epoch.
   */
  readonly holdUntil: number;
  /** What could not be told is not tried again before then, whatever comes. Milliseconds since the epoch. */
  readonly quietUntil: number;
  /** Why it could not, for the `Stalled` condition. */
  readonly stall?: {
    readonly reason: string;
    readonly message: string;
    readonly written: boolean;
    /** Events that its plan recorded before it was cut short. */
    readonly told: readonly string[];
  };
  /** Since when nothing could be done, one way or another. Milliseconds since the epoch. */
  readonly frozenSince?: number;
  /** Revision that was copied to the primary while the status does not say so yet. */
  readonly copied?: string;
}

/** A gate that said no. */
export interface Held {
  readonly outcome: 'held';
  readonly gate: 'confirm-rollout' | 'confirm-traffic-increase' | 'confirm-promotion';
  readonly hook: string;
}

/** What people were asked, and who has agreed. */
export interface AskedApproval {
  readonly revision: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** Of different people. */
  readonly votes: readonly Vote[];
  /** The deadline has passed, and this was told. */
  readonly overdue?: true;
}

export interface Vote {
  readonly by: string;
  /** Who it is was verified, and not just claimed. */
  readonly verified?: true;
  readonly reason?: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** An order that waits until its token has been verified. */
export interface Unverified {
  readonly kind: OrderKind;
  readonly order: Order & { readonly token: string };
}

/** An order that is being followed. */
export interface Accepted extends Order {
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/**
 * The way out of a release, stage by stage: traffic first, then time for the data plane, then workloads and status,
 * then the post-rollout hooks, then the last words.
 */
export interface Ending {
  readonly kind: 'rollback' | 'failed-promotion' | 'cancelled' | 'promoted';
  readonly stage: 'traffic' | 'close' | 'hooks' | 'tell';
  /** Why, in one line; ends up in the outcome of the run. */
  readonly because: string;
  /** Events that explain the ending, told with the traffic stage. */
  readonly reasons: readonly EventDraft[];
  readonly alerts: readonly AlertDraft[];
  readonly answers: readonly HookAnswer[];
  /** The revision that is given up. */
  readonly revision?: string;
}

export interface Ended {
  readonly kind: Ending['kind'] | 'initialized';
  readonly reason: string;
}

export interface EventDraft {
  readonly type: 'Normal' | 'Warning';
  readonly message: string;
}

export interface AlertDraft {
  readonly severity: 'info' | 'warn' | 'error';
  readonly message: string;
  readonly meta: boolean;
  readonly check?: FailedCheck;
}

/** What the workflow does next. */
export type Action =
  | { readonly type: 'look'; readonly metricsProviders: boolean; readonly why: string }
  | CarryOut
  | { readonly type: 'analyse'; readonly revision: string; readonly hooks: readonly HookCall[]; readonly why: string }
  | {
      readonly type: 'call-hooks';
      readonly moment: HookType;
      readonly hooks: readonly HookCall[];
      readonly until: 'first-no' | 'first-yes';
      readonly why: string;
    }
  | { readonly type: 'notify'; readonly notices: readonly Notice[]; readonly why: string }
  | { readonly type: 'verify'; readonly orders: readonly Unverified[]; readonly why: string }
  /** Keeps what has happened, before the run ends. A message makes it pointless. */
  | { readonly type: 'archive'; readonly why: string }
  /** Until a message comes, and no longer than `until`. */
  | { readonly type: 'wait'; readonly until?: number; readonly why: string; readonly isHeldUp?: true }
  | { readonly type: 'start-over' }
  | { readonly type: 'rest' };

export interface CarryOut {
  readonly type: 'carry-out';
  readonly plan: Plan;
  /** What it means for the release once it is done. */
  readonly then: Then;
  /** Sent once it is done. */
  readonly alerts: readonly AlertDraft[];
  /** How many events of `untold` it records first. */
  readonly tells?: number;
  /** The ending it belongs to. */
  readonly ending?: Ending;
  /** Marks something as told for the rest of this run. */
  readonly once?: string;
  /** Nothing but this can be done, however long, until the world changes. */
  readonly isHeldUp?: true;
  /** Names of approvals that people are asked for by it, and of those it says are overdue. */
  readonly people?: { readonly asked?: readonly string[]; readonly overdue?: readonly string[] };
}

export type Then =
  | 'prepared' // the primary has been created or refreshed
  | 'switched' // the apex and the routes point to the primary
  | 'initialised'
  | 'noted' // status or events only; the next decision follows from them
  | 'halted' // this tick has been told
  | 'failed-check' // this tick has been told, and counted
  | 'repaired'
  | 'started'
  | 'restarted'
  | 'opening'
  | 'shifted'
  | 'promoted'
  | 'returned' // a step of traffic back to the primary
  | 'way-out' // traffic as the ending wants it
  | 'closed' // workloads and status as the ending wants them
  | 'told' // the last words
  | 'reverting' // the target is getting its replicas back
  | 'reverted'; // and has its traffic back

/** What happened. */
export type Event =
  | { readonly type: 'hinted'; readonly hint: Hint; readonly now: number }
  | { readonly type: 'ordered'; readonly kind: OrderKind; readonly order: Order; readonly now: number }
  | { readonly type: 'looked'; readonly observation: Observation; readonly answered: number; readonly now: number }
  | {
      readonly type: 'carried-out';
      readonly action: CarryOut;
      readonly failure?: PlanFailure;
      /** A message came meanwhile, of which the plan knew nothing. */
      readonly overtaken?: boolean;
      readonly now: number;
    }
  | {
      readonly type: 'analysed';
      readonly observation: Observation;
      readonly answered: number;
      readonly examination?: { readonly hooks: readonly HookAnswer[]; readonly readings: readonly Reading[] };
      readonly now: number;
    }
  | {
      readonly type: 'hooks-called';
      readonly moment: HookType;
      readonly answers: readonly HookAnswer[];
      readonly now: number;
    }
  | { readonly type: 'notified'; readonly ids: readonly string[]; readonly now: number }
  /** Whose tokens these were, in the order in which they were asked about. */
  | {
      readonly type: 'verified';
      readonly orders: readonly Unverified[];
      readonly actors: readonly Verified[];
      readonly now: number;
    }
  | { readonly type: 'woke'; readonly now: number }
  | { readonly type: 'archived'; readonly now: number }
  /** An action was given up because a message made it pointless. */
  | { readonly type: 'interrupted'; readonly now: number }
  /** An action could not be performed within its budget. */
  | {
      readonly type: 'failed';
      readonly action: Action;
      readonly reason: string;
      readonly message: string;
      /** A message came meanwhile, of which the action knew nothing. */
      readonly overtaken?: boolean;
      readonly now: number;
    };

/** What a run comes to; shown as its result. */
export interface Outcome {
  readonly phase: CanaryStatus['phase'];
  readonly outcome:
    | 'promoted'
    | 'rolled back'
    | 'promotion failed'
    | 'cancelled'
    | 'initialized'
    | 'unchanged'
    | 'suspended'
    | 'held'
    | 'deleted';
  readonly revision: string;
  readonly reason: string;
}
