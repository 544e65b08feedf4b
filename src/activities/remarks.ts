import { resources, type KubernetesObject, type Resource } from '../clients/kubernetes.ts';
import { failureType, messageOf } from '../errors.ts';
import { canaryField, type Log } from '../log.ts';
import { parseCanary, type Canary } from '../schemas/canary.ts';
import { primaryTargetName } from '../schemas/defaults.ts';
import { validate } from '../schemas/validate.ts';
import { harmless, unheeded } from '../schemas/warnings.ts';
import type { EventRecord } from '../workflows/domain/plan.ts';
import type { Deps } from './deps.ts';
import { labelRemark } from './label-remark.ts';
import { controllerOf, isControlledBy } from './ownership.ts';
import { providers } from './routers/index.ts';
import type { Pods } from './workloads/workload.ts';

/** What people should know of a Canary as a release begins, and what keeps nothing from being done. */
export type Remark = Pick<EventRecord, 'type' | 'message'>;

/**
 * Finds what to remark about a Canary. One that cannot be read is told of elsewhere.
 *
 * @param podsOf labels by which the pods of both sides are found; undefined where there are no pods
 */
export function createRemarks(
  { kubernetes, settings }: Pick<Deps, 'kubernetes' | 'settings'>,
  log: Pick<Log, 'warn'>,
  podsOf: (canary: Canary) => Promise<Pods | undefined>,
): (canary: KubernetesObject) => Promise<readonly Remark[]> {
  return async (object) => {
    const result = parseCanary(object);
    if ('problem' in result) return [];
    const { canary } = result;
    const ignored = validate(canary, { ...settings, providers }).filter(
      ({ id }) => unheeded.has(id) || harmless.has(id),
    );
    const [rivals, pods] = await Promise.all([rivalScalers(canary), podsOf(canary).catch(toldLater)]);
    const label = pods && labelRemark(canary, pods);
    return [
      ...ignored.map(({ id, message }): Remark => ({ type: harmless.has(id) ? 'Normal' : 'Warning', message })),
      ...[...rivals, ...(label === undefined ? [] : [label])].map((message): Remark => ({ type: 'Warning', message })),
    ];
  };

  /**
   * Autoscalers that scale the target or the primary beside those that `spec.autoscalerRef` stands for: two of one workload
   * undo each other. A change of the reference leaves the copy of before behind.
   *
   * @see canary-crd spec 7.6
   */
  async function rivalScalers(canary: Canary): Promise<readonly string[]> {
    const { autoscalerRef: ref, targetRef } = canary.spec;
    // Nothing else of a Canary's has a scale that an autoscaler could change.
    if (targetRef.kind !== 'Deployment') return [];
    const primary = primaryTargetName(canary);
    const found = await scalers(canary);
    return found.flatMap((scaler) => {
      const { kind, metadata } = scaler;
      const target = targetOf(scaler);
      const what = `${kind} ${metadata.name}.${canary.metadata.namespace}`;
      const cure = 'two autoscalers of one workload undo each other; delete one of them';
      const isMeant = (name: string) => ref?.kind === kind && metadata.name === name;
      if (target === primary && isControlledBy(scaler, canary) && !isMeant(`${ref?.name}-primary`))
        return [`${what} is of an earlier spec.autoscalerRef and still scales ${primary}; delete it`];
      if (!ref) return [];
      if (target === targetRef.name && !isMeant(ref.name))
        return [`${what} scales ${target} beside ${ref.kind} ${ref.name} of spec.autoscalerRef: ${cure}`];
      if (target === primary && !isMeant(`${ref.name}-primary`))
        return [`${what} scales ${primary} beside ${ref.kind} ${ref.name}-primary: ${cure}`];
      return [];
    });
  }

  /** Those of the namespace. What KEDA makes of a ScaledObject is that object's. */
  async function scalers({ metadata }: Canary): Promise<readonly KubernetesObject[]> {
    const kinds: readonly Resource[] = [
      resources.horizontalPodAutoscalers,
      ...(settings.apis.includes('keda') ? [resources.scaledObjects] : []),
    ];
    const lists = await Promise.all(kinds.map((kind) => listed(kind, metadata)));
    return lists.flat().filter((scaler) => controllerOf(scaler)?.kind !== resources.scaledObjects.kind);
  }

  async function listed(resource: Resource, canary: Canary['metadata']): Promise<readonly KubernetesObject[]> {
    try {
      return (await kubernetes.list(resource, canary.namespace)).items;
    } catch (error) {
      const reason = failureType(error);
      if (reason === undefined) throw error;
      // No release waits for want of a remark; and most clusters have no KEDA.
      if (reason !== 'NotFound')
        log.warn('autoscalers not compared', { canary: canaryField(canary), error: messageOf(error) });
      return [];
    }
  }
}

/** What people have to mend is told by the step that it stands in the way of. */
function toldLater(error: unknown): undefined {
  const reason = failureType(error);
  if (reason === undefined || reason === 'Unavailable') throw error;
}

/** Name of the Deployment that an autoscaler scales, if it scales one; KEDA takes one to be meant. */
function targetOf({ spec }: KubernetesObject): string | undefined {
  const { kind = 'Deployment', name } =
    (spec as { scaleTargetRef?: { kind?: string; name?: string } } | undefined)?.scaleTargetRef ?? {};
  return kind === 'Deployment' ? name : undefined;
}
