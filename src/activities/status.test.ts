import { describe, expect, it } from '@jest/globals';
import { memoryKubernetes, type MemoryKubernetes } from '../../test/support/memory-kubernetes.ts';
import { resources } from '../clients/kubernetes.ts';
import { failure } from '../errors.ts';
import type { Condition, StatusPatch } from '../workflows/domain/plan.ts';
import { canaryStatus, conditionMessage, createWriteStatus, statusChange, storedStatus } from './status.ts';

const ref = { namespace: 'prod', name: 'shop' };
const canary = (status?: object) => ({
  apiVersion: 'flagger.app/v1beta1',
  kind: 'Canary',
  metadata: { ...ref },
  spec: { targetRef: { kind: 'Deployment', name: 'shop' } },
  ...(status ? { status } : {}),
});
const progressing: Condition = { status: 'Unknown', reason: 'Progressing', message: 'New revision detected, …' };
const waiting: Condition = { status: 'Unknown', reason: 'Waiting', message: 'Waiting for approval.' };
const succeeded: Condition = { status: 'True', reason: 'Succeeded', message: 'done' };
const now = '2026-01-02T00:00:00Z';
const before = '2026-01-01T00:00:00Z';

/** An API server whose definition of a Canary does not know this field of the status, and prunes it. */
function pruning(object: object, field: string): MemoryKubernetes {
  const kubernetes = memoryKubernetes(object);
  const { patch } = kubernetes;
  kubernetes.patch = async (...call) => {
    const written = await patch(...call);
    delete (kubernetes.peek('Canary', 'shop')!.status as Record<string, unknown>)[field];
    return { ...written, status: { ...(written.status as object), [field]: undefined } };
  };
  return kubernetes;
}

