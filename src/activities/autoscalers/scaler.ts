import type { KubernetesObject, Resource } from '../../clients/kubernetes.ts';
import type { Settings } from '../../config.ts';
import { failure } from '../../errors.ts';
import type { Canary } from '../../schemas/canary.ts';
import { primaryTargetName } from '../../schemas/defaults.ts';
import { during, retryOnConflict } from '../attempts.ts';
import type { Deps } from '../deps.ts';
import { controllerOf, isControlledBy } from '../ownership.ts';
import { sameJson } from '../revision.ts';
import type { Autoscaler } from './autoscaler.ts';
import { floorOf, withFloor } from './floor.ts';

export interface Scaler extends KubernetesObject {
  spec: { scaleTargetRef: { readonly name: string }; [field: string]: unknown };
}

/** What one kind of autoscaler has of its own. */
export interface ScalerKind<Found extends Scaler = Scaler> {
  readonly resource: Resource;
  /** How Flagger begins to say that one could not be read, created, updated. */
  readonly words: { readonly get: string; readonly create: string; readonly update: string };
  /** The primary's, after the target's, without a floor. */
  primary(canary: Canary, source: Found, settings: Settings): Found;
  /** The spec with a floor in force. */
  floored(spec: Found['spec'], floor: number): Found['spec'];
  /** The spec of the live one as it becomes; what is not decided here stays. */
  updated(live: Found['spec'], wanted: Found['spec']): Found['spec'];
  /** Replicas below which it does not go; 0 when it may scale to nothing. */
  minimum(source: Found): number;
}

/** Keeps the primary's scaler as the target's is. @see engine spec 15 */
export function createScaler<Found extends Scaler>(
  kind: ScalerKind<Found>,
  { kubernetes, settings }: Pick<Deps, 'kubernetes' | 'settings'>,
): Pick<Autoscaler, 'drift' | 'ensure' | 'minimum'> {
  const { resource } = kind;

  return {
    async drift(canary) {
      const { wanted, live } = await read(canary);
      return live && sameJson(updated(live, wanted, floorOf(live.metadata)), live)
        ? []
        : [`${resource.kind} ${wanted.metadata.name}`];
    },

    async ensure(canary, mode, floor) {
      await retryOnConflict(async () => {
        const { wanted, live } = await read(canary);
        const what = `${wanted.metadata.name}.${canary.metadata.namespace}`;
        if (!live) {
          const created = floored(wanted, floor ?? 0);
          await during(`creating ${kind.words.create} ${what} failed`, () => kubernetes.create(resource, created));
          return;
        }
        const next = updated(live, wanted, floor ?? floorOf(live.metadata));
        if (mode === 'create' || sameJson(next, live)) return;
        await during(`updating ${kind.words.update} ${what} failed`, () => kubernetes.replace(resource, next));
      });
    },

    async minimum(canary) {
      const source = await get(canary, canary.spec.autoscalerRef?.name ?? '');
      return source && kind.minimum(source);
    },
  };

  async function read(canary: Canary): Promise<{ wanted: Found; live: Found | undefined }> {
    const name = canary.spec.autoscalerRef?.name ?? '';
    const [source, live] = await Promise.all([get(canary, name), get(canary, `${name}-primary`)]);
    if (!source) {
      const what = `${kind.words.get} ${name}.${canary.metadata.namespace} get query error`;
      const group = resource.apiVersion.split('/')[0]!;
      throw failure('NotFound', `${what}: ${resource.plural}.${group} "${name}" not found`);
    }
    if (live) checkOwner(canary, live);
    return { wanted: kind.primary(canary, source, settings), live };
  }

  async function get(canary: Canary, name: string): Promise<Found | undefined> {
    const { namespace } = canary.metadata;
    const found = await during(`${kind.words.get} ${name}.${namespace} get query error`, () =>
      kubernetes.get(resource, namespace, name),
    );
    return found as Found | undefined;
  }

  function floored(wanted: Found, floor: number): Found {
    return {
      ...wanted,
      metadata: { ...wanted.metadata, annotations: withFloor(wanted.metadata.annotations, floor) },
      spec: floor > 0 ? kind.floored(wanted.spec, floor) : wanted.spec,
    };
  }

  /** What the live one becomes. Labels and annotations of others stay on it. */
  function updated(live: Found, wanted: Found, floor: number): Found {
    const { metadata, spec } = floored(wanted, floor);
    return {
      ...live,
      metadata: {
        ...live.metadata,
        labels: { ...live.metadata.labels, ...metadata.labels },
        annotations: withFloor({ ...live.metadata.annotations, ...metadata.annotations }, floor),
      },
      spec: kind.updated(live.spec, spec),
    };
  }

  /** One that scales something else must not be turned around. */
  function checkOwner(canary: Canary, live: Found): void {
    if (isControlledBy(live, canary)) return;
    const { name } = live.spec.scaleTargetRef;
    const owner = controllerOf(live);
    if (!owner && name === primaryTargetName(canary)) return;
    const whose = owner ? `is controlled by ${owner.kind} ${owner.name}` : `scales ${name}`;
    throw failure(
      'Conflict',
      `${resource.kind} ${live.metadata.name}.${canary.metadata.namespace} ${whose} and not ` +
        `${primaryTargetName(canary)}: rename or delete it, or rename the one that spec.autoscalerRef names`,
    );
  }
}
