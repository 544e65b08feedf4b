import type { Kubernetes, KubernetesObject, Resource } from '../src/clients/kubernetes.ts';

/** The changes of one kind of resource in one namespace, as a watch brings them. */
export interface Sightings {
  /**
   * The moment, by `performance.now()`, at which a change that `isIt` arrives; only what arrives from now on counts.
   *
   * @throws Error naming `what` after `timeoutMs`, or when the watch ends
   */
  next(what: string, isIt: (object: KubernetesObject) => boolean, timeoutMs?: number): Promise<number>;
  close(): Promise<void>;
}

interface Waiting {
  readonly isIt: (object: KubernetesObject) => boolean;
  readonly found: (at: number) => void;
  readonly failed: (error: unknown) => void;
}

export async function openSightings(kubernetes: Kubernetes, resource: Resource, namespace: string): Promise<Sightings> {
  const ending = new AbortController();
  const waiting = new Set<Waiting>();
  const { metadata } = await kubernetes.list(resource, namespace);
  const query = { resourceVersion: metadata.resourceVersion, timeoutSeconds: 3600, allowWatchBookmarks: true };
  const watched = kubernetes
    .watch(
      resource,
      namespace,
      query,
      ({ type, object }) => {
        const at = performance.now();
        if (type !== 'ADDED' && type !== 'MODIFIED') return;
        for (const one of waiting) if (one.isIt(object)) one.found(at);
      },
      ending.signal,
    )
    .then(
      () => new Error(`the watch of ${resource.plural} ended`),
      (error: unknown) => error,
    )
    .then((error) => {
      for (const one of waiting) one.failed(error);
    });

  return {
    next(what, isIt, timeoutMs = 60_000) {
      return new Promise((resolve, reject) => {
        const done = () => {
          clearTimeout(patience);
          waiting.delete(one);
        };
        const one: Waiting = {
          isIt,
          found: (at) => (done(), resolve(at)),
          failed: (error) => (done(), reject(error instanceof Error ? error : new Error(String(error)))),
        };
        const patience = setTimeout(() => one.failed(new Error(`not within ${timeoutMs} ms: ${what}`)), timeoutMs);
        waiting.add(one);
      });
    },
    async close() {
      ending.abort();
      await watched;
    },
  };
}
