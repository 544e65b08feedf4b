import { describe, expect, it } from '@jest/globals';
import type { Loose } from '../../test/support/shop.ts';
import type { Log } from '../log.ts';
import { memoryKubernetes, type MemoryKubernetes } from '../../test/support/memory-kubernetes.ts';
import type { KubernetesObject } from '../clients/kubernetes.ts';
import { failure } from '../errors.ts';
import { createRecordEvent } from './events.ts';

const canary: KubernetesObject = {
  apiVersion: 'flagger.app/v1beta1',
  kind: 'Canary',
  metadata: { name: 'shop', namespace: 'prod', uid: 'u-1' },
};
const event = { type: 'Warning', message: 'Halt shop.prod advancement', scope: 'release-1' } as const;

function recorder(kubernetes: MemoryKubernetes, log?: Pick<Log, 'info'>) {
  let second = 0;
  return createRecordEvent(kubernetes, log, () => new Date(Date.UTC(2026, 0, 1, 0, 0, second++)));
}

const events = (kubernetes: MemoryKubernetes) =>
  kubernetes.writes
    .map((write) => write.split(' '))
    .filter(([verb]) => verb === 'create')
    .map(([, kind, name]) => kubernetes.peek(kind!, name!) as Loose);

describe('an event', () => {
  it('is about the Canary, with the reason that Flagger gives', async () => {
    const kubernetes = memoryKubernetes();
    await recorder(kubernetes)(canary, event, 'a/1/0');
    expect(events(kubernetes)).toMatchObject([
      {
        metadata: { name: expect.stringMatching(/^shop\.[0-9a-f]{16}$/), namespace: 'prod' },
        involvedObject: {
          apiVersion: 'flagger.app/v1beta1',
          kind: 'Canary',
          name: 'shop',
          namespace: 'prod',
          uid: 'u-1',
        },
        reason: 'Synced',
        type: 'Warning',
        message: 'Halt shop.prod advancement',
        source: { component: 'serin' },
        count: 1,
        firstTimestamp: '2026-01-01T00:00:00Z',
        lastTimestamp: '2026-01-01T00:00:00Z',
      },
    ]);
  });

  it('is one request when it is new, and is looked for only when there is one of that name', async () => {
    const kubernetes = memoryKubernetes();
    let looks = 0;
    const counting: MemoryKubernetes = {
      ...kubernetes,
      get: (...asked) => {
        looks++;
        return kubernetes.get(...asked);
      },
    };
    const record = recorder(counting);
    await record(canary, event, 'a/1/0');
    expect([looks, kubernetes.writes.length]).toEqual([0, 1]);
    await record(canary, event, 'a/2/0');
    expect(looks).toBe(1);
  });

  it('is created after all when the one of that name has just ended', async () => {
    const kubernetes = memoryKubernetes();
    let refusals = 1;
    const expiring: MemoryKubernetes = {
      ...kubernetes,
      create: (...asked) =>
        refusals-- > 0 ? Promise.reject(failure('Conflict', 'already exists')) : kubernetes.create(...asked),
    };
    await recorder(expiring)(canary, event, 'a/1/0');
    expect(events(kubernetes)).toMatchObject([{ count: 1 }]);
  });

  it('that is refused again and again says why', async () => {
    const refusing: MemoryKubernetes = {
      ...memoryKubernetes(),
      create: () => Promise.reject(failure('Conflict', 'quota was changed')),
    };
    await expect(recorder(refusing)(canary, event, 'a/1/0')).rejects.toThrow('quota was changed');
  });

  it('told again raises its count and its time', async () => {
    const kubernetes = memoryKubernetes();
    const record = recorder(kubernetes);
    for (const occurrence of ['a/1/0', 'a/2/0', 'a/3/0']) await record(canary, event, occurrence);
    expect(events(kubernetes)).toMatchObject([
      { count: 3, firstTimestamp: '2026-01-01T00:00:00Z', lastTimestamp: '2026-01-01T00:00:02Z' },
    ]);
  });

  it('is not counted twice by a retry', async () => {
    const kubernetes = memoryKubernetes();
    const record = recorder(kubernetes);
    for (const occurrence of ['a/1/0', 'a/2/0', 'a/2/0']) await record(canary, event, occurrence);
    expect(events(kubernetes)).toMatchObject([{ count: 2 }]);
  });

  it('Q57: is one of its own in each release, for each message and type', async () => {
    const kubernetes = memoryKubernetes();
    const record = recorder(kubernetes);
    await record(canary, event, '1');
    await record(canary, { ...event, scope: 'release-2' }, '2');
    await record(canary, { ...event, message: 'other' }, '3');
    await record(canary, { ...event, type: 'Normal' }, '4');
    expect(events(kubernetes)).toHaveLength(4);
  });

  it('counts on what another writer has counted in between', async () => {
    const kubernetes = memoryKubernetes();
    const record = recorder(kubernetes);
    await record(canary, event, '1');
    const { failure } = await import('../errors.ts');
    kubernetes.failNext('patch', 'Event', failure('Conflict', 'modified'));
    await record(canary, event, '2');
    expect(events(kubernetes)).toMatchObject([{ count: 2 }]);
  });

  it('is cut where the API server would refuse it, between characters', async () => {
    const kubernetes = memoryKubernetes();
    await recorder(kubernetes)(canary, { ...event, message: 'ü'.repeat(2000) }, '1');
    const [{ message }] = events(kubernetes);
    expect(message).toMatch(/^ü+…$/);
    expect(Buffer.byteLength(message)).toBeLessThanOrEqual(1024);
  });

  it('is a line of the log each time that it is told, and not when a telling is tried again', async () => {
    const lines: unknown[] = [];
    const record = recorder(memoryKubernetes(), { info: (...line) => lines.push(line) });
    for (const occurrence of ['1', '1', '2']) await record(canary, event, occurrence);
    expect(lines).toEqual(Array(2).fill(['Halt shop.prod advancement', { canary: 'shop.prod', event: 'Warning' }]));
  });
});
