import { describe, expect, it } from '@jest/globals';
import { memoryKubernetes, type MemoryKubernetes } from '../../../test/support/memory-kubernetes.ts';
import { shopCanary, shopDeployment, testDeps, type Loose } from '../../../test/support/shop.ts';
import { revisionOf } from '../revision.ts';
import { createDaemonSetWorkload, daemonSetReadiness } from './daemon-set.ts';

const parkingKey = 'flagger.app/scale-to-zero';
const targetRef = { apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'shop' };
const canary = shopCanary({ targetRef });

/** Rolled out on two nodes. */
function shopDaemonSet(spec: object = {}, podSpec: object = {}, status: object = {}): Loose {
  const { metadata, spec: deployed } = shopDeployment({ podSpec });
  const { replicas: _, strategy: __, ...shared } = deployed;
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { ...metadata, generation: 1 },
    spec: { ...shared, minReadySeconds: 5, updateStrategy: { type: 'RollingUpdate' }, ...spec },
    status: {
      observedGeneration: 1_000,
      desiredNumberScheduled: 2,
      updatedNumberScheduled: 2,
      numberAvailable: 2,
      ...status,
    },
  };
}

const workload = (kubernetes: MemoryKubernetes) => createDaemonSetWorkload(testDeps(kubernetes));
const target = (kubernetes: MemoryKubernetes) => kubernetes.peek('DaemonSet', 'shop') as Loose;
const primary = (kubernetes: MemoryKubernetes) => kubernetes.peek('DaemonSet', 'shop-primary') as Loose;

async function initialised(found = shopDaemonSet()) {
  const kubernetes = memoryKubernetes(found);
  await workload(kubernetes).ensurePrimary(canary, 'key');
  return kubernetes;
}

describe('TestDaemonSetController', () => {
  it('_Sync_ConsistentNaming: the primary follows the target, without replicas', async () => {
    const { spec, metadata } = primary(await initialised());
    expect(metadata.labels).toEqual({ app: 'shop-primary' });
    expect(spec.selector).toEqual({ matchLabels: { app: 'shop-primary' } });
    expect(spec).toMatchObject({ minReadySeconds: 5, updateStrategy: { type: 'RollingUpdate' } });
    expect(spec).not.toHaveProperty('replicas');
    expect(spec).not.toHaveProperty('progressDeadlineSeconds');
    expect(spec.template.spec.containers[0].image).toBe('shop:1.0');
  });

  it('_Sync_ConsistentNaming: rules of scheduling stay as they are', async () => {
    const labelSelector = { matchLabels: { app: 'shop' } };
    const affinity = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ labelSelector }] } };
    const kubernetes = await initialised(shopDaemonSet({}, { affinity }));
    expect(primary(kubernetes).spec.template.spec.affinity).toEqual(affinity);
  });

  it('_Scale/ScaleToZero, _Scale/ScaleFromZeo: a key that no node has is added, and removed', async () => {
    const kubernetes = await initialised(shopDaemonSet({}, { nodeSelector: { disk: 'ssd' } }));
    await workload(kubernetes).scaleToZero(canary);
    expect(target(kubernetes).spec.template.spec.nodeSelector).toEqual({ disk: 'ssd', [parkingKey]: 'true' });
    const writes = kubernetes.writes.length;
    await workload(kubernetes).scaleToZero(canary);
    expect(kubernetes.writes).toHaveLength(writes);
    await workload(kubernetes).scaleUp(canary);
    expect(target(kubernetes).spec.template.spec.nodeSelector).toEqual({ disk: 'ssd' });
  });

  it('_HasTargetChanged: parking makes no other revision', async () => {
    const kubernetes = await initialised();
    const view = async () => (await workload(kubernetes).look(canary)).target;
    const before = await view();
    expect(before).toMatchObject({ replicas: 2, available: 2, readiness: { ready: true } });
    await workload(kubernetes).scaleToZero(canary);
    expect(await view()).toMatchObject({ revision: before.revision, replicas: 0 });
    target(kubernetes).spec.template.spec.containers[0].image = 'shop:1.1';
    expect((await view()).revision).not.toBe(before.revision);
  });

  it('_Promote: the primary runs the target’s template, without what parks it', async () => {
    const kubernetes = await initialised();
    target(kubernetes).spec.template.spec.containers[0].image = 'shop:1.1';
    await workload(kubernetes).scaleToZero(canary);
    const { revision } = (await workload(kubernetes).look(canary)).target;
    await workload(kubernetes).promote(canary, revision, 'run-1');
    expect(primary(kubernetes).spec.template.spec.containers[0].image).toBe('shop:1.1');
    expect(primary(kubernetes).spec.template.spec.nodeSelector ?? {}).not.toHaveProperty([parkingKey]);
    expect((await workload(kubernetes).look(canary)).primary).toMatchObject({ equalsTarget: true });
  });

  it('Q10: a primary that is made while the target is parked has pods', async () => {
    const kubernetes = memoryKubernetes(shopDaemonSet({}, { nodeSelector: { [parkingKey]: 'true' } }));
    await workload(kubernetes).ensurePrimary(canary, 'key');
    expect(primary(kubernetes).spec.template.spec.nodeSelector ?? {}).toEqual({});
  });

  it('_Finalize: the target gets its pods back, with a primary and without', async () => {
    for (const withPrimary of [true, false]) {
      const parked = shopDaemonSet({}, { nodeSelector: { [parkingKey]: 'true' } });
      const kubernetes = withPrimary ? await initialised(parked) : memoryKubernetes(parked);
      await workload(kubernetes).revert(canary);
      expect(target(kubernetes).spec.template.spec.nodeSelector).toEqual({});
    }
  });

  it.each([
    [
      'one that is replaced only when someone deletes its pods',
      shopDaemonSet({ updateStrategy: { type: 'OnDelete' } }),
      'createPrimaryDaemonSet failed: daemonset shop.prod must have RollingUpdate strategy but have OnDelete',
    ],
    [
      'one without a label that tells its pods apart',
      shopDaemonSet({ selector: { matchLabels: { tier: 'web' } } }),
      'getSelectorLabel failed: daemonset shop.prod spec.selector.matchLabels must contain one of ' +
        "[app name app.kubernetes.io/name]'",
    ],
  ])('refuses %s', async (_, found, message) => {
    await expect(workload(memoryKubernetes(found)).look(canary)).rejects.toMatchObject({
      type: 'InvalidSpec',
      message: expect.stringContaining(message),
    });
  });

  it('promotes only the revision that was analysed', async () => {
    const kubernetes = await initialised();
    const revision = revisionOf({});
    const found = revisionOf(target(kubernetes).spec.template);
    await expect(workload(kubernetes).promote(canary, revision, 'key')).rejects.toMatchObject({
      type: 'Conflict',
      message: `target changed: daemonset shop.prod is at ${found}, analysed was ${revision}`,
    });
  });

  it('tells what is not ready in Flagger’s words', async () => {
    const kubernetes = await initialised(shopDaemonSet({}, {}, { numberAvailable: 1 }));
    const { readiness } = (await workload(kubernetes).look(canary)).target;
    expect(readiness).toMatchObject({
      message:
        'canary damonset shop.prod not ready with retryable true: ' +
        'waiting for rollout to finish: 1 of 2 (readyThreshold 100%) updated pods are available',
    });
  });
});

