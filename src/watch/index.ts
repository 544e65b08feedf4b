import type { Registry } from 'prom-client';
import type { Api, ApiUse } from '../activities/api.ts';
import type { CanaryRef } from '../activities/contract.ts';
import { resources, type Kubernetes, type KubernetesObject, type Resource } from '../clients/kubernetes.ts';
import type { Log } from '../log.ts';
import { pause } from '../pace.ts';
import type { Readiness } from '../server.ts';
import type { Hint } from '../workflows/messages.ts';
import {
  canaryChange,
  generatedChange,
  knativeChange,
  viewCanary,
  viewDaemonSet,
  viewDeployment,
  viewGenerated,
  viewKnativeService,
  workloadChange,
  type CanaryView,
  type WorkloadView,
} from './hints.ts';
import { wantedPolls, type WantedPoll } from './images.ts';
import { canaryMeters, reflectorMeters } from './meters.ts';
import { createOwnership } from './ownership.ts';
import { createReaders } from './readers.ts';
import { createReflector, type Change, type Reflector, type ReflectorTiming } from './reflector.ts';

export interface WatchOptions {
  /** The cluster with the workloads. */
  readonly kubernetes: Kubernetes;
  /** The control plane of the mesh: another cluster's, or the same client as `kubernetes`. */
  readonly mesh: Kubernetes;
  /** Only this namespace; '' for all. */
  readonly namespace: string;
  /** Field manager of the worker. What it wrote last is our own doing. */
  readonly fieldManager: string;
  /** ConfigMaps and Secrets that pods read are part of a revision: their metadata is watched. */
  readonly configTracking: boolean;
  /** APIs of other products that are watched. */
  readonly apis: readonly Api[];
  /** @param trace of what made the change, as a header has it */
  readonly hint: (canary: CanaryRef, hint: Hint, trace?: string) => void;
  /** Which images are to be polled may have changed. ImageTriggers are watched when somebody wants to know. */
  readonly imagesChanged?: () => void;
  readonly log: Log;
  readonly metrics: Registry;
  readonly info: { readonly version: string; readonly meshProvider: string };
  /** Hints every Canary again this often, in milliseconds; 0 never does. For what no watch shows, such as Secrets. */
  readonly resyncMs?: number;
  readonly timing?: Partial<ReflectorTiming>;
  /** Longest time the first hints wait for slow lists, in milliseconds. */
  readonly startWithinMs?: number;
}

