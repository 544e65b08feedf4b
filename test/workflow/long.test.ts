import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { startStack, type Stack } from '../../local/stack.ts';
import { orderSignals, progressQuery, releaseId } from '../../src/workflows/messages.ts';
import type { Release } from '../../src/workflows/domain/state.ts';
import { stubCluster } from '../support/stub-cluster.ts';
import { openBench, suggesting, until, type Bench } from '../support/temporal.ts';
import { say } from '../support/teardown.ts';

/*
 * A release that goes on for long is continued as a new run, which carries on as if nothing had happened. Here the server
 * suggests that after a few steps.
 */
let stack: Stack;
let bench: Bench;
beforeAll(async () => {
  const extraArgs = { temporal: suggesting(30) };
  stack = await startStack({ parts: ['temporal'], progress: say, extraArgs, env: {} });
  bench = await openBench({ ...process.env, SERIN_TEST_TEMPORAL: stack.temporal });
});
afterAll(async () => {
  await bench.close();
  await stack.stop();
});

/** The release as each run found it that carries one on, the latest last. */
async function carried(canary: { namespace: string; name: string }): Promise<Release[]> {
  const { workflow } = bench.client;
  const states: { readonly at: number; readonly release: Release }[] = [];
  for await (const { runId } of workflow.list({ query: `WorkflowId = '${releaseId(canary)}'` })) {
    const { events } = await workflow.getHandle(releaseId(canary), runId).fetchHistory();
    const [started] = events ?? [];
    const [payload] = started?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
    const { carried } = JSON.parse(Buffer.from(payload?.data ?? []).toString()) as { carried?: Release };
    if (carried) states.push({ at: carried.turn, release: carried });
  }
  return states.sort((a, b) => a.at - b.at).map(({ release }) => release);
}

it('a release whose history gets too long carries on in a new run, with its weight, clock, pause and orders', async () => {
  const cluster = stubCluster();
  const canary = bench.canary();
  cluster.revision = 'v1:2';
  await bench.whileWorking(cluster.activities, async () => {
    const first = await bench.hint(canary);
    const handle = bench.client.workflow.getHandle(releaseId(canary));
    await until('weight 10', async () => (await handle.query(progressQuery)).canaryWeight === 10);
    const pause = { by: 'ann', reason: 'looking', id: 'pause-1' };
    await handle.signal(orderSignals.pause, pause);
    await until('paused', async () => (await handle.query(progressQuery)).paused);
    const before = (await carried(canary)).length;
    await until('three more runs', async () => (await carried(canary)).length >= before + 3, 60_000);

    const paused = (await carried(canary)).filter((release) => release.paused);
    expect(paused.length).toBeGreaterThanOrEqual(2);
    const [{ weighedAt }] = paused as [Release, ...Release[]];
    for (const release of paused) {
      expect(release).toMatchObject({ weighedAt, weights: { canary: 10 }, paused: pause, orderIds: ['pause-1'] });
      // Its ticks are those of the weight, whichever run they fall into.
      expect((release.dueAt - weighedAt) % 1_000).toBe(0);
    }
    const progress = await handle.query(progressQuery);
    expect(progress).toMatchObject({ canaryWeight: 10, paused: true, orders: [{ id: 'pause-1', kind: 'pause' }] });

    await handle.signal(orderSignals.resume, { by: 'ann', id: 'resume-1' });
    await until('resumed', async () => !(await handle.query(progressQuery)).paused);
    // The run that took it is gone; an order that is sent once more is done once all the same.
    await handle.signal(orderSignals.pause, pause);
    expect(await first.result()).toMatchObject({ outcome: 'promoted', revision: 'v1:2' });
  });
  expect(cluster.weights.map(({ canary }) => canary)).toEqual([10, 20, 30, 0]);
  expect(cluster.events).toEqual([
    'New revision detected! Scaling up shop.prod',
    'Starting canary analysis for shop.prod',
    `Advance ${canary.name}.prod canary weight 10`,
    'Paused by ann at weight 10: looking',
    'Resumed by ann',
    `Advance ${canary.name}.prod canary weight 20`,
    `Advance ${canary.name}.prod canary weight 30`,
    'Copying shop.prod template spec to shop-primary.prod',
    'Routing all traffic to primary',
    'Promotion completed! Scaling down shop.prod',
  ]);
});
