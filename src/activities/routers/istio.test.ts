import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { canaryOf, shopWith as canary } from '../../../test/contracts/router-worlds.ts';
import { memoryKubernetes, type MemoryKubernetes } from '../../../test/support/memory-kubernetes.ts';
import { testDeps } from '../../../test/support/shop.ts';
import type { KubernetesObject } from '../../clients/kubernetes.ts';
import { failure } from '../../errors.ts';
import { fluxGuards } from '../ownership.ts';
import { istio } from './istio.ts';

const start = { primary: 100, canary: 0 };
const kubectl = 'kubectl.kubernetes.io/last-applied-configuration';
const original = 'flagger.kubernetes.io/original-configuration';

function cluster(...objects: object[]) {
  const kubernetes = memoryKubernetes(...objects);
  return { kubernetes, router: istio.create(testDeps(kubernetes)) };
}

function virtualService(spec: object, metadata: object = {}) {
  const { apiVersion, kind } = { apiVersion: 'networking.istio.io/v1beta1', kind: 'VirtualService' };
  return { apiVersion, kind, metadata: { name: 'shop', namespace: 'prod', ...metadata }, spec };
}

/** What the tests reach for in a VirtualService. */
interface RouteSpec {
  hosts: string[];
  gateways: string[];
  exportTo?: string[];
  http: [HttpRoute, ...HttpRoute[]];
  tcp?: HttpRoute[];
}

interface HttpRoute {
  match?: { headers?: Record<string, object> }[];
  retries?: object;
  fault?: object;
  route: [Destination, ...Destination[]];
}

interface Destination {
  destination: { host: string; subset?: string };
  weight?: number;
}

function route(kubernetes: MemoryKubernetes): KubernetesObject & { spec: RouteSpec } {
  return kubernetes.peek('VirtualService', 'shop') as KubernetesObject & { spec: RouteSpec };
}

function rule(kubernetes: MemoryKubernetes, name = 'shop-canary') {
  return kubernetes.peek('DestinationRule', name) as KubernetesObject & { spec: { host: string; subsets?: object[] } };
}

describe('the objects of the tutorial', () => {
  interface Recorded {
    canary: object;
    initialised: KubernetesObject[];
    firstWeight: KubernetesObject;
  }
  const file = new URL('../../../test/fixtures/routers/istio-podinfo.yaml', import.meta.url);
  const recorded = parse(readFileSync(file, 'utf8')) as Recorded;

  /** As recorded: without what differs from one cluster to the next, and without empty metadata. */
  const plain = ({ kind, metadata, spec }: KubernetesObject) => ({
    kind,
    name: metadata.name,
    labels: metadata.labels ?? {},
    annotations: metadata.annotations ?? {},
    owners: metadata.ownerReferences?.map((owner) => ({ ...owner, uid: '' })),
    spec,
  });

  it('are those that Flagger made, at the start and at the first weight', async () => {
    const { kubernetes, router } = cluster();
    const podinfo = canaryOf(recorded.canary);
    await router.ensure(podinfo, start);
    for (const expected of recorded.initialised) {
      const made = kubernetes.peek(expected.kind, expected.metadata.name)!;
      expect(plain(made)).toEqual(plain(expected));
    }
    await router.setWeights(podinfo, { primary: 90, canary: 10 });
    expect(plain(kubernetes.peek('VirtualService', 'podinfo')!)).toEqual(plain(recorded.firstWeight));
  });

  it('are taken over from Flagger without a single write', async () => {
    const { kubernetes, router } = cluster(...recorded.initialised);
    const podinfo = canaryOf(recorded.canary);
    expect(await router.drift(podinfo)).toEqual([]);
    await router.ensure(podinfo, start);
    expect(kubernetes.writes).toEqual([]);
  });
});

