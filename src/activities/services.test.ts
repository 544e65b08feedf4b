import { describe, expect, it } from '@jest/globals';
import { memoryKubernetes, type MemoryKubernetes } from '../../test/support/memory-kubernetes.ts';
import { byShop, recorded, shopCanary, type Loose } from '../../test/support/shop.ts';
import { createServices } from './services.ts';
import type { Pods } from './workloads/workload.ts';

const pods: Pods = { label: 'app', target: { app: 'shop' }, primary: { app: 'shop-primary' }, ports: [] };
const serviceOf = (kubernetes: MemoryKubernetes, name: string) => kubernetes.peek('Service', name) as Loose;
const guards = {
  'kustomize.toolkit.fluxcd.io/reconcile': 'disabled',
  'helm.toolkit.fluxcd.io/driftDetection': 'disabled',
};

async function ensureAll(kubernetes: MemoryKubernetes, canary = shopCanary()) {
  await createServices(kubernetes).ensure(canary, pods, 'inner');
  await createServices(kubernetes).ensure(canary, pods, 'apex');
}

async function created(canary = shopCanary()) {
  const kubernetes = memoryKubernetes();
  await ensureAll(kubernetes, canary);
  return kubernetes;
}

const foreign = (name: string, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'prod', labels: { team: 'a' }, annotations: { note: 'n' }, ...more },
  spec: {
    type: 'LoadBalancer',
    clusterIP: '10.0.0.9',
    selector: { app: 'shop' },
    ports: [{ name: 'web', port: 80, nodePort: 30080 }],
  },
});

