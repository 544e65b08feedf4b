import type { Observation } from '../workflows/domain/observation.ts';
import type {
  HookAnswer,
  HookCall,
  Notice,
  Plan,
  PlanFailure,
  Reading,
  Verb,
  Verified,
} from '../workflows/domain/plan.ts';

/** Names a Canary. */
export interface CanaryRef {
  readonly namespace: string;
  readonly name: string;
}

/** What the release workflow can ask the worker to do. Each may be repeated; a repetition changes nothing. */
export type Activities = Actions & Record<Verb, (canary: CanaryRef, plan: Plan) => Promise<PlanFailure | null>>;

interface Actions {
  /**
   * Reads the world. What people have to mend is in `problem`; only what a retry may mend is thrown.
   *
   * @param ask `metricsProviders` also asks every metrics provider whether it is there
   * @throws `Unavailable` when the API server does not answer
   */
  look(canary: CanaryRef, ask: { readonly metricsProviders: boolean }): Promise<Observation>;

  /**
   * Looks, and then examines the canary: calls the rollout hooks in list order up to the first that fails, and, when
   * none failed, reads every metric check. Examines nothing (`examination` absent) when the target no longer is
   * `revision`, or is not ready, or a `problem` stands in the way.
   */
  analyse(
    canary: CanaryRef,
    revision: string,
    hooks: readonly HookCall[],
  ): Promise<{ readonly observation: Observation; readonly examination?: Examination }>;

  /**
   * Calls hooks in list order, up to the first that refuses (`first-no`) or agrees (`first-yes`), which is then the
   * last answer. A hook that the Canary no longer has is left out.
   */
  callHooks(
    canary: CanaryRef,
    hooks: readonly HookCall[],
    until: 'first-no' | 'first-yes',
  ): Promise<readonly HookAnswer[]>;

  /**
   * Finds out whose tokens these are, in their order. A token that proves nothing is refused in the answer.
   *
   * @throws `Unavailable` when the keys of an issuer cannot be had
   */
  verifyActors(canary: CanaryRef, tokens: readonly string[]): Promise<readonly Verified[]>;

  /**
   * Keeps what has happened in a run, up to now, in the worker's audit sink.
   *
   * @throws `Unavailable`, `Unauthorized` when the sink does not take it
   */
  archive(canary: CanaryRef, run: string): Promise<void>;

  /**
   * Sends alerts and event webhooks in order. What cannot be delivered is logged and counted, never thrown.
   *
   * @throws `Unavailable` when the API server does not answer, which says who is to hear; nothing was sent then
   */
  notify(canary: CanaryRef, notices: readonly Notice[]): Promise<void>;
}

export interface Examination {
  readonly hooks: readonly HookAnswer[];
  readonly readings: readonly Reading[];
}
