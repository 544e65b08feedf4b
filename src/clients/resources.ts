/** A kind of resource, as its REST path needs it: `apiVersion` as in a manifest, `plural` in lower case. */
export interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  /** Lists and watches ask for the metadata of objects, and the API server sends nothing else. */
  readonly metadataOnly?: boolean;
}

/** The resources Serin reads or writes. */
export const resources = {
  canaries: { apiVersion: 'flagger.app/v1beta1', kind: 'Canary', plural: 'canaries' },
  metricTemplates: { apiVersion: 'flagger.app/v1beta1', kind: 'MetricTemplate', plural: 'metrictemplates' },
  alertProviders: { apiVersion: 'flagger.app/v1beta1', kind: 'AlertProvider', plural: 'alertproviders' },
  imageTriggers: { apiVersion: 'serin.dev/v1alpha1', kind: 'ImageTrigger', plural: 'imagetriggers' },
  deployments: { apiVersion: 'apps/v1', kind: 'Deployment', plural: 'deployments' },
  daemonSets: { apiVersion: 'apps/v1', kind: 'DaemonSet', plural: 'daemonsets' },
  controllerRevisions: { apiVersion: 'apps/v1', kind: 'ControllerRevision', plural: 'controllerrevisions' },
  services: { apiVersion: 'v1', kind: 'Service', plural: 'services' },
  pods: { apiVersion: 'v1', kind: 'Pod', plural: 'pods' },
  configMaps: { apiVersion: 'v1', kind: 'ConfigMap', plural: 'configmaps' },
  secrets: { apiVersion: 'v1', kind: 'Secret', plural: 'secrets' },
  serviceAccounts: { apiVersion: 'v1', kind: 'ServiceAccount', plural: 'serviceaccounts' },
  events: { apiVersion: 'v1', kind: 'Event', plural: 'events' },
  namespaces: { apiVersion: 'v1', kind: 'Namespace', plural: 'namespaces' },
  horizontalPodAutoscalers: {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    plural: 'horizontalpodautoscalers',
  },
  virtualServices: { apiVersion: 'networking.istio.io/v1beta1', kind: 'VirtualService', plural: 'virtualservices' },
  destinationRules: { apiVersion: 'networking.istio.io/v1beta1', kind: 'DestinationRule', plural: 'destinationrules' },
  scaledObjects: { apiVersion: 'keda.sh/v1alpha1', kind: 'ScaledObject', plural: 'scaledobjects' },
  knativeServices: { apiVersion: 'serving.knative.dev/v1', kind: 'Service', plural: 'services' },
  knativeRevisions: { apiVersion: 'serving.knative.dev/v1', kind: 'Revision', plural: 'revisions' },
  httpRoutes: { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', plural: 'httproutes' },
  customResourceDefinitions: {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    plural: 'customresourcedefinitions',
  },
} as const satisfies Record<string, Resource>;
