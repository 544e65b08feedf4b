import { describe, expect, it } from '@jest/globals';
import { memoryKubernetes, type MemoryKubernetes } from '../../test/support/memory-kubernetes.ts';
import { hpaRef, shopCanary, shopDeployment, shopHpa, testDeps } from '../../test/support/shop.ts';
import type { Settings } from '../config.ts';
import { failure } from '../errors.ts';
import { createObserve, type LookSources } from './look.ts';
import { revisionOf } from './revision.ts';

const ref = { namespace: 'prod', name: 'shop' };
const quiet: LookSources = {
  metricChecks: () => [],
  metricsProvidersError: () => Promise.resolve(undefined),
  hasGlobalNotifier: false,
};

function look(kubernetes: MemoryKubernetes, sources: Partial<LookSources> = {}, settings: Partial<Settings> = {}) {
  const deps = testDeps(kubernetes, settings);
  const observe = createObserve(deps, { ...quiet, ...sources });
  return async (metricsProviders = false) => (await observe(ref, { metricsProviders })).observation;
}

const primary = () => shopDeployment({ name: 'shop-primary' });

describe('a look', () => {
  it('says that there is no Canary', async () => {
    expect(await look(memoryKubernetes())()).toEqual({ drift: [] });
  });

  it('sees a new Canary, its target, and what is still to be made', async () => {
    const canary = shopCanary({ autoscalerRef: hpaRef });
    expect(await look(memoryKubernetes(canary, shopDeployment(), shopHpa()))()).toMatchObject({
      canary: {
        uid: 'canary-uid',
        generation: 1,
        deleting: false,
        settings: { target: { kind: 'Deployment', name: 'shop' }, hasAutoscaler: true },
        status: { phase: '', canaryWeight: 0, lastAppliedSpec: '' },
      },
      target: { revision: revisionOf(shopDeployment().spec.template), replicas: 2, readiness: { ready: true } },
      drift: [
        'Deployment shop-primary',
        'Service shop-canary',
        'Service shop-primary',
        'Service shop',
        'HorizontalPodAutoscaler shop-primary',
        'DestinationRule shop-canary',
        'DestinationRule shop-primary',
        'VirtualService shop',
      ],
    });
  });

  it('reads each object once, however many parts ask for it', async () => {
    const service = { port: 80, apex: { labels: { team: 'shop' } } };
    const kubernetes = memoryKubernetes(shopCanary({ service, autoscalerRef: hpaRef }), shopDeployment(), primary());
    const asked: string[] = [];
    const counting: MemoryKubernetes = {
      ...kubernetes,
      get(resource, namespace, name) {
        asked.push(`${resource.kind} ${name}`);
        return kubernetes.get(resource, namespace, name);
      },
    };
    await look(counting)();
    expect(asked.length).toBeGreaterThan(8);
    expect(asked).toEqual([...new Set(asked)]);
    // Nothing is remembered for the next one.
    const before = asked.length;
    await look(counting)();
    expect(asked).toHaveLength(2 * before);
  });

  it('writes nothing', async () => {
    const kubernetes = memoryKubernetes(shopCanary(), shopDeployment());
    await look(kubernetes)();
    expect(kubernetes.writes).toEqual([]);
  });

  it('sees that the Canary is being deleted, and what holds it', async () => {
    const stalled = { type: 'Stalled', status: 'True', reason: 'NotFound', message: 'no target' };
    const status = { phase: 'Succeeded', conditions: [stalled] };
    const canary = shopCanary({}, status, { deletionTimestamp: '2026-01-02T00:00:00Z' });
    expect((await look(memoryKubernetes(canary, shopDeployment()))()).canary).toMatchObject({
      deleting: true,
      stalled: 'no target',
      status: { phase: 'Succeeded' },
    });
  });

  it('sees what of the spec cannot be read, and what was said of it', async () => {
    const warned = { type: 'Warning', status: 'True', reason: 'InvalidSpec', message: 'an earlier one' };
    const canary = shopCanary(
      { analysis: { interval: '10sfoo', threshold: 3, stepWeight: 10 } },
      { conditions: [warned] },
    );
    const found = await look(memoryKubernetes(canary, shopDeployment()))();
    expect(found.canary).toMatchObject({
      unheeded:
        'spec.analysis.interval: time: unknown unit "sfoo" in duration "10sfoo"; a minute is used; ' +
        'write one such as 30s or 1m30s',
      warned: 'an earlier one',
    });
    expect(found.problem).toBeUndefined();
  });

  it('asks the metrics providers only when it is told to', async () => {
    const kubernetes = memoryKubernetes(shopCanary(), shopDeployment());
    const asks = look(kubernetes, { metricsProvidersError: () => Promise.resolve('no such host') });
    expect((await asks(true)).metricsProviders).toEqual({ error: 'no such host' });
    expect((await asks(false)).metricsProviders).toBeUndefined();
    expect((await look(kubernetes)(true)).metricsProviders).toEqual({});
  });

  it.each([
    [
      'a Canary that cannot be read',
      [shopCanary({ analysis: { interval: '10s', threshold: 1, stepWeight: 2.5 } }), shopDeployment()],
      'InvalidSpec',
      /^invalid canary spec: spec.analysis.stepWeight: 2.5 is not a whole number/,
    ],
    [
      'an unknown provider',
      [shopCanary({ provider: 'nginx' }), shopDeployment()],
      'InvalidSpec',
      /^invalid canary spec: spec.provider.*nginx.* is not supported.*istio/,
    ],
    [
      'an unknown kind of target',
      [
        shopCanary({
          targetRef: { apiVersion: 'serving.knative.dev/v1beta1', kind: 'Service', name: 'shop' },
        }),
      ],
      'InvalidSpec',
      /^invalid canary spec: spec.targetRef.apiVersion: .* is not supported; use serving.knative.dev\/v1$/,
    ],
    [
      'an autoscaler of KEDA that is not there',
      [shopCanary({ autoscalerRef: { ...hpaRef, kind: 'ScaledObject' } }), shopDeployment()],
      'NotFound',
      /^Keda ScaledObject shop.prod get query error: scaledobjects.keda.sh "shop" not found$/,
    ],
    [
      'a missing target',
      [shopCanary()],
      'NotFound',
      /^deployment shop.prod get query error: deployments.apps "shop" not found$/,
    ],
    [
      'a target without a selector label',
      [shopCanary(), shopDeployment({ spec: { selector: { matchLabels: { role: 'x' } } } })],
      'InvalidSpec',
      /^getSelectorLabel failed: deployment shop.prod spec.selector.matchLabels must contain one of/,
    ],
    [
      'a missing autoscaler',
      [shopCanary({ autoscalerRef: hpaRef }), shopDeployment()],
      'NotFound',
      /^HorizontalPodAutoscaler shop.prod get query error/,
    ],
    [
      'a primary that is somebody else’s',
      [shopCanary(), shopDeployment(), shopDeployment({ name: 'shop-primary', label: 'db' })],
      'Conflict',
      /^deployment shop-primary.prod is not the primary of canary shop.prod/,
    ],
    [
      'a Service that is somebody else’s',
      [
        shopCanary(),
        shopDeployment(),
        {
          apiVersion: 'v1',
          kind: 'Service',
          metadata: { name: 'shop-canary', namespace: 'prod' },
          spec: { selector: { app: 'db' } },
        },
      ],
      'Conflict',
      /^service shop-canary.prod exists and selects other pods/,
    ],
    [
      'what the router refuses',
      [shopCanary({ service: { port: 80, delegation: true, hosts: ['x.org'] } }), shopDeployment()],
      'InvalidSpec',
      /delegation/,
    ],
  ])('tells people of %s', async (_, objects, reason, message) => {
    const { problem, canary } = await look(memoryKubernetes(...objects))();
    expect(problem).toEqual({ reason, message: expect.stringMatching(message) });
    expect(canary).toMatchObject({ uid: 'canary-uid', generation: 1 });
  });

  it('knows the weights in spite of a problem', async () => {
    const routes = {
      apiVersion: 'networking.istio.io/v1beta1',
      kind: 'VirtualService',
      metadata: { name: 'shop', namespace: 'prod' },
      spec: {
        http: [
          {
            route: [
              { destination: { host: 'shop-primary' }, weight: 70 },
              { destination: { host: 'shop-canary' }, weight: 30 },
            ],
          },
        ],
      },
    };
    const kubernetes = memoryKubernetes(shopCanary({ autoscalerRef: hpaRef }), shopDeployment(), primary(), routes);
    expect(await look(kubernetes)()).toMatchObject({
      problem: { reason: 'NotFound' },
      routes: { primary: 70, canary: 30 },
      primary: { equalsTarget: true },
    });
  });

  it('tells people when it may not read what it needs', async () => {
    const kubernetes = memoryKubernetes(shopCanary(), shopDeployment());
    kubernetes.failNext('get', 'Service', failure('Unauthorized', 'services "shop" is forbidden'));
    expect((await look(kubernetes)()).problem).toEqual({
      reason: 'Unauthorized',
      message: expect.stringContaining('services "shop" is forbidden'),
    });
  });

  it.each([
    ['the API server is away', 'Deployment', failure('Unavailable', 'connection refused')],
    ['it meets a bug of its own', 'Deployment', new TypeError('x is not a function')],
    ['not even the Canary may be read', 'Canary', failure('Unauthorized', 'canaries is forbidden')],
  ])('is tried again when %s', async (_, kind, error) => {
    const kubernetes = memoryKubernetes(shopCanary(), shopDeployment());
    kubernetes.failNext('get', kind, error);
    await expect(look(kubernetes)()).rejects.toThrow(error.message);
    await expect(look(kubernetes)()).resolves.toMatchObject({ target: { replicas: 2 } });
  });
});

