import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { WorkflowUpdateFailedError } from '@temporalio/client';
import { orderSignals, orderUpdates, progressQuery, releaseId } from '../../src/workflows/messages.ts';
import { approval, hook } from '../support/script.ts';
import { stubCluster } from '../support/stub-cluster.ts';
import { openBench, reached, until, type Bench } from '../support/temporal.ts';

let bench: Bench;
beforeAll(async () => (bench = await openBench()));
afterAll(() => bench.close());

describe('orders', () => {
  it.each([{ way: 'signal' }, { way: 'update' }])(
    'pause by $way keeps the weight and goes on judging; resume goes on',
    async ({ way }) => {
      const cluster = stubCluster();
      const canary = bench.canary();
      cluster.revision = 'v1:2';
      await bench.whileWorking(cluster.activities, async () => {
        const handle = await bench.hint(canary);
        await reached(handle, 10);
        const order = { by: 'ann', reason: 'looking' };
        if (way === 'signal') await handle.signal(orderSignals.pause, order);
        else expect(await handle.executeUpdate(orderUpdates.pause, { args: [order] })).toMatchObject({ paused: true });
        const before = cluster.calls.filter((call) => call === 'analyse').length;
        await until('two more checks', () => cluster.calls.filter((call) => call === 'analyse').length >= before + 2);
        expect(cluster.routes?.canary).toBe(10);
        await handle.signal(orderSignals.resume, { by: 'ann' });
        expect(await handle.result()).toMatchObject({ outcome: 'promoted' });
      });
      expect(cluster.events).toContain('Paused by ann at weight 10: looking');
      expect(cluster.events).toContain('Resumed by ann');
    },
  );

  it('a paused release still rolls back', async () => {
    const cluster = stubCluster();
    cluster.revision = 'v1:2';
    await bench.whileWorking(cluster.activities, async () => {
      const handle = await bench.hint(bench.canary());
      await reached(handle, 10);
      await handle.executeUpdate(orderUpdates.pause, { args: [{ by: 'ann' }] });
      cluster.successRate = 50;
      expect(await handle.result()).toMatchObject({ outcome: 'rolled back' });
    });
    expect(cluster.weights.map(({ canary }) => canary)).toEqual([10, 0]);
  });

  it('abort interrupts a running check and moves traffic back at once', async () => {
    const cluster = stubCluster({}, { hooks: [hook('load', 'rollout')] });
    Object.assign(cluster, { revision: 'v1:2', hookMs: 8_000 });
    await bench.whileWorking(cluster.activities, async () => {
      const handle = await bench.hint(bench.canary());
      await until('a check in progress', () => cluster.calls.includes('analyse'));
      const ordered = Date.now();
      await handle.executeUpdate(orderUpdates.abort, { args: [{ by: 'ann', reason: 'enough' }] });
      expect(await handle.result()).toMatchObject({ outcome: 'rolled back', reason: 'aborted by ann: enough' });
      expect(cluster.weights.at(-1)!.at - ordered).toBeLessThan(3_000);
    });
    expect(cluster.events.some((text) => text.startsWith('Canary failed! Scaling down'))).toBe(true);
  });

  it('promote skips the rest of the analysis', async () => {
    const cluster = stubCluster({}, { intervalMs: 30_000 });
    cluster.revision = 'v1:2';
    await bench.whileWorking(cluster.activities, async () => {
      const handle = await bench.hint(bench.canary());
      await reached(handle, 10);
      await handle.executeUpdate(orderUpdates.promote, { args: [{ by: 'ann' }] });
      expect(await handle.result()).toMatchObject({ outcome: 'promoted' });
    });
    expect(cluster.weights.map(({ canary }) => canary)).toEqual([10, 0]);
  });

  it('set-weight and skip-step move on at once, and an id that is repeated is done once', async () => {
    const cluster = stubCluster({}, { intervalMs: 30_000 });
    cluster.revision = 'v1:2';
    await bench.whileWorking(cluster.activities, async () => {
      const handle = await bench.hint(bench.canary());
      await reached(handle, 10);
      const order = { by: 'ann', weight: 15, id: 'w-15' };
      const answers = await Promise.all([
        handle.executeUpdate(orderUpdates['set-weight'], { args: [order] }),
        handle.executeUpdate(orderUpdates['set-weight'], { args: [order] }),
      ]);
      for (const { orders } of answers) expect(orders).toEqual([expect.objectContaining({ id: 'w-15' })]);
      await reached(handle, 15);
      await handle.executeUpdate(orderUpdates['skip-step'], { args: [{ by: 'ann' }] });
      await reached(handle, 25);
      const tooMuch = handle.executeUpdate(orderUpdates['set-weight'], { args: [{ by: 'ann', weight: 80 }] });
      await expect(tooMuch).rejects.toMatchObject({ cause: { message: expect.stringContaining('from 1 to 30') } });
      await handle.executeUpdate(orderUpdates.promote, { args: [{ by: 'ann' }] });
      expect(await handle.result()).toMatchObject({ outcome: 'promoted' });
    });
    expect(cluster.weights.map(({ canary }) => canary)).toEqual([10, 15, 25, 0]);
    expect(cluster.events.filter((event) => event.startsWith('Weight 15 ordered'))).toHaveLength(1);
  });

  it('retry, sent together with a start, releases what failed once more', async () => {
    const cluster = stubCluster();
    Object.assign(cluster, { revision: 'v1:2', successRate: 50 });
    const canary = bench.canary();
    await bench.whileWorking(cluster.activities, async () => {
      expect(await (await bench.hint(canary)).result()).toMatchObject({ outcome: 'rolled back' });
      cluster.successRate = 100;
      const handle = await bench.client.workflow.signalWithStart('release', {
        workflowId: releaseId(canary),
        taskQueue: bench.taskQueue,
        args: [{ canary }],
        signal: orderSignals.retry,
        signalArgs: [{ by: 'ann', id: 'again' }],
      });
      expect(await handle.result()).toMatchObject({ outcome: 'promoted', revision: 'v1:2' });
      expect((await handle.query(progressQuery)).orders).toMatchObject([{ id: 'again', kind: 'retry' }]);
    });
    expect(cluster.events).toContain('Retry ordered by ann');
  });

  it('an order that comes while no worker is there is followed when one is back', async () => {
    const cluster = stubCluster();
    const canary = bench.canary();
    cluster.revision = 'v1:2';
    const handle = await bench.whileWorking(cluster.activities, async () => {
      const started = await bench.hint(canary);
      await reached(started, 10);
      return started;
    });
    await handle.signal(orderSignals.pause, { by: 'ann' });
    await bench.whileWorking(cluster.activities, async () => {
      await until('paused', async () => (await handle.query(progressQuery)).paused);
      await handle.executeUpdate(orderUpdates.abort, { args: [{ by: 'ann' }] });
      expect(await handle.result()).toMatchObject({ outcome: 'rolled back' });
    });
  });

  it('a cancelled workflow is a release rolled back', async () => {
    const cluster = stubCluster();
    cluster.revision = 'v1:2';
    await bench.whileWorking(cluster.activities, async () => {
      const handle = await bench.hint(bench.canary());
      await reached(handle, 10);
      await handle.cancel();
      expect(await handle.result()).toMatchObject({ phase: 'Failed', outcome: 'rolled back' });
    });
    expect(cluster.routes).toEqual({ primary: 100, canary: 0 });
  });

  it('that cannot be followed are refused with why, and leave an event when sent as signal', async () => {
    const cluster = stubCluster({}, { intervalMs: 30_000 });
    cluster.revision = 'v1:2';
    await bench.whileWorking(cluster.activities, async () => {
      const handle = await bench.hint(bench.canary());
      await reached(handle, 10);
      const refused = handle.executeUpdate(orderUpdates.resume, { args: [{ by: 'ann' }] });
      await expect(refused).rejects.toMatchObject({ cause: { message: 'the release is not paused' } });
      await handle.signal(orderSignals.resume, { by: 'bob' });
      await until('told', () => cluster.events.includes('Order resume by bob refused: the release is not paused'));
      await handle.signal(orderSignals.abort, {});
      await handle.result();
    });
  });
});

