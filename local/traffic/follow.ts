import { setTimeout as sleep } from 'node:timers/promises';
import type { Kubernetes, KubernetesObject, Resource } from '../../src/clients/kubernetes.ts';
import { failureType } from '../../src/errors.ts';

/**
 * A copy of a resource across all namespaces, kept up to date until `signal` aborts; keys are `<namespace>/<name>`. It does
 * not use Serin's own reflector: what a product is judged by should not share its faults.
 */
export function follow(
  kubernetes: Kubernetes,
  resource: Resource,
  signal: AbortSignal,
): ReadonlyMap<string, KubernetesObject> {
  const copy = new Map<string, KubernetesObject>();
  void keep(kubernetes, resource, copy, signal);
  return copy;
}

async function keep(
  kubernetes: Kubernetes,
  resource: Resource,
  copy: Map<string, KubernetesObject>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const { items, metadata } = await kubernetes.list(resource, undefined);
      copy.clear();
      for (const item of items) copy.set(keyOf(item), item);
      await watchFrom(kubernetes, resource, metadata.resourceVersion, copy, signal);
    } catch (error) {
      // Traffic goes on by the last known routes while the API server is away, as in a real mesh.
      if (failureType(error) === undefined) throw error;
      await sleep(300, undefined, { signal }).catch(() => undefined);
    }
  }
}

async function watchFrom(
  kubernetes: Kubernetes,
  resource: Resource,
  resourceVersion: string,
  copy: Map<string, KubernetesObject>,
  signal: AbortSignal,
): Promise<void> {
  const attempt = new AbortController();
  const query = { resourceVersion, timeoutSeconds: 240, allowWatchBookmarks: true };
  await kubernetes.watch(
    resource,
    undefined,
    query,
    ({ type, object }) => {
      if (type === 'ADDED' || type === 'MODIFIED') copy.set(keyOf(object), object);
      else if (type === 'DELETED') copy.delete(keyOf(object));
      else if (type === 'ERROR') attempt.abort(); // the version is too old: list again
    },
    AbortSignal.any([signal, attempt.signal]),
  );
}

function keyOf({ metadata }: KubernetesObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`;
}
