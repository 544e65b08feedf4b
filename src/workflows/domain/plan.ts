import type { CanaryStatus, Cookies, HookType, Phase, Weights } from './observation.ts';

/**
 * Writes that belong together, in order. They are carried out one after another and stop at the first that fails.
 * Each is safe to repeat, so a plan that was cut short is simply carried out again.
 */
export interface Plan {
  /** What the plan is for; the name under which it appears in workflow history. */
  readonly verb: Verb;
  /** One sentence for people: the summary of the activity. */
  readonly summary: string;
  readonly steps: readonly Step[];
}

/**
 * Milliseconds after which Temporal gives up on an attempt to carry out a plan and begins another. An attempt that was
 * frozen for longer, with its whole process, must not go on as if nothing had happened since.
 */
export const planTimeoutMs = 30_000;

/** Names of plans, which are also activity names, so that a history reads like the event list. */
export const verbs = [
  'initialize', // create what a new Canary needs
  'repair', // put generated objects back as they should be
  'scaleUp', // begin a release
  'shiftTraffic', // move weights
  'promote', // copy the canary's template to the primary
  'finish', // scale the canary down and close the books
  'rollBack', // all traffic to the primary; never gives up
  'tell', // status and events only
  'revert', // give the target back what was its own, before the Canary goes
] as const;

export type Verb = (typeof verbs)[number];

export type Step =
  /** The canary and primary Services. */
  | { readonly do: 'ensure-services' }
  /** The primary workload, created from the last promoted template, or the target's when nothing was promoted yet. */
  | { readonly do: 'ensure-primary' }
  /**
   * The primary's autoscaler, if the Canary names one: `create` leaves an existing one alone, `update` copies changes.
   * `floor` is the number of replicas below which it must not go while a promotion lasts, and 0 ends that; without it
   * whatever was asked for last stays in force.
   */
  | { readonly do: 'ensure-autoscaler'; readonly mode: 'create' | 'update'; readonly floor?: number }
  /** The apex Service, which selects the primary's pods. */
  | { readonly do: 'ensure-apex' }
  /** The mesh objects, with these weights. */
  | { readonly do: 'ensure-routes'; readonly weights: Weights; readonly cookies?: Cookies }
  | { readonly do: 'set-weights'; readonly weights: Weights; readonly cookies?: Cookies }
  /** `zero` parks the target and its autoscaler, `up` brings it to the capacity a release starts with. */
  | { readonly do: 'scale-target'; readonly to: 'zero' | 'up' }
  /**
   * Copies the target's template to the primary, provided its hash still is `revision`; otherwise fails with
   * `Conflict` and changes nothing. With an autoscaler the primary keeps its replicas, and has at least `replicas`.
   */
  | { readonly do: 'promote'; readonly revision: string; readonly replicas?: number }
  /** Writes these fields of `Canary.status`, if they differ, with the condition that belongs to the phase. */
  | { readonly do: 'write-status'; readonly status: StatusPatch }
  | { readonly do: 'record-event'; readonly event: EventRecord }
  /** The target's autoscaler goes on, and the target gets the replicas that the primary has. */
  | { readonly do: 'revert-target' }
  /** The apex Service selects the target's pods again, unless it goes away with the Canary. */
  | { readonly do: 'revert-apex' }
  /** The mesh objects become what they were before the Canary, where that is known. */
  | { readonly do: 'revert-routes' }
  | { readonly do: 'set-finalizer'; readonly present: boolean };

export interface StatusPatch extends Partial<CanaryStatus> {
  /** The `Promoted` condition that goes with a phase. */
  readonly condition?: Condition;
  /** The `Stalled` condition: set it to this, or remove it (null). Absent leaves it alone. */
  readonly stalled?: { readonly reason: string; readonly message: string } | null;
  /** The message of the `Warning` condition, which holds nothing up; null and absent as above. */
  readonly warned?: string | null;
}

export interface Condition {
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: Phase;
  readonly message: string;
}

/** A core/v1 Event on the Canary, reason `Synced`. */
export interface EventRecord {
  readonly type: 'Normal' | 'Warning';
  readonly message: string;
  /**
   * The story this event belongs to: one release, or one generation of a spec that cannot be acted on. The same
   * message told again within it raises the count of one Event; elsewhere it is an Event of its own.
   */
  readonly scope: string;
  /** Told only if the story has not told it yet; its count stays 1. */
  readonly once?: true;
}

/** How a plan went. Nothing here means it was carried out whole. */
export interface PlanFailure {
  /** Index of the step that failed; the ones before it were done. */
  readonly step: number;
  /** A failure type of `errors.ts`. */
  readonly reason: string;
  /** The whole text of the Warning event. */
  readonly message: string;
}

/** One hook to call. */
export interface HookCall {
  readonly name: string;
  readonly type: HookType;
  /** Phase in the payload. */
  readonly phase: Phase;
}

export interface HookAnswer {
  readonly name: string;
  readonly type: HookType;
  /** Absent when the receiver said yes: a status of 202 or below. */
  readonly error?: string;
}

/** Whose token it was, or why nobody's. */
export type Verified =
  | {
      readonly subject: string;
      /** Tells this token from others, and gives nothing of it away. */
      readonly id: string;
    }
  | { readonly refused: string };

/** What one metric check read. Times are in milliseconds. */
export type Reading = {
  readonly name: string;
  /** What was asked, on one line and cut where it is long. Absent when nothing was. */
  readonly query?: string;
} & (
  | { readonly value: number }
  | {
      /**
       * `no-values`: the provider answered, with nothing. `unavailable`: no answer could be had. `unusable`: the check
       * itself is wrong, and `error` is the whole text to tell.
       */
      readonly failure: 'no-values' | 'unavailable' | 'unusable';
      readonly error: string;
    }
);

/** A check that did not pass, as people are told of it: a metric, or a hook. Numbers are as events write them. */
export interface FailedCheck {
  readonly name: string;
  readonly value?: string;
  /** Inclusive bounds of the value. */
  readonly min?: string;
  readonly max?: string;
  readonly error?: string;
  /** What was asked, on one line and cut where it is long. */
  readonly query?: string;
}

/** A message for people outside the cluster: an alert, or an event for event webhooks. Sent at least once. */
export type Notice =
  | {
      readonly kind: 'alert';
      readonly id: string;
      readonly severity: 'info' | 'warn' | 'error';
      readonly message: string;
      readonly meta: boolean;
      /** The check that led to it. */
      readonly check?: FailedCheck;
    }
  | {
      readonly kind: 'event';
      readonly id: string;
      readonly type: 'Normal' | 'Warning';
      readonly message: string;
      readonly phase: Phase;
      /** Milliseconds since the epoch. */
      readonly at: number;
    };
