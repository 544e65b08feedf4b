import type { Json } from './manifests.ts';

export type { Json };

/**
 * What an API server with Flagger's CRDs says to small changes of one manifest, verified there one by one; ours have
 * to say the same. `stored` holds what is kept of the change, by path; undefined is for what is pruned.
 */
export interface AdmissionCase {
  readonly when: string;
  readonly object: Json;
  readonly server: 'accepts' | 'refuses';
  readonly stored?: Readonly<Record<string, unknown>>;
  /** What our parser says where that differs: it is stricter with fractions, and takes what older objects hold. */
  readonly parser?: 'accepts' | 'refuses';
}

type Entry = readonly [when: string, object: Json, server: 'accepts' | 'refuses', more?: Partial<AdmissionCase>];

const accepts = 'accepts';
const refuses = 'refuses';
const targetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'shop' };

function object(kind: string, spec: Json | undefined, more: Json = {}): Json {
  return { apiVersion: 'flagger.app/v1beta1', kind, metadata: { name: 'shop', namespace: 'default' }, spec, ...more };
}

/** A small Canary with some fields of its spec changed; undefined takes a field away. */
export function canary(spec: Json = {}, more: Json = {}): Json {
  const analysis = { interval: '1m', threshold: 5, stepWeight: 10 };
  return object('Canary', { targetRef, service: { port: 80 }, analysis, ...spec }, more);
}

/** The same with some fields of its analysis changed. */
export function analysing(fields: Json): Json {
  return canary({ analysis: { interval: '1m', threshold: 5, stepWeight: 10, ...fields } });
}

/** The same with some fields of its service changed. */
export function serving(fields: Json): Json {
  return canary({ service: { port: 80, ...fields } });
}