describe('writing the status', () => {
  it('writes all counters with the first phase, as Flagger does', async () => {
    const kubernetes = memoryKubernetes(canary());
    await createWriteStatus(kubernetes, () => new Date(now))(ref, {
      phase: 'Initializing',
      condition: { ...progressing, reason: 'Initializing' },
    });
    expect(kubernetes.peek('Canary', 'shop')!.status).toEqual({
      phase: 'Initializing',
      canaryWeight: 0,
      failedChecks: 0,
      iterations: 0,
      lastTransitionTime: now,
      conditions: [
        {
          type: 'Promoted',
          status: 'Unknown',
          reason: 'Initializing',
          message: progressing.message,
          lastUpdateTime: now,
          lastTransitionTime: now,
        },
      ],
    });
  });

  it('Q31: writes nothing when nothing differs', async () => {
    const kubernetes = memoryKubernetes(canary({ phase: 'Failed', canaryWeight: 0, lastTransitionTime: before }));
    await createWriteStatus(kubernetes)(ref, { phase: 'Failed', canaryWeight: 0 });
    expect(kubernetes.writes).toEqual([]);
  });

  it('Q33: keeps, moves and clears the cookies of session affinity', async () => {
    const kubernetes = memoryKubernetes(canary({ phase: 'Progressing', primarySessionAffinityCookie: 'pid=p' }));
    const write = createWriteStatus(kubernetes, () => new Date(now));
    const cookies = { canary: 'sid=a', primary: 'pid=p' };
    await write(ref, { cookies });
    expect(canaryStatus(storedStatus(kubernetes.peek('Canary', 'shop')!)).cookies).toEqual(cookies);
    await write(ref, { cookies: { previous: 'sid=a', primary: 'pid=p' } });
    const { status } = kubernetes.peek('Canary', 'shop')!;
    expect(status).toMatchObject({ previousSessionAffinityCookie: 'sid=a', primarySessionAffinityCookie: 'pid=p' });
    expect(status).not.toHaveProperty('sessionAffinityCookie');
    await write(ref, { cookies: { previous: 'sid=a', primary: 'pid=p' } });
    expect(kubernetes.writes).toHaveLength(2);
  });

  it('writes down exactly the configuration that belongs to a revision', async () => {
    const kubernetes = memoryKubernetes(
      canary({ phase: 'Progressing', trackedConfigs: { 'configmap/a': '1', 'secret/b': '2' } }),
    );
    const write = createWriteStatus(kubernetes, () => new Date(now));
    await write(ref, { trackedConfigs: { 'configmap/a': '3' } });
    expect(kubernetes.peek('Canary', 'shop')!.status).toMatchObject({ trackedConfigs: { 'configmap/a': '3' } });
    expect(kubernetes.peek('Canary', 'shop')!.status).not.toHaveProperty('trackedConfigs.secret/b');
    await write(ref, { trackedConfigs: { 'configmap/a': '3' } });
    expect(kubernetes.writes).toHaveLength(1);
  });

  it('remembers the target with a revision and a phase, of which it is told what they will be, and never for itself alone', async () => {
    const kubernetes = memoryKubernetes(canary({ phase: 'Finalising', lastAppliedSpec: 'v1:a', trackedConfigs: {} }));
    const told: unknown[] = [];
    const write = createWriteStatus(
      kubernetes,
      () => new Date(now),
      (object) => {
        const { lastAppliedSpec, trackedConfigs } = storedStatus(object);
        told.push({ lastAppliedSpec, trackedConfigs });
        return Promise.resolve({ uid: 'u', generation: told.length, revision: 'v1:a' });
      },
    );
    await write(ref, { canaryWeight: 20 });
    await write(ref, { phase: 'Succeeded' });
    await write(ref, { phase: 'Succeeded' });
    await write(ref, { lastAppliedSpec: 'v1:b' });
    await write(ref, { lastAppliedSpec: 'v1:c', trackedConfigs: { 'secret/db': 'x' } });
    expect(told).toEqual([
      { lastAppliedSpec: 'v1:a', trackedConfigs: {} },
      { lastAppliedSpec: 'v1:b' },
      { lastAppliedSpec: 'v1:c', trackedConfigs: { 'secret/db': 'x' } },
    ]);
    expect(kubernetes.peek('Canary', 'shop')!.status).toMatchObject({ observedTarget: { uid: 'u', generation: 3 } });
  });

  it('leaves fields of others alone, such as session cookies', async () => {
    const kubernetes = memoryKubernetes(
      canary({ phase: 'Progressing', sessionAffinityCookie: 'sid=x', canaryWeight: 10 }),
    );
    await createWriteStatus(kubernetes, () => new Date(now))(ref, { canaryWeight: 20 });
    expect(kubernetes.peek('Canary', 'shop')!.status).toMatchObject({
      sessionAffinityCookie: 'sid=x',
      canaryWeight: 20,
    });
  });

  describe.each(['Deployment', 'DaemonSet'])('Test%sController', (kind) => {
    const stored = {
      phase: 'Progressing',
      canaryWeight: 20,
      failedChecks: 1,
      iterations: 3,
      lastAppliedSpec: 'v1:b',
      lastPromotedSpec: 'v1:a',
      trackedConfigs: { 'secret/key': '1' },
      conditions: [{ type: 'Promoted', ...progressing, lastUpdateTime: before, lastTransitionTime: before }],
      lastTransitionTime: before,
    };
    const written = async (patch: StatusPatch) => {
      const kubernetes = memoryKubernetes({ ...canary(stored), spec: { targetRef: { kind, name: 'shop' } } });
      await createWriteStatus(kubernetes, () => new Date(now))(ref, patch);
      return kubernetes.peek('Canary', 'shop')!.status;
    };

    it('_SetFailedChecks: writes the count of failed checks alone', async () => {
      expect(await written({ failedChecks: 2 })).toEqual({ ...stored, failedChecks: 2, lastTransitionTime: now });
    });

    it('_SetState: writes the phase alone', async () => {
      expect(await written({ phase: 'Promoting' })).toEqual({ ...stored, phase: 'Promoting', lastTransitionTime: now });
    });
  });

  it('works out the change anew when somebody wrote the Canary in between', async () => {
    const kubernetes = memoryKubernetes(canary({ phase: 'Progressing', canaryWeight: 10 }));
    kubernetes.failNext('patch', 'Canary', failure('Conflict', 'the object has been modified'));
    await createWriteStatus(kubernetes)(ref, { canaryWeight: 20 });
    expect(kubernetes.peek('Canary', 'shop')!.status).toMatchObject({ canaryWeight: 20 });
  });

  it('gives up after five attempts, in the words of Flagger', async () => {
    const kubernetes = memoryKubernetes(canary({ canaryWeight: 10 }));
    for (let attempt = 0; attempt < 5; attempt++)
      kubernetes.failNext('patch', 'Canary', failure('Conflict', 'modified'));
    await expect(createWriteStatus(kubernetes)(ref, { canaryWeight: 20 })).rejects.toMatchObject({
      type: 'Conflict',
      message: 'failed after retries: updating canary shop.prod status failed: modified',
    });
  });

  it('says that the Canary is gone', async () => {
    await expect(createWriteStatus(memoryKubernetes())(ref, { canaryWeight: 20 })).rejects.toMatchObject({
      type: 'NotFound',
      message: 'failed after retries: canary shop.prod get query failed: canaries.flagger.app "shop" not found',
    });
  });

  it.each<[string, StatusPatch]>([
    ['lastPromotedSpec', { lastPromotedSpec: 'v1:a' }],
    ['trackedConfigs', { lastAppliedSpec: 'v1:a', trackedConfigs: { 'secret/api-key': '3930f0692c2295eb' } }],
  ])('BC-06: says that the CRD is too old when the API server drops %s', async (field, patch) => {
    const kubernetes = pruning(canary({ phase: 'Progressing' }), field);
    await expect(createWriteStatus(kubernetes)(ref, patch)).rejects.toMatchObject({
      type: 'InvalidSpec',
      message: expect.stringContaining(`dropped status.${field}; update the CustomResourceDefinition`),
    });
  });

  it('BC-06: an empty map that is dropped is no loss', async () => {
    const kubernetes = pruning(canary({ phase: 'Progressing' }), 'trackedConfigs');
    await createWriteStatus(kubernetes)(ref, { lastAppliedSpec: 'v1:a', trackedConfigs: {} });
  });
});

