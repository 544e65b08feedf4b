import { setTimeout as sleep } from 'node:timers/promises';
import { resources, type Kubernetes, type KubernetesObject, type Resource } from '../../src/clients/kubernetes.ts';

/** What happened to one Canary, in the order in which a watch saw it. Survives an API server that goes away. */
export interface Diary {
  /** Event texts, `W ` before warnings; an event whose count went up is there once for each. */
  events(): readonly string[];
  /** Canary weights of the VirtualService, each time one was set to another value. */
  weights(): readonly { readonly at: number; readonly canary: number }[];
  /** `<phase> <weight> <failed checks>` of each status. */
  statuses(): readonly string[];
  /** Images that the primary was given, in order. */
  primaryImages(): readonly string[];
  close(): Promise<void>;
}

/** Begins to keep a diary of the Canary `name` and what belongs to it. */
export function keepDiary(kubernetes: Kubernetes, namespace: string, name: string): Diary {
  const ending = new AbortController();
  const events: string[] = [];
  const counted = new Map<string, number>();
  const weights: { at: number; canary: number }[] = [];
  const statuses: string[] = [];
  const images: string[] = [];

  const onEvent = (object: KubernetesObject) => {
    const { type, message, count = 1, involvedObject } = object as unknown as CoreEvent;
    if (involvedObject.kind !== 'Canary' || involvedObject.name !== name) return;
    const before = counted.get(object.metadata.name) ?? 0;
    for (let told = before; told < count; told += 1) events.push(`${type === 'Warning' ? 'W ' : ''}${message}`);
    counted.set(object.metadata.name, Math.max(before, count));
  };
  const onRoute = (object: KubernetesObject) => {
    if (object.metadata.name !== name) return;
    const canary = canaryWeight(object, `${name}-canary`);
    if (weights.at(-1)?.canary !== canary) weights.push({ at: Date.now(), canary });
  };
  const onCanary = (object: KubernetesObject) => {
    if (object.metadata.name !== name || !object.status) return;
    const { phase = '', canaryWeight: weight = 0, failedChecks = 0 } = object.status as Partial<Status>;
    const line = `${phase} ${weight} ${failedChecks}`;
    if (statuses.at(-1) !== line) statuses.push(line);
  };
  const onDeployment = (object: KubernetesObject) => {
    if (object.metadata.name !== `${name}-primary`) return;
    const image = imageOf(object);
    if (images.at(-1) !== image) images.push(image);
  };

  const follow = (resource: Resource, see: (object: KubernetesObject) => void) =>
    read(kubernetes, resource, namespace, see, ending.signal);
  const following = [
    follow(resources.events, onEvent),
    follow(resources.virtualServices, onRoute),
    follow(resources.canaries, onCanary),
    follow(resources.deployments, onDeployment),
  ];
  return {
    events: () => events,
    weights: () => weights,
    statuses: () => statuses,
    primaryImages: () => images,
    async close() {
      ending.abort();
      await Promise.all(following);
    },
  };
}

async function read(
  kubernetes: Kubernetes,
  resource: Resource,
  namespace: string,
  see: (object: KubernetesObject) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const { items, metadata } = await kubernetes.list(resource, namespace);
      const versionOf = (object: KubernetesObject) => Number(object.metadata.resourceVersion ?? 0);
      for (const item of items.sort((a, b) => versionOf(a) - versionOf(b))) see(item);
      const query = { resourceVersion: metadata.resourceVersion, timeoutSeconds: 240 };
      await kubernetes.watch(
        resource,
        namespace,
        query,
        ({ type, object }) => {
          if (type === 'ADDED' || type === 'MODIFIED') see(object);
        },
        signal,
      );
    } catch {
      // The API server is away, which some tests are about: the next list brings what was missed.
      await sleep(200, undefined, { signal }).catch(() => undefined);
    }
  }
}

interface CoreEvent {
  readonly type: string;
  readonly message: string;
  readonly count?: number;
  readonly involvedObject: { readonly kind: string; readonly name: string };
}

interface Status {
  readonly phase: string;
  readonly canaryWeight: number;
  readonly failedChecks: number;
}

/** The weight that a VirtualService gives to a host. */
export function canaryWeight(route: KubernetesObject, host: string): number {
  const { http = [] } = route.spec as { http?: { route?: { destination: { host: string }; weight?: number }[] }[] };
  // Rules that keep users where they are come before it, and what sends everybody else to the primary after it.
  const weights = http.map(({ route = [] }) => route.find(({ destination }) => destination.host === host)?.weight);
  return weights.findLast((weight) => weight !== undefined) ?? 0;
}

/** The image of a Deployment's first container. */
export function imageOf(deployment: KubernetesObject): string {
  const spec = deployment.spec as { template: { spec: { containers: { image: string }[] } } };
  return spec.template.spec.containers[0]?.image ?? '';
}
