import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import type { Deps } from '../../src/activities/deps.ts';
import type { KubernetesObject } from '../../src/clients/kubernetes.ts';
import { apiNames, type Settings } from '../../src/config.ts';
import type { Canary } from '../../src/schemas/canary.ts';
import type { MemoryKubernetes } from './memory-kubernetes.ts';

/** The application of the unit tests: Canary, target and primary are called `shop`, in namespace `prod`. */

/** An object whose shape the test knows, and changes at will. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Loose = any;

export const settings: Settings = {
  meshProvider: 'istio',
  metricsServer: 'http://prometheus:9090',
  selectorLabels: ['app', 'name', 'app.kubernetes.io/name'],
  includeLabelPrefix: [''],
  configTracking: true,
  apis: apiNames,
  meshCleanup: true,
  noCrossNamespaceRefs: false,
  eventWebhook: '',
  clusterName: '',
  argoNamespace: 'argocd',
  minimumIntervalMs: 10_000,
  drainMs: 0,
  namespace: '',
  verifiedActors: false,
  auditSink: '',
};

export function testDeps(kubernetes: MemoryKubernetes, changes: Partial<Settings> = {}): Deps {
  return {
    kubernetes,
    mesh: kubernetes,
    http: { send: () => Promise.reject(new Error('unit tests call nobody')) },
    settings: { ...settings, ...changes },
  };
}

/** `spec` and `status` replace fields of the same name. */
export function shopCanary(spec: object = {}, status?: object, metadata: object = {}): Canary {
  return {
    apiVersion: 'flagger.app/v1beta1',
    kind: 'Canary',
    metadata: {
      name: 'shop',
      namespace: 'prod',
      uid: 'canary-uid',
      generation: 1,
      creationTimestamp: '2026-01-01T00:00:00Z',
      ...metadata,
    },
    spec: {
      targetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'shop' },
      service: { port: 80, targetPort: 8080 },
      analysis: { interval: '10s', threshold: 3, maxWeight: 50, stepWeight: 10 },
      ...spec,
    },
    ...(status ? { status } : {}),
  } as unknown as Canary;
}

export const byShop = [
  {
    apiVersion: 'flagger.app/v1beta1',
    kind: 'Canary',
    name: 'shop',
    uid: 'canary-uid',
    controller: true,
    blockOwnerDeletion: true,
  },
];

/** Rolled out, with one container `web` on port 8080. */
export function shopDeployment(
  changes: {
    name?: string;
    label?: string;
    image?: string;
    replicas?: number;
    metadata?: object;
    template?: object;
    podSpec?: object;
    spec?: object;
    status?: object;
  } = {},
): Loose {
  const { name = 'shop', label = name, image = 'shop:1.0', replicas = 2 } = changes;
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'prod', labels: { app: label }, ...changes.metadata },
    spec: {
      replicas,
      selector: { matchLabels: { app: label } },
      strategy: { type: 'RollingUpdate' },
      template: {
        metadata: { labels: { app: label } },
        spec: {
          containers: [{ name: 'web', image, ports: [{ name: 'http', containerPort: 8080 }] }],
          ...changes.podSpec,
        },
        ...changes.template,
      },
      ...changes.spec,
    },
    status: {
      observedGeneration: 1_000,
      replicas,
      updatedReplicas: replicas,
      availableReplicas: replicas,
      conditions: [{ type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable' }],
      ...changes.status,
    },
  };
}

export function shopHpa(spec: object = {}, metadata: object = {}): Loose {
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'shop', namespace: 'prod', ...metadata },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'shop' },
      minReplicas: 2,
      maxReplicas: 4,
      metrics: [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 99 } } },
      ],
      ...spec,
    },
  };
}

export const hpaRef = { apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', name: 'shop' };

/** Objects of a recorded run of Flagger, by `<Kind> <name>`. @see test/fixtures/parity-happy */
export function recorded(moment: 'initialised' | 'end'): ReadonlyMap<string, Loose> {
  const file = new URL(`../fixtures/parity-happy/${moment}.yaml`, import.meta.url);
  const objects = parseAllDocuments(readFileSync(file, 'utf8')).map((document) =>
    (document as { toJS(): KubernetesObject }).toJS(),
  );
  return new Map(objects.map((object) => [`${object.kind} ${object.metadata.name}`, object]));
}
