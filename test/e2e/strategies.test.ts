import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { resources, type KubernetesObject } from '../../src/clients/kubernetes.ts';
import { eventually, openStack } from '../support/cluster.ts';
import { openPodinfo, type Podinfo, type PodinfoOptions } from '../support/podinfo.ts';
import { openReleases, route, withPodinfo, type Releases } from '../support/trouble.ts';

/*
 * Each strategy on a real API server: once it succeeds, once it fails in the middle, once a newer revision comes in the
 * middle, and once the worker is killed there, in the middle of a release of every strategy.
 */
interface Strategy {
  readonly strategy: string;
  /** Changes of the tutorial's analysis; undefined takes a field away. */
  readonly analysis: Readonly<Record<string, unknown>>;
  /** Weights of the canary in the order in which they come into force. */
  readonly weights: readonly number[];
  /** What a good release tells between its beginning and its end. */
  readonly tells: readonly string[];
  /** Nothing divides traffic: there is no route, and no reading tells a bad version. */
  readonly meshless?: true;
  /** The release has come to where something may happen to it. */
  readonly middle: (podinfo: Podinfo) => Promise<unknown>;
}

const canary = 'Advance podinfo canary';
const iterations = (count: number) => ({ stepWeight: undefined, maxWeight: undefined, iterations: count });
const match = [{ headers: { 'x-canary': { exact: 'insider' } } }];
const reached = (podinfo: Podinfo, iteration: number) =>
  eventually(`iteration ${iteration}`, async () => (await podinfo.canary()).status?.iterations === iteration, 60_000);

const strategies: readonly Strategy[] = [
  {
    strategy: 'A/B testing',
    analysis: { ...iterations(3), match },
    weights: [0, 100, 0],
    tells: [`${canary} iteration 1/3`, `${canary} iteration 2/3`, `${canary} iteration 3/3`],
    middle: (podinfo) => reached(podinfo, 2),
  },
  {
    strategy: 'blue/green',
    analysis: iterations(2),
    weights: [0, 100, 0],
    tells: [`${canary} iteration 1/2`, `${canary} iteration 2/2`, 'Routing all traffic to canary'],
    middle: (podinfo) => reached(podinfo, 2),
  },
  {
    strategy: 'blue/green without a mesh',
    analysis: { ...iterations(2), metrics: [] },
    weights: [],
    tells: [`${canary} iteration 1/2`, `${canary} iteration 2/2`],
    meshless: true,
    middle: (podinfo) => reached(podinfo, 1),
  },
  {
    strategy: 'blue/green with mirrored traffic',
    analysis: { ...iterations(2), mirror: true, mirrorWeight: 50 },
    weights: [0, 100, 0],
    tells: [
      `${canary} iteration 1/2`,
      `${canary} iteration 2/2`,
      'Stop traffic mirroring and route all traffic to canary',
    ],
    middle: async (podinfo) => {
      await reached(podinfo, 1);
      expect(await mirrorOf(podinfo)).toEqual({ mirror: { host: 'podinfo-canary' }, mirrorPercentage: { value: 50 } });
    },
  },
  {
    strategy: 'a canary with mirrored traffic',
    analysis: { mirror: true, stepWeight: 20, maxWeight: 40 },
    weights: [0, 20, 40, 0],
    tells: [`${canary} weight 0`, `${canary} weight 20`, `${canary} weight 40`],
    middle: (podinfo) =>
      eventually('mirrored traffic', async () => (await mirrorOf(podinfo)).mirror !== undefined, 60_000),
  },
  {
    strategy: 'a canary with session affinity',
    analysis: {
      stepWeight: 20,
      maxWeight: 40,
      sessionAffinity: { cookieName: 'canary-of', primaryCookieName: 'primary-of', maxAge: 60 },
    },
    weights: [0, 20, 40, 0],
    tells: [`${canary} weight 20`, `${canary} weight 40`],
    middle: (podinfo) => podinfo.weight(20),
  },
  {
    strategy: 'a promotion in steps',
    analysis: { stepWeight: 40, maxWeight: 40, stepWeightPromotion: 30 },
    weights: [0, 40, 10, 0],
    tells: [`${canary} weight 40`, 'Advance podinfo primary weight 90', 'Advance podinfo primary weight 100'],
    middle: (podinfo) => podinfo.weight(40),
  },
];

let releases: Releases;
beforeAll(async () => {
  releases = await openReleases();
});
afterAll(() => releases.close());

const begun = 'New revision detected! Scaling up podinfo';
const completed = 'Promotion completed! Scaling down podinfo';
const open = ({ analysis, meshless }: Strategy): PodinfoOptions => ({
  analysis: { threshold: 2, ...analysis },
  edit: (objects) => (meshless ? objects.map(withoutMesh) : objects),
});

function withoutMesh(object: object): object {
  const { kind, spec } = object as KubernetesObject;
  return kind === 'Canary' ? { ...object, spec: { ...(spec as object), provider: 'kubernetes' } } : object;
}

