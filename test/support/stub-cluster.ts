import { heartbeat, sleep } from '@temporalio/activity';
import type { Activities } from '../../src/activities/contract.ts';
import type { CanaryStatus, Observation, Settings, Weights } from '../../src/workflows/domain/observation.ts';
import type { HookCall, Notice, Plan, PlanFailure, Reading, Step } from '../../src/workflows/domain/plan.ts';
import { verbs, type Verb } from '../../src/workflows/domain/plan.ts';
import { settings as defaults } from './script.ts';

/** A cluster in a few fields, for tests that are about the workflow and not about Kubernetes. */
export interface StubCluster {
  settings: Settings;
  status: CanaryStatus;
  revision: string;
  image: string | undefined;
  primaryRevision: string | undefined;
  replicas: number;
  /** The Canary is gone. */
  deleted: boolean;
  finalizer: boolean;
  ready: boolean;
  primaryReady: boolean;
  /** Message of the `Stalled` condition. */
  stalled: string | undefined;
  routes: Weights | undefined;
  /** What the check reads; undefined makes the analysis wait for as long as it is. */
  successRate: number;
  /** The metrics provider does not answer. */
  metricsDown: boolean;
  /** Milliseconds each hook takes. */
  hookMs: number;
  hookError: string | undefined;
  /** Awaited before each activity does anything. */
  before: (activity: string) => Promise<void>;
  readonly events: string[];
  readonly weights: { readonly at: number; readonly canary: number }[];
  readonly promotions: string[];
  readonly calls: string[];
  readonly notices: Notice[];
  readonly hookKeys: string[];
  readonly activities: Activities;
}

