import { setTimeout as sleep } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { WorkflowUpdateFailedError } from '@temporalio/client';
import { orderSignals, orderUpdates, progressQuery, releaseId } from '../../src/workflows/messages.ts';
import { searchAttributes } from '../../src/workflows/show.ts';
import { approval, hook } from '../support/script.ts';
import { stubCluster } from '../support/stub-cluster.ts';
import { openBench, reached, until, type Bench } from '../support/temporal.ts';

let bench: Bench;
beforeAll(async () => (bench = await openBench()));
afterAll(() => bench.close());

describe('a release', () => {
  it('promotes a good revision step by step and ends with what happened', async () => {
    const cluster = stubCluster({}, { hooks: [hook('smoke', 'pre-rollout'), hook('done', 'post-rollout')] });
    const canary = bench.canary();
    cluster.revision = 'v1:2';
    const result = await bench.whileWorking(cluster.activities, async () => (await bench.hint(canary)).result());
    expect(result).toEqual({ phase: 'Succeeded', outcome: 'promoted', revision: 'v1:2', reason: 'promoted' });
    expect(cluster.weights.map(({ canary }) => canary)).toEqual([10, 20, 30, 0]);
    expect(cluster.promotions).toEqual(['v1:2']);
    expect(cluster.events).toEqual([
      `New revision detected! Scaling up shop.prod`,
      `Starting canary analysis for shop.prod`,
      'Pre-rollout check smoke passed',
      `Advance ${canary.name}.prod canary weight 10`,
      `Advance ${canary.name}.prod canary weight 20`,
      `Advance ${canary.name}.prod canary weight 30`,
      'Copying shop.prod template spec to shop-primary.prod',
      'Routing all traffic to primary',
      'Post-rollout check done passed',
      'Promotion completed! Scaling down shop.prod',
    ]);
    // Each weight is judged only after a whole interval.
    const gaps = cluster.weights.slice(1, 3).map(({ at }, index) => at - cluster.weights[index]!.at);
    for (const gap of gaps) expect(gap).toBeGreaterThanOrEqual(1_000);
  });

  it('rolls a bad revision back and tells why', async () => {
    const cluster = stubCluster();
    Object.assign(cluster, { revision: 'v1:2', successRate: 50 });
    const result = await bench.whileWorking(cluster.activities, async () =>
      (await bench.hint(bench.canary())).result(),
    );
    expect(result).toMatchObject({ phase: 'Failed', outcome: 'rolled back', reason: '2 failed checks' });
    expect(cluster.weights.map(({ canary }) => canary)).toEqual([10, 0]);
    expect(cluster.replicas).toBe(0);
    expect(cluster.promotions).toEqual([]);
    expect(cluster.notices.map((notice) => notice.message)).toContain('Failed checks threshold reached 2');
  });

  it('Q48: waits for no slow receiver of its messages, and does not end before they are sent, in order', async () => {
    const listeners = { alerts: true, events: true };
    const cluster = stubCluster({ listeners });
    cluster.revision = 'v1:2';
    let sending = 0;
    const sendingAtSteps: number[] = [];
    cluster.before = async (activity) => {
      if (activity === 'shiftTraffic') sendingAtSteps.push(sending);
      if (activity !== 'notify') return;
      sending += 1;
      await sleep(3_000);
      sending -= 1;
    };
    await bench.whileWorking(cluster.activities, async () => (await bench.hint(bench.canary())).result());
    expect(cluster.weights.map(({ canary }) => canary)).toEqual([10, 20, 30, 0]);
    // A step comes while messages of the one before are on their way.
    expect(sendingAtSteps.filter((count) => count > 0).length).toBeGreaterThan(0);
    const told = cluster.notices.flatMap((notice) => (notice.kind === 'event' ? [notice.message] : []));
    expect(told).toEqual(cluster.events);
  });

  it('costs one look when nothing has changed', async () => {
    const cluster = stubCluster();
    const handle = await bench.whileWorking(cluster.activities, async () => {
      const started = await bench.hint(bench.canary());
      await started.result();
      return started;
    });
    expect(cluster.calls).toEqual(['look']);
    const { historyLength } = await handle.describe();
    expect(historyLength).toBeLessThanOrEqual(15);
  });

  it('that is hinted while a plan fails looks again at once, however long its interval', async () => {
    const cluster = stubCluster({}, { intervalMs: 600_000 });
    const canary = bench.canary();
    cluster.revision = 'v1:2';
    await bench.whileWorking(cluster.activities, async () => {
      cluster.before = async (activity) => {
        if (activity !== 'scaleUp') return;
        cluster.before = () => Promise.resolve();
        cluster.deleted = true;
        await bench.hint(canary);
        throw ApplicationFailure.nonRetryable('namespaces "prod" not found', 'NotFound');
      };
      const handle = await bench.hint(canary);
      expect(await handle.result()).toMatchObject({ outcome: 'deleted' });
    });
    expect(cluster.calls).toEqual(['look', 'scaleUp', 'look']);
  });

  it('begins again as a new run when a newer revision comes, and orders for the old one are refused', async () => {
    const cluster = stubCluster({}, { threshold: 5 });
    const canary = bench.canary();
    cluster.revision = 'v1:2';
    await bench.whileWorking(cluster.activities, async () => {
      const first = await bench.hint(canary);
      await reached(first, 20);
      cluster.revision = 'v1:3';
      await bench.hint(canary);
      await until('restarted', () =>
        cluster.events.includes('New revision detected! Restarting analysis for shop.prod'),
      );
      await until('the next run looks', () => cluster.status.lastAppliedSpec === 'v1:3');
      const handle = bench.client.workflow.getHandle(`release/prod/${canary.name}`);
      const order = { by: 'ann', revision: 'v1:2' };
      await until(
        'the next run knows its revision',
        async () => (await handle.query(progressQuery)).revision === 'v1:3',
      );
      await expect(handle.executeUpdate(orderUpdates.promote, { args: [order] })).rejects.toBeInstanceOf(
        WorkflowUpdateFailedError,
      );
      const result = await first.result();
      expect(result).toMatchObject({ outcome: 'promoted', revision: 'v1:3' });
    });
    expect(cluster.promotions).toEqual(['v1:3']);
    expect(cluster.weights.map(({ canary }) => canary)).toEqual([10, 20, 0, 10, 20, 30, 0]);
  });
});