const matching = (match: Json) => analysing({ match: [match] });
const routing = (match: Json) => serving({ match: [match] });
const balancing = (loadBalancer: Json) => serving({ trafficPolicy: { loadBalancer } });
const hooking = (hook: Json) => analysing({ webhooks: [{ name: 'hook', url: 'http://tester/', ...hook }] });
const scaling = (fields: Json) =>
  canary({
    autoscalerRef: { apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', name: 'shop', ...fields },
  });
const template = (spec: Json, more?: Json) =>
  object('MetricTemplate', { provider: { type: 'prometheus' }, query: '1', ...spec }, more);
const alerting = (spec: Json) => object('AlertProvider', spec);

const entries: readonly Entry[] = [
  ['there is no spec', object('Canary', undefined), accepts, { parser: refuses }],
  ['there is no service', canary({ service: undefined }), accepts],
  ['there is no analysis', canary({ analysis: undefined }), refuses],
  ['analysis is skipped and not there', canary({ skipAnalysis: true, analysis: undefined }), refuses],
  ['iterations stand beside stepWeight', analysing({ iterations: 5 }), refuses],
  ['stepWeights stand beside stepWeight', analysing({ stepWeights: [10] }), refuses],
  ['there is only maxWeight', analysing({ stepWeight: undefined, maxWeight: 50 }), refuses],
  ['there is no interval', analysing({ interval: undefined }), refuses],
  ['there is no threshold', analysing({ threshold: undefined }), refuses],
  [
    'iterations are null beside stepWeight',
    analysing({ iterations: null }),
    accepts,
    { stored: { 'spec.analysis.iterations': undefined } },
  ],
  ['iterations are 0 beside stepWeight', analysing({ iterations: 0 }), refuses],
  [
    'canaryAnalysis stands for analysis',
    canary({ analysis: undefined, canaryAnalysis: { interval: '1m', threshold: 5, stepWeight: 10 } }),
    refuses,
    { parser: accepts },
  ],
  [
    'canaryAnalysis stands beside analysis',
    canary({ canaryAnalysis: { interval: '1m', threshold: 5, stepWeight: 20 } }),
    accepts,
    { stored: { 'spec.canaryAnalysis': undefined, 'spec.analysis.stepWeight': 10 } },
  ],
  [
    'numbers have fractions',
    analysing({ threshold: 5.5, stepWeight: 10.25 }),
    accepts,
    { parser: refuses, stored: { 'spec.analysis.threshold': 5.5, 'spec.analysis.stepWeight': 10.25 } },
  ],
  ['numbers are out of range', analysing({ threshold: -5, stepWeight: -10, maxWeight: 400 }), accepts],
  ['threshold is a text', analysing({ threshold: '5' }), refuses],
  ...['1m30s', '1ms', '10sfoo', '01m', '1m1h', '5s'].map(
    (interval): Entry => [
      `interval is ${interval}`,
      analysing({ interval }),
      accepts,
      { stored: { 'spec.analysis.interval': interval } },
    ],
  ),
  ...['1h', '1h30m', '0.5m', '90', '1 m', ''].map(
    (interval): Entry => [`interval is "${interval}"`, analysing({ interval }), refuses],
  ),
  ['service has no port', canary({ service: { name: 'shop' } }), refuses],
  ['port is a text', serving({ port: '80' }), refuses],
  ['port has a fraction', serving({ port: 80.5 }), accepts, { parser: refuses }],
  ['targetPort is true', serving({ targetPort: true }), refuses],
  ['targetPort has a fraction', serving({ targetPort: 80.5 }), refuses],
  [
    'targetPort is a name',
    serving({ targetPort: 'http' }),
    accepts,
    { stored: { 'spec.service.targetPort': 'http' } },
  ],
  ['targetPort is a number', serving({ targetPort: 80 }), accepts, { stored: { 'spec.service.targetPort': 80 } }],
  [
    'a gateway has only a name',
    serving({ gatewayRefs: [{ name: 'gw' }] }),
    accepts,
    {
      stored: {
        'spec.service.gatewayRefs': [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'gw' }],
      },
    },
  ],
  ['a gateway has no name', serving({ gatewayRefs: [{ kind: 'Gateway' }] }), refuses],
  ['a gateway has an empty section', serving({ gatewayRefs: [{ name: 'gw', sectionName: '' }] }), refuses],
  [
    'a gateway is a Service of the core group',
    serving({ gatewayRefs: [{ name: 'gw', group: '', kind: 'Service', port: 80 }] }),
    accepts,
    { stored: { 'spec.service.gatewayRefs[0].group': '' } },
  ],
  ['a gateway has port 0', serving({ gatewayRefs: [{ name: 'gw', port: 0 }] }), refuses],
  [
    'there are 33 gateways',
    serving({ gatewayRefs: Array.from({ length: 33 }, (_, index) => ({ name: `gw-${index}` })) }),
    refuses,
  ],
  [
    'a mirror has a name and a port',
    serving({ mirror: [{ backendRef: { name: 'x', port: 80 } }] }),
    accepts,
    { stored: { 'spec.service.mirror[0].backendRef': { group: '', kind: 'Service', name: 'x', port: 80 } } },
  ],
  ['a mirror has no backend', serving({ mirror: [{}] }), accepts],
  ['a mirror has no port', serving({ mirror: [{ backendRef: { name: 'x' } }] }), refuses],
  ['a mirror of another kind has no port', serving({ mirror: [{ backendRef: { name: 'x', kind: 'Pool' } }] }), accepts],
  [
    'a cookie has no age',
    analysing({ sessionAffinity: { cookieName: 'c' } }),
    accepts,
    { stored: { 'spec.analysis.sessionAffinity.maxAge': 86400 } },
  ],
  [
    'the age of a cookie is null',
    analysing({ sessionAffinity: { cookieName: 'c', maxAge: null } }),
    accepts,
    { stored: { 'spec.analysis.sessionAffinity.maxAge': 86400 } },
  ],
  ['a cookie has no name', analysing({ sessionAffinity: { maxAge: 1 } }), refuses],
  [
    'a match of the analysis asks for a path and a method',
    matching({ uri: { exact: '/' }, method: { exact: 'GET' } }),
    accepts,
    { stored: { 'spec.analysis.match': [{}] } },
  ],
  ['a header of the analysis has no condition', matching({ headers: { 'x-user': {} } }), refuses],
  ['a header of the analysis has two', matching({ headers: { 'x-user': { exact: 'a', prefix: 'b' } } }), refuses],
  [
    'a header of the analysis has a suffix',
    matching({ headers: { 'x-user': { suffix: 'a' } } }),
    accepts,
    { stored: { 'spec.analysis.match[0].headers.x-user': { suffix: 'a' } } },
  ],
  ['a query parameter has no condition', matching({ queryParams: { ring: {} } }), accepts],
  [
    'a header of a route has no condition',
    routing({ headers: { 'x-user': {} } }),
    accepts,
    { stored: { 'spec.service.match[0].headers.x-user': {} } },
  ],
  [
    'a header of a route has a suffix',
    routing({ headers: { 'x-user': { suffix: 'a' } } }),
    accepts,
    { stored: { 'spec.service.match[0].headers.x-user': {} } },
  ],
  ['a path of a route has two conditions', routing({ uri: { exact: '/', prefix: '/a' } }), refuses],
  ['a balancer has only locality', balancing({ localityLbSetting: { enabled: true } }), refuses],
  [
    'a balancer is simple and hashes',
    balancing({ simple: 'RANDOM', consistentHash: { useSourceIp: true } }),
    refuses,
  ],
  [
    'a balancer is simple and hashes by nothing',
    balancing({ simple: 'RANDOM', consistentHash: {} }),
    accepts,
  ],
  ['a balancer hashes by two things', balancing({ consistentHash: { useSourceIp: true, httpHeaderName: 'a' } }), refuses],
  [
    'a balancer hashes by a query parameter',
    balancing({ consistentHash: { httpQueryParameterName: 'user' } }),
    accepts,
    { stored: { 'spec.service.trafficPolicy.loadBalancer.consistentHash': { httpQueryParameterName: 'user' } } },
  ],
  ['an origin has two conditions', serving({ corsPolicy: { allowOrigins: [{ exact: 'a', regex: 'b' }] } }), refuses],
  ['an origin has none', serving({ corsPolicy: { allowOrigins: [{}] } }), refuses],
  ['the address of a hook is none', hooking({ url: 'not a url' }), accepts],
  ['the timeout of a hook is in hours', hooking({ timeout: '1h' }), refuses],
  ['the type of a hook is unknown', hooking({ type: 'gate' }), refuses],
  ['the type of a hook is empty', hooking({ type: '' }), accepts, { stored: { 'spec.analysis.webhooks[0].type': '' } }],
  ['metadata of a hook is a number', hooking({ metadata: { n: 1 } }), refuses],
  ['two hooks have one name', analysing({ webhooks: [1, 2].map(() => ({ name: 'a', url: 'http://a/' })) }), accepts],
  [
    'the severity of an alert is unknown',
    analysing({ alerts: [{ name: 'a', severity: 'critical', providerRef: { name: 'a' } }] }),
    refuses,
  ],
  [
    'the severity of an alert is empty',
    analysing({ alerts: [{ name: 'a', severity: '', providerRef: { name: 'a' } }] }),
    accepts,
  ],
  [
    'the autoscaler has an old version, and no queries',
    scaling({ apiVersion: 'autoscaling/v2beta2', primaryScalerQueries: null }),
    accepts,
    {
      stored: {
        'spec.autoscalerRef.apiVersion': 'autoscaling/v2beta2',
        'spec.autoscalerRef.primaryScalerQueries': undefined,
      },
    },
  ],
  ['the primary may have 0 replicas', scaling({ primaryScalerReplicas: { minReplicas: 0 } }), refuses],
  ['the target is a StatefulSet', canary({ targetRef: { ...targetRef, kind: 'StatefulSet' } }), refuses],
  ['the provider is unknown', canary({ provider: 'none' }), refuses],
  ['the provider is empty', canary({ provider: '' }), refuses],
  [
    'the Ingress is of another kind',
    canary({ ingressRef: { apiVersion: 'a/v1', kind: 'IngressRoute', name: 'shop' } }),
    refuses,
  ],
  ['the deadline has a fraction', canary({ progressDeadlineSeconds: 60.5 }), accepts, { parser: refuses }],
  ['a field is unknown', canary({ strategy: 'canary' }), accepts, { stored: { 'spec.strategy': undefined } }],

  ['a template has a status', template({}, { status: { phase: 'x' } }), accepts, { stored: { status: undefined } }],
  ['a template has another provider', template({ provider: { type: 'azure' } }), refuses],
  ['a template has no query', template({ query: undefined }), refuses],
  ['a template has an empty query', template({ query: '' }), accepts, { stored: { 'spec.query': '' } }],
  ['a header of a template is no list', template({ provider: { type: 'prometheus', headers: { a: 'b' } } }), refuses],

  [
    'an alert provider has an address and a Secret',
    alerting({ type: 'slack', address: 'http://a', secretRef: { name: 'a' } }),
    refuses,
    { parser: accepts },
  ],
  ['an alert provider has an address', alerting({ type: 'slack', address: 'http://a' }), accepts],
  ['an alert provider has a Secret', alerting({ type: 'slack', secretRef: { name: 'a' } }), accepts],
  ['an alert provider has neither', alerting({ type: 'slack' }), refuses],
  ['an alert provider has no type', alerting({ address: 'http://a' }), refuses],
];

