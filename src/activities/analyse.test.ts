import { describe, expect, it } from '@jest/globals';
import { shopCanary } from '../../test/support/shop.ts';
import type { Observation } from '../workflows/domain/observation.ts';
import type { HookAnswer, Reading } from '../workflows/domain/plan.ts';
import { createAnalyse } from './analyse.ts';
import { noMeters } from './meters.ts';

const ref = { namespace: 'prod', name: 'shop' };
const hooks = [{ name: 'load', type: 'rollout', phase: 'Progressing' }] as const;
const target = { revision: 'v1:a', replicas: 1, available: 1, readiness: { ready: true } } as const;
const reading: Reading = { name: 'request-success-rate', value: 99.5 };

function analyse(observation: Partial<Observation>, answers: readonly HookAnswer[] = []) {
  const seen = { drift: [], target, ...observation };
  const examine = createAnalyse(
    () => Promise.resolve({ observation: seen, canary: shopCanary() }),
    () => Promise.resolve(answers),
    () => Promise.resolve([reading]),
  );
  return examine(ref, 'v1:a', hooks, { key: 'run-1/3' });
}

describe('an analysis', () => {
  it('calls the hooks and reads the metrics', async () => {
    const answers: HookAnswer[] = [{ name: 'load', type: 'rollout' }];
    expect((await analyse({}, answers)).examination).toEqual({ hooks: answers, readings: [reading] });
  });

  it('is counted, with its duration and what it read', async () => {
    const counted: unknown[] = [];
    const examine = createAnalyse(
      () => Promise.resolve({ observation: { drift: [], target }, canary: shopCanary() }),
      () => Promise.resolve([]),
      () => Promise.resolve([reading]),
      { ...noMeters, analysed: (...what) => counted.push(what) },
    );
    await examine(ref, 'v1:a', hooks, { key: 'run-1/3' });
    expect(counted).toEqual([[shopCanary(), expect.any(Number), [reading]]]);
  });

  it('reads nothing once a hook has refused', async () => {
    const answers: HookAnswer[] = [{ name: 'load', type: 'rollout', error: 'too slow' }];
    expect((await analyse({}, answers)).examination).toEqual({ hooks: answers, readings: [] });
  });

  it.each([
    ['the target is another revision by now', { target: { ...target, revision: 'v1:b' } }],
    [
      'the canary is not ready',
      { target: { ...target, readiness: { ready: false, retriable: true, message: 'x', rolledOut: false } } },
    ],
    ['the target is gone', { target: undefined }],
    ['something has to be mended first', { problem: { reason: 'NotFound', message: 'x' } }],
  ] as const)('examines nothing when %s', async (_, observation) => {
    expect(await analyse(observation)).toEqual({ observation: { drift: [], target, ...observation } });
  });
});
