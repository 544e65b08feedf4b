import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { memoryKubernetes } from '../../test/support/memory-kubernetes.ts';
import type { Kubernetes, KubernetesObject, Resource, WatchEvent } from '../clients/kubernetes.ts';
import { failure } from '../errors.ts';
import { createLog } from '../log.ts';
import { createWatches, type Watches } from './index.ts';
import { apis } from '../apis.ts';

let life: AbortController;
let running: Promise<void>;
let hints: string[];
let metrics: Registry;
let streams: Map<string, (event: WatchEvent) => void>;
let version: number;

beforeEach(() => {
  [life, hints, metrics, streams, version] = [new AbortController(), [], new Registry(), new Map(), 1000];
});

afterEach(async () => {
  life.abort();
  await running;
});

/** A cluster whose changes the test streams by hand. */
function cluster(missing: readonly string[], ...objects: object[]): Kubernetes {
  const memory = memoryKubernetes(...objects);
  return {
    ...memory,
    list: (resource, namespace, query) =>
      missing.includes(resource.plural)
        ? Promise.reject(failure('NotFound', 'the server could not find the requested resource'))
        : memory.list(resource, namespace, query),
    watch: (resource: Resource, _namespace, _query, onEvent, signal) =>
      new Promise((resolve) => {
        streams.set(`${resource.apiVersion} ${resource.kind}`, onEvent);
        signal.addEventListener('abort', () => resolve(), { once: true });
      }),
  };
}

function start(kubernetes: Kubernetes, options: object = {}): Watches {
  const watches = createWatches({
    kubernetes,
    mesh: kubernetes,
    namespace: '',
    configTracking: true,
    apis,
    fieldManager: 'serin',
    hint: (canary, hint) => hints.push(`${canary.namespace}/${canary.name} ← ${hint.source}`),
    log: createLog('error', () => undefined),
    metrics,
    info: { version: '0.1.0', meshProvider: 'istio' },
    ...options,
  });
  running = watches.run(life.signal);
  return watches;
}

function emit(type: WatchEvent['type'], object: KubernetesObject, manager = 'kubectl') {
  version += 1;
  const managedFields = [{ manager, time: `2026-05-04T09:12:${version % 60}Z` }];
  const metadata = { ...object.metadata, resourceVersion: String(version), managedFields };
  streams.get(`${object.apiVersion} ${object.kind}`)!({ type, object: { ...object, metadata } });
}

const canary = (name: string, spec: object = {}, status: object = {}): KubernetesObject => ({
  apiVersion: 'flagger.app/v1beta1',
  kind: 'Canary',
  metadata: { name, namespace: 'shop', uid: `uid-${name}`, generation: 1 },
  spec: { targetRef: { kind: 'Deployment', name }, ...spec },
  status,
});

const deployment = (name: string, image = '1'): KubernetesObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, namespace: 'shop', uid: `uid-${name}`, generation: 1 },
  spec: { replicas: 1, template: { spec: { containers: [{ name: 'app', image: `app:${image}` }] } } },
});

const service = (name: string, selector: string): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'shop', uid: `uid-${name}` },
  spec: { selector: { app: selector } },
});

const wait = (ms: number) => new Promise((done) => setTimeout(done, ms));
const listed = async () => {
  await wait(150);
  hints.splice(0);
};

