import { orderSignals, orderUpdates, progressQuery, type Order } from '../../src/workflows/messages.ts';
import { approval, hook } from '../support/script.ts';
import { stubCluster, type StubCluster } from '../support/stub-cluster.ts';
import { until, type Bench } from '../support/temporal.ts';

/** A release whose history is worth keeping: what it shows, and how it is played. */
export interface Scenario {
  readonly name: string;
  readonly cluster: () => StubCluster;
  /** Its runs get so long, here a few steps, that they are continued as new ones. */
  readonly isLong?: true;
  /** Plays it; returns the id of the workflow whose runs are kept. */
  readonly play: (bench: Bench, cluster: StubCluster) => Promise<string>;
}

const id = (canary: { namespace: string; name: string }) => `release/${canary.namespace}/${canary.name}`;

/** Changes the target, hints, lets something happen, and waits for the end. */
function plays(
  during: (bench: Bench, cluster: StubCluster, id: string) => Promise<void> = () => Promise.resolve(),
): Scenario['play'] {
  return async (bench, cluster) => {
    const canary = bench.canary();
    cluster.revision = 'v1:2';
    const handle = await bench.hint(canary);
    await during(bench, cluster, id(canary));
    await handle.result();
    return id(canary);
  };
}

const atWeight = (cluster: StubCluster, weight: number) =>
  until(`weight ${weight}`, () => cluster.routes?.canary === weight);

/** Events of a history after which the server of long scenarios suggests to begin a new one. */
export const longHistory = 40;

