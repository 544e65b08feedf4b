import { resources, type Kubernetes, type KubernetesObject } from '../../clients/kubernetes.ts';
import { failureType, messageOf } from '../../errors.ts';
import type { PodController } from './pod-kind.ts';

interface Pod extends KubernetesObject {
  status?: {
    phase?: string;
    reason?: string;
    message?: string;
    conditions?: readonly { type: string; status: string; reason?: string; message?: string }[];
    initContainerStatuses?: readonly ContainerStatus[];
    containerStatuses?: readonly ContainerStatus[];
  };
}

interface ContainerStatus {
  readonly name: string;
  readonly ready?: boolean;
  readonly started?: boolean;
  readonly restartCount?: number;
  readonly state?: ContainerState;
  readonly lastState?: ContainerState;
}

interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly running?: object;
  readonly terminated?: Terminated;
}

interface Terminated {
  readonly exitCode: number;
  readonly reason?: string;
  readonly message?: string;
}

/** Why the pods of a controller are not ready, as far as they say. */
export async function causeOf(kubernetes: Kubernetes, { metadata, spec }: PodController): Promise<string | undefined> {
  const labels = Object.entries(spec.selector.matchLabels ?? {});
  const labelSelector = labels.map(([key, value]) => `${key}=${value}`).join(',');
  try {
    const { items } = await kubernetes.list(resources.pods, metadata.namespace, { labelSelector });
    return podTrouble(items);
  } catch (error) {
    // That it is not ready is known without the pods; whoever may not read them should still learn that.
    if (failureType(error) !== 'Unauthorized') throw error;
    return `its pods could not be read: ${messageOf(error)}`;
  }
}

/**
 * Why pods are not ready, in one line about the newest pod that says: it cannot be scheduled, an image cannot be had, a
 * container crashes, or a readiness probe fails. Undefined when no pod says anything (Q56).
 */
export function podTrouble(objects: readonly KubernetesObject[]): string | undefined {
  const newestFirst = [...(objects as readonly Pod[])].sort((one, other) =>
    (other.metadata.creationTimestamp ?? '').localeCompare(one.metadata.creationTimestamp ?? ''),
  );
  for (const find of [scheduling, crash, waiting, eviction, probe]) {
    for (const pod of newestFirst) {
      const trouble = find(pod);
      if (trouble !== undefined) return `pod ${pod.metadata.name} ${oneLine(trouble)}`;
    }
  }
  return undefined;
}

function scheduling({ status }: Pod): string | undefined {
  const condition = status?.conditions?.find(({ type, status }) => type === 'PodScheduled' && status === 'False');
  return condition && `cannot be scheduled: ${condition.message ?? condition.reason ?? 'no reason given'}`;
}

/** A container that crashed tells more with its exit than with the back-off it is in now. */
function crash(pod: Pod): string | undefined {
  for (const { name, ready, state, lastState, restartCount = 0 } of containers(pod)) {
    const exit = state?.terminated ?? lastState?.terminated;
    if (ready || !exit || (exit.exitCode === 0 && restartCount === 0)) continue;
    const why = exit.reason && exit.reason !== 'Error' ? ` (${exit.reason})` : '';
    const words = lastLine(exit.message);
    const times = restartCount > 0 ? `, restarted ${restartCount} times` : '';
    return `container ${name} exited with code ${exit.exitCode}${why}${times}${words ? `: ${words}` : ''}`;
  }
  return undefined;
}

function waiting(pod: Pod): string | undefined {
  for (const { name, state } of containers(pod)) {
    const { reason, message } = state?.waiting ?? {};
    if (!reason || reason === 'ContainerCreating' || reason === 'PodInitializing') continue;
    return `container ${name} cannot start: ${reason}${message ? `: ${message}` : ''}`;
  }
  return undefined;
}

function eviction({ status }: Pod): string | undefined {
  if (status?.phase !== 'Failed' || !status.reason) return undefined;
  return `failed: ${status.reason}${status.message ? `: ${status.message}` : ''}`;
}

function probe({ status }: Pod): string | undefined {
  const unready = status?.containerStatuses?.find(({ ready, state }) => !ready && state?.running);
  if (!unready) return undefined;
  const which = unready.started === false ? 'startup' : 'readiness';
  return `container ${unready.name} runs, but its ${which} probe does not succeed`;
}

function containers({ status }: Pod): readonly ContainerStatus[] {
  return [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
}

function lastLine(text = ''): string {
  return text.trimEnd().split('\n').at(-1)?.trim() ?? '';
}

function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > 300 ? `${line.slice(0, 299)}…` : line;
}
