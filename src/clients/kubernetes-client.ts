import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { HttpMethod, KubeConfig, RequestContext, Watch } from '@kubernetes/client-node';
import { request, type Dispatcher } from 'undici';
import { failure, failureType, messageOf, type FailureType } from '../errors.ts';
import { tokenBucket } from '../pace.ts';
import { authorityOf } from './authority.ts';
import type { Kubernetes, KubernetesObject, ObjectList, Query, WatchEvent } from './kubernetes.ts';
import type { Resource } from './resources.ts';

export interface KubernetesOptions {
  /** Name under which writes appear in `metadata.managedFields`. */
  readonly fieldManager: string;
  /** Longest a single request may take, in milliseconds. */
  readonly timeoutMs?: number;
  /** Longest silence on a watch before it is taken for dead, in milliseconds. Bookmarks arrive about once a minute. */
  readonly watchSilenceMs?: number;
  /**
   * Pauses, in milliseconds, after each of which a request that was refused for lack of rights is sent once more, before
   * the refusal is believed: an API server that has just started knows no roles yet, and refuses everybody.
   */
  readonly doubtMs?: readonly number[];
  /** Most requests a second, on average and at once; as many as anybody likes, if not given. */
  readonly limit?: { readonly qps: number; readonly burst: number };
}

/** A client for the cluster that `config` names. */
export function createKubernetes(config: KubeConfig, options: KubernetesOptions): Kubernetes {
  const { fieldManager, timeoutMs = 10_000, watchSilenceMs = 120_000, doubtMs = [500, 1_000, 2_000] } = options;
  poolConnections(config);
  const bucket = options.limit ? tokenBucket(options.limit.qps, options.limit.burst) : undefined;
  const server = config.getCurrentCluster()?.server.replace(/\/+$/, '') ?? '';
  const authority = authorityOf(config);

  /** The library's watch, which takes its headers from the configuration alone. */
  function metadataConfig(): KubeConfig {
    const own = Object.create(config) as KubeConfig;
    own.applySecurityAuthentication = async (context) => {
      await config.applySecurityAuthentication(context);
      context.setHeaderParam('accept', metadataOf('PartialObjectMetadata'));
    };
    return own;
  }

  async function send(...request: Parameters<typeof sendOnce>): ReturnType<typeof sendOnce> {
    for (const pauseMs of doubtMs) {
      try {
        return await sendOnce(...request);
      } catch (error) {
        if (failureType(error) !== 'Unauthorized') throw error;
        await sleep(pauseMs);
      }
    }
    return sendOnce(...request);
  }

  async function sendOnce(
    method: HttpMethod,
    path: string,
    query: Query,
    body?: object,
    contentType?: string,
    accept = 'application/json',
  ) {
    const url = new URL(server + path);
    for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, String(value));
    const context = new RequestContext(url.toString(), method);
    const what = `${method} ${url.pathname}`;
    while (bucket && !bucket.take()) await sleep(bucket.waitMs());
    try {
      await config.applySecurityAuthentication(context);
      const response = await request(url, {
        method,
        headers: {
          ...context.getHeaders(),
          accept,
          ...(body === undefined ? {} : { 'content-type': contentType ?? 'application/json' }),
        },
        body: body === undefined ? undefined : JSON.stringify(body),
        dispatcher: context.getDispatcher(),
        signal: AbortSignal.timeout(timeoutMs),
      });
      const text = await response.body.text();
      if (response.statusCode >= 300) throw refusal(response.statusCode, text);
      return text === '' ? {} : (JSON.parse(text) as unknown);
    } catch (error) {
      if (failureType(error)) throw error;
      throw failure('Unavailable', `${what}: ${causeOf(error)}`, error);
    }
  }

  return {
    server,
    authority,
    async get(resource, namespace, name) {
      try {
        return (await send(HttpMethod.GET, pathOf(resource, namespace, name), {})) as KubernetesObject;
      } catch (error) {
        if (failureType(error) === 'NotFound') return undefined;
        throw error;
      }
    },
    async list(resource, namespace, query = {}) {
      const accept = resource.metadataOnly ? metadataOf('PartialObjectMetadataList') : undefined;
      const path = pathOf(resource, namespace);
      const list = (await send(HttpMethod.GET, path, query, undefined, undefined, accept)) as ObjectList;
      // Items of a list come without their kind; whoever reads one should not have to know where it came from.
      const { apiVersion, kind } = resource;
      return { ...list, items: (list.items ?? []).map((item) => ({ ...item, apiVersion, kind })) };
    },
    async create(resource, object) {
      const path = pathOf(resource, object.metadata.namespace);
      return (await send(HttpMethod.POST, path, { fieldManager }, object)) as KubernetesObject;
    },
    async replace(resource, object) {
      const path = pathOf(resource, object.metadata.namespace, object.metadata.name);
      return (await send(HttpMethod.PUT, path, { fieldManager }, object)) as KubernetesObject;
    },
    async patch(resource, namespace, name, patch, subresource) {
      const path = pathOf(resource, namespace, name, subresource);
      const type = 'application/merge-patch+json';
      return (await send(HttpMethod.PATCH, path, { fieldManager }, patch, type)) as KubernetesObject;
    },
    async apply(resource, object, manager, force) {
      const { namespace, name } = (object as KubernetesObject).metadata;
      const query = { fieldManager: manager, force: force || undefined };
      const type = 'application/apply-patch+yaml';
      return (await send(HttpMethod.PATCH, pathOf(resource, namespace, name), query, object, type)) as KubernetesObject;
    },
    async remove(resource, namespace, name) {
      try {
        await send(HttpMethod.DELETE, pathOf(resource, namespace, name), {});
      } catch (error) {
        if (failureType(error) !== 'NotFound') throw error;
      }
    },
    async watch(resource, namespace, query, onEvent, signal) {
      const watch = new Watch(resource.metadataOnly ? metadataConfig() : config);
      // The library gives up after 30 s of silence, which a quiet resource always reaches; it offers no option for it.
      (watch as unknown as { requestTimeoutMs: number }).requestTimeoutMs = watchSilenceMs;
      const path = pathOf(resource, namespace);
      await new Promise<void>((resolve, reject) => {
        let stop: (() => void) | undefined;
        const done = (error?: unknown) => {
          signal.removeEventListener('abort', abort);
          if (error === undefined || error === null || signal.aborted) return resolve();
          const status = (error as { statusCode?: number }).statusCode;
          if (status !== undefined) return reject(refusal(status, `watch ${path}: ${messageOf(error)}`));
          reject(failure('Unavailable', `watch ${path}: ${causeOf(error)}`, error));
        };
        const abort = () => (stop ? stop() : resolve());
        signal.addEventListener('abort', abort, { once: true });
        watch
          .watch(path, query, (type, object: WatchEvent['object']) => onEvent({ type, object } as WatchEvent), done)
          .then((controller) => {
            stop = () => controller.abort();
            if (signal.aborted) stop();
          }, done);
      });
    },
  };
}

