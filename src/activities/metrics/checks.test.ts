import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { closeServers, deadUrl, startServer, type FakeServer, type Reply } from '../../../test/support/fake-server.ts';
import { memoryKubernetes, type MemoryKubernetes } from '../../../test/support/memory-kubernetes.ts';
import { createHttp } from '../../clients/http.ts';
import { apiNames, type Settings } from '../../config.ts';
import { failure } from '../../errors.ts';
import { parseCanary, type Canary } from '../../schemas/canary.ts';
import {
  createMetricsProvidersError,
  createReadMetrics as createRead,
  metricChecks,
  type ReadMetrics,
} from './checks.ts';
import type { Reading } from '../../workflows/domain/plan.ts';

afterEach(closeServers);

let cluster: MemoryKubernetes;
beforeEach(() => {
  cluster = memoryKubernetes();
});

/** A canary `shop` in `prod` with these metrics. */
function canaryWith(metrics: readonly object[], spec: object = {}, analysis: object = {}): Canary {
  const parsed = parseCanary({
    apiVersion: 'flagger.app/v1beta1',
    kind: 'Canary',
    metadata: { name: 'shop', namespace: 'prod' },
    spec: {
      targetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'shop-app' },
      service: { port: 80 },
      analysis: { interval: '10s', threshold: 5, stepWeight: 10, metrics, ...analysis },
      ...spec,
    },
  });
  if ('problem' in parsed) throw new Error(parsed.problem);
  return parsed.canary;
}

const settings: Settings = {
  meshProvider: 'istio',
  metricsServer: 'http://prometheus:9090',
  selectorLabels: ['app'],
  includeLabelPrefix: [],
  configTracking: true,
  apis: apiNames,
  meshCleanup: true,
  noCrossNamespaceRefs: false,
  eventWebhook: '',
  clusterName: '',
  argoNamespace: 'argocd',
  minimumIntervalMs: 1000,
  drainMs: 0,
  namespace: '',
  verifiedActors: false,
  auditSink: '',
};

function depsWith(more: Partial<Settings> = {}) {
  return { kubernetes: cluster, http: createHttp({}), settings: { ...settings, ...more } };
}

function vector(...values: string[]): Reply {
  const result = values.map((value) => ({ metric: {}, value: [1, value] }));
  return { body: JSON.stringify({ status: 'success', data: { resultType: 'vector', result } }) };
}

/** Queries that reached a server, in the order of arrival. */
function queries(server: FakeServer): (string | null)[] {
  return server.requests.map(({ url }) => new URLSearchParams(url.split('?')[1]).get('query'));
}

const rate = { name: 'request-success-rate', thresholdRange: { min: 99 }, interval: '30s' };
const duration = { name: 'request-duration', thresholdRange: { max: 500 } };
const inline = { name: 'errors', query: 'errors{ns="{{ namespace }}"}[{{ interval }}]', threshold: 3 };
const template = { name: 'not-found', templateRef: { name: 'not-found' }, thresholdRange: { max: 5 } };

function putTemplate(spec: object = {}, namespace = 'prod') {
  cluster.put({
    apiVersion: 'flagger.app/v1beta1',
    kind: 'MetricTemplate',
    metadata: { name: 'not-found', namespace },
    spec: { provider: { type: 'prometheus', address: 'http://prometheus:9090' }, query: 'x', ...spec },
  });
}

function putSecret(name: string, data: Record<string, string>, namespace = 'prod') {
  const encoded = Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
  cluster.put({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, data: Object.fromEntries(encoded) });
}

/** Readings without what was asked: that, the servers tell. */
function createReadMetrics(deps: Parameters<typeof createRead>[0]): ReadMetrics {
  const read = createRead(deps);
  return async (canary, signal) => (await read(canary, signal)).map(({ query: _, ...reading }) => reading as Reading);
}

