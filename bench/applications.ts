import { setTimeout as sleep } from 'node:timers/promises';
import { follow } from '../local/traffic/follow.ts';
import { resources, type Kubernetes, type KubernetesObject } from '../src/clients/kubernetes.ts';
import type { Say } from './benchmark.ts';

/** An application of one pod and its Canary, without an autoscaler. */
export interface Application {
  readonly namespace: string;
  readonly name: string;
}

/** As many applications as asked for, twenty-five to a namespace, the way teams have theirs. */
export function applications(count: number, from = 0): Application[] {
  return Array.from({ length: count }, (_, index) => {
    const number = from + index;
    return { namespace: `team-${Math.floor(number / 25)}`, name: `app-${number}` };
  });
}

/** Creates the applications and waits until every Canary is initialized. */
export async function install(
  kubernetes: Kubernetes,
  all: readonly Application[],
  analysis: object,
  say: Say,
): Promise<void> {
  for (const name of new Set(all.map(({ namespace }) => namespace))) {
    if (await kubernetes.get(resources.namespaces, undefined, name)) continue;
    await kubernetes.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  }
  const since = performance.now();
  await together(all, async (application) => {
    await kubernetes.create(resources.deployments, deployment(application));
    await kubernetes.create(resources.canaries, canary(application, analysis));
  });
  await untilAll(kubernetes, all, 'initialized', ({ phase }) => phase === 'Initialized', say);
  say(`${all.length} Canaries initialized after ${((performance.now() - since) / 1000).toFixed(1)} s`);
}

/** Gives the application a new revision, as `kubectl rollout restart` does. */
export async function change(kubernetes: Kubernetes, { namespace, name }: Application, revision: string) {
  const patch = { spec: { template: { metadata: { annotations: { [revisionKey]: revision } } } } };
  await kubernetes.patch(resources.deployments, namespace, name, patch);
}

/** The revision that `change` gave to the pods of a Deployment. */
export function revisionOf({ spec }: KubernetesObject): string | undefined {
  return (spec as DeploymentSpec).template.metadata.annotations?.[revisionKey];
}

export interface Status {
  readonly phase: string;
  readonly canaryWeight: number;
}

export function statusOf(canary: KubernetesObject | undefined): Status {
  const { phase = '', canaryWeight = 0 } = (canary?.status ?? {}) as Partial<Status>;
  return { phase, canaryWeight };
}

/** Waits until the status of every Canary is as wanted, and says every ten seconds how many are. */
export async function untilAll(
  kubernetes: Kubernetes,
  all: readonly Application[],
  what: string,
  isIt: (status: Status) => boolean,
  say: Say,
  timeoutMs = 600_000,
): Promise<void> {
  const ending = new AbortController();
  const canaries = follow(kubernetes, resources.canaries, ending.signal);
  const deadline = performance.now() + timeoutMs;
  try {
    for (let told = performance.now(); ;) {
      const count = all.filter(({ namespace, name }) => isIt(statusOf(canaries.get(`${namespace}/${name}`)))).length;
      if (count === all.length) return;
      if (performance.now() > deadline)
        throw new Error(`only ${count} of ${all.length} Canaries are ${what} after ${timeoutMs} ms`);
      if (performance.now() - told > 10_000) {
        say(`${count} of ${all.length} ${what}`);
        told = performance.now();
      }
      await sleep(100);
    }
  } finally {
    ending.abort();
  }
}

/** Does `work` for all, eight at a time. */
export async function together<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  const left = all.values();
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (const one of left) await work(one);
    }),
  );
}

const revisionKey = 'bench/revision';

interface DeploymentSpec {
  readonly template: { readonly metadata: { readonly annotations?: Readonly<Record<string, string>> } };
}

function deployment({ namespace, name }: Application): KubernetesObject {
  const labels = { app: name };
  const container = {
    name: 'app',
    image: 'stefanprodan/podinfo:6.0.0',
    ports: [{ name: 'http', containerPort: 9898 }],
  };
  return {
    ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace, labels } },
    spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [container] } } },
  };
}

function canary({ namespace, name }: Application, analysis: object): KubernetesObject {
  return {
    ...{ apiVersion: 'flagger.app/v1beta1', kind: 'Canary', metadata: { name, namespace } },
    spec: {
      targetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name },
      progressDeadlineSeconds: 120,
      service: { port: 80, targetPort: 9898 },
      analysis: { threshold: 5, ...analysis },
    },
  };
}

/** The checks that most Canaries have. */
export const builtInChecks = [
  { name: 'request-success-rate', thresholdRange: { min: 99 }, interval: '30s' },
  { name: 'request-duration', thresholdRange: { max: 500 }, interval: '30s' },
];