describe('messages that hands at the Temporal UI may write', () => {
  it.each([null, 'please', 7, ['ada'], { by: 5 }])(
    '%j is an order without words, and stops no run',
    async (payload) => {
      const cluster = stubCluster({}, { approvals: [approval({ name: 'end', before: 'promotion' })] });
      cluster.revision = 'v1:2';
      await bench.whileWorking(cluster.activities, async () => {
        const handle = await bench.hint(bench.canary());
        await reached(handle, 10);
        // What no type checks: neither the buttons of the UI, nor the CLI of Temporal.
        await handle.signal('hint', payload);
        await handle.signal('approve', payload);
        await handle.signal('set-weight', { weight: 'x' });
        await handle.signal('pause', payload);
        await until('it is paused', async () => (await handle.query(progressQuery)).paused);
        await expect(handle.executeUpdate('reject', { args: [payload] })).rejects.toBeInstanceOf(
          WorkflowUpdateFailedError,
        );
        await handle.executeUpdate('abort', { args: [payload] });
        expect(await handle.result()).toMatchObject({ outcome: 'rolled back', reason: 'aborted by someone' });
      });
      expect(cluster.events).toEqual(
        expect.arrayContaining([
          'Order approve by someone refused: no approval is waited for',
          'Order set-weight by someone refused: "weight" has to be a number',
          'Paused by someone at weight 10',
        ]),
      );
    },
  );
});