export interface Watches {
  readonly canaries: () => Iterable<CanaryView>;
  /** Images to be polled; undefined while Canaries or ImageTriggers are not listed. */
  polls(): ReadonlyMap<string, WantedPoll> | undefined;
  /** What is not listed yet, and what the cluster does not have. */
  readiness(): Readiness;
  /** Watches until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
}

/**
 * Watches Canaries and what belongs to them, and turns changes into hints. Every Canary is hinted once at the start, after
 * the lists are in, so that whatever happened while nobody watched is looked at, and nothing is hinted twice.
 */
export function createWatches(options: WatchOptions): Watches {
  const { kubernetes, mesh, fieldManager, log, metrics, resyncMs = 0, startWithinMs = 30_000 } = options;
  const namespace = options.namespace || undefined;
  const ownership = createOwnership();
  const readers = createReaders();
  const meters = reflectorMeters(metrics);
  let started = false;

  const hintOne = (canary: CanaryRef, kind: string, name: string, version: string, gone = false, trace?: string) => {
    // Before the start everything is still to be hinted, except what is gone by then.
    if (started || gone)
      options.hint(canary, { source: `watch/${kind.toLowerCase()}`, eventId: `${kind}/${name}@${version}` }, trace);
  };

  const reflect = <T>(
    cluster: Kubernetes,
    resource: Resource,
    keep: (object: KubernetesObject) => T,
    onChange: (change: Change<T>) => void,
  ): Reflector<T> =>
    createReflector({ kubernetes: cluster, resource, namespace, keep, onChange, log, meters, timing: options.timing });

  /** An object that Canaries own: its change is hinted to them, if it deserves to be. */
  const reflectOwned = <T>(
    cluster: Kubernetes,
    resource: Resource,
    keep: (object: KubernetesObject) => T,
    deserves: (before: T | undefined, after: T | undefined) => string | undefined,
    kind = resource.kind,
  ) =>
    reflect(cluster, resource, keep, ({ key, before, after, resourceVersion }) => {
      const [space = '', name = ''] = key.split('/');
      const owners = ownership.canariesOf(kind, space, name);
      if (owners.length === 0 || deserves(before, after) === undefined) return;
      for (const canary of owners) hintOne(canary, resource.kind, name, resourceVersion);
    });

  const reflectWorkloads = (resource: Resource, view: (object: KubernetesObject) => WorkloadView) =>
    reflect(kubernetes, resource, view, ({ key, before, after, resourceVersion }) => {
      const [space = '', name = ''] = key.split('/');
      readers.set(`${resource.kind}/${key}`, space, after?.configs ?? []);
      const change = workloadChange(before, after);
      if (change === undefined) return;
      // A new template that came with a trace of its own is what a push made. What becomes of its pods is a matter of the
      // release itself, and a template that somebody changes later has nothing to do with the push before.
      const trace = change === 'template' && before?.trace !== after?.trace ? after?.trace : undefined;
      for (const canary of ownership.canariesOf(resource.kind, space, name))
        hintOne(canary, resource.kind, name, resourceVersion, false, trace || undefined);
    });

  /** What they hold is not asked for: a look compares it. Of the copies of primaries no target speaks. */
  const reflectConfigs = (resource: Resource) =>
    reflect(
      kubernetes,
      { ...resource, metadataOnly: true },
      ({ metadata }) => metadata.uid ?? '',
      (change) => {
        const [space = '', name = ''] = change.key.split('/');
        for (const workload of readers.of(space, `${resource.kind.toLowerCase()}/${name}`)) {
          const [kind = '', , target = ''] = workload.split('/');
          for (const canary of ownership.canariesOf(kind, space, target))
            hintOne(canary, resource.kind, name, change.resourceVersion);
        }
      },
    );

  const rivalsOf = ({ canary, target, apex }: CanaryView): readonly CanaryRef[] => {
    const { namespace: space, name } = canary;
    const sharers = [
      ...ownership.canariesOf('Deployment', space, target),
      ...ownership.canariesOf('Service', space, apex),
    ];
    const others = sharers.filter((other) => other.name !== name);
    return [...new Map(others.map((other) => [other.name, other])).values()];
  };

  const canaries = reflect(
    kubernetes,
    resources.canaries,
    (object) => viewCanary(object, fieldManager),
    ({ before, after, resourceVersion }) => {
      const { canary } = (after ?? before)!;
      if (followerOf(before) !== followerOf(after)) options.imagesChanged?.();
      const rivals = before && claimsChanged(before, after) ? rivalsOf(before) : [];
      if (after) ownership.set(after);
      if (canaryChange(before, after) !== undefined)
        hintOne(canary, 'Canary', canary.name, resourceVersion, after === undefined);
      // Whoever waits for a target or an apex that this one has let go of sees it in no object of its own.
      for (const rival of rivals) hintOne(rival, 'Canary', canary.name, resourceVersion);
      if (!after) ownership.remove(canary);
    },
  );
  const generated = (object: KubernetesObject) => viewGenerated(object, fieldManager);
  const knative = (object: KubernetesObject) => viewKnativeService(object, fieldManager);
  const required = [
    canaries,
    reflectWorkloads(resources.deployments, viewDeployment),
    reflectWorkloads(resources.daemonSets, viewDaemonSet),
    reflectOwned(kubernetes, resources.services, generated, generatedChange),
    reflectOwned(kubernetes, resources.horizontalPodAutoscalers, generated, generatedChange, 'autoscaler'),
  ];
  const reflectUse = ({ resource, watched }: ApiUse, cluster: Kubernetes): readonly Reflector<unknown>[] => {
    switch (watched) {
      case undefined:
        return [];
      case 'target':
        return [reflectOwned(cluster, resource, knative, knativeChange, 'Knative Service')];
      case 'route':
      case 'autoscaler':
        return [reflectOwned(cluster, resource, generated, generatedChange, watched)];
    }
  };
  const optional = [
    ...options.apis.flatMap(({ cluster, uses }) =>
      uses.flatMap((use) => reflectUse(use, cluster === 'mesh' ? mesh : kubernetes)),
    ),
    ...(options.configTracking ? [resources.configMaps, resources.secrets].map(reflectConfigs) : []),
  ];
  const imageTriggers = reflect(
    kubernetes,
    resources.imageTriggers,
    (object) => object,
    () => options.imagesChanged?.(),
  );
  if (options.imagesChanged) optional.push(imageTriggers);
  const all: readonly Reflector<unknown>[] = [...required, ...optional];
  const views = () => canaries.values();
  canaryMeters(metrics, views, options.info);

  const hintAll = (source: string, eventId: string) => {
    for (const { canary, uid, generation } of views())
      options.hint(canary, { source, eventId: `${eventId}/${uid}/${generation}` });
  };

  async function hintFromStart(signal: AbortSignal): Promise<void> {
    const deadline = Date.now() + startWithinMs;
    const listed = () => all.every(({ state }) => state.synced || state.missing || state.refused);
    while (!signal.aborted && !listed() && Date.now() < deadline) await pause(50, signal);
    if (signal.aborted) return;
    started = true;
    hintAll('watch/start', `start/${new Date().toISOString()}`);
    while (resyncMs > 0 && !signal.aborted) {
      await pause(resyncMs * (0.9 + 0.2 * Math.random()), signal);
      if (!signal.aborted) hintAll('watch/resync', `resync/${new Date().toISOString()}`);
    }
  }

  return {
    canaries: views,
    polls() {
      const isKnown = ({ state }: Reflector<unknown>) => state.synced || state.missing;
      return isKnown(canaries) && isKnown(imageTriggers) ? wantedPolls(views(), imageTriggers.values()) : undefined;
    },
    readiness() {
      const trouble = (reflectors: readonly Reflector<unknown>[]) =>
        reflectors.flatMap(({ resource, state }) => {
          if (state.missing) return [`${pathOf(resource)} is not installed in the cluster`];
          if (!state.synced)
            return [`${pathOf(resource)} is not listed yet${state.problem ? `: ${state.problem}` : ''}`];
          return [];
        });
      // What is known stays known while the API server is away: hooks can still be taken, so this is no reason to stop.
      const stale = required.flatMap(({ resource, state }) =>
        state.synced && state.problem ? [`${pathOf(resource)} is not watched at the moment: ${state.problem}`] : [],
      );
      return { problems: trouble(required), notes: [...stale, ...trouble(optional)] };
    },
    async run(signal) {
      await Promise.all([...all.map((reflector) => reflector.run(signal)), hintFromStart(signal)]);
    },
  };
}

/** What of a Canary decides about polls, to compare. */
function followerOf(view: CanaryView | undefined): string {
  return JSON.stringify([view?.suspended, view?.deleting, view?.images]);
}

/** Whether a Canary no longer claims the target and the apex that it claimed before. */
function claimsChanged(before: CanaryView, after: CanaryView | undefined): boolean {
  if (!after || after.uid !== before.uid || after.deleting !== before.deleting) return true;
  return after.target !== before.target || after.apex !== before.apex;
}

function pathOf({ apiVersion, plural }: Resource): string {
  const group = apiVersion.includes('/') ? `.${apiVersion.split('/')[0]}` : '';
  return `${plural}${group}`;
}