describe('on a real cluster', () => {
  it.concurrent.each(strategies)(
    '$strategy succeeds, begins again with a newer revision, and fails in the middle',
    async (strategy) => {
      await withPodinfo(open(strategy), async (podinfo) => {
        await podinfo.phase('Initialized');
        await succeeds(podinfo, strategy);
        await isInterrupted(podinfo, strategy);
        // Last, because its errors stay in the window of the checks for a while.
        await fails(podinfo, strategy);
        await isAtRest(podinfo, strategy);
      });
    },
    180_000,
  );

  it('a worker that is killed in the middle of one release of each: they end as they would have', async () => {
    const all = await Promise.all(
      strategies.map(async (strategy) => ({ strategy, podinfo: await openPodinfo(open(strategy)) })),
    );
    try {
      await Promise.all(all.map(({ podinfo }) => podinfo.phase('Initialized')));
      const inTheMiddle = all.map(async ({ strategy, podinfo }) => {
        await podinfo.setImage('3.1.1');
        await strategy.middle(podinfo);
      });
      await Promise.all(inTheMiddle);
      const worker = openStack().server('worker');
      await worker.kill();
      await worker.restart();
      await Promise.all(all.map(({ podinfo }) => podinfo.phase('Succeeded')));
      await Promise.all(all.map(({ podinfo }) => podinfo.told(completed)));
      for (const { strategy, podinfo } of all) {
        expect([strategy.strategy, canaryWeights(podinfo)]).toEqual([strategy.strategy, strategy.weights]);
        expect(storyOf(podinfo)).toEqual(strategy.tells);
        expect(podinfo.diary.primaryImages().map(tagOf)).toEqual(['3.1.0', '3.1.1']);
        await isAtRest(podinfo, strategy);
      }
    } finally {
      await Promise.all(all.map(({ podinfo }) => podinfo.close()));
    }
  }, 180_000);
});

async function succeeds(podinfo: Podinfo, { weights, tells }: Strategy): Promise<void> {
  await podinfo.setImage('3.1.1');
  await podinfo.phase('Succeeded');
  await podinfo.told(completed);
  expect(canaryWeights(podinfo)).toEqual(weights);
  expect(storyOf(podinfo)).toEqual(tells);
  expect(tagOf(await podinfo.image('podinfo-primary'))).toBe('3.1.1');
}

async function fails(podinfo: Podinfo, { meshless }: Strategy): Promise<void> {
  if (meshless) await failHook(podinfo);
  await podinfo.setImage('3.1.4-err50');
  await podinfo.phase('Failed');
  await podinfo.told(`W Canary failed! Scaling down podinfo.${podinfo.namespace}`);
  expect(tagOf(await podinfo.image('podinfo-primary'))).toBe('3.1.3');
}

/** From now on the load test finds what the readings of a mesh would have shown. */
async function failHook(podinfo: Podinfo): Promise<void> {
  const { spec } = await podinfo.canary();
  const { webhooks } = (spec as { analysis: { webhooks: { name: string }[] } }).analysis;
  const failing = webhooks.map((hook) =>
    hook.name === 'load-test' ? { ...hook, metadata: { type: 'bash', cmd: 'exit 1' } } : hook,
  );
  await podinfo.patchCanary({ spec: { analysis: { webhooks: failing } } });
}

async function isInterrupted(podinfo: Podinfo, { middle }: Strategy): Promise<void> {
  await podinfo.setImage('3.1.2');
  await podinfo.phase('Progressing');
  await middle(podinfo);
  await podinfo.setImage('3.1.3');
  await podinfo.told('New revision detected! Restarting analysis');
  await podinfo.phase('Succeeded');
  expect(podinfo.diary.primaryImages().map(tagOf)).toEqual(['3.1.0', '3.1.1', '3.1.3']);
}

/** Nobody is on the canary, by weight, by copy or by cookie, and its pods are gone. */
async function isAtRest(podinfo: Podinfo, { meshless }: Strategy): Promise<void> {
  await releases.settled(podinfo);
  const apex = await podinfo.cluster.read(resources.services, podinfo.namespace, 'podinfo');
  expect(apex.spec).toMatchObject({ selector: { app: 'podinfo-primary' } });
  if (!meshless) await isOnPrimary(podinfo);
  const { replicas } = (await podinfo.deployment('podinfo')).spec as { replicas: number };
  expect(replicas).toBe(0);
  const { kubernetes } = podinfo.cluster;
  const scaler = await kubernetes.get(resources.horizontalPodAutoscalers, podinfo.namespace, 'podinfo-primary');
  // What held it up for the release is gone with it.
  expect(scaler!.metadata.annotations ?? {}).not.toHaveProperty(['serin.dev/minimum-replicas']);
}

async function isOnPrimary(podinfo: Podinfo): Promise<void> {
  const { http } = (await route(podinfo)).spec as { http: HttpRoute[] };
  for (const { route: destinations, mirror } of http) {
    expect(mirror).toBeUndefined();
    for (const { destination, weight } of destinations)
      expect([destination.host, weight]).toEqual([destination.host, destination.host === 'podinfo-canary' ? 0 : 100]);
  }
}

interface HttpRoute {
  readonly route: readonly { readonly destination: { readonly host: string }; readonly weight: number }[];
  readonly mirror?: { readonly host: string };
  readonly mirrorPercentage?: { readonly value: number };
}

async function mirrorOf(podinfo: Podinfo): Promise<Pick<HttpRoute, 'mirror' | 'mirrorPercentage'>> {
  const object: KubernetesObject = await route(podinfo);
  const [{ mirror, mirrorPercentage } = {} as Partial<HttpRoute>] = (object.spec as { http: HttpRoute[] }).http;
  return { ...(mirror ? { mirror } : {}), ...(mirrorPercentage ? { mirrorPercentage } : {}) };
}

function canaryWeights({ diary }: Podinfo): readonly number[] {
  return diary.weights().map(({ canary }) => canary);
}

/** What was told of the first release between its beginning and the copy, or after it, as far as it is about traffic. */
function storyOf({ diary, namespace }: Podinfo): readonly string[] {
  const events = diary.events().map((event) => event.replaceAll(`.${namespace}`, ''));
  const story = events.slice(events.indexOf(begun) + 1, events.indexOf(completed));
  return story.filter((event) => /^(Advance |Stop traffic mirroring|Routing all traffic to canary)/.test(event));
}

function tagOf(image: string): string {
  return image.slice(image.lastIndexOf(':') + 1);
}
