import {
  resources,
  type Kubernetes,
  type KubernetesObject,
  type Resource,
  type WatchEvent,
} from '../../src/clients/kubernetes.ts';
import { failure } from '../../src/errors.ts';

/** An API server in memory for unit tests: optimistic concurrency, merge patch and generations, no schemas and no defaults. */
export interface MemoryKubernetes extends Kubernetes {
  /** Every write so far, as `<verb> <Kind> <name>`. */
  readonly writes: string[];
  /** The stored object itself; change it to play another writer. */
  peek(kind: string, name: string, namespace?: string): KubernetesObject | undefined;
  /** Stores an object as it is, status included. */
  put(object: object): KubernetesObject;
  /** Makes the next calls that match fail, once each. */
  failNext(verb: 'get' | 'list' | 'create' | 'replace' | 'patch' | 'remove', kind: string, error: Error): void;
}

export function memoryKubernetes(...objects: object[]): MemoryKubernetes {
  const store = new Map<string, KubernetesObject>();
  const failing: { verb: string; kind: string; error: Error }[] = [];
  const writes: string[] = [];
  let version = 100;

  const key = (kind: string, namespace: string | undefined, name: string) => `${kind}/${namespace ?? ''}/${name}`;
  const copy = <T>(value: T): T => structuredClone(value);
  const meet = (verb: string, kind: string) => {
    const index = failing.findIndex((entry) => entry.verb === verb && entry.kind === kind);
    if (index >= 0) throw failing.splice(index, 1)[0]!.error;
  };
  const write = (verb: string, object: KubernetesObject) => {
    const at = key(object.kind, object.metadata.namespace, object.metadata.name);
    const before = store.get(at);
    const specChanged = JSON.stringify(before?.spec) !== JSON.stringify(object.spec);
    const stored: KubernetesObject = copy({
      ...object,
      metadata: {
        ...object.metadata,
        uid: before?.metadata.uid ?? object.metadata.uid ?? `uid-${++version}`,
        generation: (before?.metadata.generation ?? 0) + (specChanged ? 1 : 0),
        resourceVersion: String(++version),
      },
    });
    store.set(at, stored);
    if (verb !== 'put') writes.push(`${verb} ${object.kind} ${object.metadata.name}`);
    return copy(stored);
  };
  const find = (resource: Resource, namespace: string | undefined, name: string) => {
    const found = store.get(key(resource.kind, namespace, name));
    return found && isOf(resource, found) ? found : undefined;
  };
  const existing = (resource: Resource, namespace: string | undefined, name: string) => {
    const found = find(resource, namespace, name);
    if (!found) throw failure('NotFound', `${resource.plural} "${name}" not found`);
    return found;
  };
  const check = (found: KubernetesObject, version: string | undefined) => {
    if (version !== undefined && version !== found.metadata.resourceVersion)
      throw failure('Conflict', `${found.kind} "${found.metadata.name}": the object has been modified`);
  };

  const memory: MemoryKubernetes = {
    server: 'https://memory',
    authority: '',
    writes,
    peek: (kind, name, namespace) =>
      [...store.values()].find(
        (object) =>
          object.kind === kind &&
          object.metadata.name === name &&
          (namespace === undefined || object.metadata.namespace === namespace),
      ),
    put: (object) => write('put', object as KubernetesObject),
    failNext: (verb, kind, error) => void failing.push({ verb, kind, error }),
    get(resource, namespace, name) {
      return attempt(() => {
        meet('get', resource.kind);
        return copy(find(resource, namespace, name));
      });
    },
    list(resource, namespace, query = {}) {
      return attempt(() => {
        meet('list', resource.kind);
        const items = [...store.values()].filter(
          (object) =>
            isOf(resource, object) &&
            (namespace === undefined || object.metadata.namespace === namespace) &&
            isSelected(object, query.labelSelector),
        );
        return { items: copy(items), metadata: { resourceVersion: String(version) } };
      });
    },
    create(resource, object) {
      return attempt(() => {
        meet('create', resource.kind);
        if (store.has(key(resource.kind, object.metadata.namespace, object.metadata.name)))
          throw failure('Conflict', `${resource.plural} "${object.metadata.name}" already exists`);
        return write('create', { ...object, apiVersion: resource.apiVersion, kind: resource.kind });
      });
    },
    replace(resource, object) {
      return attempt(() => {
        meet('replace', resource.kind);
        check(existing(resource, object.metadata.namespace, object.metadata.name), object.metadata.resourceVersion);
        return write('replace', { ...object, apiVersion: resource.apiVersion, kind: resource.kind });
      });
    },
    patch(resource, namespace, name, patch, subresource) {
      return attempt(() => {
        meet('patch', resource.kind);
        const found = existing(resource, namespace, name);
        check(found, (patch as Partial<KubernetesObject>).metadata?.resourceVersion);
        const patched = mergePatch(copy(found), copy(patch)) as KubernetesObject;
        return write('patch', subresource ? { ...found, [subresource]: patched[subresource] } : patched);
      });
    },
    apply(resource, object) {
      return attempt(() => {
        const wanted = object as KubernetesObject;
        const found = store.get(key(resource.kind, wanted.metadata.namespace, wanted.metadata.name));
        return write('apply', (found ? mergePatch(copy(found), copy(wanted)) : wanted) as KubernetesObject);
      });
    },
    remove(resource, namespace, name) {
      return attempt(() => {
        meet('remove', resource.kind);
        if (store.delete(key(resource.kind, namespace, name))) writes.push(`remove ${resource.kind} ${name}`);
      });
    },
    watch: (_resource, _namespace, _query, _onEvent: (event: WatchEvent) => void) => Promise.resolve(),
  };
  for (const object of objects) memory.put(object);
  return memory;
}

/** The resource of a kind, for tests that name objects by kind. */
export function resourceOf(kind: string): Resource {
  const found = Object.values(resources).find((resource) => resource.kind === kind);
  if (!found) throw new Error(`no resource of kind ${kind}`);
  return found;
}

/** Two products have Services. Versions do not matter: a resource is served in all it has. */
function isOf(resource: Resource, { apiVersion, kind }: KubernetesObject): boolean {
  return kind === resource.kind && apiVersion.split('/').at(-2) === resource.apiVersion.split('/').at(-2);
}

function attempt<T>(work: () => T): Promise<T> {
  try {
    return Promise.resolve(work());
  } catch (error) {
    return Promise.reject(error instanceof Error ? error : new Error(String(error)));
  }
}

/** Selectors of equality alone, such as `app=shop,tier=web`. */
function isSelected({ metadata }: KubernetesObject, selector: unknown): boolean {
  if (typeof selector !== 'string' || selector === '') return true;
  return selector.split(',').every((term) => {
    const [key = '', value] = term.split('=');
    return metadata.labels?.[key] === value;
  });
}

/** RFC 7386. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> =
    typeof target === 'object' && target !== null && !Array.isArray(target)
      ? { ...(target as Record<string, unknown>) }
      : {};
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) delete result[field];
    else result[field] = mergePatch(result[field], value);
  }
  return result;
}
