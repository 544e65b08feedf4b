import { describe, expect, it } from '@jest/globals';
import type { WorkflowHandle } from '@temporalio/client';
import { orderKinds, type Order, type OrderKind } from '../../src/workflows/domain/orders.ts';
import { orderSignals, orderUpdates, progressQuery, releaseId } from '../../src/workflows/messages.ts';
import { approval } from '../support/script.ts';
import { stubCluster, type StubCluster } from '../support/stub-cluster.ts';
import { openBench, until, type Bench } from '../support/temporal.ts';

/*
 * Every order, sent twice, while an activity is in flight, and while no worker is there: it is followed once, and told once.
 */
interface Case {
  readonly order: Order;
  /** Brings a release to where the order makes sense. */
  readonly ready: (scene: Scene) => Promise<unknown>;
  /** How the event ends that says it was followed. */
  readonly told: string;
  readonly cluster?: () => StubCluster;
}

interface Scene {
  readonly bench: Bench;
  readonly cluster: StubCluster;
  readonly canary: { readonly namespace: string; readonly name: string };
  readonly handle: WorkflowHandle;
}

const ann = { by: 'ann', id: 'once' };
const slow = () => stubCluster({}, { intervalMs: 30_000 });
const asking = () => stubCluster({}, { intervalMs: 30_000, approvals: [approval({ name: 'go', before: 'rollout' })] });
/** By its own account, which comes a moment after the cluster's. */
const atWeight10 = ({ handle }: Scene) =>
  until('weight 10', async () => (await handle.query(progressQuery)).canaryWeight === 10);
const asked = ({ handle }: Scene) =>
  until('people are asked', async () => (await handle.query(progressQuery)).approvals !== undefined);

const cases: Readonly<Record<OrderKind, Case>> = {
  pause: { order: ann, ready: atWeight10, told: 'Paused by ann at weight 10' },
  resume: {
    order: ann,
    ready: async (scene) => {
      await atWeight10(scene);
      await scene.handle.executeUpdate(orderUpdates.pause, { args: [{ by: 'bob' }] });
    },
    told: 'Resumed by ann',
  },
  promote: { order: ann, ready: atWeight10, told: 'Promotion ordered by ann at weight 10' },
  abort: { order: ann, ready: atWeight10, told: ' aborted by ann' },
  approve: { order: ann, ready: asked, told: 'Approved by ann, go (1 of 1)', cluster: asking },
  reject: { order: ann, ready: asked, told: ' approval go rejected by ann', cluster: asking },
  'set-weight': { order: { ...ann, weight: 15 }, ready: atWeight10, told: 'Weight 15 ordered by ann' },
  'skip-step': { order: ann, ready: atWeight10, told: 'Step skipped by ann at weight 10' },
  retry: {
    order: ann,
    ready: async ({ cluster, handle }) => {
      cluster.successRate = 50;
      await handle.result();
      cluster.successRate = 100;
    },
    told: 'Retry ordered by ann',
    cluster: () => stubCluster({}, { threshold: 1 }),
  },
};

const rows = orderKinds.map((kind) => ({ kind, ...cases[kind] }));

/** Plays a scene with a Temporal task queue, and so a worker, of its own. */
async function withScene(
  given: Case,
  play: (scene: Scene, work: Bench['whileWorking']) => Promise<void>,
): Promise<void> {
  const bench = await openBench();
  try {
    const cluster = (given.cluster ?? slow)();
    cluster.revision = 'v1:2';
    const canary = bench.canary();
    await bench.hint(canary);
    const handle = bench.client.workflow.getHandle(releaseId(canary));
    await play({ bench, cluster, canary, handle }, bench.whileWorking);
  } finally {
    await bench.close();
  }
}

/** A retry comes with a start, since what failed has no run; anything else goes to the run there is. */
async function signal({ bench, canary, handle }: Scene, kind: OrderKind, order: Order): Promise<void> {
  if (kind !== 'retry') return handle.signal(orderSignals[kind], order);
  await bench.client.workflow.signalWithStart('release', {
    ...{ workflowId: releaseId(canary), taskQueue: bench.taskQueue, args: [{ canary }] },
    ...{ signal: orderSignals.retry, signalArgs: [order] },
  });
}

async function expectFollowedOnce(
  { cluster, handle }: Scene,
  { kind, told }: { kind: OrderKind; told: string },
): Promise<void> {
  const isTold = (event: string) => event.endsWith(told);
  // What a worker had in hand when it went is done again some seconds after its last heartbeat.
  await until(told, () => cluster.events.some(isTold), 60_000);
  const { orders } = await handle.query(progressQuery);
  expect(orders.filter(({ id }) => id === 'once')).toEqual([{ id: 'once', kind, at: expect.any(Number) }]);
  // A second time would be told within a turn or two.
  await new Promise((resolve) => setTimeout(resolve, 700));
  expect(cluster.events.filter(isTold)).toHaveLength(1);
  expect(cluster.events.filter((event) => event.includes('refused'))).toEqual([]);
}

describe('sent twice', () => {
  it.concurrent.each(rows)('$kind is followed once', async (row) => {
    await withScene(row, async (scene, work) => {
      await work(scene.cluster.activities, async () => {
        await row.ready(scene);
        await Promise.all([signal(scene, row.kind, row.order), signal(scene, row.kind, row.order)]);
        await expectFollowedOnce(scene, row);
      });
    });
  });

  it.concurrent.each(rows.filter(({ kind }) => kind !== 'retry'))(
    '$kind, as updates, is answered the same',
    async (row) => {
      await withScene(row, async (scene, work) => {
        await work(scene.cluster.activities, async () => {
          await row.ready(scene);
          const send = () => scene.handle.executeUpdate(orderUpdates[row.kind], { args: [row.order] });
          const answers = await Promise.all([send(), send()]);
          const [first, second] = answers.map(({ orders }) => orders);
          expect(second).toEqual(first);
          expect(first).toMatchObject([{ id: 'once', kind: row.kind }]);
          await expectFollowedOnce(scene, row);
        });
      });
    },
  );
});

describe('sent while an activity is in flight', () => {
  it.concurrent.each(rows)('$kind is followed once', async (row) => {
    await withScene(row, async (scene, work) => {
      const { cluster } = scene;
      await work(cluster.activities, async () => {
        await row.ready(scene);
        let release = () => undefined as void;
        const held = new Promise<void>((resolve) => (release = resolve));
        let inFlight = false;
        cluster.before = (activity) => {
          if (activity !== 'look') return Promise.resolve();
          inFlight = true;
          return held;
        };
        await scene.bench.hint(scene.canary);
        await until('a look is in flight', () => inFlight);
        await signal(scene, row.kind, row.order);
        release();
        await expectFollowedOnce(scene, row);
      });
    });
  });
});

describe('sent while no worker is there', () => {
  it.concurrent.each(rows)('$kind is followed once, when one is back', async (row) => {
    await withScene(row, async (scene, work) => {
      await work(scene.cluster.activities, () => row.ready(scene));
      await signal(scene, row.kind, row.order);
      await signal(scene, row.kind, row.order);
      await work(scene.cluster.activities, () => expectFollowedOnce(scene, row));
    });
  });
});
