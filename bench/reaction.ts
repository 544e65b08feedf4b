import { resources, type KubernetesObject } from '../src/clients/kubernetes.ts';
import { canaryWeight } from '../test/support/diary.ts';
import { viewDeployment } from '../src/watch/hints.ts';
import { applications, change, install, revisionOf, statusOf } from './applications.ts';
import { percentile, type Benchmark, type Figure } from './benchmark.ts';
import { inLab } from './lab.ts';
import { openSightings } from './sightings.ts';

/** Milliseconds from the moment before the write that changes a pod template. */
interface Reaction {
  readonly event: number;
  /** Pods of the new revision are Ready, as the Deployment's status says. */
  readonly pods: number;
  readonly weight: number;
}

/** How soon a changed pod template is noticed, and how soon the new revision gets its first requests. */
export const reaction: Benchmark = {
  about: 'template change to first event and to first weight, pods ready at once',
  run: ({ releases }, say) =>
    inLab({ parts: ['cluster', 'workloads', 'temporal'], readyDelayMs: 0, drainMs: 0 }, say, async (lab) => {
      const { kubernetes, atRest } = lab;
      const [app] = applications(1) as [ReturnType<typeof applications>[number]];
      await install(kubernetes, [app], { interval: '1s', stepWeight: 50, maxWeight: 50 }, say);
      const open = (resource: Parameters<typeof openSightings>[1]) =>
        openSightings(kubernetes, resource, app.namespace);
      const [events, deployments, routes, canaries] = (await Promise.all(
        [resources.events, resources.deployments, resources.virtualServices, resources.canaries].map(open),
      )) as [Sight, Sight, Sight, Sight];

      const reactions: Reaction[] = [];
      for (let number = 1; number <= releases; number += 1) {
        await atRest();
        const revision = String(number);
        const sights = [
          events.next('the first event', (event) => isStartOf(event, app.name)),
          deployments.next('ready pods', (deployment) => isReadyAt(deployment, app.name, revision)),
          routes.next('the first weight', (route) => canaryWeight(route, `${app.name}-canary`) > 0),
        ] as const;
        const since = performance.now();
        const [event, pods, weight] = await Promise.all([...sights, change(kubernetes, app, revision)]);
        reactions.push({ event: event - since, pods: pods - since, weight: weight - since });
        await canaries.next('the end', (canary) => statusOf(canary).phase === 'Succeeded');
        if (number % 10 === 0) say(`${number} of ${releases} releases`);
      }
      await Promise.all([events, deployments, routes, canaries].map((sight) => sight.close()));
      return figuresOf(reactions);
    }),
};

type Sight = Awaited<ReturnType<typeof openSightings>>;

function isStartOf(event: KubernetesObject, canary: string): boolean {
  const { involvedObject, message } = event as unknown as { involvedObject: { name: string }; message: string };
  return involvedObject.name === canary && message.startsWith('New revision detected!');
}

function isReadyAt(deployment: KubernetesObject, name: string, revision: string): boolean {
  if (deployment.metadata.name !== name || revisionOf(deployment) !== revision) return false;
  const { ready, parked } = viewDeployment(deployment);
  return ready && !parked;
}

function figuresOf(reactions: readonly Reaction[]): Figure[] {
  const pair = (name: string, samples: readonly number[], atMost?: number): Figure[] => [
    { name: `${name}, p50`, value: Math.round(percentile(samples, 50)), unit: 'ms' },
    { name: `${name}, p95`, value: Math.round(percentile(samples, 95)), unit: 'ms', atMost },
  ];
  return [
    ...pair(
      'template change to first event',
      reactions.map(({ event }) => event),
      1000,
    ),
    ...pair(
      'template change to first weight',
      reactions.map(({ weight }) => weight),
      1000,
    ),
    ...pair(
      'of that, first event to ready pods',
      reactions.map(({ event, pods }) => pods - event),
    ),
    ...pair(
      'of that, ready pods to first weight',
      reactions.map(({ pods, weight }) => weight - pods),
    ),
  ];
}
