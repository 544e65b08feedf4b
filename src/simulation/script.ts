import type { CanaryStatus, Cookies, MetricCheck, Phase, Settings, Weights } from '../workflows/domain/observation.ts';
import type { Order, OrderKind } from '../workflows/domain/orders.ts';
import type { FailedCheck, HookCall, Step } from '../workflows/domain/plan.ts';
import type { Action, Outcome, Release } from '../workflows/domain/state.ts';

/** How pods of a revision behave. */
export interface Behaviour {
  /** Milliseconds from start to available; `never` for pods that do not become ready. */
  readonly readyAfterMs: number | 'never';
  /** What metric checks read while traffic reaches this revision, by check name; undefined is "no values". */
  readonly readings?: Readonly<Record<string, number | undefined>>;
  /** Its pods become ready as canary only; the primary never does. */
  readonly failsAsPrimary?: boolean;
  /** Why its pods are not ready, once the deadline has passed. */
  readonly cause?: string;
}

/** A world in which a release is played, without servers and without waiting. */
export interface Script {
  readonly settings: Settings;
  /** Default `prod/shop`. */
  readonly canary?: { readonly namespace: string; readonly name: string };
  /** What the target runs at the start. */
  readonly revision: string;
  readonly behaviour: (revision: string) => Behaviour;
  /** What a hook answers; undefined is yes, a text is a refusal. */
  readonly hook?: (call: HookCall, now: number, world: Readonly<State>) => string | undefined;
  /** What a check reads now of the revision that the target is at, where its behaviour does not say; undefined is "no values". */
  readonly reading?: (check: MetricCheck, now: number, revision: string) => number | undefined;
  /** Why readings cannot be had at this time; undefined when they can. */
  readonly metricsDown?: (now: number) => string | undefined;
  /** What happens from outside, at these milliseconds. */
  readonly acts?: readonly Act[];
  /** Where the play starts instead of a Canary that was just applied. */
  readonly start?: Partial<
    Pick<
      State,
      | 'status'
      | 'weights'
      | 'primaryRevision'
      | 'primaryReplicas'
      | 'primaryOurs'
      | 'targetReplicas'
      | 'deleting'
      | 'finalizer'
      | 'author'
      | 'unheeded'
      | 'warned'
    >
  >;
  /** Milliseconds after which the play is cut, in case it does not end. */
  readonly endMs?: number;
}

export interface Act {
  /** Milliseconds at which it happens; 0 when only `when` counts. */
  readonly atMs: number;
  /** Not before the release has come this far and waits or rests. Such acts happen in their order, one after another. */
  readonly when?: (world: Readonly<State>, linesSinceLastAct: readonly Line[]) => boolean;
  readonly do: (world: State) => void;
  /** Something that watches the cluster would see this, and hint. */
  readonly hints?: boolean;
  readonly order?: { readonly kind: OrderKind; readonly order: Order };
  /** A worker was lost: the release is begun again from what the cluster holds. */
  readonly forget?: boolean;
}

export interface State {
  now: number;
  settings: Settings;
  generation: number;
  deleted: boolean;
  targetMissing: boolean;
  targetRevision: string;
  /** Who made it, as the target says. */
  author: string | undefined;
  targetReplicas: number;
  targetReadyAt: number;
  targetSince: number;
  primaryRevision: string | undefined;
  primaryReplicas: number;
  /** The primary belongs to this Canary; one that was there before is not rewritten while initializing. */
  primaryOurs: boolean;
  primaryReadyAt: number;
  primarySince: number;
  routes: Weights | undefined;
  weights: Weights;
  cookies: Cookies | undefined;
  deleting: boolean;
  finalizer: boolean;
  status: CanaryStatus;
  /** The `Promoted` condition, as `<status>/<reason>`; '' before the first write. */
  condition: string;
  stalled: string | undefined;
  /** What of the spec cannot be read. */
  unheeded: string | undefined;
  /** Message of the `Warning` condition. */
  warned: string | undefined;
  drift: string[];
  /** Makes the next plan step of this kind fail. */
  breakStep: { do: Step['do']; reason: string; message: string } | undefined;
  primaryAvailable: boolean;
  /** The pods of the target are gone although it is scaled up. */
  targetDown: boolean;
  /** Pods that are missing on either side while the others serve. */
  primaryShort: number;
  targetShort: number;
  /** The API server, or the worker, does not answer until then; what is asked of it takes as long. Milliseconds. */
  downUntil: number;
}

/** One line of what happened. */
export type Line =
  | { readonly at: number; readonly kind: 'event'; readonly type: 'Normal' | 'Warning'; readonly message: string }
  | {
      readonly at: number;
      readonly kind: 'weights';
      readonly primary: number;
      readonly canary: number;
      readonly mirrored?: true;
    }
  | { readonly at: number; readonly kind: 'reverted'; readonly what: string }
  | {
      readonly at: number;
      readonly kind: 'phase';
      readonly phase: Phase;
      readonly status: CanaryStatus;
      readonly condition: string;
    }
  | { readonly at: number; readonly kind: 'action'; readonly action: string }
  | {
      readonly at: number;
      readonly kind: 'alert';
      readonly severity: string;
      readonly message: string;
      /** The check that led to it. */
      readonly check?: FailedCheck;
    };

export interface Play {
  readonly lines: readonly Line[];
  readonly outcomes: readonly Outcome[];
  readonly world: Readonly<State>;
  readonly decisions: readonly Decision[];
  /** A release was still under way when the play was over. */
  readonly unfinished: boolean;
}

/** What was decided, about which release, and when. */
export interface Decision {
  readonly now: number;
  readonly release: Release;
  readonly action: Action;
}
