import { setTimeout as sleep } from 'node:timers/promises';
import type { KnativeService, TrafficTarget } from '../../src/activities/knative/service.ts';
import { resources, type Kubernetes } from '../../src/clients/kubernetes.ts';

/**
 * Does what Knative does for Serin, in one namespace: makes a revision of each change of a Service's template, and says in
 * the status which is the newest, which the newest that is ready, and where traffic goes. A revision whose image has a tag
 * with `broken` in it does not become ready.
 */
export interface KnativeController {
  close(): Promise<void>;
}

export function playKnative(kubernetes: Kubernetes, namespace: string): KnativeController {
  const ending = new AbortController();
  const known = new Map<string, { template: string; count: number; ready?: string }>();
  const { knativeServices, knativeRevisions } = resources;

  const reconcile = async (service: Live) => {
    const { name, generation } = service.metadata;
    const { template, traffic = [] } = service.spec;
    const before = known.get(name);
    const written = JSON.stringify(template);
    if (before && before.template === written && service.status?.observedGeneration === generation) return;
    const isNew = before?.template !== written;
    const count = (before?.count ?? 0) + (isNew ? 1 : 0);
    const latest = `${name}-${String(count).padStart(5, '0')}`;
    const isBroken = template.spec.containers.some(({ image }) => image.includes('broken'));
    const ready = isBroken ? before?.ready : latest;
    known.set(name, { template: written, count, ready });
    if (isNew) {
      const { apiVersion, kind } = knativeRevisions;
      await kubernetes.create(knativeRevisions, {
        ...{ apiVersion, kind, metadata: { name: latest, namespace }, spec: template.spec },
      });
      const why = { reason: 'ContainerMissing', message: 'no such image', lastTransitionTime: '2026-01-01T00:00:00Z' };
      const condition = isBroken ? { status: 'False', ...why } : { status: 'True' };
      const status = { conditions: [{ type: 'Ready', ...condition }] };
      await kubernetes.patch(knativeRevisions, namespace, latest, { status }, 'status');
    }
    const resolved = traffic.map((target) => (target.latestRevision ? { ...target, revisionName: ready } : target));
    const status = {
      observedGeneration: generation,
      latestCreatedRevisionName: latest,
      latestReadyRevisionName: ready,
      traffic: resolved,
    };
    await kubernetes.patch(knativeServices, namespace, name, { status }, 'status');
  };

  const run = async () => {
    while (!ending.signal.aborted) {
      const { items } = await kubernetes.list(knativeServices, namespace);
      for (const item of items) await reconcile(item as Live);
      await sleep(100, undefined, { signal: ending.signal }).catch(() => undefined);
    }
  };
  const running = run();
  return {
    async close() {
      ending.abort();
      await running;
    },
  };
}

type Live = KnativeService & {
  readonly spec: {
    readonly template: { readonly spec: { readonly containers: readonly { readonly image: string }[] } };
    readonly traffic?: readonly TrafficTarget[];
  };
};