describe('Q40: of two Canaries', () => {
  const other = (spec: object, metadata: object = {}) =>
    shopCanary(spec, undefined, {
      name: 'other',
      uid: 'other-uid',
      creationTimestamp: '2025-01-01T00:00:00Z',
      ...metadata,
    });
  const elsewhere = { targetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'cart' } };

  it.each([
    [
      'on one target the younger one is held',
      other({}),
      /^Deployment shop.prod is the target of canary other.prod, which is older/,
    ],
    [
      'with one apex the younger one is held',
      other({ ...elsewhere, service: { name: 'shop', port: 80 } }),
      /^service shop.prod is the apex of canary other.prod, which is older; give one of the two another spec.service.name$/,
    ],
    [
      'of one age the one that comes first has it',
      other({}, { name: 'a', creationTimestamp: '2026-01-01T00:00:00Z' }),
      /canary a.prod/,
    ],
  ])('%s', async (_, rival, message) => {
    const { problem } = await look(memoryKubernetes(shopCanary(), rival, shopDeployment()))();
    expect(problem).toEqual({ reason: 'Conflict', message: expect.stringMatching(message) });
  });

  it.each([
    ['the older one goes on', other({}, { creationTimestamp: '2027-01-01T00:00:00Z' })],
    ['one that is being deleted no longer counts', other({}, { deletionTimestamp: '2026-01-01T00:00:00Z' })],
    ['each with a target of its own, both go on', other(elsewhere)],
    ['in two namespaces, both go on', other({}, { namespace: 'stage' })],
  ])('%s', async (_, rival) => {
    expect((await look(memoryKubernetes(shopCanary(), rival, shopDeployment()))()).problem).toBeUndefined();
  });
});