describe('hints', () => {
  it('that the run before has seen cost the run after it no look', async () => {
    const cluster = stubCluster({}, { intervalMs: 600_000 });
    const canary = bench.canary();
    const looks = () => cluster.calls.filter((call) => call === 'look').length;
    cluster.revision = 'v1:2';
    await bench.whileWorking(cluster.activities, async () => {
      const first = await bench.hint(canary, { eventId: 'first' });
      await reached(first, 10);
      const before = await first.describe();
      cluster.revision = 'v1:3';
      await bench.hint(canary, { eventId: 'second' });
      const handle = bench.client.workflow.getHandle(releaseId(canary));
      await until('the next run is at work', async () => {
        const { runId } = await handle.describe();
        const { revision, canaryWeight } = await handle.query(progressQuery);
        return runId !== before.runId && revision === 'v1:3' && canaryWeight === 10;
      });
      const looked = looks();
      for (const eventId of ['first', 'second', 'first']) await bench.hint(canary, { eventId });
      await sleep(1_000);
      expect(looks()).toBe(looked);
      await bench.hint(canary, { eventId: 'third' });
      await until('a look', () => looks() > looked);
      await handle.signal(orderSignals.abort, { by: 'ann' });
      await handle.result();
    });
  });
});

describe('a worker that remembers nothing', () => {
  it.each([0, 400, 2_500])('comes to the same from the history alone, with messages that take %i ms', async (ms) => {
    const cluster = stubCluster(
      { listeners: { alerts: true, events: true } },
      { hooks: [hook('smoke', 'pre-rollout'), hook('load', 'rollout'), hook('done', 'post-rollout')] },
    );
    cluster.revision = 'v1:2';
    let turn = 0;
    cluster.before = (activity) => sleep(activity === 'notify' ? ms : (turn++ % 3) * 50);
    const canary = bench.canary();
    await bench.whileWorking(
      cluster.activities,
      async () => {
        const handle = await bench.hint(canary);
        const hinting = setInterval(() => void bench.hint(canary).catch(() => undefined), 350);
        try {
          await until('the promotion', () => cluster.promotions.length > 0, 60_000);
        } finally {
          clearInterval(hinting);
        }
        await handle.result();
      },
      { maxCachedWorkflows: 0 },
    );
    expect(cluster.weights.map(({ canary }) => canary)).toEqual([10, 20, 30, 0]);
    const told = cluster.notices.flatMap((notice) => (notice.kind === 'event' ? [notice.message] : []));
    expect(told).toEqual(cluster.events);
  });
});