describe('creating', () => {
  it('writes the rules of both destinations before the route that needs them', async () => {
    const { kubernetes, router } = cluster();
    await router.ensure(canary(), start);
    expect(kubernetes.writes).toEqual([
      'create DestinationRule shop-canary',
      'create DestinationRule shop-primary',
      'create VirtualService shop',
    ]);
  });

  it('puts everything into the mesh and owns nothing there when that is another cluster', async () => {
    const kubernetes = memoryKubernetes();
    const mesh = { ...memoryKubernetes(), server: 'https://mesh:6443' };
    await istio.create({ ...testDeps(kubernetes), mesh }).ensure(canary(), start);
    expect(kubernetes.writes).toEqual([]);
    expect(mesh.writes).toHaveLength(3);
    expect(route(mesh).metadata.ownerReferences).toBeUndefined();
  });

  it('keeps the label by which they are known there, and gives none to what was there before', async () => {
    const mesh = { ...memoryKubernetes(), server: 'https://mesh:6443' };
    const router = istio.create({ ...testDeps(memoryKubernetes()), mesh });
    await router.ensure(canary(), start);
    const known = { 'serin.dev/canary': 'prod.shop' };
    expect([route(mesh), rule(mesh), rule(mesh, 'shop-primary')].map(({ metadata }) => metadata.labels)).toEqual(
      Array(3).fill(known),
    );
    route(mesh).metadata.labels = { ...known, by: 'hand' };
    rule(mesh).spec = { host: 'by-hand' };
    expect(await router.ensure(canary(), start)).toEqual([]);
    expect(route(mesh).metadata.labels).toEqual(known);
    expect(rule(mesh).metadata.annotations).toBeUndefined();
    const taken = { ...memoryKubernetes(virtualService({ hosts: ['shop.example.com'] })), server: 'https://mesh:6443' };
    await istio.create({ ...testDeps(memoryKubernetes()), mesh: taken }).ensure(canary(), start);
    expect(route(taken).metadata.labels).toEqual({});
  });
});

describe('drift', () => {
  it.each([
    ['a host added', (spec: RouteSpec) => spec.hosts.push('elsewhere.example.com')],
    ['a gateway added', (spec: RouteSpec) => spec.gateways.push('by-hand')],
    ['a route added', (spec: RouteSpec) => spec.http.push({ route: [{ destination: { host: 'other' } }] })],
    ['a fault injected into our route', (spec: RouteSpec) => (spec.http[0].fault = { abort: { httpStatus: 500 } })],
    ['a TCP route added', (spec: RouteSpec) => (spec.tcp = [{ route: [{ destination: { host: 'other' } }] }])],
    ['retries taken away', (spec: RouteSpec) => delete spec.http[0].retries],
    ['a destination sent elsewhere', (spec: RouteSpec) => (spec.http[0].route[0].destination.subset = 'v1')],
    ['a header condition taken away', (spec: RouteSpec) => delete spec.http[0].match?.[0]?.headers?.['x-user']],
  ])('is %s by hand, and a repair takes it back', async (_, edit) => {
    const { kubernetes, router } = cluster();
    const ours = canary({ retries: { attempts: 3 }, match: [{ uri: { prefix: '/' }, headers: { 'x-user': {} } }] });
    await router.ensure(ours, { primary: 70, canary: 30 });
    const before = structuredClone(route(kubernetes).spec);
    edit(route(kubernetes).spec);
    expect(await router.drift(ours)).toEqual(['VirtualService shop']);
    await router.ensure(ours, { primary: 70, canary: 30 });
    expect(route(kubernetes).spec).toEqual(before);
  });

  it('is not a mirror, which belongs to the release; setting weights ends it', async () => {
    const { kubernetes, router } = cluster();
    await router.ensure(canary(), start);
    Object.assign(route(kubernetes).spec.http[0], { mirror: { host: 'shop-canary' }, mirrorPercentage: { value: 10 } });
    expect(await router.drift(canary())).toEqual([]);
    await router.setWeights(canary(), start);
    expect(route(kubernetes).spec.http[0]).not.toHaveProperty('mirror');
  });

  it('is not a field beside ours in the spec; a repair keeps it', async () => {
    const { kubernetes, router } = cluster();
    await router.ensure(canary(), start);
    route(kubernetes).spec.exportTo = ['.'];
    expect(await router.drift(canary())).toEqual([]);
    await router.ensure(canary({ timeout: '5s' }), start);
    expect(route(kubernetes).spec).toMatchObject({ exportTo: ['.'], http: [{ timeout: '5s' }] });
  });

  it('is a subset added to a DestinationRule; labels and annotations of one are nobody’s business', async () => {
    const { kubernetes, router } = cluster();
    await router.ensure(canary(), start);
    rule(kubernetes).metadata.labels = { by: 'hand' };
    expect(await router.drift(canary())).toEqual([]);
    rule(kubernetes).spec.subsets = [{ name: 'v1' }];
    expect(await router.drift(canary())).toEqual(['DestinationRule shop-canary']);
    await router.ensure(canary(), start);
    expect(rule(kubernetes).spec).toEqual({ host: 'shop-canary' });
    expect(rule(kubernetes).metadata.labels).toEqual({ by: 'hand' });
  });

  it('is a changed traffic policy, in both DestinationRules', async () => {
    const { router } = cluster();
    await router.ensure(canary({ trafficPolicy: { tls: { mode: 'DISABLE' } } }), start);
    const changed = canary({ trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } } });
    expect(await router.drift(changed)).toEqual(['DestinationRule shop-canary', 'DestinationRule shop-primary']);
  });

  it('TestIstioRouter_Sync: is a new host in the Canary', async () => {
    const { kubernetes, router } = cluster();
    await router.ensure(canary(), start);
    await router.ensure(canary({ hosts: ['test.example.com'] }), start);
    expect(route(kubernetes).spec.hosts).toEqual(['test.example.com', 'shop']);
  });

  it('TestIstioRouter_SetRoutesTCP: is a switch between TCP and HTTP; only the new protocol remains', async () => {
    const { kubernetes, router } = cluster();
    await router.ensure(canary({ appProtocol: 'tcp' }), { primary: 60, canary: 40 });
    expect(await router.getWeights(canary())).toEqual({ primary: 60, canary: 40 });
    expect(await router.drift(canary())).toEqual(['VirtualService shop']);
    await router.ensure(canary(), { primary: 60, canary: 40 });
    expect(Object.keys(route(kubernetes).spec).sort()).toEqual(['gateways', 'hosts', 'http']);
  });

  it('BC-32: is delegation switched on; hosts and gateways go', async () => {
    const { kubernetes, router } = cluster();
    await router.ensure(canary({ hosts: ['shop.example.com'], gateways: ['ingress/public'] }), start);
    const delegate = canary({ delegation: true });
    expect(await router.drift(delegate)).toEqual(['VirtualService shop']);
    await router.ensure(delegate, start);
    expect(route(kubernetes).spec.hosts ?? []).toEqual([]);
    expect(route(kubernetes).spec.gateways ?? []).toEqual([]);
    expect(await router.drift(delegate)).toEqual([]);
  });
});