it('a reading says what was asked, on one line, and cut where it is long', async () => {
  const server = await startServer(() => vector('1'));
  const long = `sum(\n  up{a="${'x'.repeat(700)}"})`;
  const canary = canaryWith([rate, { name: 'up', query: 'up\n  + 1' }, { name: 'long', query: long }], {
    metricsServer: server.url,
  });
  const [first, second, third] = (await createRead(depsWith())(canary)).map(({ query = '' }) => query);
  expect(first).toMatch(/^sum\( rate\( istio_requests_total\{.*\[30s\]/);
  expect(second).toBe('up + 1');
  expect(third).toHaveLength(600);
  expect(third).toMatch(/^sum\( up\{a="x+…$/);
});

describe('the checks of a Canary', () => {
  it('come in the order in which they are judged: those of the metrics server, then templates', () => {
    const both = { ...template, name: 'request-duration' };
    const metrics = [template, { name: 'typo' }, inline, both, rate, { ...rate, query: 'up' }];
    expect(metricChecks(canaryWith(metrics)).map(({ name, kind }) => `${name}: ${kind}`)).toEqual([
      'errors: query',
      'request-duration: duration',
      'request-success-rate: success-rate',
      'request-success-rate: success-rate',
      'request-success-rate: query',
      'not-found: template',
      'typo: undefined',
      'request-duration: template',
    ]);
  });

  it('keep bounds as written, be the range empty, zero or finer than a millisecond (D-04)', () => {
    const metrics = [
      { name: 'request-duration', thresholdRange: { max: 0.5 } },
      { name: 'a', query: 'x', thresholdRange: {}, threshold: 7 },
      { name: 'b', query: 'x', thresholdRange: { min: 0, max: 0 } },
      { name: 'c', query: 'x', threshold: 1 },
      { name: 'd', query: 'x' },
    ];
    expect(metricChecks(canaryWith(metrics))).toEqual([
      { name: 'request-duration', kind: 'duration', hasRange: true, max: 0.5 },
      { name: 'a', kind: 'query', hasRange: true, threshold: 7 },
      { name: 'b', kind: 'query', hasRange: true, min: 0, max: 0 },
      { name: 'c', kind: 'query', hasRange: false, threshold: 1 },
      { name: 'd', kind: 'query', hasRange: false },
    ]);
  });
});

describe('reading checks (TestController_runMetricChecks)', () => {
  it('builtinMetric, query only, template plus query: asks what Flagger asks and returns values in order', async () => {
    const server = await startServer(({ url }) => vector(url.includes('duration') ? '250.9' : '99.5'));
    putTemplate({
      provider: { type: 'prometheus', address: server.url },
      query: 'rate(x{target="{{ target }}",window="{{ interval }}"}[1m])',
    });
    const metrics = [{ ...template, query: 'vector(1)' }, rate, duration, inline];
    const read = createReadMetrics(depsWith({ metricsServer: server.url }));
    expect(await read(canaryWith(metrics))).toEqual([
      { name: 'not-found', value: 99.5 },
      { name: 'request-success-rate', value: 99.5 },
      { name: 'request-duration', value: 250 },
      { name: 'errors', value: 99.5 },
      { name: 'not-found', value: 99.5 },
    ]);
    const selectors = 'reporter="destination", destination_workload_namespace="prod", destination_workload=~"shop-app"';
    expect(queries(server).sort()).toEqual(
      [
        'vector(1)',
        ` sum( rate( istio_requests_total{ ${selectors}, response_code!~"5.*" }[30s] ) )` +
          ` / sum( rate( istio_requests_total{ ${selectors} }[30s] ) ) * 100`,
        ` histogram_quantile( 0.99, sum( rate( istio_request_duration_milliseconds_bucket{ ${selectors} }[1m] ) ) by (le) )`,
        'errors{ns="prod"}[1m]',
        // A template has no window of its own unless the metric gives one.
        'rate(x{target="shop-app",window=""}[1m])',
      ].sort(),
    );
  });

  it('customVariables: variables and the names of service, ingress and route reach the query', async () => {
    const server = await startServer(() => vector('1'));
    const names = '{{ name }} {{ service }} {{ ingress }} {{ route }} {{ variables.zone }} {{ interval }}';
    const metric = { name: 'q', query: names, interval: '2m', templateVariables: { zone: 'eu' } };
    const refs = {
      metricsServer: server.url,
      service: { port: 80, name: 'shop-svc' },
      ingressRef: { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', name: 'shop-ing' },
      routeRef: { apiVersion: 'apisix.apache.org/v2', kind: 'ApisixRoute', name: 'shop-route' },
    };
    const read = createReadMetrics(depsWith());
    await read(canaryWith([metric], refs));
    await read(canaryWith([metric], { metricsServer: server.url }));
    expect(queries(server)).toEqual([
      'shop shop-svc shop-ing shop-route eu 2m',
      'shop shop-app shop-app shop-app eu 2m',
    ]);
  });

  it('BC-36: undefined metric: a name that is neither built in nor given a template or query fails, an inline query does not', async () => {
    const server = await startServer(() => vector('1'));
    const metrics = [
      { name: 'request-succes-rate', thresholdRange: { min: 99 } },
      { name: 'errors', query: 'vector(1)' },
    ];
    const readings = await createReadMetrics(depsWith())(canaryWith(metrics, { metricsServer: server.url }));
    expect(readings).toEqual([
      { name: 'errors', value: 1 },
      {
        name: 'request-succes-rate',
        failure: 'unusable',
        error:
          'Metric query failed for no usable metrics template and query were configured: ' +
          'metric request-succes-rate has neither a template nor a query',
      },
    ]);
  });

  it('spec.metricsServer stands in for the one in the settings', async () => {
    const global = await startServer(() => vector('1'));
    const own = await startServer(() => vector('2'));
    const canary = canaryWith([rate], { metricsServer: own.url });
    expect(await createReadMetrics(depsWith({ metricsServer: global.url }))(canary)).toEqual([
      { name: 'request-success-rate', value: 2 },
    ]);
    expect(global.requests).toEqual([]);
  });

  it('a Canary without metrics has nothing to read', async () => {
    expect(await createReadMetrics(depsWith())(canaryWith([]))).toEqual([]);
  });

  it('with Knative asks for the revision that was created last', async () => {
    const server = await startServer(() => vector('100'));
    const target = { apiVersion: 'serving.knative.dev/v1', kind: 'Service', name: 'shop-app' };
    const canary = canaryWith([rate], { provider: 'knative', targetRef: target, metricsServer: server.url });
    const read = createReadMetrics(depsWith());
    expect(await read(canary)).toEqual([
      {
        name: 'request-success-rate',
        failure: 'unusable',
        error: 'Error fetching Knative service prod/shop-app services.serving.knative.dev "shop-app" not found',
      },
    ]);
    const status = { latestCreatedRevisionName: 'shop-00007' };
    cluster.put({ ...target, metadata: { name: 'shop-app', namespace: 'prod' }, status });
    await read(canary);
    expect(queries(server)[0]).toContain('envoy_cluster_name=~"prod/shop-00007"');
  });
});

describe('durations', () => {
  it.each`
    answer      | range            | provider        | value
    ${'250.9'}  | ${{ max: 500 }}  | ${'istio'}      | ${250}
    ${'500.9'}  | ${{ max: 500 }}  | ${'istio'}      | ${500}
    ${'0.7654'} | ${{ max: 0.5 }}  | ${'istio'}      | ${0.765}
    ${'99.95'}  | ${{ max: 99.9 }} | ${'istio'}      | ${99.95}
    ${'0.100'}  | ${{ max: 500 }}  | ${'kubernetes'} | ${100}
    ${'0.0004'} | ${{ max: 0.5 }}  | ${'kubernetes'} | ${0.4}
  `('$answer of $provider with $range is $value ms', async (row) => {
    const { answer, range, provider, value } = row as unknown as Record<string, string>;
    const server = await startServer(() => vector(answer!));
    const canary = canaryWith([{ ...duration, thresholdRange: range }], { provider, metricsServer: server.url });
    const [reading] = await createReadMetrics(depsWith())(canary);
    expect(reading).toEqual({ name: 'request-duration', value });
  });

  it.each(['+Inf', '-Inf'])('of %s are a failed check and no number that JSON cannot carry', async (answer) => {
    const server = await startServer(() => vector(answer));
    const readings = await createReadMetrics(depsWith())(canaryWith([duration, rate], { metricsServer: server.url }));
    expect(readings).toEqual(
      ['request-duration', 'request-success-rate'].map((name) => ({
        name,
        failure: 'unusable',
        error: `Halt shop.prod advancement ${name} ${answer} is not a number`,
      })),
    );
  });
});

describe('a provider that answers with nothing', () => {
  it('is told in the words of the recorded run without traffic, and asked once only', async () => {
    const server = await startServer(() => vector());
    putTemplate({ provider: { type: 'prometheus', address: server.url } });
    const metrics = [rate, duration, inline, template];
    const readings = await createReadMetrics(depsWith())(canaryWith(metrics, { metricsServer: server.url }));
    expect(readings).toEqual([
      { name: 'request-success-rate', failure: 'no-values', error: 'running query failed: no values found' },
      { name: 'request-duration', failure: 'no-values', error: 'running query failed: no values found' },
      { name: 'errors', failure: 'no-values', error: 'no values found' },
      { name: 'not-found', failure: 'no-values', error: 'no values found' },
    ]);
    expect(server.requests).toHaveLength(4);
  });

  it('is told without "running query failed" by the HTTP success rate, as in Flagger', async () => {
    const server = await startServer(() => vector());
    const canary = canaryWith([rate, duration], { provider: 'kubernetes', metricsServer: server.url });
    const readings = await createReadMetrics(depsWith())(canary);
    expect(readings.map((reading) => 'error' in reading && reading.error)).toEqual([
      'no values found',
      'running query failed: no values found',
    ]);
  });
});

describe('a provider that cannot be had', () => {
  it('is unavailable, in the words of the recorded run, and asked twice', async () => {
    const url = await deadUrl();
    const [reading] = await createReadMetrics(depsWith({ metricsServer: url }))(canaryWith([rate]));
    expect(reading).toEqual({
      name: 'request-success-rate',
      failure: 'unavailable',
      error:
        `running query failed: request failed: Get "${url}/api/v1/query?xxxxx": ` +
        `dial tcp ${url.slice(7)}: connect: connection refused`,
    });
  });

  it('for a moment is asked again', async () => {
    const server = await startServer((_, count) => (count === 1 ? { status: 503, body: 'restarting' } : vector('100')));
    const [reading] = await createReadMetrics(depsWith({ metricsServer: server.url }))(canaryWith([rate]));
    expect(reading).toEqual({ name: 'request-success-rate', value: 100 });
  });

  it('gets a third of the interval for each of two attempts', async () => {
    const server = await startServer(() => undefined);
    const before = Date.now();
    const canary = canaryWith([rate], { metricsServer: server.url }, { interval: '1s' });
    const [reading] = await createReadMetrics(depsWith({ minimumIntervalMs: 600 }))(canary);
    expect(reading).toMatchObject({
      failure: 'unavailable',
      error: expect.stringContaining('context deadline exceeded'),
    });
    expect(server.requests).toHaveLength(2);
    expect(Date.now() - before).toBeLessThan(2000);
  });

  it('is not asked again once the activity is cancelled', async () => {
    const server = await startServer(() => undefined);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 50);
    const before = Date.now();
    await createReadMetrics(depsWith({ metricsServer: server.url }))(canaryWith([rate]), controller.signal);
    expect(server.requests).toHaveLength(1);
    expect(Date.now() - before).toBeLessThan(1000);
  });

  it('in one check leaves the others alone', async () => {
    const server = await startServer(({ url }) => (url.includes('istio') ? { status: 500 } : vector('1')));
    const readings = await createReadMetrics(depsWith({ metricsServer: server.url }))(canaryWith([rate, inline]));
    expect(readings).toEqual([
      expect.objectContaining({ name: 'request-success-rate', failure: 'unavailable' }),
      { name: 'errors', value: 1 },
    ]);
  });
});

describe('a check that is wrong itself', () => {
  it('is told as Flagger tells it: a query that Prometheus refuses', async () => {
    const server = await startServer(() => ({ status: 400, body: 'parse error' }));
    putTemplate({ provider: { type: 'prometheus', address: server.url } });
    const metrics = [rate, inline, template];
    const readings = await createReadMetrics(depsWith())(canaryWith(metrics, { metricsServer: server.url }));
    const refusal = 'error response: Status 400 Bad Request: parse error';
    expect(readings).toEqual([
      {
        name: 'request-success-rate',
        failure: 'unusable',
        error: `Prometheus query failed: running query failed: ${refusal}`,
      },
      { name: 'errors', failure: 'unusable', error: `Prometheus query failed for errors: ${refusal}` },
      { name: 'not-found', failure: 'unusable', error: `Metric query failed for not-found: ${refusal}` },
    ]);
    expect(server.requests).toHaveLength(3);
  });

  it('D-03: several series are a failed check whatever their order', async () => {
    const server = await startServer(() => vector('99.9', '12.0', 'NaN'));
    const [reading] = await createReadMetrics(depsWith({ metricsServer: server.url }))(canaryWith([inline]));
    expect(reading).toEqual({
      name: 'errors',
      failure: 'unusable',
      error: 'Prometheus query failed for errors: query returned 3 series',
    });
  });

  it('an inline query that cannot be rendered is not sent', async () => {
    const server = await startServer(() => vector('1'));
    const metric = { name: 'errors', query: '{{ args.name }}' };
    const [reading] = await createReadMetrics(depsWith({ metricsServer: server.url }))(canaryWith([metric]));
    expect(reading).toMatchObject({
      failure: 'unusable',
      error:
        'Prometheus query failed for errors: template parsing failed: template: tmpl:1: function "args" not defined',
    });
    expect(server.requests).toEqual([]);
  });

  it('a metrics server that is none', async () => {
    const readings = await createReadMetrics(depsWith())(canaryWith([rate, inline], { metricsServer: 'prom:9090' }));
    const error = 'Error building Prometheus client for prom:9090 prometheus address prom:9090 is not a valid URL';
    expect(readings).toEqual([
      { name: 'request-success-rate', failure: 'unusable', error },
      { name: 'errors', failure: 'unusable', error },
    ]);
  });

  it.each([
    [
      'a missing template',
      () => undefined,
      'template not-found.prod error: metrictemplate.flagger.app "not-found" not found',
    ],
    [
      'a missing secret',
      () => putTemplate(withSecret),
      'template not-found.prod secret login error: secrets "login" not found',
    ],
    [
      'a secret without the keys',
      () => {
        putTemplate(withSecret);
        putSecret('login', { user: 'me' });
      },
      'template not-found.prod provider prometheus error: prometheus credentials does not contain a username',
    ],
    [
      'an address that is none',
      () => putTemplate({ provider: { type: 'prometheus', address: ':::' } }),
      'template not-found.prod provider prometheus error: prometheus address ::: is not a valid URL',
    ],
    [
      'a provider that is not supported',
      () => putTemplate({ provider: { type: 'keptn', address: 'http://x' } }),
      "template not-found.prod provider keptn error: metrics provider 'keptn' is not supported; supported are prometheus",
    ],
    [
      'a variable that the metric does not set',
      () => putTemplate({ query: '{{ variables.direction }}' }),
      'template not-found.prod query render error: template excution failed: template: tmpl:1:3: executing "tmpl" at <variables>: map has no entry for key "direction"',
    ],
  ])('%s', async (_, prepare, error) => {
    prepare();
    const [reading] = await createReadMetrics(depsWith())(canaryWith([template]));
    expect(reading).toEqual({ name: 'not-found', failure: 'unusable', error: `Metric ${error}` });
  });

  const withSecret = { provider: { type: 'prometheus', address: 'http://p', secretRef: { name: 'login' } } };

  it('a type that no provider bears is named, together with those that are', async () => {
    putTemplate({ provider: { type: 'hivewatch', address: 'http://x' } });
    const [reading] = await createReadMetrics(depsWith())(canaryWith([template]));
    expect(reading).toMatchObject({
      failure: 'unusable',
      error: expect.stringMatching(/^Metric template not-found\.prod error: .*prometheus/),
    });
  });
});

describe('templates and their secrets', () => {
  it('are read at every check, so that a rotated credential and an edited query count at once', async () => {
    const server = await startServer(() => vector('1'));
    const provider = { type: 'prometheus', address: server.url, secretRef: { name: 'login' } };
    putTemplate({ provider, query: 'one' });
    putSecret('login', { token: 'first\n' });
    const read = createReadMetrics(depsWith());
    await read(canaryWith([template]));
    putTemplate({ provider, query: 'two' });
    putSecret('login', { token: 'second' });
    await read(canaryWith([template]));
    expect(queries(server)).toEqual(['one', 'two']);
    expect(server.requests.map(({ headers }) => headers['authorization'])).toEqual(['Bearer first', 'Bearer second']);
  });

  it('may live in another namespace, secret included, unless references across namespaces are blocked', async () => {
    const server = await startServer(() => vector('1'));
    putTemplate({ provider: { type: 'prometheus', address: server.url, secretRef: { name: 'login' } } }, 'mesh');
    putSecret('login', { token: 'abc' }, 'mesh');
    const canary = canaryWith([{ name: 'x', templateRef: { name: 'not-found', namespace: 'mesh' } }]);
    expect(await createReadMetrics(depsWith())(canary)).toEqual([{ name: 'x', value: 1 }]);
    expect(await createReadMetrics(depsWith({ noCrossNamespaceRefs: true }))(canary)).toEqual([
      {
        name: 'x',
        failure: 'unusable',
        error:
          "Metric template not-found.mesh error: can't access metric template not-found.mesh, " +
          'cross-namespace references are blocked',
      },
    ]);
    expect(await createReadMetrics(depsWith({ namespace: 'prod' }))(canary)).toEqual([
      expect.objectContaining({ failure: 'unusable', error: expect.stringContaining('not found') }),
    ]);
  });

  it.each(['Unavailable', 'Unauthorized'] as const)(
    'that cannot be read (%s) are no fault of the canary',
    async (type) => {
      putTemplate();
      cluster.failNext('get', 'MetricTemplate', failure(type, 'the API server is away'));
      expect(await createReadMetrics(depsWith())(canaryWith([template]))).toEqual([
        {
          name: 'not-found',
          failure: 'unavailable',
          error: 'metric template not-found.prod error: the API server is away',
        },
      ]);
    },
  );

  it('leave no credential in a reading', async () => {
    const server = await startServer(({ headers }) => ({ status: 500, body: headers['authorization']! }));
    putTemplate({ provider: { type: 'prometheus', address: server.url, secretRef: { name: 'login' } } });
    putSecret('login', { username: 'me', password: 'hunter2' });
    const readings = await createReadMetrics(depsWith())(canaryWith([template]));
    const encoded = Buffer.from('me:hunter2').toString('base64');
    expect(JSON.stringify(readings)).not.toMatch(new RegExp(`hunter2|${encoded}`));
  });
});

describe('TestController_checkMetricProviderAvailability', () => {
  const ask = (canary: Canary, more: Partial<Settings> = {}) => createMetricsProvidersError(depsWith(more))(canary);

  it('builtin: ok', async () => {
    const server = await startServer(() => vector('1'));
    expect(await ask(canaryWith([rate, inline]), { metricsServer: server.url })).toBeUndefined();
    expect(queries(server)).toEqual(['vector(1)']);
  });

  it('builtin: an unreachable server is an error', async () => {
    const url = await deadUrl();
    expect(await ask(canaryWith([duration]), { metricsServer: url })).toMatch(
      /^prometheus not avaiable: running query failed: request failed: Get ".*": dial tcp .*: connect: connection refused$/,
    );
  });

  it('builtin: spec.metricsServer overrides the settings', async () => {
    const server = await startServer(() => vector('1'));
    const url = await deadUrl();
    expect(await ask(canaryWith([rate], { metricsServer: server.url }), { metricsServer: url })).toBeUndefined();
    expect(await ask(canaryWith([rate], { metricsServer: url }), { metricsServer: server.url })).toBeDefined();
    expect(await ask(canaryWith([rate], { metricsServer: ':::' }))).toBe(
      'error building Prometheus client for ::: prometheus address ::: is not a valid URL',
    );
  });

  it('templateRef: a missing template is an error', async () => {
    const metric = { name: 'x', templateRef: { name: 'not-found', namespace: 'mesh' } };
    expect(await ask(canaryWith([metric]))).toBe(
      'metric template not-found.mesh error: metrictemplate.flagger.app "not-found" not found',
    );
  });

  it('intraNamespaceTemplateRef: the namespace defaults to that of the Canary', async () => {
    const server = await startServer((_, count) => (count === 1 ? vector('1') : { status: 502, body: 'bad' }));
    putTemplate({ provider: { type: 'prometheus', address: server.url } });
    expect(await ask(canaryWith([template]))).toBeUndefined();
    expect(await ask(canaryWith([template]))).toBe(
      'prometheus in metric template not-found.prod not avaiable: ' +
        'running query failed: error response: Status 502 Bad Gateway: bad',
    );
  });

  it('a Canary without metrics needs no provider', async () => {
    expect(await ask(canaryWith([]), { metricsServer: await deadUrl() })).toBeUndefined();
  });
});
