import { resources, type Kubernetes, type KubernetesObject } from '../../src/clients/kubernetes.ts';
import { follow } from '../traffic/follow.ts';
import type { Scene } from './picture.ts';

/** The one Canary of the demonstration, as the cluster shows it. */
export interface View {
  scene(): Scene | undefined;
  /** Events on the Canary that were not returned before, oldest first. */
  newEvents(): { readonly type: string; readonly message: string }[];
  status(): { readonly phase: string; readonly canaryWeight: number };
  image(deployment: string): string;
  stop(): void;
}

/** Follows a Canary and what belongs to it by watches, as any client would. */
export function openView(kubernetes: Kubernetes, namespace: string, name: string): View {
  const ending = new AbortController();
  const canaries = follow(kubernetes, resources.canaries, ending.signal);
  const deployments = follow(kubernetes, resources.deployments, ending.signal);
  const routes = follow(kubernetes, resources.virtualServices, ending.signal);
  const events = follow(kubernetes, resources.events, ending.signal);
  const told = new Map<string, number>();

  const at = (copy: ReadonlyMap<string, KubernetesObject>, object: string) => copy.get(`${namespace}/${object}`);
  const image = (deployment: string) => imageOf(at(deployments, deployment));
  const status = () => {
    const { phase = '', canaryWeight = 0 } = (at(canaries, name)?.status ?? {}) as Partial<CanaryStatus>;
    return { phase, canaryWeight };
  };

  return {
    image,
    status,
    scene() {
      const canary = at(canaries, name);
      if (!canary) return undefined;
      const { failedChecks = 0 } = (canary.status ?? {}) as Partial<CanaryStatus>;
      const { threshold } = (canary.spec as { analysis: { threshold: number } }).analysis;
      return {
        title: `${namespace}/${name}`,
        phase: status().phase || 'new',
        canaryWeight: weightOf(at(routes, name), `${name}-canary`),
        failedChecks,
        threshold,
        canaryImage: short(image(name)),
        primaryImage: short(image(`${name}-primary`)),
        canaryPods: podsOf(at(deployments, name)),
        primaryPods: podsOf(at(deployments, `${name}-primary`)),
      };
    },
    newEvents() {
      const fresh = [...events.values()]
        .map((event) => event as unknown as CoreEvent)
        .filter(({ involvedObject }) => involvedObject.kind === 'Canary' && involvedObject.name === name)
        .filter(({ metadata, count = 1 }) => (told.get(metadata.name) ?? 0) < count)
        .sort((a, b) => (a.lastTimestamp ?? '').localeCompare(b.lastTimestamp ?? '') || order(a) - order(b));
      for (const { metadata, count = 1 } of fresh) told.set(metadata.name, count);
      return fresh.map(({ type, message, count = 1 }) => ({
        type,
        message: count > 1 ? `${message} (x${count})` : message,
      }));
    },
    stop: () => ending.abort(),
  };
}

interface CanaryStatus {
  readonly phase: string;
  readonly canaryWeight: number;
  readonly failedChecks: number;
}

interface CoreEvent {
  readonly metadata: { readonly name: string; readonly resourceVersion?: string };
  readonly involvedObject: { readonly kind: string; readonly name: string };
  readonly type: string;
  readonly message: string;
  readonly count?: number;
  readonly lastTimestamp?: string;
}

/** Timestamps have whole seconds; within one, the order in which events were written. */
const order = ({ metadata }: CoreEvent) => Number(metadata.resourceVersion ?? 0);

function imageOf(deployment: KubernetesObject | undefined): string {
  const spec = deployment?.spec as { template?: { spec?: { containers?: { image?: string }[] } } } | undefined;
  return spec?.template?.spec?.containers?.[0]?.image ?? '';
}

function podsOf(deployment: KubernetesObject | undefined): string {
  const wanted = (deployment?.spec as { replicas?: number } | undefined)?.replicas ?? 0;
  const available = (deployment?.status as { availableReplicas?: number } | undefined)?.availableReplicas ?? 0;
  return `${available}/${wanted}`;
}

function weightOf(route: KubernetesObject | undefined, host: string): number {
  const http = (
    route?.spec as { http?: { route?: { destination: { host: string }; weight?: number }[] }[] } | undefined
  )?.http;
  const destination = http?.at(-1)?.route?.find((candidate) => candidate.destination.host === host);
  return destination?.weight ?? 0;
}

/** An image without its registry and digest. */
function short(image: string): string {
  return (image.split('@')[0] ?? '').replace(/^.*\//, '');
}