/** One for each behaviour a release in flight may be in the middle of when its worker is replaced by a newer version. */
export const scenarios: readonly Scenario[] = [
  {
    name: 'promotes',
    cluster: () =>
      stubCluster({}, { hooks: [hook('smoke', 'pre-rollout'), hook('load', 'rollout'), hook('done', 'post-rollout')] }),
    play: plays(),
  },
  { name: 'promotes-in-steps', cluster: () => stubCluster({}, { stepWeightPromotion: 10 }), play: plays() },
  { name: 'rolls-back-on-checks', cluster: () => Object.assign(stubCluster(), { successRate: 50 }), play: plays() },
  {
    name: 'rolls-back-by-order',
    cluster: () => stubCluster(),
    play: plays(async (bench, cluster, workflow) => {
      await atWeight(cluster, 20);
      await bench.client.workflow.getHandle(workflow).signal(orderSignals.abort, { by: 'ann', reason: 'enough' });
    }),
  },
  {
    name: 'pauses-and-resumes',
    cluster: () => stubCluster(),
    play: plays(async (bench, cluster, workflow) => {
      const handle = bench.client.workflow.getHandle(workflow);
      await atWeight(cluster, 10);
      await handle.signal(orderSignals.pause, { by: 'ann' });
      await new Promise((resolve) => setTimeout(resolve, 2_500));
      await handle.signal(orderSignals.resume, { by: 'ann' });
    }),
  },
  {
    name: 'is-promoted-by-order',
    cluster: () => stubCluster(),
    play: plays(async (bench, cluster, workflow) => {
      await atWeight(cluster, 10);
      await bench.client.workflow.getHandle(workflow).signal(orderSignals.promote, { by: 'ann' });
    }),
  },
  {
    name: 'is-superseded',
    cluster: () => stubCluster(),
    play: plays(async (bench, cluster, workflow) => {
      await atWeight(cluster, 20);
      cluster.revision = 'v1:3';
      const [, namespace = '', name = ''] = workflow.split('/');
      await bench.hint({ namespace, name });
      await until('promoted', () => cluster.status.phase === 'Succeeded');
    }),
  },
  { name: 'skips-analysis', cluster: () => stubCluster({ skipAnalysis: true }), play: plays() },
  {
    name: 'waits-at-gates',
    cluster: () =>
      Object.assign(
        stubCluster(
          {},
          {
            maxWeight: 10,
            hooks: [
              hook('go', 'confirm-rollout'),
              hook('more', 'confirm-traffic-increase'),
              hook('ship', 'confirm-promotion'),
            ],
          },
        ),
        { hookError: 'Forbidden' },
      ),
    play: plays(async (_bench, cluster) => {
      await until('waiting', () => cluster.status.phase === 'Waiting');
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      cluster.hookError = undefined;
      await atWeight(cluster, 10);
      cluster.hookError = 'Forbidden';
      await new Promise((resolve) => setTimeout(resolve, 2_500));
      cluster.hookError = undefined;
    }),
  },
  {
    name: 'initializes',
    cluster: () =>
      Object.assign(stubCluster(), {
        status: {
          phase: '',
          canaryWeight: 0,
          failedChecks: 0,
          iterations: 0,
          lastAppliedSpec: '',
          lastPromotedSpec: '',
        },
        revision: 'v1:2',
        primaryRevision: 'v1:2',
        replicas: 1,
      }),
    play: plays(),
  },
  {
    name: 'nothing-to-do',
    cluster: () => stubCluster(),
    play: async (bench) => {
      const canary = bench.canary();
      await (await bench.hint(canary)).result();
      return id(canary);
    },
  },
  {
    name: 'tests-by-matching-requests',
    cluster: () => stubCluster({}, { strategy: 'ab-testing', iterations: 2, stepWeight: 0 }),
    play: plays(),
  },
  {
    name: 'switches-blue-to-green',
    cluster: () => stubCluster({}, { strategy: 'blue-green', iterations: 2, stepWeight: 0 }),
    play: plays(),
  },
  {
    name: 'switches-after-mirroring',
    cluster: () => stubCluster({}, { strategy: 'blue-green', iterations: 2, stepWeight: 0, mirror: true }),
    play: plays(),
  },
  { name: 'mirrors-before-weights', cluster: () => stubCluster({}, { mirror: true }), play: plays() },
  {
    name: 'keeps-users-by-cookie',
    cluster: () => stubCluster({}, { sessionAffinity: { cookieName: 'sid', primaryCookieName: 'pid' } }),
    play: plays(),
  },
  {
    name: 'tests-without-a-mesh',
    cluster: () =>
      stubCluster({ splitsTraffic: false }, { strategy: 'blue-green', iterations: 2, remarks: ['no weights here'] }),
    play: plays(),
  },
  {
    name: 'asks-people',
    cluster: () =>
      stubCluster(
        {},
        {
          approvals: [
            approval({ name: 'begin', before: 'rollout' }),
            approval({ name: 'more', before: 'traffic-increase' }),
            approval({ name: 'end', before: 'promotion' }),
          ],
        },
      ),
    play: plays(async (bench, cluster, workflowId) => {
      const handle = bench.client.workflow.getHandle(workflowId);
      const approve = async (order: Order) => {
        await until('people are asked', async () => (await handle.query(progressQuery)).approvals !== undefined);
        await handle.executeUpdate(orderUpdates.approve, { args: [order] });
      };
      await approve({ by: 'ada' });
      for (const weight of [10, 20, 30]) {
        await approve({ token: `ada/${weight}` });
        await atWeight(cluster, weight);
      }
      await approve({ by: 'bob', reason: 'fine' });
    }),
  },
  {
    name: 'carries-on',
    isLong: true,
    cluster: () => stubCluster(),
    play: plays(async (bench, cluster, workflow) => {
      const handle = bench.client.workflow.getHandle(workflow);
      await atWeight(cluster, 10);
      await handle.signal(orderSignals.pause, { by: 'ann', id: 'pause-1' });
      const { runId } = await handle.describe();
      await until('a run that goes on with it', async () => (await handle.describe()).runId !== runId);
      await handle.signal(orderSignals.resume, { by: 'ann', id: 'resume-1' });
    }),
  },
  {
    name: 'takes-any-message',
    cluster: () => stubCluster(),
    play: plays(async (bench, cluster, workflow) => {
      const handle = bench.client.workflow.getHandle(workflow);
      await atWeight(cluster, 10);
      for (const payload of [null, 'please', { by: 5 }]) await handle.signal('approve', payload);
      await handle.signal('set-weight', { by: 'ann', weight: 'x' });
      await handle.signal('hint', null);
    }),
  },
  {
    name: 'cannot-be-checked',
    cluster: () => Object.assign(stubCluster({}, { threshold: 9 }), { metricsDown: true }),
    play: plays(async (_bench, cluster) => {
      await until('a condition', () => cluster.stalled !== undefined);
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      cluster.metricsDown = false;
    }),
  },
  {
    name: 'is-held-up',
    cluster: () => Object.assign(stubCluster({ progressDeadlineSeconds: 2 }), { primaryReady: false }),
    play: plays(async (bench, cluster, workflow) => {
      await until('people are told', () => cluster.notices.some(({ message }) => message.includes('has been held')));
      cluster.primaryReady = true;
      const [, namespace = '', name = ''] = workflow.split('/');
      await bench.hint({ namespace, name });
    }),
  },
  {
    name: 'wants-fewer-iterations',
    cluster: () => stubCluster({}, { strategy: 'blue-green', iterations: 5, stepWeight: 0 }),
    play: plays(async (_bench, cluster) => {
      await until('the third iteration', () => cluster.status.iterations === 3);
      const { settings } = cluster;
      cluster.settings = { ...settings, analysis: { ...settings.analysis, iterations: 1 } };
    }),
  },
  {
    name: 'moves-by-order',
    cluster: () =>
      stubCluster({}, { hooks: [hook('more', 'confirm-traffic-increase'), hook('go', 'confirm-promotion')] }),
    play: plays(async (bench, cluster, workflowId) => {
      const handle = bench.client.workflow.getHandle(workflowId);
      await atWeight(cluster, 10);
      cluster.hookError = 'closed';
      await handle.signal(orderSignals['set-weight'], { by: 'ada', weight: 20 });
      await until('the gate was asked', () => cluster.events.some((event) => event.startsWith('Halt')));
      cluster.hookError = undefined;
      await atWeight(cluster, 20);
      cluster.hookError = 'closed';
      await handle.signal(orderSignals.promote, { by: 'ada' });
      await until('promotion waits', () => cluster.status.phase === 'WaitingPromotion');
      cluster.hookError = undefined;
    }),
  },
];
