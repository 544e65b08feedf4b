import { isKnativeService } from '../../schemas/targets.ts';
import type { QueryModel } from './template.ts';

/**
 * The built-in checks of one mesh or ingress: query templates as they are sent, leading blank included.
 * @see metrics-providers specification 3, which has them from Flagger, pkg/metrics/observers
 */
export interface Observer {
  readonly name: string;
  /** Percent of requests that succeeded. */
  readonly successRate: string;
  /** Request duration, in `durationUnit`: the 99th percentile, or the mean where there is no histogram. */
  readonly duration: string;
  readonly durationUnit: 'ms' | 's';
  /** False where Flagger passes on an error of the success rate without `running query failed: `. */
  readonly wrapsSuccessRate: boolean;
  /** Changes the values before they are put into the queries. */
  readonly adapt?: (model: QueryModel) => QueryModel;
}

/** The observer for a provider string; what no row names is observed as Istio. */
export function observerFor(provider: string): Observer {
  return observers.find(([selects]) => selects(provider))?.[1] ?? istio;
}

/** What of a Canary and its settings decides which observer it gets. */
export interface Observed {
  readonly spec: {
    readonly provider?: string;
    readonly targetRef: { readonly kind: string; readonly apiVersion?: string };
  };
}

/** The string that selects an observer, and that events name. @see routers specification 2.1 */
export function observedProvider({ spec }: Observed, meshProvider: string): string {
  const fallback = meshProvider.includes('crossover') ? 'crossover' : meshProvider;
  const provider = spec.provider ? (meshProvider.includes('linkerd') ? 'linkerd' : spec.provider) : fallback;
  const { targetRef } = spec;
  return targetRef.kind === 'Service' && !isKnativeService(targetRef) ? `${provider}:service` : provider;
}

/** A selector list: labels, with the filter that leaves out failures marked, and whether it ends in a comma. */
interface Series {
  readonly selectors: readonly string[];
  readonly good: string;
  /** Position of `good` among the selectors; at their end by default. */
  readonly at?: number;
  readonly tailComma?: boolean;
}

function all({ selectors, tailComma }: Series): string {
  return `{ ${selectors.join(', ')}${tailComma ? ',' : ''} }`;
}

function good({ selectors, good: filter, at = selectors.length }: Series): string {
  return `{ ${[...selectors.slice(0, at), filter, ...selectors.slice(at)].join(', ')} }`;
}

function ratio(metric: string, series: Series): string {
  return (
    ` sum( rate( ${metric}${good(series)}[{{ interval }}] ) )` +
    ` / sum( rate( ${metric}${all(series)}[{{ interval }}] ) ) * 100`
  );
}

function percentile(metric: string, series: Series): string {
  return ` histogram_quantile( 0.99, sum( rate( ${metric}${all(series)}[{{ interval }}] ) ) by (le) )`;
}

function mean(metric: string, series: Series): string {
  const total = (part: string) => `sum( rate( ${metric}_${part}${all(series)}[{{ interval }}] ) )`;
  return ` ${total('sum')} / ${total('count')} * 1000`;
}

type Draft = Pick<Observer, 'name' | 'successRate' | 'duration'> & Partial<Observer>;

function observer(draft: Draft): Observer {
  return { durationUnit: 'ms', wrapsSuccessRate: true, ...draft };
}

const istioSeries: Series = {
  selectors: [
    'reporter="destination"',
    'destination_workload_namespace="{{ namespace }}"',
    'destination_workload=~"{{ target }}"',
  ],
  good: 'response_code!~"5.*"',
};
const istio = observer({
  name: 'Istio',
  successRate: ratio('istio_requests_total', istioSeries),
  duration: percentile('istio_request_duration_milliseconds_bucket', istioSeries),
});

const linkerdSeries: Series = {
  selectors: ['namespace="{{ namespace }}"', 'deployment=~"{{ target }}"', 'direction="inbound"'],
  good: 'classification!="failure"',
  at: 2,
};
const linkerd = observer({
  name: 'Linkerd',
  successRate: ratio('response_total', linkerdSeries),
  duration: percentile('response_latency_ms_bucket', linkerdSeries),
});

const podSelectors = [
  'kubernetes_namespace="{{ namespace }}"',
  'kubernetes_pod_name=~"{{ target }}-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)"',
];
const httpSeries: Series = { selectors: podSelectors, good: 'status!~"5.*"' };
const http = observer({
  name: 'HTTP',
  successRate: ratio('http_request_duration_seconds_count', httpSeries),
  duration: percentile('http_request_duration_seconds_bucket', httpSeries),
  durationUnit: 's',
  wrapsSuccessRate: false,
});