describe('the change of a status', () => {
  const promoted = { type: 'Promoted', ...progressing, lastUpdateTime: before, lastTransitionTime: before };

  it('leaves a condition of the same status and reason as it is, times and words included', () => {
    expect(
      statusChange({ conditions: [promoted] }, { condition: { ...progressing, message: 'other' } }, now),
    ).toBeUndefined();
  });

  it('keeps the transition time while the status of the condition stays', () => {
    expect(statusChange({ conditions: [promoted] }, { condition: waiting }, now)).toMatchObject({
      conditions: [{ ...waiting, lastUpdateTime: now, lastTransitionTime: before }],
    });
  });

  it('moves the transition time with the status of the condition', () => {
    expect(statusChange({ conditions: [promoted] }, { condition: succeeded }, now)).toMatchObject({
      conditions: [{ ...succeeded, lastUpdateTime: now, lastTransitionTime: now }],
    });
  });

  it('keeps Promoted first, then Stalled, then the conditions of others', () => {
    const foreign = { type: 'Audited', status: 'True', reason: 'Ok' };
    const change = statusChange(
      { conditions: [foreign, promoted] },
      { stalled: { reason: 'NotFound', message: 'no target' } },
      now,
    );
    expect(change).toMatchObject({
      conditions: [promoted, { type: 'Stalled', status: 'True', message: 'no target' }, foreign],
    });
  });

  it('keeps a Warning behind them, whatever else is written, until it is taken away', () => {
    const others = [{ type: 'Ready', status: 'True', reason: 'x' }];
    const message = 'spec.analysis.interval: a minute is used';
    const warned = { type: 'Warning', status: 'True', reason: 'InvalidSpec', message };
    const stored = {
      conditions: [promoted, { ...warned, lastUpdateTime: before, lastTransitionTime: before }, ...others],
    };
    expect(statusChange({ conditions: [promoted, ...others] }, { warned: message }, now)).toMatchObject({
      conditions: [promoted, warned, ...others],
    });
    expect(statusChange(stored, { warned: message }, now)).toBeUndefined();
    expect(statusChange(stored, { stalled: { reason: 'NotFound', message: 'no' } }, now)).toMatchObject({
      conditions: [promoted, { type: 'Stalled' }, warned, ...others],
    });
    expect(statusChange(stored, { warned: null }, now)).toMatchObject({ conditions: [promoted, ...others] });
  });

  it('removes Stalled, and does not touch it when it is not asked about', () => {
    const stalled = { type: 'Stalled', status: 'True', reason: 'NotFound', message: 'no target' };
    const stored = { conditions: [promoted, stalled] };
    expect(statusChange(stored, { stalled: null }, now)).toMatchObject({ conditions: [promoted] });
    expect(statusChange(stored, { condition: waiting }, now)).toMatchObject({ conditions: [waiting, stalled] });
    expect(statusChange(stored, { stalled: { reason: 'NotFound', message: 'no target' } }, now)).toBeUndefined();
    expect(conditionMessage(stored, 'Stalled')).toBe('no target');
  });

  it.each<[string, object, StatusPatch, unknown]>([
    ['is empty where nothing is tracked', {}, { lastAppliedSpec: 'v1:a', trackedConfigs: {} }, {}],
    ['is absent where nobody tracks', {}, { lastAppliedSpec: 'v1:a' }, undefined],
    ['is not left to a revision that is not tracked', { lastAppliedSpec: 'v1:a' }, { lastAppliedSpec: 'v1:b' }, null],
    ['stays with its revision', { lastAppliedSpec: 'v1:a' }, { lastAppliedSpec: 'v1:a', canaryWeight: 5 }, undefined],
    ['stays while no revision is taken up', { lastAppliedSpec: 'v1:a' }, { canaryWeight: 5 }, undefined],
  ])('the map of tracked configs %s', (_, stored, patch, expected) => {
    const before = 'lastAppliedSpec' in stored ? { ...stored, trackedConfigs: { 'secret/db': 'x' } } : {};
    const change = statusChange(before, patch, now) as { trackedConfigs?: unknown };
    expect(change.trackedConfigs).toEqual(expected);
  });
});

it('reads a status that nobody has written as the one of a new Canary', () => {
  expect(canaryStatus(storedStatus({ ...canary(), apiVersion: resources.canaries.apiVersion }))).toEqual({
    phase: '',
    canaryWeight: 0,
    failedChecks: 0,
    iterations: 0,
    lastAppliedSpec: '',
    lastPromotedSpec: '',
  });
});
