import { beforeAll, describe, expect, it } from '@jest/globals';
import { createActivities } from '../../src/activities/index.ts';
import type { Activities } from '../../src/activities/contract.ts';
import { resources, type Kubernetes, type KubernetesObject, type Resource } from '../../src/clients/kubernetes.ts';
import type { Observation } from '../../src/workflows/domain/observation.ts';
import type { Plan, Step } from '../../src/workflows/domain/plan.ts';
import { openCluster } from '../support/cluster.ts';
import { memoryKubernetes } from '../support/memory-kubernetes.ts';
import { hpaRef, shopCanary, shopDeployment, shopHpa, testDeps, type Loose } from '../support/shop.ts';

let kubernetes: Kubernetes;

beforeAll(() => {
  ({ kubernetes } = openCluster());
});

/** The application of the unit tests, in a namespace of its own on a real API server without controllers. */
interface World {
  readonly namespace: string;
  readonly activities: Activities;
  carryOut(verb: Plan['verb'], ...steps: Step[]): Promise<unknown>;
  look(): Promise<Observation>;
  /** Plays the Deployment controller and the kubelets: everything has rolled out and is available. Then looks. */
  rollOut(): Promise<Observation>;
  get(resource: Resource, name: string): Promise<Loose>;
  list(resource: Resource): Promise<KubernetesObject[]>;
  setImage(image: string): Promise<string>;
}

async function world(spec: object = {}, ...others: KubernetesObject[]): Promise<World> {
  const namespace = `activities-${crypto.randomUUID().slice(0, 8)}`;
  await kubernetes.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  const canary = shopCanary(spec) as unknown as KubernetesObject;
  for (const { status: _, ...object } of [canary, shopDeployment() as KubernetesObject, ...others]) {
    const { name, labels } = object.metadata;
    const resource = Object.values(resources).find(({ kind }) => kind === object.kind)!;
    await kubernetes.create(resource, { ...object, metadata: { name, namespace, labels } });
  }

  let calls = 0;
  const deps = { ...testDeps(memoryKubernetes()), kubernetes, mesh: kubernetes };
  const activities = createActivities(
    deps,
    { info: () => undefined, warn: () => undefined },
    { inCall: (work) => work({ key: `run-1/${calls}` }) },
  );
  const ref = { namespace, name: 'shop' };
  const look = () => activities.look(ref, { metricsProviders: false });
  const get = (resource: Resource, name: string): Promise<Loose> => kubernetes.get(resource, namespace, name);

  return {
    namespace,
    activities,
    look,
    get,
    carryOut: (verb, ...steps) => {
      calls++;
      return activities[verb](ref, { verb, summary: verb, steps });
    },
    rollOut: async () => {
      const { items } = await kubernetes.list(resources.deployments, namespace);
      for (const { metadata, spec } of items as Loose[]) {
        const count: number = spec.replicas;
        const status = {
          ...shopDeployment().status,
          ...{ replicas: count, updatedReplicas: count, readyReplicas: count, availableReplicas: count },
          observedGeneration: metadata.generation,
        };
        await kubernetes.patch(resources.deployments, namespace, metadata.name, { status }, 'status');
      }
      return look();
    },
    list: async (resource) => (await kubernetes.list(resource, namespace)).items,
    setImage: async (image) => {
      const template = {
        spec: { containers: [{ ...(shopDeployment().spec.template.spec.containers[0] as object), image }] },
      };
      await kubernetes.patch(resources.deployments, namespace, 'shop', { spec: { template } });
      return (await look()).target!.revision;
    },
  };
}

const all = { primary: 100, canary: 0 };
const prepare: Step[] = [
  { do: 'write-status', status: { phase: 'Initializing' } },
  { do: 'ensure-services' },
  { do: 'ensure-primary' },
];
const turn: Step[] = [
  { do: 'ensure-autoscaler', mode: 'create' },
  { do: 'ensure-apex' },
  { do: 'ensure-routes', weights: all },
  { do: 'scale-target', to: 'zero' },
];
async function initialised(spec: object = {}, ...others: KubernetesObject[]): Promise<World> {
  const shop = await world(spec, ...others);
  expect(await shop.carryOut('initialize', ...prepare)).toBeNull();
  expect((await shop.look()).primary?.readiness).toMatchObject({ ready: false, retriable: true });
  const { primary, target } = await shop.rollOut();
  expect(primary).toMatchObject({ readiness: { ready: true }, equalsTarget: true, ours: true });
  const revision = target!.revision;
  const status = { phase: 'Initialized', lastAppliedSpec: revision, lastPromotedSpec: revision } as const;
  expect(await shop.carryOut('initialize', ...turn, { do: 'write-status', status })).toBeNull();
  return shop;
}

