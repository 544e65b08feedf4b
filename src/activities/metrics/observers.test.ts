import { describe, expect, it } from '@jest/globals';
import { observedProvider, observerFor } from './observers.ts';
import { renderQuery, type QueryModel } from './template.ts';

const model: QueryModel = {
  name: 'podinfo',
  namespace: 'default',
  target: 'podinfo',
  service: 'podinfo',
  ingress: 'podinfo',
  route: 'podinfo',
  interval: '1m',
  variables: {},
};

/** What Flagger sends, character by character. */
const sent: readonly {
  readonly test: string;
  readonly provider: string;
  readonly values: Partial<QueryModel>;
  readonly successRate: string;
  readonly duration: string;
}[] = [
  {
    test: 'TestIstioObserver_',
    provider: 'istio',
    values: {},
    successRate:
      ' sum( rate( istio_requests_total{ reporter="destination", destination_workload_namespace="default", destination_workload=~"podinfo", response_code!~"5.*" }[1m] ) ) / sum( rate( istio_requests_total{ reporter="destination", destination_workload_namespace="default", destination_workload=~"podinfo" }[1m] ) ) * 100',
    duration:
      ' histogram_quantile( 0.99, sum( rate( istio_request_duration_milliseconds_bucket{ reporter="destination", destination_workload_namespace="default", destination_workload=~"podinfo" }[1m] ) ) by (le) )',
  },
  {
    test: 'TestLinkerdObserver_',
    provider: 'linkerd',
    values: {},
    successRate:
      ' sum( rate( response_total{ namespace="default", deployment=~"podinfo", classification!="failure", direction="inbound" }[1m] ) ) / sum( rate( response_total{ namespace="default", deployment=~"podinfo", direction="inbound" }[1m] ) ) * 100',
    duration:
      ' histogram_quantile( 0.99, sum( rate( response_latency_ms_bucket{ namespace="default", deployment=~"podinfo", direction="inbound" }[1m] ) ) by (le) )',
  },
  {
    test: 'TestHttpObserver_',
    provider: 'kubernetes',
    values: {},
    successRate:
      ' sum( rate( http_request_duration_seconds_count{ kubernetes_namespace="default", kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)", status!~"5.*" }[1m] ) ) / sum( rate( http_request_duration_seconds_count{ kubernetes_namespace="default", kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)" }[1m] ) ) * 100',
    duration:
      ' histogram_quantile( 0.99, sum( rate( http_request_duration_seconds_bucket{ kubernetes_namespace="default", kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)" }[1m] ) ) by (le) )',
  },
  {
    test: 'TestAppMeshObserver_',
    provider: 'appmesh',
    values: {},
    successRate:
      ' sum( rate( envoy_cluster_upstream_rq{ kubernetes_namespace="default", kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)", envoy_response_code!~"5.*" }[1m] ) ) / sum( rate( envoy_cluster_upstream_rq{ kubernetes_namespace="default", kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)" }[1m] ) ) * 100',
    duration:
      ' histogram_quantile( 0.99, sum( rate( envoy_cluster_upstream_rq_time_bucket{ kubernetes_namespace="default", kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)" }[1m] ) ) by (le) )',
  },
  {
    test: 'TestContourObserver_',
    provider: 'contour',
    values: {},
    successRate:
      ' sum( rate( envoy_cluster_upstream_rq{ envoy_cluster_name=~"default_podinfo-canary_[0-9a-zA-Z-]+", envoy_response_code!~"5.*" }[1m] ) ) / sum( rate( envoy_cluster_upstream_rq{ envoy_cluster_name=~"default_podinfo-canary_[0-9a-zA-Z-]+", }[1m] ) ) * 100',
    duration:
      ' histogram_quantile( 0.99, sum( rate( envoy_cluster_upstream_rq_time_bucket{ envoy_cluster_name=~"default_podinfo-canary_[0-9a-zA-Z-]+", }[1m] ) ) by (le) )',
  },
  {
    test: 'TestContourObserver_CustomService_',
    provider: 'contour',
    values: { service: 'podinfo-service' },
    successRate:
      ' sum( rate( envoy_cluster_upstream_rq{ envoy_cluster_name=~"default_podinfo-service-canary_[0-9a-zA-Z-]+", envoy_response_code!~"5.*" }[1m] ) ) / sum( rate( envoy_cluster_upstream_rq{ envoy_cluster_name=~"default_podinfo-service-canary_[0-9a-zA-Z-]+", }[1m] ) ) * 100',
    duration:
      ' histogram_quantile( 0.99, sum( rate( envoy_cluster_upstream_rq_time_bucket{ envoy_cluster_name=~"default_podinfo-service-canary_[0-9a-zA-Z-]+", }[1m] ) ) by (le) )',
  },
  {
    test: 'TestGlooObserver_',
    provider: 'gloo',
    values: {},
    successRate:
      ' sum( rate( envoy_cluster_upstream_rq{ envoy_cluster_name=~"default-podinfo-canaryupstream-[0-9a-zA-Z-]+_[0-9a-zA-Z-]+", envoy_response_code!~"5.*" }[1m] ) ) / sum( rate( envoy_cluster_upstream_rq{ envoy_cluster_name=~"default-podinfo-canaryupstream-[0-9a-zA-Z-]+_[0-9a-zA-Z-]+", }[1m] ) ) * 100',
    duration:
      ' histogram_quantile( 0.99, sum( rate( envoy_cluster_upstream_rq_time_bucket{ envoy_cluster_name=~"default-podinfo-canaryupstream-[0-9a-zA-Z-]+_[0-9a-zA-Z-]+", }[1m] ) ) by (le) )',
  },
  {
    test: 'TestKnativeObserver_',
    provider: 'knative',
    values: { route: 'podinfo-00001' },
    successRate:
      ' sum( rate( envoy_cluster_upstream_rq{ envoy_cluster_name=~"default/podinfo-00001", envoy_response_code!~"5.*" }[1m] ) ) / sum( rate( envoy_cluster_upstream_rq{ envoy_cluster_name=~"default/podinfo-00001", }[1m] ) ) * 100',
    duration:
      ' histogram_quantile( 0.99, sum( rate( envoy_cluster_upstream_rq_time_bucket{ envoy_cluster_name=~"default/podinfo-00001", }[1m] ) ) by (le) )',
  },
  {
    test: 'TestKumaObserver_',
    provider: 'kuma',
    values: {},
    successRate:
      ' sum( rate( envoy_cluster_upstream_rq{ service=~"podinfo-canary_default_svc_[0-9a-zA-Z-]+", envoy_response_code!~"5.*" }[1m] ) ) / sum( rate( envoy_cluster_upstream_rq{ service=~"podinfo-canary_default_svc_[0-9a-zA-Z-]+", }[1m] ) ) * 100',
    duration:
      ' histogram_quantile( 0.99, sum( rate( envoy_cluster_upstream_rq_time_bucket{ service=~"podinfo-canary_default_svc_[0-9a-zA-Z-]+", }[1m] ) ) by (le) )',
  },
  {
    test: 'TestNginxObserver_',
    provider: 'nginx',
    values: { namespace: 'nginx' },
    successRate:
      ' sum( rate( nginx_ingress_controller_requests{ namespace="nginx", ingress="podinfo", canary!="", status!~"5.*" }[1m] ) ) / sum( rate( nginx_ingress_controller_requests{ namespace="nginx", ingress="podinfo", canary!="" }[1m] ) ) * 100',
    duration:
      ' sum( rate( nginx_ingress_controller_response_duration_seconds_sum{ namespace="nginx", ingress="podinfo", canary!="" }[1m] ) ) / sum( rate( nginx_ingress_controller_response_duration_seconds_count{ namespace="nginx", ingress="podinfo", canary!="" }[1m] ) ) * 1000',
  },
  {
    test: 'TestOsmObserver_',
    provider: 'osm',
    values: {},
    successRate:
      ' sum( rate( osm_request_total{ destination_namespace="default", destination_kind="Deployment", destination_name="podinfo", response_code!~"5.*" }[1m] ) ) / sum( rate( osm_request_total{ destination_namespace="default", destination_kind="Deployment", destination_name="podinfo" }[1m] ) ) * 100',
    duration:
      ' histogram_quantile( 0.99, sum( rate( osm_request_duration_ms_bucket{ destination_namespace="default", destination_kind="Deployment", destination_name="podinfo" }[1m] ) ) by (le) )',
  },
  {
    test: 'TestTraefikObserver_',
    provider: 'traefik',
    values: {},
    successRate:
      ' sum( rate( traefik_service_request_duration_seconds_bucket{ service=~"default-podinfo-canary-[0-9a-zA-Z-]+@kubernetescrd", code!~"5..", le="+Inf" }[1m] ) ) / sum( rate( traefik_service_request_duration_seconds_bucket{ service=~"default-podinfo-canary-[0-9a-zA-Z-]+@kubernetescrd", le="+Inf" }[1m] ) ) * 100',
    duration:
      ' histogram_quantile( 0.99, sum( rate( traefik_service_request_duration_seconds_bucket{ service=~"default-podinfo-canary-[0-9a-zA-Z-]+@kubernetescrd" }[1m] ) ) by (le) ) * 1000',
  },
  {
    test: 'TestApisixObserver_',
    provider: 'apisix',
    values: {},
    successRate:
      ' sum( rate( apisix_http_status{ route=~"default_podinfo-podinfo-canary_.+", code!~"5.." }[1m] ) ) / sum( rate( apisix_http_status{ route=~"default_podinfo-podinfo-canary_.+" }[1m] ) ) * 100',
    duration:
      ' histogram_quantile( 0.99, sum( rate( apisix_http_latency_bucket{ type=~"request", route=~"default_podinfo-podinfo-canary_.+" }[1m] ) ) by (le) )',
  },
  {
    test: 'TestSkipperObserver_',
    provider: 'skipper',
    values: { namespace: 'skipper', ingress: 'skipper-ingress', service: 'backend' },
    successRate:
      ' sum(rate(skipper_response_duration_seconds_bucket{route=~"kube(ew)?_skipper__skipper_ingress_canary__.*__backend_canary(_[0-9]+)?",code!~"5..",le="+Inf"}[1m])) / sum(rate(skipper_response_duration_seconds_bucket{route=~"kube(ew)?_skipper__skipper_ingress_canary__.*__backend_canary(_[0-9]+)?",le="+Inf"}[1m])) * 100',
    duration:
      ' sum(rate(skipper_serve_route_duration_seconds_sum{route=~"kube(ew)?_skipper__skipper_ingress_canary__.*__backend_canary(_[0-9]+)?"}[1m])) / sum(rate(skipper_serve_route_duration_seconds_count{route=~"kube(ew)?_skipper__skipper_ingress_canary__.*__backend_canary(_[0-9]+)?"}[1m])) * 1000',
  },
];