describe('the Services', () => {
  it('are what Flagger made in the recorded run', async () => {
    const objects = recorded('initialised');
    const kubernetes = memoryKubernetes();
    const services = createServices(kubernetes);
    const canary = objects.get('Canary podinfo');
    const podinfo = { ...pods, target: { app: 'podinfo' }, primary: { app: 'podinfo-primary' } };
    await services.ensure(canary, podinfo, 'inner');
    await services.ensure(canary, podinfo, 'apex');
    for (const name of ['podinfo', 'podinfo-primary', 'podinfo-canary']) {
      const expected = objects.get(`Service ${name}`);
      const { metadata, spec } = serviceOf(kubernetes, name);
      const { labels, annotations, ownerReferences } = expected.metadata;
      expect(metadata).toMatchObject({ labels, annotations, ownerReferences });
      expect(spec).toEqual({ type: expected.spec.type, selector: expected.spec.selector, ports: expected.spec.ports });
    }
  });

  it('that Flagger made are taken as they are', async () => {
    const objects = recorded('initialised');
    const services = ['podinfo', 'podinfo-primary', 'podinfo-canary'].map((name) => objects.get(`Service ${name}`));
    const podinfo = { ...pods, target: { app: 'podinfo' }, primary: { app: 'podinfo-primary' } };
    expect(await createServices(memoryKubernetes(...services)).drift(objects.get('Canary podinfo'), podinfo)).toEqual(
      [],
    );
  });

  it('are called after spec.service.name', async () => {
    const kubernetes = await created(shopCanary({ service: { name: 'store', port: 80 } }));
    expect(kubernetes.writes).toEqual([
      'create Service store-canary',
      'create Service store-primary',
      'create Service store',
    ]);
  });

  it('TestServiceRouter_Create, TestServiceRouter_TrafficDistribution: are headless, and distribute traffic, when asked to', async () => {
    const kubernetes = await created(
      shopCanary({ service: { port: 80, headless: true, trafficDistribution: 'PreferClose' } }),
    );
    for (const name of ['shop', 'shop-primary', 'shop-canary']) {
      expect(serviceOf(kubernetes, name).spec).toMatchObject({ clusterIP: 'None', trafficDistribution: 'PreferClose' });
    }
  });

  it('TestServiceRouter_InitializeMetadata, _ReconcileMetadata: carry the metadata of the Canary, each its own', async () => {
    const canary = { labels: { tier: 'x' }, annotations: { note: 'y' } };
    const kubernetes = await created(shopCanary({ service: { port: 80, canary } }));
    expect(serviceOf(kubernetes, 'shop-canary').metadata).toMatchObject({
      labels: { tier: 'x', app: 'shop-canary' },
      annotations: { note: 'y', ...guards },
      ownerReferences: byShop,
    });
    expect(serviceOf(kubernetes, 'shop-primary').metadata.annotations).toEqual(guards);
    expect(serviceOf(kubernetes, 'shop-primary').metadata.labels).toEqual({ app: 'shop-primary' });
  });

  it('TestServiceRouter_Create: have a port called http and its application protocol, where nothing else is said', async () => {
    const kubernetes = await created(shopCanary({ service: { port: 9898, appProtocol: 'http' } }));
    const port = { name: 'http', port: 9898, targetPort: 9898, protocol: 'TCP', appProtocol: 'http' };
    for (const name of ['shop', 'shop-primary', 'shop-canary'])
      expect(serviceOf(kubernetes, name).spec.ports).toEqual([port]);
  });

  it('TestServiceRouter_Update: follow another name of the port', async () => {
    const kubernetes = await created();
    await ensureAll(kubernetes, shopCanary({ service: { port: 80, targetPort: 8080, portName: 'grpc' } }));
    expect(serviceOf(kubernetes, 'shop-canary').spec.ports).toMatchObject([{ name: 'grpc', port: 80 }]);
  });

  it('TestServiceRouter_ReconcileMetadata: have the metadata of the apex, and what it is replaced by', async () => {
    const apex = (team: string) =>
      shopCanary({ service: { port: 80, apex: { labels: { team }, annotations: { team } } } });
    const kubernetes = await created(apex('a'));
    expect(serviceOf(kubernetes, 'shop').metadata).toMatchObject({ labels: { team: 'a' }, annotations: { team: 'a' } });
    await ensureAll(kubernetes, apex('b'));
    expect(serviceOf(kubernetes, 'shop').metadata).toMatchObject({ labels: { team: 'b' }, annotations: { team: 'b' } });
    for (const name of ['shop-primary', 'shop-canary'])
      expect(serviceOf(kubernetes, name).metadata.annotations).toEqual(guards);
  });

  it('need no second write', async () => {
    const kubernetes = await created();
    await ensureAll(kubernetes);
    expect(kubernetes.writes.filter((write) => !write.startsWith('create'))).toEqual([]);
    expect(await createServices(kubernetes).drift(shopCanary(), pods)).toEqual([]);
  });

  it('are missed when they are gone', async () => {
    expect(await createServices(memoryKubernetes()).drift(shopCanary(), pods)).toEqual([
      'Service shop-canary',
      'Service shop-primary',
      'Service shop',
    ]);
  });

  it.each([
    ['a port', (service: Loose) => (service.spec.ports[0].port = 81)],
    ['a target port', (service: Loose) => (service.spec.ports[0].targetPort = 81)],
    ['an application protocol', (service: Loose) => (service.spec.ports[0].appProtocol = 'grpc')],
    [
      'a port too many',
      (service: Loose) => service.spec.ports.push({ name: 'x', port: 1, protocol: 'TCP', targetPort: 1 }),
    ],
    ['the selector', (service: Loose) => (service.spec.selector = { app: 'shop' })],
    ['a label', (service: Loose) => (service.metadata.labels.extra = 'x')],
    [
      'a guard of Flux',
      (service: Loose) => delete service.metadata.annotations['helm.toolkit.fluxcd.io/driftDetection'],
    ],
  ])('TestServiceRouter_Undo: are put back when somebody changes %s', async (_, change) => {
    const kubernetes = await created();
    const before = structuredClone(serviceOf(kubernetes, 'shop-primary'));
    change(serviceOf(kubernetes, 'shop-primary'));
    expect(await createServices(kubernetes).drift(shopCanary(), pods)).toEqual(['Service shop-primary']);
    await ensureAll(kubernetes);
    const { spec, metadata } = serviceOf(kubernetes, 'shop-primary');
    expect(spec).toEqual(before.spec);
    expect([metadata.labels, metadata.annotations]).toEqual([before.metadata.labels, before.metadata.annotations]);
  });

  it.each([
    ['their type', (service: Loose) => (service.spec.type = 'NodePort')],
    ['their traffic distribution', (service: Loose) => (service.spec.trafficDistribution = 'PreferSameZone')],
    [
      'what the API server fills in',
      (service: Loose) => Object.assign(service.spec, { clusterIP: '10.0.0.1', sessionAffinity: 'None' }),
    ],
    ['node ports', (service: Loose) => (service.spec.ports[0].nodePort = 30000)],
    ['the order of ports', (service: Loose) => service.spec.ports.reverse()],
  ])('leave alone %s', async (_, change) => {
    const kubernetes = await created();
    change(serviceOf(kubernetes, 'shop'));
    expect(await createServices(kubernetes).drift(shopCanary(), pods)).toEqual([]);
  });

  it('TestServiceRouter_UnmanagedAnnotations, _UnmanagedLabels, _UnmanagedMetadata_AnnotationsAndLabels: keep unmanaged metadata and remove other foreign metadata', async () => {
    const unmanagedMetadata = { labels: ['kept', 'absent'], annotations: ['kept', 'set'] };
    const canary = shopCanary({
      service: { port: 80, unmanagedMetadata, apex: { annotations: { set: 'by the Canary', managed: 'm' } } },
    });
    const kubernetes = await created(canary);
    const { metadata } = serviceOf(kubernetes, 'shop');
    Object.assign(metadata.labels, { kept: 'l', removed: 'r' });
    Object.assign(metadata.annotations, { kept: 'a', removed: 'r', set: 'by hand', managed: 'changed' });
    await ensureAll(kubernetes, canary);
    expect(serviceOf(kubernetes, 'shop').metadata.labels).toEqual({ app: 'shop', kept: 'l' });
    expect(serviceOf(kubernetes, 'shop').metadata.annotations).toEqual({
      ...guards,
      kept: 'a',
      set: 'by hand',
      managed: 'm',
    });
  });

  it('take over the apex that a team made, with its type, metadata and node port', async () => {
    const kubernetes = memoryKubernetes(foreign('shop'));
    await ensureAll(kubernetes, shopCanary({ service: { port: 80, portName: 'web' } }));
    expect(serviceOf(kubernetes, 'shop')).toMatchObject({
      metadata: { labels: { team: 'a' }, annotations: { note: 'n', ...guards } },
      spec: {
        type: 'LoadBalancer',
        clusterIP: '10.0.0.9',
        selector: { app: 'shop-primary' },
        ports: [{ name: 'web', port: 80, protocol: 'TCP', targetPort: 80, nodePort: 30080 }],
      },
    });
    expect(serviceOf(kubernetes, 'shop').metadata.ownerReferences).toBeUndefined();
    expect(
      await createServices(kubernetes).drift(shopCanary({ service: { port: 80, portName: 'web' } }), pods),
    ).toEqual([]);
  });

  it.each([
    ['nobody, and selects other pods', foreign('shop-primary'), 'selects other pods'],
    [
      'another controller',
      foreign('shop-primary', { ownerReferences: [{ ...byShop[0], kind: 'Canary', name: 'other' }] }),
      'is controlled by Canary other',
    ],
  ])('are not taken from %s', async (_, service, why) => {
    const kubernetes = memoryKubernetes(service);
    const message = expect.stringMatching(
      new RegExp(`service shop-primary.prod exists and ${why}.*: rename or delete it`),
    );
    await expect(createServices(kubernetes).drift(shopCanary(), pods)).rejects.toMatchObject({
      type: 'Conflict',
      message,
    });
    await expect(createServices(kubernetes).ensure(shopCanary(), pods, 'inner')).rejects.toMatchObject({
      type: 'Conflict',
      message: expect.stringMatching(/^reconcileService failed: service shop-primary.prod exists/),
    });
  });

  it('are adopted when they select the right pods already and nobody controls them', async () => {
    const orphan = { ...foreign('shop-canary'), spec: { selector: { app: 'shop' }, ports: [] } };
    const kubernetes = memoryKubernetes(orphan);
    await ensureAll(kubernetes);
    expect(serviceOf(kubernetes, 'shop-canary').spec.ports).toMatchObject([
      { name: 'http', port: 80, targetPort: 8080 },
    ]);
  });

  it('TestServiceRouter_Finalize: an apex that stays selects the target again, as kubectl applied it or by its label', async () => {
    const applied = { spec: { selector: { app: 'shop', tier: 'web' } } };
    const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify(applied) };
    const byKubectl = memoryKubernetes(foreign('shop', { annotations }));
    const byLabel = memoryKubernetes(foreign('shop'));
    for (const kubernetes of [byKubectl, byLabel]) {
      await ensureAll(kubernetes);
      expect(serviceOf(kubernetes, 'shop').spec.selector).toEqual({ app: 'shop-primary' });
      await createServices(kubernetes).revert(shopCanary(), pods);
    }
    expect(serviceOf(byKubectl, 'shop').spec.selector).toEqual({ app: 'shop', tier: 'web' });
    expect(serviceOf(byLabel, 'shop').spec.selector).toEqual({ app: 'shop' });
    const writes = byLabel.writes.length;
    await createServices(byLabel).revert(shopCanary(), pods);
    expect(byLabel.writes).toHaveLength(writes);
  });

  it('TestServiceRouter_Finalize: an apex that goes away with the Canary, or is gone, is left alone', async () => {
    const kubernetes = await created();
    const writes = kubernetes.writes.length;
    await createServices(kubernetes).revert(shopCanary(), pods);
    expect(kubernetes.writes).toHaveLength(writes);
    await createServices(memoryKubernetes()).revert(shopCanary(), pods);
  });

  it('TestServiceRouter_Finalize: an apex of another Canary is left to it', async () => {
    const [reference] = byShop;
    const ownerReferences = [{ ...reference, name: 'other', uid: 'other-uid' }];
    const kubernetes = memoryKubernetes({
      ...foreign('shop', { ownerReferences }),
      spec: { selector: { app: 'shop-primary' } },
    });
    await createServices(kubernetes).revert(shopCanary(), pods);
    expect(kubernetes.writes).toEqual([]);
    expect(serviceOf(kubernetes, 'shop').spec.selector).toEqual({ app: 'shop-primary' });
  });

  it('an apex whose last configuration cannot be read is left alone, and says why', async () => {
    const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': '{' };
    const kubernetes = memoryKubernetes(foreign('shop', { annotations }));
    await expect(createServices(kubernetes).revert(shopCanary(), pods)).rejects.toMatchObject({
      type: 'InvalidSpec',
      message: expect.stringContaining('router shop.prod failed to unMarshal annotation'),
    });
  });

  it('BC-21: are refused when a name would be too long', async () => {
    const service = { port: 80, name: 'x'.repeat(60) };
    await expect(created(shopCanary({ service }))).rejects.toMatchObject({
      type: 'InvalidSpec',
      message: expect.stringContaining('longer than 63 characters; set spec.service.name to a shorter name'),
    });
  });
});