describe('on a real API server', () => {
  it('a Canary is initialised, released and promoted, and nothing drifts', async () => {
    const shop = await initialised({ autoscalerRef: hpaRef }, shopHpa() as KubernetesObject);
    const rested = await shop.rollOut();
    expect(rested).toMatchObject({
      canary: { status: { phase: 'Initialized' } },
      target: { replicas: 0 },
      primary: { replicas: 2, readiness: { ready: true } },
      routes: all,
      drift: [],
    });
    expect(rested.problem).toBeUndefined();

    const revision = await shop.setImage('shop:1.1');
    expect(revision).not.toBe(rested.target?.revision);
    expect(await shop.carryOut('scaleUp', { do: 'scale-target', to: 'up' })).toBeNull();
    expect((await shop.rollOut()).target).toMatchObject({ replicas: 2, readiness: { ready: true } });
    const weights = { primary: 50, canary: 50 };
    expect(await shop.carryOut('shiftTraffic', { do: 'set-weights', weights })).toBeNull();
    expect(await shop.look()).toMatchObject({ routes: weights, primary: { equalsTarget: false }, drift: [] });

    expect(await shop.carryOut('promote', { do: 'promote', revision })).toBeNull();
    expect(await shop.look()).toMatchObject({
      primary: { equalsTarget: true, readiness: { ready: false, retriable: true } },
      drift: [],
    });
    const { spec } = await shop.get(resources.deployments, 'shop-primary');
    expect(spec.template.spec.containers[0].image).toBe('shop:1.1');
  });

  it('a plan that is carried out again changes nothing', async () => {
    const shop = await initialised();
    const revision = await shop.setImage('shop:1.1');
    await shop.carryOut('promote', { do: 'promote', revision });
    const versions = async () => {
      const kinds = [resources.services, resources.virtualServices, resources.controllerRevisions];
      const found = await Promise.all(kinds.map((kind) => shop.list(kind)));
      const primary = await shop.get(resources.deployments, 'shop-primary');
      const versions = found.flat().map((one) => [one.kind, one.metadata.name, one.metadata.resourceVersion]);
      return [...versions, [primary.metadata.generation]];
    };
    const before = await versions();
    const again: Step[] = [
      { do: 'ensure-services' },
      { do: 'ensure-primary' },
      { do: 'ensure-apex' },
      { do: 'ensure-routes', weights: all },
      { do: 'promote', revision },
    ];
    expect(await shop.carryOut('repair', ...again)).toBeNull();
    expect(await versions()).toEqual(before);
  });

  it('Q10: a deleted primary comes back as it was promoted', async () => {
    const shop = await initialised();
    await shop.setImage('shop:2.0-untested');
    await kubernetes.remove(resources.deployments, shop.namespace, 'shop-primary');
    expect((await shop.look()).drift).toEqual(['Deployment shop-primary']);
    expect(await shop.carryOut('repair', { do: 'ensure-primary' })).toBeNull();
    const { spec } = await shop.get(resources.deployments, 'shop-primary');
    expect(spec.template.spec.containers[0].image).toBe('shop:1.0');
  });

  it('Q34: a primary that never became ready follows the target', async () => {
    const shop = await world();
    await shop.carryOut('initialize', ...prepare);
    await shop.setImage('shop:1.0.1');
    expect((await shop.look()).primary).toMatchObject({ equalsTarget: false, ours: true });
    await shop.carryOut('initialize', ...prepare);
    expect((await shop.look()).primary).toMatchObject({ equalsTarget: true, ours: true });
    expect(await shop.list(resources.controllerRevisions)).toHaveLength(1);
  });

  it('BC-23, BC-24: the API server takes whatever ports the containers have', async () => {
    const shop = await world({ service: { port: 9090, portDiscovery: true } });
    const ports = [
      { name: 'http', containerPort: 9003 },
      { name: 'http-ui', containerPort: 9090 },
      { name: 'dns', containerPort: 53 },
      { name: 'dns-udp', containerPort: 53, protocol: 'UDP' },
      { name: 'other', containerPort: 9003 },
      { containerPort: 7000 },
    ];
    const template = { spec: { containers: [{ name: 'web', image: 'shop:1.0', ports }] } };
    await kubernetes.patch(resources.deployments, shop.namespace, 'shop', { spec: { template } });
    expect(await shop.carryOut('initialize', ...prepare, { do: 'ensure-apex' })).toBeNull();
    const { spec } = await shop.get(resources.services, 'shop');
    expect(spec.ports.map(({ name, port, protocol }: Loose) => `${name} ${port}/${protocol}`)).toEqual([
      'http 9090/TCP',
      'dns 53/TCP',
      'dns-udp 53/UDP',
      'tcp-web-5 7000/TCP',
      'http-9003 9003/TCP',
    ]);
    const events = await shop.list(resources.events);
    const own = events.filter(({ source }) => (source as Loose)?.component === 'serin');
    expect(own.map(({ message }) => message)).toEqual([
      expect.stringContaining('container port other (9003/TCP of web)'),
    ]);
    expect((await shop.look()).drift).not.toContainEqual(expect.stringMatching(/^Service/));
  });

  it('a template that a newer API server reads otherwise is the same revision, until somebody writes it', async () => {
    const shop = await world();
    const revision = (await shop.look()).target!.revision;
    const atRest = { phase: 'Succeeded', lastAppliedSpec: revision, lastPromotedSpec: revision } as const;
    await shop.carryOut('finish', { do: 'scale-target', to: 'zero' }, { do: 'write-status', status: atRest });
    const { metadata } = await shop.get(resources.deployments, 'shop');
    const { status } = await shop.get(resources.canaries, 'shop');
    expect(status.observedTarget).toEqual({ uid: metadata.uid, generation: metadata.generation, revision });

    // What was named before the upgrade has another name than the same template has now.
    const before = 'v1:before-the-upgrade';
    const named = { lastAppliedSpec: before, lastPromotedSpec: before };
    const observedTarget = { ...status.observedTarget, revision: before };
    const patch = { status: { ...named, observedTarget } };
    await kubernetes.patch(resources.canaries, shop.namespace, 'shop', patch, 'status');
    expect((await shop.look()).target).toMatchObject({ revision: before });
    await shop.setImage('shop:2.0');
    const { target } = await shop.look();
    expect([before, revision]).not.toContain(target!.revision);
    expect(await shop.carryOut('promote', { do: 'promote', revision: before })).toMatchObject({ reason: 'Conflict' });
  });

  it('a status has its conditions in order, and is not written twice', async () => {
    const shop = await world();
    const condition = { status: 'Unknown', reason: 'Initializing', message: 'New Deployment detected' } as const;
    const stalled = { reason: 'NotFound', message: 'no target' };
    await shop.carryOut('tell', { do: 'write-status', status: { phase: 'Initializing', condition, stalled } });
    const first = await shop.get(resources.canaries, 'shop');
    expect(first.status).toMatchObject({
      phase: 'Initializing',
      canaryWeight: 0,
      failedChecks: 0,
      iterations: 0,
      conditions: [
        { type: 'Promoted', ...condition },
        { type: 'Stalled', status: 'True', ...stalled },
      ],
    });
    await shop.carryOut('tell', { do: 'write-status', status: { phase: 'Initializing', condition, stalled } });
    expect((await shop.get(resources.canaries, 'shop')).metadata.resourceVersion).toBe(first.metadata.resourceVersion);
    await shop.carryOut('tell', {
      do: 'write-status',
      status: { stalled: null, lastAppliedSpec: 'v1:a', trackedConfigs: {} },
    });
    const last = await shop.get(resources.canaries, 'shop');
    expect(last.status).toMatchObject({ trackedConfigs: {}, conditions: [{ type: 'Promoted', ...condition }] });
    expect(last.spec).toEqual(first.spec);
  });

  it('an event told again raises one count, also across the longest messages', async () => {
    const shop = await world();
    const event = { type: 'Warning', message: 'ü'.repeat(2000), scope: 'r' } as const;
    for (let turn = 0; turn < 3; turn++) {
      expect(await shop.carryOut('tell', { do: 'record-event', event })).toBeNull();
    }
    const own = (await shop.list(resources.events)).filter(({ source }) => (source as Loose)?.component === 'serin');
    expect(own).toMatchObject([
      { count: 3, reason: 'Synced', type: 'Warning', involvedObject: { kind: 'Canary', name: 'shop' } },
    ]);
  });
});
