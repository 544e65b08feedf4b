import { createParts } from '../activities/parts.ts';
import type { Kubernetes, KubernetesObject, Resource } from '../clients/kubernetes.ts';
import type { Settings } from '../config.ts';
import { failure, messageOf } from '../errors.ts';
import type { Canary } from '../schemas/canary.ts';

/** What Serin would make for a Canary, or why not. */
export interface Generated {
  readonly objects: readonly KubernetesObject[];
  /** What keeps it from making the rest. */
  readonly missing?: string;
}

/**
 * Makes what a Canary asks for on paper, by the code that makes it in a cluster. The cluster holds these manifests and
 * nothing else.
 */
export async function generatedFor(
  canary: Canary,
  manifests: readonly unknown[],
  settings: Settings,
): Promise<Generated> {
  const namespace = canary.metadata.namespace ?? 'default';
  const settled = { ...canary, metadata: { ...canary.metadata, namespace } };
  const paper = onPaper(manifests, namespace);
  const http = { send: () => Promise.reject(failure('Unavailable', 'there is no network on paper')) };
  const parts = createParts({ kubernetes: paper.kubernetes, mesh: paper.kubernetes, http, settings });
  try {
    const workload = parts.workload(settled);
    const pods = await workload.pods(settled);
    if (pods) await parts.services.ensure(settled, pods, 'inner');
    await workload.ensurePrimary(settled, 'lint');
    await parts.autoscaler(settled)?.ensure(settled, 'create');
    if (pods) await parts.services.ensure(settled, pods, 'apex');
    await parts.router(settled).ensure(settled, { primary: 100, canary: 0 });
    return { objects: paper.made() };
  } catch (error) {
    return { objects: paper.made(), missing: messageOf(error) };
  }
}

/** As much of an API server as it takes to make objects: no schemas, no defaults, no other writers. */
function onPaper(manifests: readonly unknown[], namespace: string) {
  const store = new Map<string, KubernetesObject>();
  const given = new Set<string>();
  // Versions of one kind are one object; two products have Services.
  const kindOf = ({ apiVersion, kind }: { readonly apiVersion: string; readonly kind: string }) =>
    `${apiVersion.includes('/') ? apiVersion.split('/')[0] : ''}/${kind}`;
  const keyOf = (kind: string, space: string | undefined, name: string) => `${kind}/${space ?? ''}/${name}`;
  const put = (object: KubernetesObject): KubernetesObject => {
    store.set(keyOf(kindOf(object), object.metadata.namespace, object.metadata.name), object);
    return structuredClone(object);
  };
  for (const manifest of manifests) {
    const object = manifest as Partial<KubernetesObject>;
    if (!isNamed(object)) continue;
    put({ ...object, metadata: { namespace, ...object.metadata } });
    given.add(keyOf(kindOf(object), object.metadata.namespace ?? namespace, object.metadata.name));
  }
  const find = (resource: Resource, space: string | undefined, name: string) => {
    const found = store.get(keyOf(kindOf(resource), space, name));
    return found && structuredClone(found);
  };
  const kubernetes: Kubernetes = {
    server: 'https://paper',
    authority: '',
    get: (resource, space, name) => Promise.resolve(find(resource, space, name)),
    list: (resource, space) => {
      const items = [...store.values()].filter(
        (object) => kindOf(object) === kindOf(resource) && (space === undefined || object.metadata.namespace === space),
      );
      return Promise.resolve({ items: structuredClone(items), metadata: { resourceVersion: '1' } });
    },
    create: (_, object) => Promise.resolve(put(object)),
    replace: (_, object) => Promise.resolve(put(object)),
    apply: (_, object) => Promise.resolve(put(object as KubernetesObject)),
    patch: (resource, space, name, patch) => {
      const found = find(resource, space, name);
      if (!found) return Promise.reject(failure('NotFound', `${resource.plural} "${name}" not found`));
      return Promise.resolve(put(merged(found, patch) as KubernetesObject));
    },
    remove: () => Promise.resolve(),
    watch: () => Promise.resolve(),
  };
  const made = () =>
    [...store].flatMap(([key, object]) => (given.has(key) || object.kind === 'ControllerRevision' ? [] : [object]));
  return { kubernetes, made };
}

function isNamed(object: Partial<KubernetesObject>): object is KubernetesObject {
  return typeof object.apiVersion === 'string' && typeof object.kind === 'string' && Boolean(object.metadata?.name);
}

/** A JSON merge patch, RFC 7396. */
function merged(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> = { ...(target as Record<string, unknown> | undefined) };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merged(result[key], value);
  }
  return result;
}