describe('a worker that goes away', () => {
  it('neither shortens a step nor replays missed ones: one fresh check on return', async () => {
    const cluster = stubCluster({}, { threshold: 5, maxWeight: 20 });
    const canary = bench.canary();
    cluster.revision = 'v1:2';
    const handle = await bench.whileWorking(cluster.activities, async () => {
      const started = await bench.hint(canary);
      await reached(started, 10);
      return started;
    });
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    await bench.whileWorking(cluster.activities, () => handle.result());
    expect(cluster.calls.filter((call) => call === 'analyse')).toHaveLength(2);
    expect(cluster.weights.map(({ canary }) => canary)).toEqual([10, 20, 0]);
    expect(cluster.promotions).toEqual(['v1:2']);
  });
});

describe('the list of Temporal', () => {
  it('has what a run is about, and what it came to', async () => {
    const cluster = stubCluster({ cluster: 'eu-1' });
    Object.assign(cluster, { revision: 'v1:2', image: 'registry.example.com/shop:2' });
    const canary = bench.canary();
    await bench.whileWorking(cluster.activities, async () => {
      const handle = await bench.hint(canary);
      const attributes = async () => {
        const { typedSearchAttributes: known } = await handle.describe();
        return Object.fromEntries(Object.entries(searchAttributes).map(([name, key]) => [name, known.get(key)]));
      };
      await until('weight 10', async () => (await attributes()).weight === 10);
      const running = {
        ...{ phase: 'Progressing', weight: 10, target: 'prod/shop', revision: 'v1:2', namespace: 'prod' },
        ...{ cluster: 'eu-1', image: 'registry.example.com/shop:2', outcome: undefined },
      };
      expect(await attributes()).toEqual(running);
      await handle.result();
      expect(await attributes()).toEqual({ ...running, phase: 'Succeeded', weight: 0, outcome: 'promoted' });
      // The run that a newer revision follows is over too, and the next one has come to nothing yet.
      cluster.revision = 'v1:3';
      await bench.hint(canary);
      await until('it is released', async () => (await attributes()).weight === 10);
      expect(await attributes()).toMatchObject({ revision: 'v1:3', outcome: undefined });
      cluster.revision = 'v1:4';
      await bench.hint(canary);
      await until('the next run', async () => (await attributes()).revision === 'v1:4');
      await bench.client.workflow.getHandle(`release/prod/${canary.name}`).result();
      await until('the list has both outcomes', async () => {
        const outcomes: unknown[] = [];
        for await (const run of bench.client.workflow.list({ query: `WorkflowId = 'release/prod/${canary.name}'` }))
          outcomes.push(run.typedSearchAttributes.get(searchAttributes.outcome));
        return outcomes.includes('superseded') && outcomes.filter((one) => one === 'promoted').length === 2;
      });
    });
  });
});

describe('the page of a run', () => {
  it('says in plain words what it does, who is waited for and who paused it, whatever they wrote', async () => {
    const managers = approval({ before: 'traffic-increase', quorum: 2, approvers: ['ada', 'bob'] });
    const cluster = stubCluster({}, { intervalMs: 30_000, approvals: [managers] });
    Object.assign(cluster, { revision: 'v1:2', image: 'shop:2' });
    await bench.whileWorking(cluster.activities, async () => {
      const handle = await bench.hint(bench.canary());
      const details = async () =>
        (await handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata')).currentDetails ?? '';
      const shows = (row: string) => until(row, async () => (await details()).includes(row));
      await shows('| **Approval managers** | 0 of 2; asked: ada, bob; order `approve` or `reject` |');
      await handle.signal(orderSignals.approve, { by: 'ada' });
      await shows('| **Approval managers** | 1 of 2, by ada; asked: ada, bob; order `approve` or `reject` |');
      await handle.signal(orderSignals.pause, { by: 'cyd', reason: 'a | b\nc' });
      await shows('| **Paused** | by cyd: a \\| b c |');
      expect(await details()).toMatch(/^\| \*\*Traffic\*\* \| 0 % canary, 100 % primary \|$/m);
      expect(await details()).toMatch(/^\| \*\*Image\*\* \| `shop:2` \|$/m);
      expect(await details()).toMatch(/^As of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\. Orders: `pause`, /m);
      await handle.signal(orderSignals.abort, { by: 'cyd' });
      await handle.result();
    });
  });
});