/** The kubeconfig at `path`, or the one the environment names, or the pod's own. */
export function loadKubeConfig(path?: string, master = ''): KubeConfig {
  const config = new KubeConfig();
  if (path) config.loadFromFile(path);
  else config.loadFromDefault();
  if (master) config.clusters = config.clusters.map((cluster) => ({ ...cluster, server: master }));
  return config;
}

/** The media type of an answer that holds metadata only. */
function metadataOf(kind: string): string {
  return `application/json;as=${kind};g=meta.k8s.io;v=v1`;
}

function pathOf(resource: Resource, namespace?: string, name?: string, subresource?: string): string {
  const root = resource.apiVersion.includes('/') ? `/apis/${resource.apiVersion}` : `/api/${resource.apiVersion}`;
  const parts = [root, ...(namespace ? ['namespaces', encodeURIComponent(namespace)] : []), resource.plural];
  if (name) parts.push(encodeURIComponent(name));
  if (subresource) parts.push(subresource);
  return parts.join('/');
}

/** The API server's answer in our words. Its message names the object, so it is kept as it is. */
function refusal(status: number, body: string) {
  let message = body.slice(0, 500);
  try {
    message = (JSON.parse(body) as { message?: string }).message ?? message;
  } catch {
    // Not a Status object: a proxy's page or a plain text; the text itself is then the best there is.
  }
  return failure(failureOfStatus(status), status === 410 ? `Gone: ${message}` : message || `HTTP ${status}`);
}

function failureOfStatus(status: number): FailureType {
  switch (status) {
    case 400:
    case 422:
      return 'InvalidSpec';
    case 401:
    case 403:
      return 'Unauthorized';
    case 404:
    case 410:
      return 'NotFound';
    case 409:
      return 'Conflict';
    default:
      return 'Unavailable';
  }
}

/** fetch says only "fetch failed"; why is in the cause. */
function causeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error ? `${messageOf(error)}: ${messageOf(cause)}` : messageOf(error);
}

/**
 * The library makes a new connection pool, hence a new TLS handshake, for every request, and never closes it.
 * One pool for each set of connection options gives keep-alive, and a rotated certificate still gets a pool of its own.
 */
function poolConnections(config: KubeConfig): void {
  type Create = (cluster: unknown, options: unknown) => Dispatcher | undefined;
  const target = config as unknown as { createDispatcher: Create };
  const create = target.createDispatcher.bind(config);
  const pools: { readonly asked: unknown; readonly pool: Dispatcher | undefined }[] = [];
  target.createDispatcher = (cluster, options) => {
    const asked = { cluster, options };
    // By comparison: certificates are kilobytes, and as a text they would cost more than the request they are for.
    const known = pools.find((one) => isDeepStrictEqual(one.asked, asked));
    if (known) return known.pool;
    const pool = create(cluster, options);
    pools.push({ asked, pool });
    return pool;
  };
}
