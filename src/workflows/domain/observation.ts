/**
 * What one look at the world tells the domain: the part of the Canary, its workloads and its routes that decisions
 * depend on, as plain data small enough for workflow history. Pod templates stay outside; their hashes come in.
 */
export interface Observation {
  /** Absent when the Canary no longer exists. */
  readonly canary?: ObservedCanary;
  /** The Deployment that a team deploys. Absent together with a `problem`. */
  readonly target?: ObservedWorkload;
  /** `<target>-primary`. Absent before initialization, or when someone deleted it. */
  readonly primary?: ObservedPrimary;
  /** Weights that the router holds now. Absent while there is no route yet. */
  readonly routes?: Weights;
  /** Generated objects that are missing or differ from what the Canary asks for, as `<Kind> <name>`; weights excepted. */
  readonly drift: readonly string[];
  /** What keeps the release from acting at all: an invalid spec, a missing target, a name that belongs to someone else. */
  readonly problem?: Problem;
  /** Whether the metrics providers answer. Asked only while initializing. */
  readonly metricsProviders?: { readonly error?: string };
}

/** Something a person has to mend. It becomes a Warning event, word for word, and the `Stalled` condition. */
export interface Problem {
  /** A failure type of `errors.ts`; also the reason of the `Stalled` condition. */
  readonly reason: string;
  /** The whole text of the event. */
  readonly message: string;
}

export interface ObservedCanary {
  readonly uid: string;
  readonly generation: number;
  /** A deletion timestamp is set. */
  readonly deleting: boolean;
  /** Holds the finalizer that lets Serin put things back before the Canary goes. */
  readonly finalizer: boolean;
  readonly settings: Settings;
  readonly status: CanaryStatus;
  /** Message of the `Stalled` condition that is stored now, if there is one. */
  readonly stalled?: string;
  /** What of the spec cannot be read, and what is in force instead. Absent when all of it can. */
  readonly unheeded?: string;
  /** Message of the `Warning` condition that is stored now, which should be that. */
  readonly warned?: string;
}

/** The settings of a Canary that decisions depend on, with every default applied. */
export interface Settings {
  readonly target: { readonly kind: string; readonly name: string };
  /** What the built-in checks observe, as event texts name it, such as `istio`. */
  readonly provider: string;
  readonly suspend: boolean;
  readonly skipAnalysis: boolean;
  readonly hasAutoscaler: boolean;
  /** The target gets its traffic and its replicas back before the Canary goes. */
  readonly revertOnDeletion: boolean;
  /** The provider can divide traffic; without that a canary is only ever tested, and then promoted. */
  readonly splitsTraffic: boolean;
  /** The target has no pods between releases. A Service has none of its own to take away. */
  readonly parks: boolean;
  /** Seconds a workload may go without progress. */
  readonly progressDeadlineSeconds: number;
  readonly analysis: AnalysisSettings;
  /** Who outside the cluster wants to hear: any alert or global notifier; any event hook or global event webhook. */
  readonly listeners: { readonly alerts: boolean; readonly events: boolean };
  /** Milliseconds the data plane gets to hear of new routes before the pods behind the old ones go. */
  readonly drainMs: number;
  /** What happens in a run is kept in a sink for longer than Temporal keeps it. */
  readonly archives?: true;
  /** Name of the cluster, for people who have several. */
  readonly cluster?: string;
  /** Only people whose tokens were verified may approve and promote. */
  readonly verifiesActors?: true;
}

export interface AnalysisSettings {
  readonly strategy: 'canary' | 'blue-green' | 'ab-testing';
  /** Milliseconds between a change of weight and its judgment. */
  readonly intervalMs: number;
  /** Failed checks that end a release. */
  readonly threshold: number;
  /** Percent of traffic that earns promotion; between 0 and 100. */
  readonly maxWeight: number;
  /** Increment in percent; 0 when `stepWeights` holds. */
  readonly stepWeight: number;
  /** Ladder of weights in percent; empty when `stepWeight` holds. */
  readonly stepWeights: readonly number[];
  /** Percent by which a promotion returns traffic to the primary; 0 returns it all at once. */
  readonly stepWeightPromotion: number;
  readonly iterations: number;
  readonly mirror: boolean;
  /** Names of the cookies that keep a user on one side of a split. */
  readonly sessionAffinity?: { readonly cookieName: string; readonly primaryCookieName?: string };
  /** Checks in the order in which they are judged: built-in and inline ones, then templates. */
  readonly metrics: readonly MetricCheck[];
  readonly hooks: readonly Hook[];
  /** What people have to agree to. Absent where nobody is asked. */
  readonly approvals?: readonly Approval[];
  /** What the provider cannot do and is left out, in Flagger's words: told as a release begins. */
  readonly remarks: readonly string[];
}

