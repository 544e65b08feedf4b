import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import type { Deps } from '../../src/activities/deps.ts';
import { routers } from '../../src/activities/routers/index.ts';
import { istio } from '../../src/activities/routers/istio.ts';
import { lastApplied } from '../../src/activities/originals.ts';
import { createKubernetes, loadKubeConfig } from '../../src/clients/kubernetes-client.ts';
import { resources, type Kubernetes, type KubernetesObject } from '../../src/clients/kubernetes.ts';
import { fieldManager } from '../../src/config.ts';
import { routerContract } from '../contracts/router.ts';
import { canaryOf, openWorld, routerWorlds, shopWith } from '../contracts/router-worlds.ts';
import { connect, openCluster } from '../support/cluster.ts';
import { memoryKubernetes } from '../support/memory-kubernetes.ts';
import { testDeps } from '../support/shop.ts';

const start = { primary: 100, canary: 0 };
let kubernetes: Kubernetes;

beforeAll(async () => {
  kubernetes = await connect();
});

for (const [provider, { create }] of routers) {
  const capabilities = routerWorlds.get(provider)!(testDeps(memoryKubernetes()), 'prod');
  routerContract(provider, create, capabilities, async () => {
    const { namespace, uid } = await owner();
    return openWorld(provider, deps(), namespace, uid);
  });
}