describe('labels and annotations of the VirtualService', () => {
  it('are put back when someone changes them; the weights stay those of the release', async () => {
    const { kubernetes, router } = cluster();
    await router.ensure(canary(), { primary: 70, canary: 30 });
    route(kubernetes).metadata.annotations = { foreign: 'yes' };
    route(kubernetes).metadata.labels = { foreign: 'yes' };
    expect(await router.drift(canary())).toEqual(['VirtualService shop']);
    await router.ensure(canary(), { primary: 70, canary: 30 });
    expect(route(kubernetes).metadata).toMatchObject({ annotations: fluxGuards, labels: {} });
    expect(route(kubernetes).metadata.annotations).not.toHaveProperty('foreign');
    expect(await router.getWeights(canary())).toEqual({ primary: 70, canary: 30 });
  });

  it('follow service.apex', async () => {
    const target = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'shop', namespace: 'prod' } };
    const { kubernetes, router } = cluster({
      ...target,
      spec: { selector: { matchLabels: { app: 'shop-pods' } }, template: { spec: { containers: [] } } },
    });
    await router.ensure(canary(), start);
    const labelled = canary({ apex: { labels: { team: 'a' }, annotations: { note: 'b' } } });
    expect(await router.drift(labelled)).toEqual(['VirtualService shop']);
    await router.ensure(labelled, start);
    expect(route(kubernetes).metadata.labels).toEqual({ team: 'a', app: 'shop' });
    expect(route(kubernetes).metadata.annotations).toEqual({ note: 'b', ...fluxGuards });
  });
});

