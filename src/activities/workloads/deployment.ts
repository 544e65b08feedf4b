import { resources } from '../../clients/kubernetes.ts';
import type { Deps } from '../deps.ts';
import type { PodController, PodKind, PodReadiness, ReadinessRule } from './pod-kind.ts';
import { createPodWorkload } from './pod-workload.ts';
import { neededPods } from './readiness.ts';
import type { LabelSelector, PodTemplate } from './primary-template.ts';
import type { Workload } from './workload.ts';

/** A Deployment as far as it is read. */
export interface Deployment extends PodController {
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

/** Targets of kind Deployment. @see engine spec 10 */
const deployment: PodKind<Deployment> = {
  resource: resources.deployments,
  word: 'deployment',
  creating: 'createPrimaryDeployment',
  selectorErrorEnd: '',
  rewritesScheduling: true,
  check: () => undefined,
  template: ({ spec }) => spec.template,
  // A pause of the target is not meant for the primary.
  rollout({ spec: { progressDeadlineSeconds, minReadySeconds, revisionHistoryLimit, strategy } }) {
    return { progressDeadlineSeconds, minReadySeconds, revisionHistoryLimit, strategy };
  },
  replicas: ({ spec }) => spec.replicas ?? 1,
  available: ({ status }) => status?.availableReplicas ?? 0,
  readiness: deploymentReadiness,
  notReady: (which, name, { text }) =>
    which === 'primary' ? `${name} not ready: ${text}` : `canary deployment ${name} not ready: ${text}`,
  counted: { written: ({ spec }) => spec.replicas },
  park: (replicas) => ({ spec: { replicas } }),
  unpark: (replicas) => ({ spec: { replicas } }),
  words: {
    park: (name) => `deployment ${name} patch query error`,
    unpark: (name, replicas) => `scaling up ${name} to ${replicas} failed`,
    revert: (name, replicas) => `scale failed: scaling ${name} to ${replicas} failed`,
  },
};

export function createDeploymentWorkload(deps: Deps): Workload {
  return createPodWorkload(deployment, deps);
}

/** Whether a Deployment has rolled out and enough of its pods are available. @see engine spec 10.5 */
export function deploymentReadiness(deployment: Deployment, rule: ReadinessRule): PodReadiness {
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
  const needed = neededPods(updatedReplicas, rule.thresholdPercent);
  if (availableReplicas < needed) {
    const threshold = `(readyThreshold ${rule.thresholdPercent}%)`;
    return unready(`${waiting} ${availableReplicas} of ${needed} ${threshold} updated replicas are available`);
  }
  return { ready: true };
}

function isOverdue(conditions: readonly DeploymentCondition[], { deadlineSeconds, now }: ReadinessRule): boolean {
  const available = conditions.find(({ type }) => type === 'Available');
  if (!conditions.some(({ type }) => type === 'Progressing')) return false;
  if (available?.status !== 'False' || available.reason !== 'MinimumReplicasUnavailable') return false;
  return Date.parse(available.lastUpdateTime ?? '') + deadlineSeconds * 1000 < now;
}
