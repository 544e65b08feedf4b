import { resources } from '../../clients/kubernetes.ts';
import { primaryTargetName } from '../../schemas/defaults.ts';
import type { Deps } from '../deps.ts';
import { keptByPrefix, ownerReference } from '../ownership.ts';
import type { Autoscaler } from './autoscaler.ts';
import { raised } from './floor.ts';
import { createScaler, type Scaler, type ScalerKind } from './scaler.ts';

interface Hpa extends Scaler {
  spec: {
    scaleTargetRef: { apiVersion?: string; kind: string; name: string };
    minReplicas?: number;
    maxReplicas: number;
    metrics?: unknown;
    behavior?: unknown;
  };
}

/**
 * HorizontalPodAutoscalers, `autoscaling/v2` only: the version a Canary writes in its reference is not read.
 *
 * @see engine spec 15.1; unlike Flagger, metadata is compared and written alike (Q19)
 */
export function createHpa(deps: Deps): Autoscaler {
  return {
    ...createScaler(hpa, deps),
    // It leaves alone what has no replicas, and goes on by itself once there are some.
    pause: () => Promise.resolve(),
    resume: () => Promise.resolve(),
  };
}

const hpa: ScalerKind<Hpa> = {
  resource: resources.horizontalPodAutoscalers,
  words: {
    get: 'HorizontalPodAutoscaler',
    create: 'HorizontalPodAutoscaler v2',
    update: 'HorizontalPodAutoscaler v2',
  },
  primary(canary, source, { includeLabelPrefix }) {
    const { minReplicas, maxReplicas, metrics, behavior, scaleTargetRef } = source.spec;
    const overrides = canary.spec.autoscalerRef?.primaryScalerReplicas;
    return {
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: {
        name: `${source.metadata.name}-primary`,
        namespace: canary.metadata.namespace,
        labels: keptByPrefix(source.metadata.labels, includeLabelPrefix),
        annotations: keptByPrefix(source.metadata.annotations, includeLabelPrefix),
        ownerReferences: [ownerReference(canary)],
      },
      spec: {
        scaleTargetRef: { ...scaleTargetRef, name: primaryTargetName(canary) },
        minReplicas: overrides?.minReplicas ?? minReplicas ?? 1,
        maxReplicas: overrides?.maxReplicas ?? maxReplicas,
        metrics,
        behavior,
      },
    };
  },
  floored: (spec, floor) => ({ ...spec, minReplicas: raised(spec.minReplicas ?? 1, spec.maxReplicas, floor) }),
  updated: (live, { minReplicas, maxReplicas, metrics, behavior }) => {
    return { ...live, minReplicas, maxReplicas, metrics, behavior };
  },
  minimum: ({ spec }) => spec.minReplicas ?? 1,
};
