import { describe, expect, it } from '@jest/globals';
import type { KubernetesObject } from '../../src/clients/kubernetes.ts';
import { createCounters } from './counters.ts';
import { manners, requestsIn, type MeshView } from './simulated.ts';
import { defaultRules, type TrafficRules } from './source.ts';

const object = (kind: string, name: string, rest: object) =>
  [
    `prod/${name}`,
    { apiVersion: 'v1', kind, metadata: { name, namespace: 'prod' }, ...rest } as KubernetesObject,
  ] as const;

const deployment = (name: string, image: string, availableReplicas = 1) =>
  object('Deployment', name, {
    spec: { template: { metadata: { labels: { app: name } }, spec: { containers: [{ image }] } } },
    status: { availableReplicas },
  });
const service = (name: string, app: string) => object('Service', name, { spec: { selector: { app } } });

/** The application shop in the middle of a release: the Service shop-canary selects the Deployment shop. */
const mesh = (canaryImage: string, weight: number, canaryPods = 1): MeshView => ({
  virtualServices: new Map([
    object('VirtualService', 'shop', {
      spec: {
        http: [
          {
            route: [
              { destination: { host: 'shop-primary' }, weight: 100 - weight },
              { destination: { host: 'shop-canary' }, weight },
            ],
          },
        ],
      },
    }),
  ]),
  services: new Map([service('shop-primary', 'shop-primary'), service('shop-canary', 'shop')]),
  deployments: new Map([deployment('shop-primary', 'shop:1'), deployment('shop', canaryImage, canaryPods)]),
});
const rules =
  (more: Partial<TrafficRules> = {}) =>
  () => ({ ...defaultRules, ...more });
const counted = (view: MeshView, more: Partial<TrafficRules> = {}, seconds = 1) =>
  requestsIn(view, rules(more), seconds).map(({ workload, count }) => [workload, count]);

describe('simulated requests', () => {
  it('reach primary and canary by the weights of the moment', () => {
    expect(counted(mesh('shop:2', 20), { rps: 50, loadtestRps: 0 }, 2)).toEqual([
      ['shop-primary', 80],
      ['shop', 20],
    ]);
  });

  it('of a load test reach the canary alone, whatever its weight', () => {
    expect(counted(mesh('shop:2', 0), { rps: 100, loadtestRps: 7 })).toEqual([
      ['shop-primary', 100],
      ['shop', 7],
    ]);
  });

  it('are answered by nobody where no pod is available', () => {
    expect(counted(mesh('shop:2', 40, 0))).toEqual([['shop-primary', 60]]);
  });

  it('are none when the rate is 0', () => {
    expect(counted(mesh('shop:2', 40), { rps: 0, loadtestRps: 0 })).toEqual([]);
  });

  it('to a Service that selects no pods are answered by nobody', () => {
    const view = mesh('shop:2', 50);
    expect(counted({ ...view, services: new Map() })).toEqual([]);
  });
});

describe('an image', () => {
  it.each([
    ['shop:1.2.3', 0, 40],
    ['shop:1.2.3-err50', 0.5, 40],
    ['shop:1.2.3-lat900', 0, 900],
    ['shop:1.2.3-err2-lat900', 0.02, 900],
    ['registry:5000/err99/shop:1', 0, 40],
    ['shop:1-err400', 1, 40],
  ])('%s fails a part of %d and takes %d ms', (image, errorRate, latencyMs) => {
    expect(manners(image, { images: [] })).toEqual({ errorRate, latencyMs });
  });

  it('answers as the last rule that matches it says, and by its tag in what the rule leaves open', () => {
    const images = [
      { match: 'shop', errorRate: 0.9 },
      { match: 'shop:2', errorRate: 0.1 },
      { match: 'cart', latencyMs: 1 },
    ];
    expect(manners('shop:2-lat300', { images })).toEqual({ errorRate: 0.1, latencyMs: 300 });
  });
});

describe('the page Prometheus scrapes', () => {
  const labels =
    'reporter="destination",request_protocol="http",destination_workload_namespace="prod",destination_workload="shop"';
  const shop = { namespace: 'prod', workload: 'shop' };
  const value = (page: string, series: string) =>
    Number(
      page
        .split('\n')
        .find((line) => line.startsWith(`${series} `))
        ?.split(' ')[1],
    );

  it('adds up requests by response code, and answer times', () => {
    const counters = createCounters();
    counters.add({ ...shop, count: 10, errorRate: 0.2, latencyMs: 40 });
    counters.add({ ...shop, count: 30, errorRate: 0, latencyMs: 900 });
    const page = counters.page();
    const duration = (what: string) => value(page, `istio_request_duration_milliseconds_${what}`);
    expect({
      ok: value(page, `istio_requests_total{${labels},response_code="200"}`),
      failed: value(page, `istio_requests_total{${labels},response_code="500"}`),
      within25: duration(`bucket{${labels},le="25"}`),
      within50: duration(`bucket{${labels},le="50"}`),
      within1000: duration(`bucket{${labels},le="1000"}`),
      all: duration(`bucket{${labels},le="+Inf"}`),
      count: duration(`count{${labels}}`),
      sum: duration(`sum{${labels}}`),
    }).toEqual({ ok: 38, failed: 2, within25: 0, within50: 10, within1000: 40, all: 40, count: 40, sum: 27_400 });
  });

  it('forgets namespaces that are gone', () => {
    const counters = createCounters();
    counters.add({ ...shop, count: 1, errorRate: 0, latencyMs: 1 });
    counters.keep(new Set(['prod']));
    expect(counters.page()).toContain('destination_workload="shop"');
    counters.keep(new Set(['other']));
    expect(counters.page()).not.toContain('shop');
  });
});