describe('TestDaemonSetController_isDaemonSetReady', () => {
  const now = Date.parse('2026-03-01T12:00:00Z');
  const rule = { thresholdPercent: 100, deadlineSeconds: 60, now };
  const since = (seconds: number) => ({ manager: 'm', time: new Date(now - seconds * 1000).toISOString() });
  const at = (status: object, managedFields: object[] = [since(10)]) => {
    const found = shopDaemonSet({}, {}, status);
    return { ...found, metadata: { ...found.metadata, managedFields } };
  };

  it('is ready when all pods are updated and available, and when no node wants one (TestDaemonSetController_IsReady)', () => {
    expect(daemonSetReadiness(at({}), rule)).toEqual({ ready: true });
    const none = { desiredNumberScheduled: 0, updatedNumberScheduled: undefined, numberAvailable: undefined };
    expect(daemonSetReadiness(at(none), rule)).toEqual({ ready: true });
  });

  it.each([
    [{ observedGeneration: 0 }, 'observed daemonset generation less than desired generation', false],
    [{ updatedNumberScheduled: 1 }, '1 out of 2 new pods have been updated', false],
    [{ numberAvailable: 0 }, '0 of 2 (readyThreshold 100%) updated pods are available', true],
  ])('%j: %s', (status, text, rolledOut) => {
    const readiness = { ready: false, retriable: true, text: `waiting for rollout to finish: ${text}`, rolledOut };
    expect(daemonSetReadiness(at(status), rule)).toEqual(readiness);
  });

  it('_readyThreshold: two of four at 50 percent are ready, one is not', () => {
    const half = { ...rule, thresholdPercent: 50 };
    const four = { desiredNumberScheduled: 4, updatedNumberScheduled: 4 };
    expect(daemonSetReadiness(at({ ...four, numberAvailable: 2 }), half).ready).toBe(true);
    expect(daemonSetReadiness(at({ ...four, numberAvailable: 1 }), half).ready).toBe(false);
  });

  it('Q15: the deadline runs from the last write of the spec, whatever wrote its status since', () => {
    const stuck = { numberAvailable: 0 };
    const late = [since(100), { ...since(1), subresource: 'status' }];
    expect(daemonSetReadiness(at(stuck, late), rule)).toMatchObject({
      retriable: false,
      text: 'exceeded its progressDeadlineSeconds: 60',
    });
    expect(daemonSetReadiness(at(stuck, [since(100), since(30)]), rule)).toMatchObject({ retriable: true });
    expect(daemonSetReadiness(at(stuck, []), rule)).toMatchObject({ retriable: true });
  });
});