describe('taking over a VirtualService that was there before', () => {
  const handwritten = {
    hosts: ['shop.example.com'],
    tls: [{ match: [{ sniHosts: ['a'] }] }],
    http: [{ name: 'mine' }],
  };

  it('BC-31: keeps its spec in an annotation, once', async () => {
    const { kubernetes, router } = cluster(virtualService(handwritten));
    expect(await router.getWeights(canary())).toBeUndefined();
    await router.ensure(canary(), start);
    expect(JSON.parse(route(kubernetes).metadata.annotations![original]!)).toEqual(handwritten);
    expect(await router.drift(canary())).toEqual([]);
    await router.ensure(canary({ timeout: '5s' }), start);
    expect(JSON.parse(route(kubernetes).metadata.annotations![original]!)).toEqual(handwritten);
  });

  it('keeps what kubectl remembers instead, where it does', async () => {
    const { kubernetes, router } = cluster(
      virtualService(handwritten, { annotations: { [kubectl]: '{}', note: 'x' } }),
    );
    await router.ensure(canary(), start);
    expect(route(kubernetes).metadata.annotations).toEqual({ [kubectl]: '{}', ...fluxGuards });
    expect(await router.drift(canary())).toEqual([]);
  });

  it('does not make itself its owner', async () => {
    const { kubernetes, router } = cluster(virtualService(handwritten));
    await router.ensure(canary(), start);
    expect(route(kubernetes).metadata.ownerReferences).toBeUndefined();
  });

  it('remembers nothing when only metadata or weights differ', async () => {
    const { kubernetes, router } = cluster();
    await router.ensure(canary(), start);
    route(kubernetes).metadata.labels = { by: 'hand' };
    await router.ensure(canary(), { primary: 90, canary: 10 });
    expect(route(kubernetes).metadata.annotations).toEqual(fluxGuards);
  });
});

describe('giving a VirtualService back', () => {
  const before = { hosts: ['old'], http: [{ route: [{ destination: { host: 'old' } }] }] };
  const planted = (annotations: object) => cluster(virtualService({ hosts: ['shop'] }, { annotations }));

  it('TestIstioRouter_Finalize: restores the spec that was kept, and the one that kubectl keeps before it', async () => {
    const { kubernetes, router } = planted({ [original]: JSON.stringify(before) });
    await router.revert(canary());
    expect(route(kubernetes).spec).toEqual(before);
    const applied = { spec: { hosts: ['applied'] } };
    const both = planted({ [original]: JSON.stringify(before), [kubectl]: JSON.stringify(applied) });
    await both.router.revert(canary());
    expect(route(both.kubernetes).spec).toEqual(applied.spec);
  });

  it('TestIstioRouter_Finalize: leaves alone what it knows no original of', async () => {
    const { kubernetes, router } = planted({});
    await router.revert(canary());
    expect(kubernetes.writes).toEqual([]);
  });

  it.each([original, kubectl])('names the annotation %s when it cannot be read', async (annotation) => {
    const { router } = planted({ [annotation]: '{' });
    await expect(router.revert(canary())).rejects.toMatchObject({
      type: 'InvalidSpec',
      message: `VirtualService shop.prod failed to unMarshal annotation ${annotation}; remove or mend it`,
    });
  });
});

describe('a DestinationRule that was there before', () => {
  const theirs = { host: 'shop-primary', trafficPolicy: { tls: { mode: 'SIMPLE' } }, subsets: [{ name: 'v1' }] };
  const planted = (metadata: object = {}, spec: object = theirs) => {
    const { apiVersion, kind } = { apiVersion: 'networking.istio.io/v1beta1', kind: 'DestinationRule' };
    const found = { name: 'shop-primary', namespace: 'prod', annotations: { note: 'x' }, ...metadata };
    return cluster({ apiVersion, kind, metadata: found, spec });
  };
  const annotations = (kubernetes: MemoryKubernetes) => rule(kubernetes, 'shop-primary').metadata.annotations;

  it('is replaced, as in Flagger, with a remark that names what it loses, once, and kept in an annotation', async () => {
    const { kubernetes, router } = planted();
    expect(await router.ensure(canary(), start)).toEqual([
      'DestinationRule shop-primary.prod was there before the canary and loses trafficPolicy; subsets; ' +
        'spec.service says what is in it',
    ]);
    expect(rule(kubernetes, 'shop-primary').spec).toEqual({ host: 'shop-primary' });
    expect(annotations(kubernetes)).toEqual({ note: 'x', [original]: JSON.stringify(theirs) });
    const edited = canary({ trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } } });
    expect(await router.ensure(edited, start)).toEqual([]);
    expect(annotations(kubernetes)![original]).toBe(JSON.stringify(theirs));
  });

  it('is given back', async () => {
    const { kubernetes, router } = planted();
    await router.ensure(canary(), start);
    await router.revert(canary());
    expect(rule(kubernetes, 'shop-primary').spec).toEqual(theirs);
    expect(rule(kubernetes).spec).toEqual({ host: 'shop-canary' });
  });

  it('is given back as kubectl remembers it, where it does', async () => {
    const applied = { [kubectl]: JSON.stringify({ spec: theirs }) };
    const { kubernetes, router } = planted({ annotations: applied });
    expect(await router.ensure(canary(), start)).toHaveLength(1);
    expect(annotations(kubernetes)).toEqual({ ...applied, [original]: JSON.stringify(theirs) });
    await router.revert(canary());
    expect(rule(kubernetes, 'shop-primary').spec).toEqual(theirs);
  });

  it('is told of though it only gains something', async () => {
    const { router } = planted({}, { host: 'shop-primary' });
    expect(await router.ensure(canary({ trafficPolicy: { tls: { mode: 'SIMPLE' } } }), start)).toEqual([
      'DestinationRule shop-primary.prod was there before the canary and changes; spec.service says what is in it',
    ]);
  });

  it.each([
    ['is what the Canary asks for', {}, { host: 'shop-primary' }],
    ['belongs to the Canary', { ownerReferences: [{ kind: 'Canary', name: 'shop', controller: true }] }, theirs],
    ['was written by Serin', { managedFields: [{ manager: 'serin' }] }, theirs],
    ['was written by Flagger', { managedFields: [{ manager: 'flagger' }] }, theirs],
  ])('is nobody else’s when it %s', async (_, metadata, spec) => {
    const { kubernetes, router } = planted(metadata, spec);
    expect(await router.ensure(canary(), start)).toEqual([]);
    expect(rule(kubernetes, 'shop-primary').spec).toEqual({ host: 'shop-primary' });
    expect(annotations(kubernetes)).toEqual({ note: 'x' });
  });
});