/** What people are asked before the release goes on. */
export interface Approval {
  readonly name: string;
  readonly before: Moment;
  /** Different people who have to approve; one who rejects is enough to end the release. */
  readonly quorum: number;
  /** Who may decide; empty for everybody. */
  readonly approvers: readonly string[];
  /** Whoever made the change may not approve it. */
  readonly excludesAuthor: boolean;
  /** The time that people have, from when they are asked, and as its author wrote it. Absent: as long as they like. */
  readonly deadline?: { readonly ms: number; readonly text: string };
  /** What their silence means once that time is over. */
  readonly otherwise: 'approve' | 'reject' | 'keep-waiting';
  /** Asking sends no alert. */
  readonly muteAlert: boolean;
}

/** When people are asked: before the canary starts, before each step to more traffic, before the copy to the primary. */
export type Moment = 'rollout' | 'traffic-increase' | 'promotion';

export interface MetricCheck {
  readonly name: string;
  readonly kind: 'success-rate' | 'duration' | 'query' | 'template' | 'undefined';
  /** A range was given, be it empty; it then rules out `threshold`. */
  readonly hasRange: boolean;
  /** Inclusive bounds; percent for a success rate, milliseconds for a duration, else the query's own unit. */
  readonly min?: number;
  readonly max?: number;
  /** Deprecated single bound, in force when no range is given: a minimum for a success rate, else a maximum. */
  readonly threshold?: number;
}

export type HookType =
  | 'confirm-rollout'
  | 'pre-rollout'
  | 'rollout'
  | 'confirm-traffic-increase'
  | 'confirm-promotion'
  | 'post-rollout'
  | 'rollback'
  | 'event';

export interface Hook {
  readonly name: string;
  readonly type: HookType;
  /** A closed gate sends no alert. */
  readonly muteAlert: boolean;
  /** Longest a call may take with all its attempts, in milliseconds. */
  readonly budgetMs: number;
}

/** Flagger's phases, spelt as on the wire. `''` before the first write. */
export type Phase =
  | ''
  | 'Initializing'
  | 'Initialized'
  | 'Waiting'
  | 'Progressing'
  | 'WaitingPromotion'
  | 'Promoting'
  | 'Finalising'
  | 'Succeeded'
  | 'Failed'
  | 'Terminating'
  | 'Terminated';

/** `Canary.status` as far as the domain reads and writes it. */
export interface CanaryStatus {
  readonly phase: Phase;
  /** Percent. */
  readonly canaryWeight: number;
  readonly failedChecks: number;
  readonly iterations: number;
  /** Hash of the revision last taken up by a release; '' when there was none. */
  readonly lastAppliedSpec: string;
  /** Hash of the revision that the primary runs; '' when unknown. */
  readonly lastPromotedSpec: string;
  /** Checksums of the ConfigMaps and Secrets of the revision last taken up. Absent when nothing is tracked. */
  readonly trackedConfigs?: Readonly<Record<string, string>>;
  readonly cookies?: Cookies;
}

export interface ObservedWorkload {
  /** Hash of what a release is about, `v1:<hex>`: the pod template, and the configuration it refers to. */
  readonly revision: string;
  /**
   * Checksums of the ConfigMaps and Secrets that belong to the revision, by `configmap/<name>` and `secret/<name>`.
   * Empty when it has none, absent when they are not tracked.
   */
  readonly configs?: Readonly<Record<string, string>>;
  /** What it runs, as people would say it; of several containers the first. */
  readonly image?: string;
  /** Who made this revision, as far as its annotation `serin.dev/author` says. */
  readonly author?: string;
  /** `spec.replicas`. */
  readonly replicas: number;
  /** Pods that are available now. */
  readonly available: number;
  readonly readiness: Readiness;
}

export interface ObservedPrimary extends ObservedWorkload {
  /** Its template is what promoting the target as it is now would write. */
  readonly equalsTarget: boolean;
  /** Owned by this very Canary object, so that Serin may rewrite it while initializing. */
  readonly ours: boolean;
}

export type Readiness =
  | { readonly ready: true }
  | {
      readonly ready: false;
      /** False once a deadline has passed. */
      readonly retriable: boolean;
      /** The whole event text, such as `canary deployment shop.prod not ready: waiting for rollout to finish: …`. */
      readonly message: string;
      /** The rollout of this template finished once; what is missing now came or went later. */
      readonly rolledOut: boolean;
      /** Why pods are not ready, read from the pods, once a deadline has passed. */
      readonly cause?: string;
    };

/** Percent of requests. They sum to 100. */
export interface Weights {
  readonly primary: number;
  readonly canary: number;
  /** The canary also gets a copy of each request, and what it answers goes nowhere. Absent means no. */
  readonly mirrored?: true;
}

/** Cookies that keep a user on one side of a split, each as `<name>=<value>`. @see routers spec 5 */
export interface Cookies {
  /** Whoever was served by the canary keeps being served by it. */
  readonly canary?: string;
  /** Of a release that is over: users are told to forget it. */
  readonly previous?: string;
  /** Whoever was served by the primary keeps being served by it, for an interval. */
  readonly primary?: string;
}

/** What a router is asked for. */
export interface Traffic extends Weights {
  /** Absent when the Canary asks for no session affinity. */
  readonly cookies?: Cookies;
}
