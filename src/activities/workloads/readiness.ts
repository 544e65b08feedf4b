import type { KubernetesObject } from '../../clients/kubernetes.ts';
import type { LabelSelector, PodTemplate } from './primary-template.ts';

/** A Deployment as far as it is read; everything else travels along untouched. */
export interface Deployment extends KubernetesObject {
  spec: {
    replicas?: number;
    selector: LabelSelector;
    template: PodTemplate;
    progressDeadlineSeconds?: number;
    minReadySeconds?: number;
    revisionHistoryLimit?: number;
    strategy?: unknown;
  };
  status?: {
    observedGeneration?: number;
    replicas?: number;
    updatedReplicas?: number;
    availableReplicas?: number;
    conditions?: readonly DeploymentCondition[];
  };
}

interface DeploymentCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly lastUpdateTime?: string;
}

export interface ReadinessRule {
  /** Percent of updated pods that must be available. */
  readonly thresholdPercent: number;
  /** Seconds a Deployment may lack its minimum of available pods. */
  readonly deadlineSeconds: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export type DeploymentReadiness =
  | { readonly ready: true }
  | {
      readonly ready: false;
      readonly retriable: boolean;
      /** What is missing, in Flagger's words. */
      readonly text: string;
      /** The rollout of this template finished once. */
      readonly rolledOut: boolean;
    };

/** Whether a Deployment has rolled out and enough of its pods are available. @see engine spec 10.5 */
export function deploymentReadiness(deployment: Deployment, rule: ReadinessRule): DeploymentReadiness {
  const { metadata, spec, status = {} } = deployment;
  const { replicas = 0, updatedReplicas = 0, availableReplicas = 0 } = status;
  const progressing = status.conditions?.find(({ type }) => type === 'Progressing');
  const rolledOut = progressing?.reason === 'NewReplicaSetAvailable';
  const waiting = 'waiting for rollout to finish:';

  if ((metadata.generation ?? 0) > (status.observedGeneration ?? 0)) {
    const text = `${waiting} observed deployment generation less than desired generation`;
    return { ready: false, retriable: true, text, rolledOut: false };
  }
  const retriable = !isOverdue(status.conditions ?? [], rule);
  const unready = (text: string) => ({ ready: false, retriable, text, rolledOut }) as const;
  if (progressing?.reason === 'ProgressDeadlineExceeded') {
    const text = `deployment "${metadata.name}" exceeded its progress deadline`;
    return { ready: false, retriable: false, text, rolledOut: false };
  }
  if (spec.replicas !== undefined && updatedReplicas < spec.replicas) {
    return unready(`${waiting} ${updatedReplicas} out of ${spec.replicas} new replicas have been updated`);
  }
  if (replicas > updatedReplicas) {
    return unready(`${waiting} ${replicas - updatedReplicas} old replicas are pending termination`);
  }
  const needed = neededReplicas(updatedReplicas, rule.thresholdPercent);
  if (availableReplicas < needed) {
    const threshold = `(readyThreshold ${rule.thresholdPercent}%)`;
    return unready(`${waiting} ${availableReplicas} of ${needed} ${threshold} updated replicas are available`);
  }
  return { ready: true };
}

/** Flagger computes in single precision and cuts off, so 29 % of 100 pods are 28 or 29 as float32 has it. */
function neededReplicas(updated: number, percent: number): number {
  return Math.trunc(Math.fround(updated * Math.fround(percent / 100)));
}

function isOverdue(conditions: readonly DeploymentCondition[], { deadlineSeconds, now }: ReadinessRule): boolean {
  const available = conditions.find(({ type }) => type === 'Available');
  if (!conditions.some(({ type }) => type === 'Progressing')) return false;
  if (available?.status !== 'False' || available.reason !== 'MinimumReplicasUnavailable') return false;
  return Date.parse(available.lastUpdateTime ?? '') + deadlineSeconds * 1000 < now;
}
