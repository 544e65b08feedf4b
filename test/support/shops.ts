import { resources, type Kubernetes, type KubernetesObject } from '../../src/clients/kubernetes.ts';
import { eventually } from './cluster.ts';
import type { CanaryStatus } from './podinfo.ts';

/** Many small applications of one namespace, each with a Canary whose checks all pass: for what many releases do at once. */
export interface Shops {
  readonly names: readonly string[];
  /** Sets another image in all of these, at the same time. */
  release(tag: string, names?: readonly string[]): Promise<void>;
  status(name: string): Promise<CanaryStatus | undefined>;
  /** Waits until the primaries of all of these run this and their Canaries are at rest. Returns the milliseconds. */
  promoted(tag: string, names?: readonly string[], patienceMs?: number): Promise<number>;
  /** How many of these have traffic on their canary now. */
  underTest(names?: readonly string[]): Promise<number>;
  /** How often each message was told about each of the Canaries, its own name left out. */
  told(): Promise<ReadonlyMap<string, Readonly<Record<string, number>>>>;
}

/** Weights that each release goes through. */
export const weights = [20, 40, 60];

export async function openShops(
  kubernetes: Kubernetes,
  namespace: string,
  {
    names,
    interval = '3s',
    image = 'shop',
  }: { readonly names: readonly string[]; readonly interval?: string; readonly image?: string },
  edit: (canary: KubernetesObject) => KubernetesObject = (canary) => canary,
): Promise<Shops> {
  await Promise.all(
    names.flatMap((name) => [
      kubernetes.create(resources.deployments, deployment(namespace, name, `${image}:1.0.0`)),
      kubernetes.create(resources.canaries, edit(canary(namespace, name, interval))),
    ]),
  );
  const imageOf = async (name: string) => {
    const found = await kubernetes.get(resources.deployments, namespace, name);
    const spec = found?.spec as { template: { spec: { containers: { image: string }[] } } } | undefined;
    return spec?.template.spec.containers[0]?.image ?? '';
  };
  const status = async (name: string) =>
    (await kubernetes.get(resources.canaries, namespace, name))?.status as CanaryStatus | undefined;
  const shops: Shops = {
    names,
    async release(tag, some = names) {
      await Promise.all(
        some.map(async (name) => {
          const spec = { template: { spec: { containers: [{ name: 'shop', image: `${image}:${tag}` }] } } };
          await kubernetes.patch(resources.deployments, namespace, name, { spec });
        }),
      );
    },
    status,
    async promoted(tag, some = names, patienceMs = 180_000) {
      const since = Date.now();
      const left = new Set(some);
      await eventually(
        `${tag} everywhere`,
        async () => {
          for (const name of left) {
            const isThere = (await imageOf(`${name}-primary`)).includes(`:${tag}`);
            const phase = (await status(name))?.phase;
            if (isThere && (phase === 'Succeeded' || phase === 'Initialized')) left.delete(name);
            else throw new Error(`${left.size} left; ${name} is ${phase}`);
          }
          return true;
        },
        patienceMs,
      );
      return Date.now() - since;
    },
    async underTest(some = names) {
      const found = await Promise.all(some.map(status));
      return found.filter((one) => one?.phase === 'Progressing' && one.canaryWeight > 0).length;
    },
    async told() {
      const { items } = await kubernetes.list(resources.events, namespace, {
        fieldSelector: 'involvedObject.kind=Canary',
      });
      const tallies = new Map(names.map((name): [string, Record<string, number>] => [name, {}]));
      for (const { message, count, involvedObject } of items as unknown as CanaryEvent[]) {
        const { name } = involvedObject;
        const tally = tallies.get(name);
        if (!tally) continue;
        const text = message
          .replaceAll(`${name}-primary.${namespace}`, 'primary')
          .replaceAll(`${name}.${namespace}`, 'shop');
        tally[text] = (tally[text] ?? 0) + (count ?? 1);
      }
      return tallies;
    },
  };
  return shops;
}

interface CanaryEvent {
  readonly message: string;
  readonly count?: number;
  readonly involvedObject: { readonly name: string };
}

/** What is told of so many good releases: each thing once for each. */
export function storyOf(releases: number): Readonly<Record<string, number>> {
  const messages = [
    'New revision detected! Scaling up shop',
    'Starting canary analysis for shop',
    ...weights.map((weight) => `Advance shop canary weight ${weight}`),
    'Copying shop template spec to primary',
    'Routing all traffic to primary',
    'Promotion completed! Scaling down shop',
  ];
  return Object.fromEntries(messages.map((message) => [message, releases]));
}

function deployment(namespace: string, name: string, image: string): KubernetesObject {
  return {
    ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace } },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'shop', image }] } },
    },
  };
}

function canary(namespace: string, name: string, interval: string): KubernetesObject {
  return {
    ...{ apiVersion: 'flagger.app/v1beta1', kind: 'Canary', metadata: { name, namespace } },
    spec: {
      targetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name },
      progressDeadlineSeconds: 600,
      service: { port: 80 },
      analysis: {
        interval,
        threshold: 3,
        stepWeight: weights[0],
        maxWeight: weights.at(-1),
        metrics: [],
        webhooks: [],
      },
    },
  };
}
