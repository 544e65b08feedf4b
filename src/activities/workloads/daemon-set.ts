import { resources, type ManagedFields } from '../../clients/kubernetes.ts';
import { failure } from '../../errors.ts';
import type { Deps } from '../deps.ts';
import type { PodController, PodKind, PodReadiness, ReadinessRule } from './pod-kind.ts';
import { createPodWorkload } from './pod-workload.ts';
import type { LabelSelector, PodTemplate } from './primary-template.ts';
import { neededPods } from './readiness.ts';
import type { Workload } from './workload.ts';

/** A DaemonSet as far as it is read. */
interface DaemonSet extends PodController {
  spec: {
    selector: LabelSelector;
    template: PodTemplate;
    minReadySeconds?: number;
    revisionHistoryLimit?: number;
    updateStrategy?: { readonly type?: string };
  };
  status?: {
    observedGeneration?: number;
    desiredNumberScheduled?: number;
    updatedNumberScheduled?: number;
    numberAvailable?: number;
  };
}

/** Selects no node, so that a DaemonSet has no pods: Flagger's way to park one. */
const parkingKey = 'flagger.app/scale-to-zero';

/** Targets of kind DaemonSet: the nodes say how many pods there are. @see engine spec 11 */
const daemonSet: PodKind<DaemonSet> = {
  resource: resources.daemonSets,
  word: 'daemonset',
  creating: 'createPrimaryDaemonSet',
  selectorErrorEnd: "'",
  rewritesScheduling: false,
  check(canary, { metadata, spec }) {
    const { type = 'RollingUpdate' } = spec.updateStrategy ?? {};
    if (type === 'RollingUpdate') return;
    const what = `daemonset ${metadata.name}.${canary.metadata.namespace}`;
    const text = `createPrimaryDaemonSet failed: ${what} must have RollingUpdate strategy but have ${type}`;
    throw failure('InvalidSpec', `${text}; set its spec.updateStrategy.type to RollingUpdate`);
  },
  template({ spec: { template } }) {
    const { [parkingKey]: parked, ...nodeSelector } = template.spec?.nodeSelector ?? {};
    return parked === undefined ? template : { ...template, spec: { ...template.spec, nodeSelector } };
  },
  rollout({ spec: { minReadySeconds, revisionHistoryLimit, updateStrategy } }) {
    return { minReadySeconds, revisionHistoryLimit, updateStrategy };
  },
  // One that no node wants is not parked for that.
  replicas: (found) => (isParked(found) ? 0 : Math.max(1, found.status?.desiredNumberScheduled ?? 0)),
  available: ({ status }) => status?.numberAvailable ?? 0,
  readiness: daemonSetReadiness,
  notReady: (which, name, { text, retriable }) =>
    which === 'primary'
      ? `primary daemonset ${name} not ready: ${text}`
      : `canary damonset ${name} not ready with retryable ${retriable}: ${text}`,
  park: () => nodeSelector('true'),
  unpark: () => nodeSelector(null),
  words: {
    park: (name) => `updating daemonset ${name} failed`,
    unpark: (name) => `scaling up daemonset ${name} failed`,
    revert: (name) => `ScaleFromZero failed: scaling up daemonset ${name} failed`,
  },
};

export function createDaemonSetWorkload(deps: Deps): Workload {
  return createPodWorkload(daemonSet, deps);
}

function nodeSelector(parked: 'true' | null): object {
  return { spec: { template: { spec: { nodeSelector: { [parkingKey]: parked } } } } };
}

function isParked({ spec }: DaemonSet): boolean {
  return spec.template.spec?.nodeSelector?.[parkingKey] !== undefined;
}

/**
 * Whether a DaemonSet has rolled out and enough of its pods are available. The deadline runs from the last write of its
 * spec, with which the rollout began; Flagger's runs from the last write of the Canary's status (Q15). Whether it has been
 * ready since then, nothing here tells: a release that has seen it gives it more time.
 *
 * @see engine spec 11
 */
export function daemonSetReadiness(found: DaemonSet, rule: ReadinessRule): PodReadiness {
  const { metadata, status = {} } = found;
  const { desiredNumberScheduled: desired = 0, updatedNumberScheduled: updated = 0, numberAvailable = 0 } = status;
  const waiting = 'waiting for rollout to finish:';
  if ((metadata.generation ?? 0) > (status.observedGeneration ?? 0)) {
    const text = `${waiting} observed daemonset generation less than desired generation`;
    return { ready: false, retriable: true, text, rolledOut: false };
  }
  const needed = neededPods(desired, rule.thresholdPercent);
  if (updated >= desired && numberAvailable >= needed) return { ready: true };
  const rolledOut = updated >= desired;
  if (rolloutBegan(metadata.managedFields ?? []) + rule.deadlineSeconds * 1000 < rule.now) {
    return {
      ready: false,
      retriable: false,
      text: `exceeded its progressDeadlineSeconds: ${rule.deadlineSeconds}`,
      rolledOut,
    };
  }
  const threshold = `(readyThreshold ${rule.thresholdPercent}%)`;
  const text = rolledOut
    ? `${waiting} ${numberAvailable} of ${needed} ${threshold} updated pods are available`
    : `${waiting} ${updated} out of ${desired} new pods have been updated`;
  return { ready: false, retriable: true, text, rolledOut };
}

/** Milliseconds since the epoch; what nobody wrote down has only just begun. */
function rolloutBegan(managedFields: readonly ManagedFields[]): number {
  const times = managedFields
    .filter(({ subresource = '' }) => subresource !== 'status')
    .map(({ time = '' }) => Date.parse(time))
    .filter(Number.isFinite);
  return times.length > 0 ? Math.max(...times) : Number.POSITIVE_INFINITY;
}
