import { resources, type KubernetesObject } from '../../clients/kubernetes.ts';
import type { Settings } from '../../config.ts';
import { failure } from '../../errors.ts';
import type { Canary } from '../../schemas/canary.ts';
import { primaryTargetName } from '../../schemas/defaults.ts';
import { during, retryOnConflict } from '../attempts.ts';
import type { Deps } from '../deps.ts';
import { controllerOf, isControlledBy, keptByPrefix, ownerReference } from '../ownership.ts';
import { sameJson } from '../revision.ts';
import type { Autoscaler } from './autoscaler.ts';
import { floorOf, raised, withFloor } from './floor.ts';

interface Hpa extends KubernetesObject {
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
export function createHpa({ kubernetes, settings }: Deps): Autoscaler {
  return {
    async drift(canary) {
      const { wanted, live } = await read(canary);
      return live && sameJson(updated(live, wanted, floorOf(live.metadata)), live)
        ? []
        : [`HorizontalPodAutoscaler ${wanted.metadata.name}`];
    },

    async ensure(canary, mode, floor) {
      await retryOnConflict(async () => {
        const { wanted, live } = await read(canary);
        const what = `HorizontalPodAutoscaler v2 ${wanted.metadata.name}.${canary.metadata.namespace}`;
        if (!live) {
          await during(`creating ${what} failed`, () =>
            kubernetes.create(resources.horizontalPodAutoscalers, floored(wanted, floor ?? 0)),
          );
          return;
        }
        const next = updated(live, wanted, floor ?? floorOf(live.metadata));
        if (mode === 'create' || sameJson(next, live)) return;
        await during(`updating ${what} failed`, () => kubernetes.replace(resources.horizontalPodAutoscalers, next));
      });
    },

    async minimum(canary) {
      const source = await get(canary, canary.spec.autoscalerRef?.name ?? '');
      return source && (source.spec.minReplicas ?? 1);
    },

    // It leaves alone what has no replicas, and goes on by itself once there are some.
    pause: () => Promise.resolve(),
    resume: () => Promise.resolve(),
  };

  async function read(canary: Canary): Promise<{ wanted: Hpa; live: Hpa | undefined }> {
    const name = canary.spec.autoscalerRef?.name ?? '';
    const [source, live] = await Promise.all([get(canary, name), get(canary, `${name}-primary`)]);
    if (!source) {
      const what = `HorizontalPodAutoscaler ${name}.${canary.metadata.namespace} get query error`;
      throw failure('NotFound', `${what}: horizontalpodautoscalers.autoscaling "${name}" not found`);
    }
    if (live) checkOwner(canary, live);
    return { wanted: primaryHpa(canary, source, settings), live };
  }

  async function get(canary: Canary, name: string): Promise<Hpa | undefined> {
    const { namespace } = canary.metadata;
    const found = await during(`HorizontalPodAutoscaler ${name}.${namespace} get query error`, () =>
      kubernetes.get(resources.horizontalPodAutoscalers, namespace, name),
    );
    return found as Hpa | undefined;
  }
}

/** One that scales something else must not be turned around. */
function checkOwner(canary: Canary, live: Hpa): void {
  if (isControlledBy(live, canary)) return;
  const { name } = live.spec.scaleTargetRef;
  const owner = controllerOf(live);
  if (!owner && name === primaryTargetName(canary)) return;
  const whose = owner ? `is controlled by ${owner.kind} ${owner.name}` : `scales ${name}`;
  throw failure(
    'Conflict',
    `HorizontalPodAutoscaler ${live.metadata.name}.${canary.metadata.namespace} ${whose} and not ` +
      `${primaryTargetName(canary)}: rename or delete it, or rename the one that spec.autoscalerRef names`,
  );
}

function primaryHpa(canary: Canary, source: Hpa, { includeLabelPrefix }: Settings): Hpa {
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
}

/** What the live one becomes. Labels and annotations of others stay on it. */
function updated(live: Hpa, wanted: Hpa, floor: number): Hpa {
  const { minReplicas, maxReplicas, metrics, behavior } = floored(wanted, floor).spec;
  return {
    ...live,
    metadata: {
      ...live.metadata,
      labels: { ...live.metadata.labels, ...wanted.metadata.labels },
      annotations: withFloor({ ...live.metadata.annotations, ...wanted.metadata.annotations }, floor),
    },
    spec: { ...live.spec, minReplicas, maxReplicas, metrics, behavior },
  };
}

function floored(wanted: Hpa, floor: number): Hpa {
  const { minReplicas = 1, maxReplicas } = wanted.spec;
  return {
    ...wanted,
    metadata: { ...wanted.metadata, annotations: withFloor(wanted.metadata.annotations, floor) },
    spec: { ...wanted.spec, minReplicas: raised(minReplicas, maxReplicas, floor) },
  };
}
