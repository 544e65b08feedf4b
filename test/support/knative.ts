import type { TrafficTarget } from '../../src/activities/knative/service.ts';
import type { Canary } from '../../src/schemas/canary.ts';
import type { MemoryKubernetes } from './memory-kubernetes.ts';
import { shopCanary, type Loose } from './shop.ts';

const apiVersion = 'serving.knative.dev/v1';

/** A Knative Service `podinfo` whose first revision is there. */
export function knativeShop(
  { traffic, status }: { traffic?: readonly object[]; status?: object } = {},
  metadata: object = {},
): object {
  return {
    apiVersion,
    kind: 'Service',
    metadata: { name: 'podinfo', namespace: 'prod', ...metadata },
    spec: {
      template: { spec: { containers: [{ image: 'podinfo:1' }] } },
      traffic: traffic ?? [{ latestRevision: true, percent: 100 }],
    },
    status: { latestCreatedRevisionName: 'podinfo-00001', latestReadyRevisionName: 'podinfo-00001', ...status },
  };
}

export function knativeRevision(name: string, ready: object | undefined = { status: 'True' }): object {
  return {
    apiVersion,
    kind: 'Revision',
    metadata: { name, namespace: 'prod' },
    status: ready && { conditions: [{ type: 'Ready', ...ready }] },
  };
}

/** The Canary `shop` of that Service. */
export function knativeCanary(status?: object): Canary {
  const spec = { provider: 'knative', targetRef: { apiVersion, kind: 'Service', name: 'podinfo' }, service: undefined };
  return shopCanary(spec, status);
}

export function trafficOf(kubernetes: MemoryKubernetes): readonly TrafficTarget[] {
  return (kubernetes.peek('Service', 'podinfo') as Loose).spec.traffic as TrafficTarget[];
}
