import type { Resource } from './resources.ts';

export { resources, type Resource } from './resources.ts';

/** Raw JSON of a Kubernetes object, exactly as the API server sent it: no typed copy drops a field it does not know. */
export interface KubernetesObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  [field: string]: unknown;
}

export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
  managedFields?: ManagedFields[];
}

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

export interface ManagedFields {
  manager?: string;
  operation?: string;
  subresource?: string;
  time?: string;
}

/** One page of a list, items as raw objects. */
export interface ObjectList {
  readonly items: KubernetesObject[];
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
}

/** What the API server streams on a watch. An `ERROR` event carries a Status instead of an object. */
export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: KubernetesObject & { code?: number; message?: string };
}

/**
 * A cluster's API. Every failure carries one of our types: 404 `NotFound` (except from `get`), 409 `Conflict`,
 * 400 and 422 `InvalidSpec`, 401 and 403 `Unauthorized`, everything else, time-outs included, `Unavailable`.
 */
export interface Kubernetes {
  /** Host of the API server, `https://host:port`. With `authority` it tells whether two clients speak to one cluster. */
  readonly server: string;
  /** Digest of the certificates by which the API server is known; '' where none are named. */
  readonly authority: string;
  /** The object, or undefined when there is none. */
  get(resource: Resource, namespace: string | undefined, name: string): Promise<KubernetesObject | undefined>;
  /** One page of a list. `query` goes on the URL: `labelSelector`, `limit`, `continue`, `resourceVersion`… */
  list(resource: Resource, namespace: string | undefined, query?: Query): Promise<ObjectList>;
  /** @throws `Conflict` when an object of that name exists */
  create(resource: Resource, object: KubernetesObject): Promise<KubernetesObject>;
  /** Full replace. With `metadata.resourceVersion` in the object it is refused with `Conflict` after a concurrent write. */
  replace(resource: Resource, object: KubernetesObject): Promise<KubernetesObject>;
  /** JSON merge patch; with `metadata.resourceVersion` in the patch it is refused with `Conflict` after a concurrent write. */
  patch(
    resource: Resource,
    namespace: string | undefined,
    name: string,
    patch: object,
    subresource?: string,
  ): Promise<KubernetesObject>;
  /** Server-side apply under `manager`; `Conflict` when another manager owns a field and `force` is not set. */
  apply(resource: Resource, object: object, manager: string, force?: boolean): Promise<KubernetesObject>;
  /** Deletes, or does nothing when there is no such object. */
  remove(resource: Resource, namespace: string | undefined, name: string): Promise<void>;
  /**
   * Streams changes until `signal` aborts or the stream ends. Resolves on a clean end.
   * @throws the failure types above; an expired `resourceVersion` (410) is `NotFound` with `Gone` in its message
   */
  watch(
    resource: Resource,
    namespace: string | undefined,
    query: Query,
    onEvent: (event: WatchEvent) => void,
    signal: AbortSignal,
  ): Promise<void>;
}

/** What goes on the URL of a request. */
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;