/** Meshes whose proxy is Envoy differ in how they name its clusters. */
function envoy(name: string, selectors: readonly string[], tailComma = true): Observer {
  const series: Series = { selectors, good: 'envoy_response_code!~"5.*"', tailComma };
  return observer({
    name,
    successRate: ratio('envoy_cluster_upstream_rq', series),
    duration: percentile('envoy_cluster_upstream_rq_time_bucket', series),
  });
}

const appMesh = envoy('App Mesh', podSelectors, false);
const contour = envoy('Contour', ['envoy_cluster_name=~"{{ namespace }}_{{ service }}-canary_[0-9a-zA-Z-]+"']);
const gloo = envoy('Gloo', [
  'envoy_cluster_name=~"{{ namespace }}-{{ target }}-canaryupstream-[0-9a-zA-Z-]+_[0-9a-zA-Z-]+"',
]);
const knative = envoy('Knative', ['envoy_cluster_name=~"{{ namespace }}/{{ route }}"']);
const kuma = envoy('Kuma', ['service=~"{{ target }}-canary_{{ namespace }}_svc_[0-9a-zA-Z-]+"']);

const nginxSeries: Series = {
  selectors: ['namespace="{{ namespace }}"', 'ingress="{{ ingress }}"', 'canary!=""'],
  good: 'status!~"5.*"',
};
const nginx = observer({
  name: 'NGINX',
  successRate: ratio('nginx_ingress_controller_requests', nginxSeries),
  duration: mean('nginx_ingress_controller_response_duration_seconds', nginxSeries),
});

const osmSeries: Series = {
  selectors: [
    'destination_namespace="{{ namespace }}"',
    'destination_kind="Deployment"',
    'destination_name="{{ target }}"',
  ],
  good: 'response_code!~"5.*"',
};
const osm = observer({
  name: 'OSM',
  successRate: ratio('osm_request_total', osmSeries),
  duration: percentile('osm_request_duration_ms_bucket', osmSeries),
});

const traefikService = 'service=~"{{ namespace }}-{{ target }}-canary-[0-9a-zA-Z-]+@kubernetescrd"';
const traefikMetric = 'traefik_service_request_duration_seconds_bucket';
const traefik = observer({
  name: 'Traefik',
  successRate: ratio(traefikMetric, { selectors: [traefikService, 'le="+Inf"'], good: 'code!~"5.."', at: 1 }),
  duration: `${percentile(traefikMetric, { selectors: [traefikService], good: '' })} * 1000`,
});

const apisixRoute = 'route=~"{{ namespace }}_{{ route }}-{{ target }}-canary_.+"';
const apisix = observer({
  name: 'APISIX',
  successRate: ratio('apisix_http_status', { selectors: [apisixRoute], good: 'code!~"5.."' }),
  duration: percentile('apisix_http_latency_bucket', { selectors: ['type=~"request"', apisixRoute], good: '' }),
});

const skipperRoute = 'route=~"kube(ew)?_{{ namespace }}__{{ ingress }}_canary__.*__{{ service }}_canary(_[0-9]+)?"';
const skipperTotal = (metric: string, more = '') => `sum(rate(${metric}{${skipperRoute}${more}}[{{ interval }}]))`;
const skipperResponses = 'skipper_response_duration_seconds_bucket';
const skipper = observer({
  name: 'Skipper',
  successRate:
    ` ${skipperTotal(skipperResponses, ',code!~"5..",le="+Inf"')}` +
    ` / ${skipperTotal(skipperResponses, ',le="+Inf"')} * 100`,
  duration:
    ` ${skipperTotal('skipper_serve_route_duration_seconds_sum')}` +
    ` / ${skipperTotal('skipper_serve_route_duration_seconds_count')} * 1000`,
  // Skipper writes its route names so.
  adapt: (model) => {
    const word = (text: string) => text.replace(/\W/g, '_');
    const { name, namespace, target, service, ingress } = model;
    return {
      ...model,
      name: word(name),
      namespace: word(namespace),
      target: word(target),
      service: word(service),
      ingress: word(ingress),
    };
  },
});

const is = (name: string) => (provider: string) => provider === name;
const startsWith = (prefix: string) => (provider: string) => provider.startsWith(prefix);

/** In order: the first row that selects a provider string observes it. @see routers specification 2.1 */
const observers: readonly (readonly [(provider: string) => boolean, Observer])[] = [
  [startsWith('appmesh'), appMesh],
  [is('linkerd'), linkerd],
  [is('istio'), istio],
  [is('contour'), contour],
  [startsWith('gloo'), gloo],
  [is('nginx'), nginx],
  [is('kubernetes'), http],
  [startsWith('gatewayapi'), http],
  [is('skipper'), skipper],
  [is('traefik'), traefik],
  [is('osm'), osm],
  [is('kuma'), kuma],
  [is('apisix'), apisix],
  [is('knative'), knative],
];
