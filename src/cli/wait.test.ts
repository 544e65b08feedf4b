import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { memoryKubernetes, type MemoryKubernetes } from '../../test/support/memory-kubernetes.ts';
import { shopCanary, shopDeployment, testDeps, type Loose } from '../../test/support/shop.ts';
import { revisionOf } from '../activities/revision.ts';
import { failure } from '../errors.ts';
import { exitCodes, waitFor } from './wait.ts';

const canary = { namespace: 'prod', name: 'shop' };
const deployment = (image: string) => shopDeployment({ image });
const revisionAt = (image: string) => revisionOf(deployment(image).spec.template);
const [old, wanted, newer] = ['shop:1', 'shop:2', 'shop:3'].map(revisionAt) as [string, string, string];
const status = (phase: string, lastAppliedSpec: string, lastPromotedSpec = old) => ({
  phase,
  lastAppliedSpec,
  lastPromotedSpec,
  conditions: [{ type: 'Promoted', status: 'Unknown', reason: phase, message: `${phase}.` }],
});

/** Waits for what the target has, `shop:2`, while these things happen one after the other. */
async function after(first: object, ...changes: ((kubernetes: MemoryKubernetes) => void)[]) {
  const kubernetes = memoryKubernetes(shopCanary({}, first), deployment('shop:2'));
  const waiting = waitFor(testDeps(kubernetes), canary, { timeoutMs: 1_000, everyMs: 10 });
  for (const change of changes) {
    await sleep(40);
    change(kubernetes);
  }
  return waiting;
}

const becomes =
  (...given: Parameters<typeof status>) =>
  (kubernetes: MemoryKubernetes) =>
    void ((kubernetes.peek('Canary', 'shop') as Loose).status = status(...given));
const setImage = (image: string) => (kubernetes: MemoryKubernetes) =>
  void ((kubernetes.peek('Deployment', 'shop') as Loose).spec.template = deployment(image).spec.template);

describe('waiting for a revision', () => {
  it('is not answered by the success of the one before', async () => {
    expect(await after(status('Succeeded', old))).toMatchObject({ outcome: 'timed out', revision: wanted });
    expect(
      await after(
        status('Succeeded', old),
        becomes('Progressing', wanted),
        becomes('Promoting', wanted, wanted),
        becomes('Finalising', wanted, wanted),
        becomes('Succeeded', wanted, wanted),
      ),
    ).toEqual({ outcome: 'promoted', revision: wanted, message: 'Succeeded.' });
  });

  it('nor by the failure of the one before', async () => {
    expect(await after(status('Failed', revisionAt('shop:0')), becomes('Progressing', wanted))).toMatchObject({
      outcome: 'timed out',
    });
  });

  it('ends when it is rolled back', async () => {
    const verdict = await after(status('Progressing', wanted), becomes('Failed', wanted));
    expect(verdict).toEqual({ outcome: 'rolled back', revision: wanted, message: 'Failed.' });
  });

  it('a promotion that failed is no success, though the primary was given the revision', async () => {
    const verdict = await after(status('Promoting', wanted, wanted), becomes('Failed', wanted, wanted));
    expect(verdict.outcome).toBe('rolled back');
  });

  it('ends when another one takes its place', async () => {
    const verdict = await after(status('Progressing', wanted), setImage('shop:3'));
    expect(verdict).toMatchObject({ outcome: 'superseded', revision: wanted });
    expect(verdict.message).toContain(newer.slice(0, 15));
  });

  it('a promotion that has begun is brought to its end before the next one, and counts', async () => {
    const verdict = await after(
      status('Promoting', wanted, wanted),
      setImage('shop:3'),
      becomes('Progressing', newer, wanted),
    );
    expect(verdict.outcome).toBe('promoted');
  });

  it.each([
    ['was promoted', status('Succeeded', wanted, wanted), 'promoted'],
    ['failed', status('Failed', wanted), 'rolled back'],
    ['was promoted, and a newer one has failed since', status('Failed', newer, wanted), 'promoted'],
    ['was what the Canary began with', status('Initialized', wanted, wanted), 'promoted'],
  ])('is answered at once when it %s before the wait began', async (_, found, outcome) => {
    const kubernetes = memoryKubernetes(shopCanary({}, found), deployment('shop:2'));
    const waiting = waitFor(testDeps(kubernetes), canary, { revision: wanted, timeoutMs: 60_000 });
    expect(await waiting).toMatchObject({ outcome });
  });

  it('ends when the Canary goes', async () => {
    const verdict = await after(status('Progressing', wanted), (kubernetes) => {
      (kubernetes.peek('Canary', 'shop') as Loose).metadata.deletionTimestamp = '2026-01-01T00:00:00Z';
    });
    expect(verdict.outcome).toBe('deleted');
    expect((await waitFor(testDeps(memoryKubernetes()), canary, { timeoutMs: 1_000 })).outcome).toBe('deleted');
  });

  it('goes on while the API server is away, and says so once', async () => {
    const kubernetes = memoryKubernetes(shopCanary({}, status('Succeeded', wanted, wanted)), deployment('shop:2'));
    for (let times = 0; times < 3; times += 1)
      kubernetes.failNext('get', 'Canary', failure('Unavailable', 'connection refused'));
    const told: string[] = [];
    const options = { timeoutMs: 5_000, everyMs: 10, tell: (line: string) => void told.push(line) };
    expect((await waitFor(testDeps(kubernetes), canary, options)).outcome).toBe('promoted');
    expect(told).toEqual(['still waiting: connection refused']);
  });

  it('has an exit code for each outcome', () => {
    expect(new Set(Object.values(exitCodes)).size).toBe(Object.keys(exitCodes).length);
  });
});