describe('moving weights', () => {
  it('TestIstioRouter_SetRoutes/normal: leaves 60/40 and no mirror', async () => {
    const { kubernetes, router } = cluster();
    await router.ensure(canary(), start);
    await router.setWeights(canary(), { primary: 60, canary: 40 });
    expect(route(kubernetes).spec.http).toEqual([
      {
        route: [
          { destination: { host: 'shop-primary' }, weight: 60 },
          { destination: { host: 'shop-canary' }, weight: 40 },
        ],
      },
    ]);
  });

  it('TestIstioRouter_GetRoutes: are 100/0 after it was made, mirrored only where the route says so', async () => {
    const { kubernetes, router } = cluster();
    const mirroring = canary({}, { mirror: true });
    await router.ensure(mirroring, start);
    expect(await router.getWeights(mirroring)).toEqual(start);
    Object.assign(route(kubernetes).spec.http[0], { mirror: { host: 'shop-canary' } });
    expect(await router.getWeights(mirroring)).toEqual({ ...start, mirrored: true });
  });

  it('BC-05: changes nothing in a rule but its weights, and never leaves a rule without any weight', async () => {
    const { kubernetes, router } = cluster();
    const ours = canary({
      match: [{ headers: { 'x-tester': { exact: 'yes' } } }],
      headers: { request: { set: { a: 'b' } } },
    });
    await router.ensure(ours, start);
    const masked = () => JSON.stringify(route(kubernetes).spec).replaceAll(/"weight":\d+/g, '"weight":_');
    const before = masked();
    for (const weight of [0, 20, 100, 0]) {
      await router.setWeights(ours, { primary: 100 - weight, canary: weight });
      expect(masked()).toBe(before);
      for (const { route: destinations } of route(kubernetes).spec.http) {
        expect(destinations.reduce((sum, { weight }) => sum + weight!, 0)).toBe(100);
      }
    }
  });

  it('leaves hosts, gateways and metadata to the next repair', async () => {
    const { kubernetes, router } = cluster();
    await router.ensure(canary(), start);
    route(kubernetes).spec.hosts.push('by-hand');
    route(kubernetes).metadata.labels = { by: 'hand' };
    await router.setWeights(canary({ hosts: ['new'] }), { primary: 90, canary: 10 });
    expect(route(kubernetes).spec.hosts).toEqual(['shop', 'by-hand']);
    expect(route(kubernetes).metadata.labels).toEqual({ by: 'hand' });
  });

  it('writes an explicit zero where someone left the weight out', async () => {
    const { kubernetes, router } = cluster();
    await router.ensure(canary(), start);
    delete route(kubernetes).spec.http[0].route[1]!.weight;
    await router.setWeights(canary(), start);
    expect(route(kubernetes).spec.http[0].route[1]).toEqual({ destination: { host: 'shop-canary' }, weight: 0 });
  });

  it('can send everything back to the primary whatever the Canary has been edited to', async () => {
    const { router } = cluster();
    await router.ensure(canary(), { primary: 60, canary: 40 });
    await router.setWeights(canary({ delegation: true, hosts: ['a'] }), start);
    expect(await router.getWeights(canary())).toEqual(start);
  });
});

