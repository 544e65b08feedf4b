import type { Kubernetes, KubernetesObject, Resource, WatchEvent } from '../clients/kubernetes.ts';
import { failure, failureType, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { backoffMs, pause } from '../pace.ts';
import type { ReflectorMeters } from './meters.ts';

/** Keeps a copy of one kind of resource and tells about real changes. */
export interface Reflector<T> {
  readonly resource: Resource;
  /** What is kept of the objects there are. */
  values(): Iterable<T>;
  readonly state: ReflectorState;
  /** Lists and watches until `signal` aborts. Never rejects: whatever happens, it goes on. */
  run(signal: AbortSignal): Promise<void>;
}

export interface ReflectorState {
  /** The first list is in. Stays true while later ones fail: an old copy is better than none. */
  readonly synced: boolean;
  /** The API server does not know this resource. */
  readonly missing: boolean;
  /** It does not let us list this resource: that takes a person, and waiting for it is in vain. */
  readonly refused?: true;
  /** Why the latest attempt failed. */
  readonly problem?: string;
}

/** A real change: an object appeared, has another `resourceVersion`, or is gone. */
export interface Change<T> {
  readonly key: string;
  readonly before?: T;
  /** Absent once the object is gone. */
  readonly after?: T;
  /** Of the object as it is, or was last seen. */
  readonly resourceVersion: string;
}

export interface ReflectorOptions<T> {
  readonly kubernetes: Kubernetes;
  readonly resource: Resource;
  /** Undefined for all namespaces. */
  readonly namespace: string | undefined;
  /** The part of an object that is kept. Whole objects of a large cluster would not fit. */
  readonly keep: (object: KubernetesObject) => T;
  readonly onChange: (change: Change<T>) => void;
  readonly log: Log;
  readonly meters?: ReflectorMeters;
  readonly timing?: Partial<ReflectorTiming>;
}

export interface ReflectorTiming {
  /** Shortest and longest pause after failures. */
  readonly minBackoffMs: number;
  readonly maxBackoffMs: number;
  /** First and longest pause between attempts to find a resource the API server does not have. */
  readonly missingMs: number;
  readonly maxMissingMs: number;
  /** Time after which a watch that ended quietly was a good one. */
  readonly healthyMs: number;
  /** A full list as insurance, now and then. */
  readonly relistMs: number;
}

const defaults: ReflectorTiming = {
  minBackoffMs: 500,
  maxBackoffMs: 30_000,
  missingMs: 60_000,
  maxMissingMs: 3600_000,
  healthyMs: 10_000,
  relistMs: 6 * 3600_000,
};

/**
 * The list-and-watch loop. Of our own, since the client library's informer stops for good on the first broken connection
 * and goes on after it was stopped (event-sources spec, 6.1).
 */
export function createReflector<T>(options: ReflectorOptions<T>): Reflector<T> {
  const { kubernetes, resource, namespace, keep, onChange, log, meters } = options;
  const timing = { ...defaults, ...options.timing };
  const store = new Map<string, { readonly resourceVersion: string; readonly kept: T }>();
  const name = resource.plural;
  let state: ReflectorState = { synced: false, missing: false };
  /** Where the next watch begins; '' asks for a list first. */
  let version = '';
  let listedAt = 0;
  let failures = 0;
  /** Attempts in a row that did not find the resource. */
  let misses = 0;

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const waitMs = await attempt(signal);
      if (!signal.aborted) await pause(waitMs, signal);
    }
  }

  /** One list, if needed, and one watch. Returns how long to wait before the next. */
  async function attempt(signal: AbortSignal): Promise<number> {
    const startedAt = Date.now();
    try {
      if (version === '' || startedAt - listedAt > timing.relistMs * (0.9 + 0.2 * Math.random())) await list(signal);
      if (signal.aborted) return 0;
      const heard = await watch(signal);
      failures = heard || Date.now() - startedAt >= timing.healthyMs ? 0 : failures + 1;
    } catch (error) {
      return afterFailure(error, Date.now() - startedAt);
    }
    return failures === 0 ? 100 + 100 * Math.random() : backoff();
  }

  function afterFailure(error: unknown, lastedMs: number): number {
    const problem = messageOf(error);
    const gone = failureType(error) === 'NotFound' && problem.startsWith('Gone');
    // Many versions back is ordinary after a quiet hour or a restart: list again, and say nothing.
    if (gone) {
      version = '';
      failures += 1;
      return failures === 1 ? 0 : backoff();
    }
    // A watch that broke after a good while is no reason to wait long.
    failures = lastedMs >= timing.healthyMs ? 1 : failures + 1;
    if (failureType(error) === 'NotFound') {
      // What was seen is kept: an API server that is starting also says 404 for a while.
      if (!state.missing) log.warn('resource not found, asking again now and then', { resource: name });
      state = { ...state, missing: true, problem };
      version = '';
      // A product that is not installed is not asked for every minute for ever.
      const waitMs = Math.min(timing.missingMs * 2 ** misses, timing.maxMissingMs);
      misses += 1;
      return waitMs * (0.9 + 0.2 * Math.random());
    }
    meters?.errors.inc({ resource: name });
    log.warn('watch failed', { resource: name, error: problem, failures });
    state = { ...state, problem, ...(failureType(error) === 'Unauthorized' ? { refused: true } : {}) };
    if (failures >= 2) version = '';
    return backoff();
  }

  async function list(signal: AbortSignal): Promise<void> {
    const found = new Set<string>();
    let next: string | undefined;
    let latest: string;
    do {
      const page = await kubernetes.list(resource, namespace, { limit: 500, continue: next });
      if (signal.aborted) return;
      for (const object of page.items) {
        found.add(keyOf(object));
        upsert(object);
      }
      next = page.metadata.continue || undefined;
      latest = page.metadata.resourceVersion;
    } while (next !== undefined);
    for (const key of [...store.keys()]) if (!found.has(key)) drop(key, latest);
    version = latest;
    listedAt = Date.now();
    misses = 0;
    meters?.relists.inc({ resource: name });
    heardFrom();
    if (!state.synced || state.problem !== undefined) log.info('listed', { resource: name, objects: store.size });
    state = { synced: true, missing: false };
  }

  /** Watches once. Resolves, after a clean end, to whether anything was heard. */
  async function watch(signal: AbortSignal): Promise<boolean> {
    let heard = false;
    let streamError: WatchEvent['object'] | undefined;
    const stop = new AbortController();
    const abort = () => stop.abort();
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    const query = {
      resourceVersion: version,
      allowWatchBookmarks: true,
      timeoutSeconds: 240 + Math.floor(Math.random() * 60),
    };
    const take = ({ type, object }: WatchEvent) => {
      if (stop.signal.aborted) return;
      if (type === 'ERROR') {
        streamError = object;
        return abort();
      }
      heard = true;
      heardFrom();
      if (type === 'DELETED') drop(keyOf(object), object.metadata.resourceVersion ?? version);
      else if (type !== 'BOOKMARK') upsert(object);
      version = object.metadata.resourceVersion || version;
      if (failures > 0 || state.problem !== undefined) recovered();
    };
    try {
      await kubernetes.watch(resource, namespace, query, take, stop.signal);
    } finally {
      signal.removeEventListener('abort', abort);
    }
    if (streamError === undefined) return heard;
    const message = streamError.message ?? 'an ERROR event';
    throw failure(
      streamError.code === 410 ? 'NotFound' : 'Unavailable',
      streamError.code === 410 ? `Gone: ${message}` : message,
    );
  }

  function recovered(): void {
    failures = 0;
    state = { synced: state.synced, missing: false };
  }

  function upsert(object: KubernetesObject): void {
    const key = keyOf(object);
    const resourceVersion = object.metadata.resourceVersion ?? '';
    const before = store.get(key);
    if (before !== undefined && before.resourceVersion === resourceVersion) return;
    // The library swallows what a callback throws, and one odd object must not stop the stream.
    guarded(key, () => {
      const kept = keep(object);
      store.set(key, { resourceVersion, kept });
      onChange({ key, after: kept, resourceVersion, ...(before === undefined ? {} : { before: before.kept }) });
    });
  }

  function drop(key: string, resourceVersion: string): void {
    const before = store.get(key);
    if (before === undefined) return;
    store.delete(key);
    guarded(key, () => onChange({ key, before: before.kept, resourceVersion }));
  }

  function guarded(key: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      log.error('change not handled', { resource: name, object: key, error: messageOf(error) });
    }
  }

  function heardFrom(): void {
    meters?.lastEvent.set({ resource: name }, Date.now() / 1000);
  }

  function backoff(): number {
    return backoffMs(failures, timing.minBackoffMs, timing.maxBackoffMs);
  }

  return {
    resource,
    *values() {
      for (const { kept } of store.values()) yield kept;
    },
    get state() {
      return state;
    },
    run,
  };
}

function keyOf({ metadata }: KubernetesObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`;
}