describe('the built-in queries are the ones Flagger sends', () => {
  it.each(sent)(
    '$test GetRequestSuccessRate, GetRequestDuration ($provider)',
    ({ provider, values, successRate, duration }) => {
      const observer = observerFor(provider);
      const own = { ...model, ...values };
      const adapted = observer.adapt?.(own) ?? own;
      expect(renderQuery(observer.successRate, adapted)).toBe(successRate);
      expect(renderQuery(observer.duration, adapted)).toBe(duration);
    },
  );

  it('only the generic HTTP observer reads seconds', () => {
    const inSeconds = sent.filter(({ provider }) => observerFor(provider).durationUnit === 's');
    expect(inSeconds.map(({ provider }) => provider)).toEqual(['kubernetes']);
  });
});

describe('the observer of a Canary', () => {
  it.each([
    ['istio', 'Istio'],
    ['linkerd', 'Linkerd'],
    ['appmesh', 'App Mesh'],
    ['appmesh:v1beta2', 'App Mesh'],
    ['contour', 'Contour'],
    ['gatewayapi:v1', 'HTTP'],
    ['gatewayapi:v1beta1', 'HTTP'],
    ['gloo', 'Gloo'],
    ['knative', 'Knative'],
    ['kubernetes', 'HTTP'],
    ['kuma', 'Kuma'],
    ['nginx', 'NGINX'],
    ['osm', 'OSM'],
    ['skipper', 'Skipper'],
    ['traefik', 'Traefik'],
    ['apisix', 'APISIX'],
    ['smi:v1alpha1', 'Istio'],
    ['smi:v1alpha3', 'Istio'],
    ['crossover', 'Istio'],
    ['kubernetes:service', 'Istio'],
    ['appmesh:service', 'App Mesh'],
    ['', 'Istio'],
  ])('for %s is %s', (provider, name) => {
    expect(observerFor(provider).name).toBe(name);
  });

  it.each([
    [undefined, 'Deployment', 'apps/v1', 'istio', 'istio'],
    ['nginx', 'Deployment', 'apps/v1', 'istio', 'nginx'],
    ['nginx', 'Deployment', 'apps/v1', 'linkerd', 'linkerd'],
    [undefined, 'Deployment', 'apps/v1', 'smi:crossover', 'crossover'],
    ['nginx', 'Deployment', 'apps/v1', 'smi:crossover', 'nginx'],
    ['kubernetes', 'Service', 'core/v1', 'istio', 'kubernetes:service'],
    [undefined, 'Service', 'core/v1', 'istio', 'istio:service'],
    ['knative', 'Service', 'serving.knative.dev/v1', 'istio', 'knative'],
  ])(
    'with provider %s, target %s of %s and mesh provider %s is looked up as %s',
    (provider, kind, apiVersion, mesh, looked) => {
      expect(observedProvider({ spec: { provider, targetRef: { kind, apiVersion } } }, mesh)).toBe(looked);
    },
  );
});