describe('what people read when the API server refuses', () => {
  const refusal = failure('Unauthorized', 'forbidden by RBAC');

  it.each([
    ['get', 'DestinationRule', 'reconcileDestinationRule failed: DestinationRule shop-canary.prod get query error: '],
    ['create', 'DestinationRule', 'reconcileDestinationRule failed: DestinationRule shop-canary.prod create error: '],
    ['replace', 'DestinationRule', 'reconcileDestinationRule failed: DestinationRule shop-canary.prod update error: '],
    ['get', 'VirtualService', 'reconcileVirtualService failed: VirtualService shop.prod get query error '],
    ['create', 'VirtualService', 'reconcileVirtualService failed: VirtualService shop.prod create error: '],
    ['replace', 'VirtualService', 'reconcileVirtualService failed: VirtualService shop.prod update error: '],
  ] as const)('a refused %s of a %s while reconciling', async (verb, kind, text) => {
    const { kubernetes, router } = cluster();
    if (verb !== 'create') {
      await router.ensure(canary(), start);
      rule(kubernetes).spec.host = 'elsewhere';
      route(kubernetes).spec.hosts = ['elsewhere'];
    }
    kubernetes.failNext(verb, kind, refusal);
    const message = `${text}forbidden by RBAC`;
    await expect(router.ensure(canary(), start)).rejects.toMatchObject({ type: 'Unauthorized', message });
  });

  it.each([
    ['get', 'VirtualService shop.prod get query error forbidden by RBAC'],
    ['replace', 'VirtualService shop.prod update failed: forbidden by RBAC'],
  ] as const)('a refused %s while moving weights', async (verb, message) => {
    const { kubernetes, router } = cluster();
    await router.ensure(canary(), start);
    kubernetes.failNext(verb, 'VirtualService', refusal);
    const moving = router.setWeights(canary(), { primary: 90, canary: 10 });
    await expect(moving).rejects.toMatchObject({ type: 'Unauthorized', message });
  });

  it('a refused read of the weights', async () => {
    const { kubernetes, router } = cluster();
    kubernetes.failNext('get', 'VirtualService', refusal);
    const message = 'VirtualService shop.prod get query error forbidden by RBAC';
    await expect(router.getWeights(canary())).rejects.toMatchObject({ type: 'Unauthorized', message });
  });

  it('a route that is gone', async () => {
    const message = 'VirtualService shop.prod get query error virtualservices.networking.istio.io "shop" not found';
    await expect(cluster().router.setWeights(canary(), start)).rejects.toMatchObject({ type: 'NotFound', message });
  });

  it('delegation with hosts', async () => {
    const message =
      'reconcileVirtualService failed: VirtualService shop.prod cannot have hosts and gateways when delegation enabled';
    const asked = canary({ delegation: true, hosts: ['a'] });
    await expect(cluster().router.drift(asked)).rejects.toMatchObject({ type: 'InvalidSpec', message });
  });

  it('a mistake of our own is not dressed up as a condition of the cluster', async () => {
    const { kubernetes, router } = cluster();
    const bug = new TypeError('x is not a function');
    kubernetes.failNext('get', 'VirtualService', bug);
    await expect(router.getWeights(canary())).rejects.toBe(bug);
  });

  it('a field that this version of Istio drops, named once instead of repaired for ever', async () => {
    const { kubernetes } = cluster();
    const create = kubernetes.create.bind(kubernetes);
    kubernetes.create = async (resource, object) => {
      const stored = structuredClone(object);
      delete (stored.spec as { trafficPolicy?: { loadBalancer: { warmup?: object } } }).trafficPolicy?.loadBalancer
        .warmup;
      return create(resource, stored);
    };
    const router = istio.create(testDeps(kubernetes));
    const asked = canary({ trafficPolicy: { loadBalancer: { simple: 'RANDOM', warmup: { duration: '30s' } } } });
    await expect(router.ensure(asked, start)).rejects.toMatchObject({
      type: 'InvalidSpec',
      message: expect.stringContaining('does not keep spec.trafficPolicy.loadBalancer.warmup.duration'),
    });
    expect(await router.getWeights(asked)).toEqual(start);
  });
});