/** A Canary at rest on `v1:1` whose weights go up by 10 to 30, one a second. */
export function stubCluster(more: Partial<Settings> = {}, analysis: Partial<Settings['analysis']> = {}): StubCluster {
  const cluster: Omit<StubCluster, 'activities'> = {
    settings: defaults({ intervalMs: 1_000, ...analysis }, { drainMs: 0, ...more }),
    status: {
      phase: 'Initialized',
      canaryWeight: 0,
      failedChecks: 0,
      iterations: 0,
      lastAppliedSpec: 'v1:1',
      lastPromotedSpec: 'v1:1',
    },
    revision: 'v1:1',
    image: undefined,
    primaryRevision: 'v1:1',
    replicas: 0,
    deleted: false,
    finalizer: false,
    ready: true,
    primaryReady: true,
    stalled: undefined,
    routes: { primary: 100, canary: 0 },
    successRate: 100,
    metricsDown: false,
    hookMs: 0,
    hookError: undefined,
    before: () => Promise.resolve(),
    events: [],
    weights: [],
    promotions: [],
    calls: [],
    notices: [],
    hookKeys: [],
  };

  const observe = (): Observation => (cluster.deleted ? { drift: [] } : present());

  const present = (): Observation => ({
    canary: {
      uid: 'uid',
      generation: 1,
      deleting: false,
      finalizer: cluster.finalizer,
      settings: cluster.settings,
      status: cluster.status,
      ...(cluster.stalled === undefined ? {} : { stalled: cluster.stalled }),
    },
    target: {
      revision: cluster.revision,
      ...(cluster.image === undefined ? {} : { image: cluster.image }),
      replicas: cluster.replicas,
      available: cluster.ready ? cluster.replicas : 0,
      readiness:
        cluster.ready || cluster.replicas === 0
          ? { ready: true }
          : { ready: false, retriable: true, message: 'canary deployment shop.prod not ready', rolledOut: false },
    },
    primary: {
      revision: `primary/${cluster.primaryRevision}`,
      replicas: 1,
      available: cluster.primaryReady ? 1 : 0,
      readiness: cluster.primaryReady
        ? { ready: true }
        : { ready: false, retriable: true, message: 'shop-primary.prod not ready', rolledOut: true },
      equalsTarget: cluster.primaryRevision === cluster.revision,
      ours: true,
    },
    routes: cluster.routes,
    drift: [],
    metricsProviders: {},
  });

  const doStep = (step: Step, index: number): PlanFailure | undefined => {
    switch (step.do) {
      case 'ensure-routes':
      case 'set-weights':
        if (cluster.routes?.canary !== step.weights.canary) {
          cluster.weights.push({ at: Date.now(), canary: step.weights.canary });
        }
        cluster.routes = step.weights;
        return undefined;
      case 'scale-target':
        cluster.replicas = step.to === 'up' ? 1 : 0;
        return undefined;
      case 'promote':
        if (step.revision !== cluster.revision) return { step: index, reason: 'Conflict', message: 'target changed' };
        cluster.primaryRevision = step.revision;
        cluster.promotions.push(step.revision);
        return undefined;
      case 'write-status': {
        const { condition: _condition, warned: _warned, stalled, ...fields } = step.status;
        if (stalled !== undefined) cluster.stalled = stalled?.message;
        cluster.status = { ...cluster.status, ...fields };
        return undefined;
      }
      case 'record-event':
        cluster.events.push(step.event.message);
        return undefined;
      case 'revert-target':
        cluster.replicas ||= 1;
        return undefined;
      case 'set-finalizer':
        cluster.finalizer = step.present;
        return undefined;
      case 'revert-apex':
      case 'revert-routes':
      case 'ensure-services':
      case 'ensure-primary':
      case 'ensure-autoscaler':
      case 'ensure-apex':
        return undefined;
    }
  };

  const carryOut = (verb: Verb) => async (_canary: unknown, plan: Plan) => {
    cluster.calls.push(verb);
    await cluster.before(verb);
    for (const [index, step] of plan.steps.entries()) {
      const failure = doStep(step, index);
      if (failure) return failure;
    }
    return null;
  };

  const callHooks = async (hooks: readonly HookCall[]) => {
    if (cluster.hookMs > 0) {
      // A cancellation reaches an activity through its heartbeats.
      const beat = setInterval(() => heartbeat(), 200);
      await sleep(cluster.hookMs).finally(() => clearInterval(beat));
    }
    return hooks.map(({ name, type }) => ({ name, type, error: cluster.hookError }));
  };

  const activities: Activities = {
    ...(Object.fromEntries(verbs.map((verb) => [verb, carryOut(verb)])) as Record<
      Verb,
      (canary: unknown, plan: Plan) => Promise<PlanFailure | null>
    >),
    async look() {
      cluster.calls.push('look');
      await cluster.before('look');
      return observe();
    },
    async analyse(_canary, revision, hooks) {
      cluster.calls.push('analyse');
      await cluster.before('analyse');
      const observation = observe();
      if (observation.target?.revision !== revision) return { observation };
      const answers = await callHooks(hooks);
      const readings: Reading[] = cluster.settings.analysis.metrics.map(({ name }) =>
        cluster.metricsDown
          ? { name, failure: 'unavailable', error: 'connection refused' }
          : { name, value: cluster.successRate },
      );
      return { observation, examination: { hooks: answers, readings } };
    },
    async callHooks(_canary, hooks) {
      cluster.calls.push('callHooks');
      await cluster.before('callHooks');
      return callHooks(hooks);
    },
    // Tokens of this world are the names of those who hold them; `forged` is nobody's.
    async verifyActors(_canary, tokens) {
      cluster.calls.push('verifyActors');
      await cluster.before('verifyActors');
      return tokens.map((token) =>
        token.startsWith('forged')
          ? { refused: 'the signature of the token is forged' }
          : { subject: token.split('/')[0]!, id: token },
      );
    },
    async archive(_canary, run) {
      cluster.calls.push(`archive ${run}`);
      await cluster.before('archive');
    },
    async notify(_canary, notices) {
      await cluster.before('notify');
      cluster.notices.push(...notices);
    },
  };
  return Object.assign(cluster, { activities });
}