export const admissionCases: readonly AdmissionCase[] = entries.map(([when, object, server, more]) => ({
  when,
  object,
  server,
  ...more,
}));

/** What Flagger's CRD prunes and ours keeps: what the mesh gets whole (BC-33), and what only Serin knows. */
export const superset: Json = canary({
  analysis: {
    ...{ interval: '1m', threshold: 5, stepWeight: 10 },
    approvals: [
      {
        ...{ name: 'managers', before: 'promotion', quorum: 2, approvers: ['ada', 'bob', 'cyd'] },
        ...{ excludeAuthor: true, deadline: '24h', defaultOutcome: 'reject', muteAlert: true },
      },
    ],
  },
  service: {
    port: 80,
    trafficPolicy: {
    connectionPool: { tcp: { maxConnections: 5, connectTimeout: '2s', tcpKeepalive: { probes: 3, time: '10s' } } },
    loadBalancer: {
      consistentHash: { httpQueryParameterName: 'user' },
      localityLbSetting: { enabled: true, failoverPriority: ['topology.kubernetes.io/region'] },
    },
    portLevelSettings: [{ port: { number: 80 }, tls: { mode: 'DISABLE' } }],
  },
  },
});

/** Writes of a status, as merge patches of the `status` subresource. */
export const statusCases: readonly {
  readonly when: string;
  readonly status: Json;
  readonly server: 'accepts' | 'refuses';
  readonly stored?: Json;
}[] = [
  {
    when: 'a time is null and a key unknown',
    status: { phase: 'Initialized', failedChecks: 0, lastTransitionTime: null, engine: 'x' },
    server: 'accepts',
    stored: { phase: 'Initialized', failedChecks: 0 },
  },
  { when: 'the phase is empty', status: { phase: '' }, server: 'accepts', stored: { phase: '' } },
  { when: 'the phase is unknown', status: { phase: 'Paused' }, server: 'refuses' },
  { when: 'a time is only a year', status: { lastTransitionTime: '2020' }, server: 'refuses' },
  {
    when: 'a time has an offset',
    status: { lastTransitionTime: '2026-07-14T08:00:00+02:00' },
    server: 'accepts',
    stored: { lastTransitionTime: '2026-07-14T08:00:00+02:00' },
  },
  { when: 'a condition has no reason', status: { conditions: [{ type: 'Promoted', status: 'True' }] }, server: 'refuses' },
];

/** The value at a path such as `spec.service.gatewayRefs[0].kind`. */
export function at(object: unknown, path: string): unknown {
  const keys = path.split(/\.|\[|\]\.?/).filter((key) => key !== '');
  return keys.reduce<unknown>((value, key) => (value as Json | undefined)?.[key], object);
}