describe('watching a cluster', () => {
  it('hints every Canary once at the start, and nothing else', async () => {
    start(cluster([], canary('a'), canary('b'), deployment('a'), deployment('a-primary'), service('a', 'a-primary')));
    await wait(150);
    expect(hints).toEqual(['shop/a ← watch/start', 'shop/b ← watch/start']);
  });

  it('hints the owner of a target that changes, and nobody for what belongs to nobody', async () => {
    start(cluster([], canary('a'), deployment('a'), deployment('other')));
    await listed();
    emit('MODIFIED', deployment('a', '2'));
    emit('MODIFIED', deployment('other', '2'));
    emit('ADDED', deployment('a-primary'));
    expect(hints).toEqual(['shop/a ← watch/deployment', 'shop/a ← watch/deployment']);
  });

  it('hints the owner of a DaemonSet, and of a route of the Gateway API', async () => {
    const targetRef = { kind: 'DaemonSet', name: 'a' };
    start(cluster([], canary('a', { targetRef })));
    await listed();
    const { spec, metadata } = deployment('a', '2');
    emit('ADDED', { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata, spec });
    emit('ADDED', { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata, spec: {} });
    expect(hints).toEqual(['shop/a ← watch/daemonset', 'shop/a ← watch/httproute']);
  });

  it('hints the owners of targets whose pods read what changes, as long as they do, and nobody else', async () => {
    const reading = (name: string, settings?: string) => {
      const object = deployment(name);
      const containers = settings ? [{ name: 'app', envFrom: [{ configMapRef: { name: settings } }] }] : [];
      return { ...object, spec: { replicas: 1, template: { spec: { containers } } } };
    };
    const change = (kind: string, name: string) =>
      emit('MODIFIED', { apiVersion: 'v1', kind, metadata: { name, namespace: 'shop', uid: name } });
    start(cluster([], canary('a'), canary('b'), reading('a', 'shared'), reading('b', 'shared'), reading('c', 'other')));
    await listed();
    change('ConfigMap', 'shared');
    expect(hints.splice(0).sort()).toEqual(['shop/a ← watch/configmap', 'shop/b ← watch/configmap']);
    change('Secret', 'shared');
    change('ConfigMap', 'other');
    expect(hints).toEqual([]);
    emit('MODIFIED', reading('b'));
    hints.splice(0);
    change('ConfigMap', 'shared');
    expect(hints).toEqual(['shop/a ← watch/configmap']);
  });

  it('asks for the metadata of ConfigMaps and Secrets, and for nothing where nothing is tracked', async () => {
    const asked: Resource[] = [];
    const memory = cluster([], canary('a'));
    const list = (...[resource, namespace, query]: Parameters<Kubernetes['list']>) => {
      asked.push(resource);
      return memory.list(resource, namespace, query);
    };
    start({ ...memory, list });
    await listed();
    const configs = () => asked.filter(({ kind }) => kind === 'ConfigMap' || kind === 'Secret');
    expect(configs().map(({ metadataOnly }) => metadataOnly)).toEqual([true, true]);
    life.abort();
    await running;
    [life, metrics, asked.length] = [new AbortController(), new Registry(), 0];
    start({ ...memory, list }, { configTracking: false });
    await listed();
    expect(configs()).toEqual([]);
  });

  it.each([
    [[], []],
    [['istio'], ['VirtualService', 'DestinationRule']],
    [
      ['gatewayapi', 'keda'],
      ['HTTPRoute', 'ScaledObject'],
    ],
  ] as const)('of the APIs of others, watches %p and nothing else', async (names, kinds) => {
    const asked: Resource[] = [];
    const memory = cluster([], canary('a'));
    const list = (...[resource, namespace, query]: Parameters<Kubernetes['list']>) => {
      asked.push(resource);
      return memory.list(resource, namespace, query);
    };
    start({ ...memory, list }, { apis: apis.filter(({ name }) => (names as readonly string[]).includes(name)) });
    await listed();
    const foreign = asked.filter(({ apiVersion }) => /istio|gateway|keda|knative/.test(apiVersion));
    expect(foreign.map(({ kind }) => kind)).toEqual(kinds);
  });

  it('a template hands on the trace that it came with, and one that somebody changes later does not', async () => {
    const traces: (string | undefined)[] = [];
    start(cluster([], canary('a'), deployment('a')), {
      hint: (_: unknown, __: unknown, trace?: string) => traces.push(trace),
    });
    await listed();
    traces.length = 0;
    const traced = (image: string, trace?: string) => {
      const object = deployment('a', image);
      const annotations: Record<string, string> = trace ? { 'serin.dev/traceparent': trace } : {};
      return { ...object, metadata: { ...object.metadata, annotations } };
    };
    emit('MODIFIED', traced('2', '00-a-b-01'));
    emit('MODIFIED', traced('3', '00-a-b-01'));
    emit('MODIFIED', traced('4', '00-c-d-01'));
    emit('MODIFIED', traced('5'));
    expect(traces).toEqual(['00-a-b-01', undefined, '00-c-d-01', undefined]);
  });

  it('a repair of ours causes no hint, a change by hand and a deletion do', async () => {
    start(cluster([], canary('a'), service('a-canary', 'a')));
    await listed();
    emit('MODIFIED', service('a-canary', 'x'), 'serin');
    expect(hints).toEqual([]);
    emit('MODIFIED', service('a-canary', 'y'), 'kubectl');
    emit('DELETED', service('a-canary', 'y'));
    expect(hints).toEqual(['shop/a ← watch/service', 'shop/a ← watch/service']);
  });

  it('a Knative Service hints by its revisions and its traffic, and not by its template', async () => {
    const targetRef = { apiVersion: 'serving.knative.dev/v1', kind: 'Service', name: 'a' };
    const knative = (image: string, [created, ready]: readonly string[], percent = 0): KubernetesObject => ({
      apiVersion: 'serving.knative.dev/v1',
      kind: 'Service',
      metadata: { name: 'a', namespace: 'shop', uid: 'uid-knative' },
      spec: { template: { image }, traffic: [{ latestRevision: true, percent }] },
      status: { latestCreatedRevisionName: created, latestReadyRevisionName: ready },
    });
    start(cluster([], canary('a', { targetRef }), knative('1', ['a-1', 'a-1'])));
    await listed();
    emit('MODIFIED', knative('2', ['a-1', 'a-1']), 'kubectl');
    expect(hints).toEqual([]);
    emit('MODIFIED', knative('2', ['a-2', 'a-1']), 'controller');
    emit('MODIFIED', knative('2', ['a-2', 'a-2']), 'controller');
    emit('MODIFIED', knative('2', ['a-2', 'a-2'], 10), 'serin');
    expect(hints).toHaveLength(2);
    emit('MODIFIED', knative('2', ['a-2', 'a-2'], 50), 'kubectl');
    expect(hints).toEqual(Array(3).fill('shop/a ← watch/service'));
    // What Kubernetes calls a Service is not what this Canary has as target.
    emit('MODIFIED', service('a-2', 'y'), 'kubectl');
    expect(hints).toHaveLength(3);
  });

  it('a Canary made later owns what was there before it', async () => {
    start(cluster([], deployment('late')));
    await listed();
    emit('ADDED', canary('late'));
    emit('MODIFIED', deployment('late', '2'));
    expect(hints).toEqual(['shop/late ← watch/canary', 'shop/late ← watch/deployment']);
  });

  it('a deleted Canary is hinted once more and then forgotten', async () => {
    start(cluster([], canary('a'), deployment('a')));
    await listed();
    emit('DELETED', canary('a'));
    emit('MODIFIED', deployment('a', '2'));
    expect(hints).toEqual(['shop/a ← watch/canary']);
  });

  it.each([
    ['is deleted', 'DELETED', {}],
    ['gets another target', 'MODIFIED', { targetRef: { kind: 'Deployment', name: 'b' } }],
  ] as const)('Q40: a Canary that %s hints those that waited for its target', async (_, type, spec) => {
    const target = { targetRef: { kind: 'Deployment', name: 'a' } };
    start(cluster([], canary('elder', target), canary('younger', target), canary('other')));
    await listed();
    const elder = canary('elder', { ...target, ...spec });
    emit(type, { ...elder, metadata: { ...elder.metadata, generation: 2 } });
    expect(hints).toEqual(['shop/elder ← watch/canary', 'shop/younger ← watch/canary']);
  });

  it('Q40: an edit that keeps the target is nobody else’s business', async () => {
    const target = { targetRef: { kind: 'Deployment', name: 'a' } };
    start(cluster([], canary('elder', target), canary('younger', target)));
    await listed();
    const elder = canary('elder', { ...target, suspend: true });
    emit('MODIFIED', { ...elder, metadata: { ...elder.metadata, generation: 2 } });
    expect(hints).toEqual(['shop/elder ← watch/canary']);
  });

  it('works without Istio, and says that it is not there', async () => {
    const watches = start(cluster(['virtualservices', 'destinationrules'], canary('a')));
    await wait(150);
    expect(hints).toEqual(['shop/a ← watch/start']);
    expect(watches.readiness()).toEqual({
      problems: [],
      notes: [
        'virtualservices.networking.istio.io is not installed in the cluster',
        'destinationrules.networking.istio.io is not installed in the cluster',
      ],
    });
  });

  it('does not wait for what it may not list, and says so', async () => {
    const watched = cluster([], canary('a'));
    const refused: Kubernetes = {
      ...watched,
      list: (resource, namespace, query) =>
        resource.plural === 'secrets'
          ? Promise.reject(failure('Unauthorized', 'secrets is forbidden'))
          : watched.list(resource, namespace, query),
    };
    const watches = start(refused, { startWithinMs: 60_000 });
    await wait(200);
    expect(hints).toEqual(['shop/a ← watch/start']);
    expect(watches.readiness()).toEqual({
      problems: [],
      notes: ['secrets is not listed yet: secrets is forbidden'],
    });
  });

  it('is not ready without the CRDs of Canaries, and names them', async () => {
    const watches = start(cluster(['canaries']));
    await wait(150);
    expect(watches.readiness().problems).toEqual(['canaries.flagger.app is not installed in the cluster']);
  });

  it('looks at everything again now and then when asked to', async () => {
    start(cluster([], canary('a')), { resyncMs: 40 });
    await wait(250);
    expect(hints.filter((hint) => hint === 'shop/a ← watch/resync').length).toBeGreaterThan(1);
  });

  it('exports Flagger’s gauges and drops the series of a deleted Canary', async () => {
    start(
      cluster(
        [],
        canary('a', {}, { phase: 'Progressing', canaryWeight: 30 }),
        canary('b', {}, { phase: 'Failed' }),
        canary('c'),
      ),
    );
    await wait(150);
    const series = async () => (await metrics.metrics()).split('\n').filter((line) => line.startsWith('flagger_'));
    expect(await series()).toEqual([
      'flagger_info{version="0.1.0",mesh_provider="istio"} 1',
      'flagger_canary_total{namespace="shop"} 3',
      'flagger_canary_status{name="a",namespace="shop"} 0',
      'flagger_canary_status{name="b",namespace="shop"} 2',
      'flagger_canary_status{name="c",namespace="shop"} 1',
      'flagger_canary_weight{workload="a-primary",namespace="shop"} 70',
      'flagger_canary_weight{workload="a",namespace="shop"} 30',
      'flagger_canary_weight{workload="b-primary",namespace="shop"} 100',
      'flagger_canary_weight{workload="b",namespace="shop"} 0',
      'flagger_canary_weight{workload="c-primary",namespace="shop"} 100',
      'flagger_canary_weight{workload="c",namespace="shop"} 0',
    ]);
    emit('DELETED', canary('b'));
    emit('DELETED', canary('c'));
    expect(await series()).toEqual([
      'flagger_info{version="0.1.0",mesh_provider="istio"} 1',
      'flagger_canary_total{namespace="shop"} 1',
      'flagger_canary_status{name="a",namespace="shop"} 0',
      'flagger_canary_weight{workload="a-primary",namespace="shop"} 70',
      'flagger_canary_weight{workload="a",namespace="shop"} 30',
    ]);
  });

  it.each([
    ['Progressing', 0],
    ['Failed', 2],
    ...[
      undefined,
      'Initializing',
      'Initialized',
      'Waiting',
      'WaitingPromotion',
      'Promoting',
      'Finalising',
      'Succeeded',
    ].map((phase) => [phase, 1] as const),
  ])('Q43: in phase %s the status gauge is %d, as in Flagger', async (phase, value) => {
    start(cluster([], canary('a', {}, phase === undefined ? {} : { phase })));
    await wait(150);
    const found = (await metrics.metrics()).split('\n').filter((line) => line.startsWith('flagger_canary_status{'));
    expect(found).toEqual([`flagger_canary_status{name="a",namespace="shop"} ${value}`]);
  });

  const blueGreen = { analysis: { iterations: 2 } };
  const abTest = { analysis: { iterations: 2, match: [{ headers: { cookie: { exact: 'a' } } }] } };
  const noMesh = (spec: object) => ({ ...spec, provider: 'kubernetes' });
  it.each`
    strategy                                         | spec                        | status                                                     | weight
    ${'a canary'}                                    | ${{ analysis: {} }}         | ${{ phase: 'Progressing', canaryWeight: 30 }}              | ${30}
    ${'a canary that waits for its promotion'}       | ${{ analysis: {} }}         | ${{ phase: 'WaitingPromotion', canaryWeight: 50 }}         | ${50}
    ${'a canary with a last iteration of before'}    | ${{ analysis: {} }}         | ${{ phase: 'Progressing', iterations: 3 }}                 | ${0}
    ${'an A/B test that begins'}                     | ${abTest}                   | ${{ phase: 'Progressing', iterations: 0 }}                 | ${0}
    ${'an A/B test'}                                 | ${abTest}                   | ${{ phase: 'Progressing', iterations: 1 }}                 | ${100}
    ${'an A/B test that waits for its promotion'}    | ${abTest}                   | ${{ phase: 'WaitingPromotion', iterations: 0 }}            | ${100}
    ${'an A/B test that is promoted'}                | ${abTest}                   | ${{ phase: 'Promoting', iterations: 2 }}                   | ${100}
    ${'an A/B test that is promoted in steps'}       | ${abTest}                   | ${{ phase: 'Promoting', iterations: 2, canaryWeight: 80 }} | ${80}
    ${'an A/B test that is over'}                    | ${abTest}                   | ${{ phase: 'Succeeded', iterations: 0 }}                   | ${0}
    ${'an A/B test that failed'}                     | ${abTest}                   | ${{ phase: 'Failed', iterations: 1 }}                      | ${0}
    ${'blue/green before the switch'}                | ${blueGreen}                | ${{ phase: 'Progressing', iterations: 2 }}                 | ${0}
    ${'blue/green after the switch'}                 | ${blueGreen}                | ${{ phase: 'Progressing', iterations: 3 }}                 | ${100}
    ${'blue/green that waits for the switch'}        | ${blueGreen}                | ${{ phase: 'WaitingPromotion', iterations: 1 }}            | ${0}
    ${'blue/green that is promoted'}                 | ${blueGreen}                | ${{ phase: 'Promoting', iterations: 3 }}                   | ${100}
    ${'blue/green that is promoted in steps'}        | ${blueGreen}                | ${{ phase: 'Promoting', iterations: 3, canaryWeight: 40 }} | ${40}
    ${'blue/green that ends'}                        | ${blueGreen}                | ${{ phase: 'Finalising', iterations: 0 }}                  | ${0}
    ${'blue/green whose primary failed'}             | ${blueGreen}                | ${{ phase: 'Failed', iterations: 0, canaryWeight: 100 }}   | ${100}
    ${'blue/green without a mesh, at its beginning'} | ${noMesh(blueGreen)}        | ${{ phase: 'Progressing', iterations: 0 }}                 | ${0}
    ${'blue/green without a mesh'}                   | ${noMesh(blueGreen)}        | ${{ phase: 'Progressing', iterations: 1 }}                 | ${100}
    ${'a canary without a mesh'}                     | ${noMesh({ analysis: {} })} | ${{ phase: 'Promoting', iterations: 11 }}                  | ${100}
    ${'a canary without a mesh that is over'}        | ${noMesh({ analysis: {} })} | ${{ phase: 'Succeeded', iterations: 0 }}                   | ${0}
  `('exports the weight that is in force for $strategy: $weight', async ({ spec, status, weight }) => {
    start(cluster([], canary('a', spec as object, status as object)));
    await wait(150);
    const lines = (await metrics.metrics()).split('\n').filter((line) => line.startsWith('flagger_canary_weight'));
    expect(lines).toEqual([
      `flagger_canary_weight{workload="a-primary",namespace="shop"} ${100 - Number(weight)}`,
      `flagger_canary_weight{workload="a",namespace="shop"} ${Number(weight)}`,
    ]);
  });

  it('takes the mesh provider of the settings for Canaries that name none', async () => {
    const info = { version: '0.1.0', meshProvider: 'kubernetes' };
    start(cluster([], canary('a', blueGreen, { phase: 'Progressing', iterations: 1 })), { info });
    await wait(150);
    expect(await metrics.metrics()).toContain('flagger_canary_weight{workload="a",namespace="shop"} 100');
  });

  it('says how long a Canary may stand still by its own times, and which one is suspended', async () => {
    const lastTransitionTime = '2026-05-04T09:12:00Z';
    const slow = { progressDeadlineSeconds: 1800, analysis: { interval: '5m' } };
    start(
      cluster(
        [],
        canary('a', slow, { phase: 'Progressing', lastTransitionTime }),
        canary('b', { suspend: true }, { phase: 'of-another-controller' }),
      ),
    );
    await wait(150);
    const series = async () => (await metrics.metrics()).split('\n').filter((line) => line.startsWith('serin_canary_'));
    expect(await series()).toEqual([
      'serin_canary_phase{namespace="shop",name="a",phase="Progressing"} 1',
      'serin_canary_phase{namespace="shop",name="b",phase="other"} 1',
      `serin_canary_last_transition_timestamp_seconds{namespace="shop",name="a"} ${Date.parse(lastTransitionTime) / 1000}`,
      'serin_canary_interval_seconds{namespace="shop",name="a"} 300',
      'serin_canary_interval_seconds{namespace="shop",name="b"} 60',
      'serin_canary_progress_deadline_seconds{namespace="shop",name="a"} 1800',
      'serin_canary_progress_deadline_seconds{namespace="shop",name="b"} 600',
      'serin_canary_suspended{namespace="shop",name="b"} 1',
    ]);
    emit('DELETED', canary('b'));
    expect((await series()).filter((line) => line.includes('name="b"'))).toEqual([]);
  });
});
