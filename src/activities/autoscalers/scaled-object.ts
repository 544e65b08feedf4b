import { resources } from '../../clients/kubernetes.ts';
import type { Canary } from '../../schemas/canary.ts';
import { primaryTargetName } from '../../schemas/defaults.ts';
import type { Api } from '../api.ts';
import { during, retryOnConflict } from '../attempts.ts';
import type { Deps } from '../deps.ts';
import { keptByPrefix, ownerReference, withoutToolkitKeys } from '../ownership.ts';
import type { Autoscaler } from './autoscaler.ts';
import { raised } from './floor.ts';
import { createScaler, type Scaler, type ScalerKind } from './scaler.ts';

interface ScaledObject extends Scaler {
  spec: {
    scaleTargetRef: { apiVersion?: string; kind?: string; name: string; envSourceContainerName?: string };
    pollingInterval?: number;
    cooldownPeriod?: number;
    minReplicaCount?: number;
    maxReplicaCount?: number;
    idleReplicaCount?: number;
    fallback?: unknown;
    advanced?: { horizontalPodAutoscalerConfig?: { name?: string } };
    triggers: readonly Trigger[];
  };
}

interface Trigger {
  readonly name?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** KEDA's own annotations say how an object is scaled, whatever prefixes are copied; but for those that pause it. */
const pausedReplicas = 'autoscaling.keda.sh/paused-replicas';
const pauses = new Set([pausedReplicas, 'autoscaling.keda.sh/paused']);

/** Replicas of a ScaledObject that does not say how many. */
const defaultMaximum = 100;

export const keda: Api = {
  ...{ name: 'keda', product: 'KEDA', cluster: 'workloads' },
  uses: [
    { resource: resources.scaledObjects, verbs: ['get', 'list', 'create', 'update', 'patch'], watched: 'autoscaler' },
  ],
};

/**
 * ScaledObjects of KEDA, `keda.sh/v1alpha1`.
 *
 * @see engine spec 15.2; unlike Flagger, metadata is compared and written alike (Q19), and no pause is copied (Q10)
 */
export function createScaledObject(deps: Deps): Autoscaler {
  const { kubernetes } = deps;

  /** @param value of the annotation; null removes it */
  const annotate = (canary: Canary, value: '0' | null): Promise<void> =>
    retryOnConflict(async () => {
      const { namespace } = canary.metadata;
      const name = canary.spec.autoscalerRef?.name ?? '';
      const source = await during(`Keda ScaledObject ${name}.${namespace} get query error`, () =>
        kubernetes.get(resources.scaledObjects, namespace, name),
      );
      if (!source || (source.metadata.annotations?.[pausedReplicas] ?? null) === value) return;
      const { resourceVersion } = source.metadata;
      const metadata = { resourceVersion, annotations: { [pausedReplicas]: value } };
      await kubernetes.patch(resources.scaledObjects, namespace, name, { metadata });
    });

  return {
    ...createScaler(scaledObject, deps),
    pause: (canary) => annotate(canary, '0'),
    resume: (canary) => annotate(canary, null),
  };
}

const scaledObject: ScalerKind<ScaledObject> = {
  resource: resources.scaledObjects,
  words: { get: 'Keda ScaledObject', create: 'Keda ScaledObject', update: 'ScaledObject' },
  primary(canary, source, { includeLabelPrefix }) {
    const { labels, annotations } = source.metadata;
    const { scaleTargetRef, advanced, triggers, minReplicaCount, maxReplicaCount, ...others } = source.spec;
    const { pollingInterval, cooldownPeriod, idleReplicaCount, fallback } = others;
    const { apiVersion, kind, envSourceContainerName } = scaleTargetRef;
    const overrides = canary.spec.autoscalerRef?.primaryScalerReplicas;
    return {
      apiVersion: resources.scaledObjects.apiVersion,
      kind: resources.scaledObjects.kind,
      metadata: {
        name: `${source.metadata.name}-primary`,
        namespace: canary.metadata.namespace,
        labels: keptByPrefix(labels, includeLabelPrefix),
        annotations: { ...keptByPrefix(annotations, includeLabelPrefix), ...kedaAnnotations(annotations) },
        ownerReferences: [ownerReference(canary)],
      },
      spec: {
        scaleTargetRef: { name: primaryTargetName(canary), kind, apiVersion, envSourceContainerName },
        pollingInterval,
        cooldownPeriod,
        minReplicaCount: overrides?.minReplicas ?? minReplicaCount,
        maxReplicaCount: overrides?.maxReplicas ?? maxReplicaCount,
        idleReplicaCount,
        fallback,
        advanced: primaryAdvanced(advanced),
        triggers: triggers.map((trigger) => primaryTrigger(canary, trigger)),
      },
    };
  },
  // An object that is idle would go below the floor.
  floored: ({ idleReplicaCount: _, ...spec }, floor) => ({
    ...spec,
    minReplicaCount: raised(spec.minReplicaCount ?? 0, spec.maxReplicaCount ?? defaultMaximum, floor),
  }),
  updated: (_, wanted) => wanted,
  minimum: ({ spec }) => spec.minReplicaCount ?? 0,
};

function kedaAnnotations(annotations: Readonly<Record<string, string>> = {}): Record<string, string> {
  const own = Object.entries(withoutToolkitKeys(annotations)).filter(
    ([key]) => key.includes('keda.sh/') && !pauses.has(key),
  );
  return Object.fromEntries(own);
}

/** The HPA that KEDA makes for the primary must not have the name of the target's. */
function primaryAdvanced(advanced: ScaledObject['spec']['advanced']) {
  const { horizontalPodAutoscalerConfig: config, ...others } = advanced ?? {};
  const name = config?.name ? { name: `${config.name}-primary` } : {};
  return { ...others, horizontalPodAutoscalerConfig: { ...config, ...name } };
}

/**
 * A trigger that asks about the primary: with the query that the Canary gives it by name, or, when it gives none at all,
 * with each name of the target in its query made the primary's.
 */
function primaryTrigger(canary: Canary, trigger: Trigger): Trigger {
  const { metadata = {}, name = '' } = trigger;
  const queries = canary.spec.autoscalerRef?.primaryScalerQueries ?? {};
  if (Object.keys(queries).length > 0) {
    const query = queries[name];
    return query === undefined ? trigger : { ...trigger, metadata: { ...metadata, query } };
  }
  if (!metadata.query) return trigger;
  const target = canary.spec.targetRef.name;
  // The longer name first, and both at once: what was replaced is not replaced again.
  const query = metadata.query.replaceAll(new RegExp(`${literal(target)}(?:-canary)?`, 'g'), `${target}-primary`);
  return { ...trigger, metadata: { ...metadata, query } };
}

function literal(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
