import { describe, expect, it } from '@jest/globals';
import { memoryKubernetes, type MemoryKubernetes } from '../../../test/support/memory-kubernetes.ts';
import { shopCanary, shopDeployment, testDeps, type Loose } from '../../../test/support/shop.ts';
import { createDaemonSetWorkload } from './daemon-set.ts';
import { createDeploymentWorkload } from './deployment.ts';

const settings = (color: string) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'settings', namespace: 'prod' },
  data: { color },
});
const volumes = [{ name: 'v', configMap: { name: 'settings' } }];

describe.each([
  ['Deployment', createDeploymentWorkload],
  ['DaemonSet', createDaemonSetWorkload],
] as const)('a %s that an upgraded API server gives a new default', (kind, create) => {
  const targetRef = { apiVersion: 'apps/v1', kind, name: 'shop' };
  const workload = (kubernetes: MemoryKubernetes) => create(testDeps(kubernetes));
  const target = (kubernetes: MemoryKubernetes) => kubernetes.peek(kind, 'shop') as Loose;
  const looked = async (kubernetes: MemoryKubernetes, status?: object) =>
    (await workload(kubernetes).look(shopCanary({ targetRef }, status))).target;

  /** At rest and parked, with what the status says; the server was upgraded since. */
  async function upgraded(changes: object = {}) {
    const { spec, ...found } = shopDeployment({ podSpec: { volumes } });
    const { strategy: _, ...rest } = spec;
    const kubernetes = memoryKubernetes({ ...found, kind, spec: rest }, settings('red'));
    const canary = shopCanary({ targetRef });
    await workload(kubernetes).ensurePrimary(canary, 'key');
    const { revision, configs } = await looked(kubernetes);
    await workload(kubernetes).scaleToZero(canary);
    const status = {
      phase: 'Succeeded',
      lastAppliedSpec: revision,
      lastPromotedSpec: revision,
      trackedConfigs: configs,
    };
    const observedTarget = await workload(kubernetes).observedTarget(shopCanary({ targetRef }, status));
    target(kubernetes).spec.template.spec.hostUsers = true;
    return { kubernetes, revision, status: { ...status, observedTarget, ...changes } };
  }

  it('is at the revision it was at, and can be promoted as that', async () => {
    const { kubernetes, revision, status } = await upgraded();
    expect(status.observedTarget).toEqual({
      uid: target(kubernetes).metadata.uid,
      generation: target(kubernetes).metadata.generation,
      revision,
    });
    expect(await looked(kubernetes, status)).toMatchObject({ revision, configs: status.trackedConfigs });
    await workload(kubernetes).promote(shopCanary({ targetRef }, status), revision, 'run-2');
    const { primary } = await workload(kubernetes).look(shopCanary({ targetRef }, status));
    expect(primary).toMatchObject({ equalsTarget: true });
  });

  it('is at another one once its author writes it, it is made anew, or its configuration changes', async () => {
    const { kubernetes, revision, status } = await upgraded();
    target(kubernetes).metadata.generation += 1;
    expect((await looked(kubernetes, status)).revision).not.toBe(revision);
    target(kubernetes).metadata.generation -= 1;
    expect((await looked(kubernetes, status)).revision).toBe(revision);
    kubernetes.put(settings('blue'));
    expect((await looked(kubernetes, status)).revision).not.toBe(revision);
    kubernetes.put(settings('red'));
    target(kubernetes).metadata.uid = 'another';
    expect((await looked(kubernetes, status)).revision).not.toBe(revision);
  });

  it.each([
    ['nothing was remembered', { observedTarget: undefined }],
    ['the status has moved on to another revision', { lastAppliedSpec: 'v1:another' }],
  ])('is what its template says when %s', async (_, changes) => {
    const { kubernetes, revision, status } = await upgraded(changes);
    expect((await looked(kubernetes, status)).revision).not.toBe(revision);
  });

  it('is not remembered at a revision that it is not at', async () => {
    const { kubernetes, status } = await upgraded();
    expect(await workload(kubernetes).observedTarget(shopCanary({ targetRef }, status))).toBeUndefined();
    expect(await workload(memoryKubernetes()).observedTarget(shopCanary({ targetRef }, status))).toBeUndefined();
  });
});