describe('Istio’s own schemas', () => {
  it('accept the objects of the tutorial, and keep them as Flagger’s were kept', async () => {
    const recorded = parse(
      readFileSync(new URL('../fixtures/routers/istio-podinfo.yaml', import.meta.url), 'utf8'),
    ) as { canary: KubernetesObject; initialised: KubernetesObject[] };
    const { metadata } = recorded.canary;
    const { namespace, uid } = await owner(metadata.name);
    const canary = canaryOf({ ...recorded.canary, metadata: { ...metadata, namespace, uid } });
    await istio.create(deps()).ensure(canary, start);
    for (const { kind, metadata, spec } of recorded.initialised) {
      expect((await stored(kind, namespace, metadata.name)).spec).toEqual(spec);
    }
  });

  it('BC-33: keep a traffic policy whole, for both hosts', async () => {
    const trafficPolicy = {
      loadBalancer: { consistentHash: { httpQueryParameterName: 'user' }, localityLbSetting: { enabled: true } },
      connectionPool: { tcp: { maxConnections: 5, connectTimeout: '2s' } },
    };
    const canary = await shop({ trafficPolicy });
    await istio.create(deps()).ensure(canary, start);
    for (const name of ['shop-primary', 'shop-canary']) {
      const { spec } = await stored('DestinationRule', canary.metadata.namespace, name);
      expect(spec).toEqual({ host: name, trafficPolicy });
    }
    expect(await istio.create(deps()).drift(canary)).toEqual([]);
  });

  it('accept everything that a Canary may say about its routes', async () => {
    const canary = await shop({
      port: 9898,
      portDiscovery: true,
      hosts: ['shop.example.com'],
      gateways: ['ingress/public', 'mesh'],
      match: [{ uri: { prefix: '/' }, headers: { 'x-user': {} }, ignoreUriCase: true }],
      rewrite: { uri: '/v2', authority: 'x.y', type: 'ReplaceFullPath' },
      timeout: '15s',
      retries: { attempts: 3, perTryTimeout: '1s', retryOn: 'gateway-error' },
      corsPolicy: { allowOrigins: [{ exact: 'https://example.com' }], allowMethods: ['GET'], maxAge: '24h' },
      headers: { request: { add: { 'x-a': '1' } }, response: { remove: ['token'] } },
    });
    await istio.create(deps()).ensure(canary, start);
    expect(await istio.create(deps()).drift(canary)).toEqual([]);
    const { spec } = await stored('VirtualService', canary.metadata.namespace, 'shop');
    expect(spec).toMatchObject({
      http: [
        {
          match: [{ headers: { 'x-user': {} } }],
          rewrite: { uri: '/v2', authority: 'x.y' },
          route: [
            { destination: { host: 'shop-primary', port: { number: 9898 } }, weight: 100 },
            { destination: { host: 'shop-canary', port: { number: 9898 } }, weight: 0 },
          ],
        },
      ],
    });
  });

  it('BC-32: let delegation take hosts and gateways away', async () => {
    const canary = await shop({ hosts: ['shop.example.com'], gateways: ['ingress/public'] });
    await istio.create(deps()).ensure(canary, start);
    const delegate = await shop({ delegation: true }, canary);
    expect(await istio.create(deps()).drift(delegate)).toEqual(['VirtualService shop']);
    await istio.create(deps()).ensure(delegate, start);
    const { spec } = await stored('VirtualService', canary.metadata.namespace, 'shop');
    expect(spec).not.toHaveProperty('gateways');
    expect((spec as { hosts?: string[] }).hosts ?? []).toEqual([]);
    expect(await istio.create(deps()).drift(delegate)).toEqual([]);
  });

  it('let TCP routes be replaced by HTTP ones', async () => {
    const canary = await shop({ appProtocol: 'TCP', match: [{ port: 8080 }] });
    await istio.create(deps()).ensure(canary, start);
    await istio.create(deps()).setWeights(canary, { primary: 60, canary: 40 });
    expect(await istio.create(deps()).getWeights(canary)).toEqual({ primary: 60, canary: 40 });
    const http = await shop({}, canary);
    await istio.create(deps()).ensure(http, { primary: 60, canary: 40 });
    const { spec } = await stored('VirtualService', canary.metadata.namespace, 'shop');
    expect(Object.keys(spec as object).sort()).toEqual(['gateways', 'hosts', 'http']);
  });

  it('tell from its writers whose a DestinationRule is, and give one that was there before back', async () => {
    const own = createKubernetes(loadKubeConfig(openCluster().kubeconfig), { fieldManager });
    const router = istio.create({ ...deps(), kubernetes: own, mesh: own });
    const canary = await shop({});
    const { namespace } = canary.metadata;
    const theirs = { host: 'shop-primary', trafficPolicy: { tls: { mode: 'SIMPLE' } }, subsets: [{ name: 'v1' }] };
    const { apiVersion, kind } = resources.destinationRules;
    const metadata = {
      name: 'shop-primary',
      namespace,
      annotations: { [lastApplied]: JSON.stringify({ spec: theirs }) },
    };
    await kubernetes.create(resources.destinationRules, { apiVersion, kind, metadata, spec: theirs });
    expect(await router.ensure(canary, start)).toEqual([
      expect.stringContaining(
        `DestinationRule shop-primary.${namespace} was there before the canary and loses subsets; trafficPolicy`,
      ),
    ]);
    // From now on nothing in it is anybody else's, though it has no owner of ours.
    const edited = await shop({ trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } } }, canary);
    expect(await router.ensure(edited, start)).toEqual([]);
    await router.revert(edited);
    expect((await stored('DestinationRule', namespace, 'shop-primary')).spec).toEqual(theirs);
  });

  it('refuse a value that Istio does not allow, which is an invalid spec', async () => {
    const canary = await shop({ timeout: 'soon' });
    await expect(istio.create(deps()).ensure(canary, start)).rejects.toMatchObject({
      type: 'InvalidSpec',
      message: expect.stringMatching(
        /^reconcileVirtualService failed: VirtualService shop\..* create error: .*timeout/,
      ),
    });
  });

  it('drop a field that Istio does not have, which is an invalid spec and not a repair for ever', async () => {
    const canary = await shop({ trafficPolicy: { loadBalancer: { simple: 'RANDOM', noSuchField: true } } });
    await expect(istio.create(deps()).ensure(canary, start)).rejects.toMatchObject({
      type: 'InvalidSpec',
      message: expect.stringContaining('does not keep spec.trafficPolicy.loadBalancer.noSuchField'),
    });
  });
});

function deps(): Deps {
  return { ...testDeps(memoryKubernetes()), kubernetes, mesh: kubernetes };
}

/**
 * A namespace with a Canary in it that can own what a test makes: the garbage collector removes whatever belongs to
 * an owner that does not exist.
 */
async function owner(name = 'shop'): Promise<{ namespace: string; uid: string }> {
  const namespace = `routers-${randomUUID().slice(0, 8)}`;
  await kubernetes.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  const { apiVersion, kind, spec } = shopWith({}, {}, { namespace });
  const canary = { apiVersion, kind, metadata: { name, namespace }, spec };
  const { uid = '' } = (await kubernetes.create(resources.canaries, canary)).metadata;
  return { namespace, uid };
}

async function shop(service: object, { metadata }: { metadata?: { namespace: string; uid?: string } } = {}) {
  return shopWith(service, {}, metadata ?? (await owner()));
}

async function stored(kind: string, namespace: string, name: string): Promise<KubernetesObject> {
  const resource = kind === 'VirtualService' ? resources.virtualServices : resources.destinationRules;
  return (await kubernetes.get(resource, namespace, name))!;
}
