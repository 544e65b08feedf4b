import { describe, expect, it } from '@jest/globals';
import { memoryKubernetes, type MemoryKubernetes } from '../../../test/support/memory-kubernetes.ts';
import { byShop, shopCanary, testDeps, type Loose } from '../../../test/support/shop.ts';
import { createServiceWorkload } from './service.ts';

const targetRef = { apiVersion: 'v1', kind: 'Service', name: 'shop' };
const canary = shopCanary({ targetRef });
const released = shopCanary({ targetRef }, { phase: 'Succeeded' });

function shopService(spec: object = {}, metadata: object = {}): Loose {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'shop', namespace: 'prod', ...metadata },
    spec: {
      type: 'ClusterIP',
      clusterIP: '10.0.0.1',
      clusterIPs: ['10.0.0.1'],
      ipFamilies: ['IPv4'],
      selector: { app: 'shop', version: '1' },
      ports: [{ name: 'http', port: 80, targetPort: 8080 }],
      ...spec,
    },
  };
}

const workload = (kubernetes: MemoryKubernetes) => createServiceWorkload(testDeps(kubernetes));
const service = (kubernetes: MemoryKubernetes, name: string) => kubernetes.peek('Service', name) as Loose;

async function initialised(target = shopService()) {
  const kubernetes = memoryKubernetes(target);
  await workload(kubernetes).ensurePrimary(canary, 'key');
  return kubernetes;
}

describe('a Service as target', () => {
  it('Q21: gets two copies without its addresses, which belong to the Canary', async () => {
    const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': '{}', note: 'n' };
    const kubernetes = await initialised(shopService({}, { annotations }));
    for (const name of ['shop-canary', 'shop-primary']) {
      const { metadata, spec } = service(kubernetes, name);
      expect(metadata.ownerReferences).toEqual(byShop);
      expect(metadata.annotations).not.toHaveProperty(['kubectl.kubernetes.io/last-applied-configuration']);
      expect(spec).toEqual({
        type: 'ClusterIP',
        selector: { app: 'shop', version: '1' },
        ports: [{ name: 'http', port: 80, targetPort: 8080 }],
      });
    }
  });

  it('has no pods, and is always ready', async () => {
    const kubernetes = await initialised();
    const view = await workload(kubernetes).look(canary);
    expect(view).toMatchObject({
      pods: undefined,
      drift: [],
      target: { replicas: 1, readiness: { ready: true } },
      primary: { equalsTarget: true, ours: true },
    });
    expect(await workload(kubernetes).pods(canary)).toBeUndefined();
  });

  it('its canary copy follows it, its primary copy only with a promotion, and keeps what was assigned to it', async () => {
    const kubernetes = await initialised();
    Object.assign(service(kubernetes, 'shop-primary').spec, { clusterIP: '10.0.0.3', clusterIPs: ['10.0.0.3'] });
    const before = (await workload(kubernetes).look(released)).target.revision;
    service(kubernetes, 'shop').spec.selector.version = '2';
    const { target, primary, drift } = await workload(kubernetes).look(released);
    expect(target.revision).not.toBe(before);
    expect(drift).toEqual(['Service shop-canary']);
    expect(primary).toMatchObject({ equalsTarget: false });
    await workload(kubernetes).ensurePrimary(released, 'key');
    const selected = (name: string) => service(kubernetes, name).spec.selector.version;
    expect([selected('shop-canary'), selected('shop-primary')]).toEqual(['2', '1']);
    await workload(kubernetes).promote(released, target.revision, 'key');
    expect(service(kubernetes, 'shop-primary').spec).toMatchObject({
      clusterIP: '10.0.0.3',
      selector: { version: '2' },
    });
    expect(service(kubernetes, 'shop-primary').metadata.ownerReferences).toEqual(byShop);
    const writes = kubernetes.writes.length;
    await workload(kubernetes).promote(released, target.revision, 'key');
    await workload(kubernetes).ensurePrimary(released, 'key');
    expect(kubernetes.writes).toHaveLength(writes);
  });

  it('its node ports are not copied, for nobody else can have them', async () => {
    const ports = [{ name: 'http', port: 80, nodePort: 30_080 }];
    const kubernetes = await initialised(shopService({ type: 'NodePort', ports }));
    expect(service(kubernetes, 'shop-primary').spec.ports).toEqual([{ name: 'http', port: 80 }]);
    service(kubernetes, 'shop-canary').spec.ports[0].nodePort = 30_081;
    expect((await workload(kubernetes).look(canary)).drift).toEqual([]);
  });

  it('is no other revision for getting another address', async () => {
    const kubernetes = await initialised();
    const before = (await workload(kubernetes).look(canary)).target.revision;
    Object.assign(service(kubernetes, 'shop').spec, { clusterIP: '10.0.0.9', clusterIPs: ['10.0.0.9'] });
    expect((await workload(kubernetes).look(canary)).target.revision).toBe(before);
  });

  it('promotes only what was analysed', async () => {
    const kubernetes = await initialised();
    await expect(workload(kubernetes).promote(released, 'v1:other', 'key')).rejects.toMatchObject({
      type: 'Conflict',
      message: expect.stringContaining('target changed: service shop.prod is at v1:'),
    });
  });

  it('does not take Services of others for its copies, but the primary that Flagger leaves after a promotion', async () => {
    const stranger = shopService({ selector: { app: 'x' } }, { name: 'shop-primary' });
    const kubernetes = memoryKubernetes(shopService(), stranger);
    const refusal = { type: 'Conflict', message: expect.stringContaining('belongs to no Canary: rename or delete it') };
    await expect(workload(kubernetes).look(canary)).rejects.toMatchObject(refusal);
    await expect(workload(kubernetes).ensurePrimary(canary, 'key')).rejects.toMatchObject(refusal);
    expect((await workload(kubernetes).look(released)).primary).toMatchObject({ equalsTarget: false, ours: false });
  });

  it('cannot be released when it is not there', async () => {
    await expect(workload(memoryKubernetes()).look(canary)).rejects.toMatchObject({
      type: 'NotFound',
      message: 'service shop.prod get query error: services "shop" not found',
    });
  });
});
