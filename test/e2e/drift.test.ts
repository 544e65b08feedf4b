import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { requestsIn } from '../../local/audit.ts';
import { resources } from '../../src/clients/kubernetes.ts';
import { eventually, openCluster, openStack } from '../support/cluster.ts';
import { openPodinfo, type Podinfo } from '../support/podinfo.ts';
import { serinUsers } from '../support/serin-users.ts';
import { ladder, openReleases, replicas, withPodinfo, type Releases } from '../support/trouble.ts';

/*
 * What someone deletes or edits is put back because it changed: nothing here waits for a timer. The interval is ten
 * minutes, and a Canary at rest has no workflow at all.
 */
let releases: Releases;
let atRest: Podinfo;
let waiting: Podinfo;
// Side by side: autoscalers take their time to find that two pods are needed.
beforeAll(async () => {
  releases = await openReleases();
  const open = () => openPodinfo({ interval: '10m', minReplicas: 2 });
  [atRest, waiting] = await Promise.all([open(), open()]);
  await Promise.all(
    [atRest, waiting].map(async (podinfo) => {
      await podinfo.phase('Initialized');
      await podinfo.told('Initialization done!');
      await primaryIsScaled(podinfo);
    }),
  );
});
afterAll(async () => {
  await Promise.all([atRest, waiting].map((podinfo) => podinfo.close()));
  await releases.close();
});

const withinMs = 3_000;

interface Disturbance {
  readonly kind: keyof typeof resources;
  readonly name: string;
  /** A merge patch; without one the object is deleted. */
  readonly patch?: object;
}

const generated: readonly Disturbance[] = [
  { kind: 'services', name: 'podinfo' },
  { kind: 'services', name: 'podinfo-canary' },
  { kind: 'services', name: 'podinfo-primary' },
  { kind: 'deployments', name: 'podinfo-primary' },
  { kind: 'horizontalPodAutoscalers', name: 'podinfo-primary' },
  { kind: 'destinationRules', name: 'podinfo-canary' },
  { kind: 'destinationRules', name: 'podinfo-primary' },
  { kind: 'virtualServices', name: 'podinfo' },
];

const edits: readonly Disturbance[] = [
  { kind: 'services', name: 'podinfo', patch: { spec: { selector: { app: 'stranger' } } } },
  { kind: 'services', name: 'podinfo-canary', patch: { spec: { selector: { app: 'stranger' } } } },
  { kind: 'services', name: 'podinfo-primary', patch: { spec: { ports: [{ name: 'http', port: 80 }] } } },
  { kind: 'services', name: 'podinfo-primary', patch: { metadata: { labels: { app: 'stranger' } } } },
  { kind: 'horizontalPodAutoscalers', name: 'podinfo-primary', patch: { spec: { maxReplicas: 9 } } },
  { kind: 'destinationRules', name: 'podinfo-canary', patch: { spec: { trafficPolicy: { tls: { mode: 'SIMPLE' } } } } },
  { kind: 'destinationRules', name: 'podinfo-primary', patch: { spec: { host: 'stranger' } } },
  { kind: 'virtualServices', name: 'podinfo', patch: { spec: { hosts: ['stranger.example.test'] } } },
  { kind: 'virtualServices', name: 'podinfo', patch: { spec: { gateways: null, http: null } } },
];

/** An object without what a new one of its kind has differently: whatever the API server or a controller decides. */
async function substance({ cluster, namespace }: Podinfo, { kind, name }: Disturbance): Promise<unknown> {
  const { metadata, spec } = await cluster.read(resources[kind], namespace, name);
  const { labels, annotations = {}, ownerReferences } = metadata;
  return JSON.parse(
    JSON.stringify({ labels, annotations, ownerReferences, spec }, (key, value: unknown) =>
      ofItsOwn.has(key) ? undefined : value,
    ),
  );
}

const ofItsOwn = new Set([
  'clusterIP',
  'clusterIPs',
  'replicas',
  'flagger-id',
  'deployment.kubernetes.io/revision',
  // As in Flagger, a spec that was found different is kept here.
  'flagger.kubernetes.io/original-configuration',
]);

async function disturb({ cluster: { kubernetes }, namespace }: Podinfo, { kind, name, patch }: Disturbance) {
  if (patch) await kubernetes.patch(resources[kind], namespace, name, patch);
  else await kubernetes.remove(resources[kind], namespace, name);
}

/** Disturbs an object and waits until it is as it was. */
async function expectRepaired(podinfo: Podinfo, disturbance: Disturbance): Promise<void> {
  const { cluster, namespace } = podinfo;
  const { kind, name } = disturbance;
  const before = await substance(podinfo, disturbance);
  const { metadata } = await cluster.read(resources[kind], namespace, name);
  await disturb(podinfo, disturbance);
  const isAnother = async () => {
    const now = (await cluster.read(resources[kind], namespace, name)).metadata;
    return now.uid !== metadata.uid || (disturbance.patch && now.resourceVersion !== metadata.resourceVersion);
  };
  const since = Date.now();
  await eventually(
    `${kind} ${name} is as it was`,
    async () => (await isAnother()) && isSame(await substance(podinfo, disturbance), before),
    10_000,
  );
  expect(Date.now() - since).toBeLessThan(withinMs);
}

function isSame(found: unknown, wanted: unknown): boolean {
  expect(found).toEqual(wanted);
  return true;
}

const title = ({ kind, name, patch }: Disturbance) => ({
  kind,
  name,
  patch,
  what: `${resources[kind].kind} ${name} that someone ${patch ? `edits, ${JSON.stringify(patch)}` : 'deletes'}`,
});

/** Until the autoscaler has the primary where it wants it: from then on nothing stirs. */
async function primaryIsScaled(podinfo: Podinfo): Promise<void> {
  await eventually(
    'two pods of the primary',
    async () =>
      ((await podinfo.deployment('podinfo-primary')).status as { availableReplicas?: number }).availableReplicas === 2,
    60_000,
  );
  await releases.settled(podinfo);
}

describe('a Canary at rest', () => {
  let podinfo: Podinfo;
  beforeAll(() => {
    podinfo = atRest;
  });

  it('has had few runs: what Serin writes is no reason to look again', async () => {
    expect((await releases.runs(podinfo)).length).toBeLessThanOrEqual(4);
  });

  it.each([...generated, ...edits].map(title))('has its $what put back', async (disturbance) => {
    const before = (await releases.runs(podinfo)).length;
    const told = podinfo.diary.events().length;
    await expectRepaired(podinfo, disturbance);
    await releases.settled(podinfo);
    const runs = (await releases.runs(podinfo)).length - before;
    // One for the change; a primary that comes back is looked at again when its pods are ready, and when there are more.
    expect(runs).toBeLessThanOrEqual(disturbance.kind === 'deployments' ? 5 : 1);
    expect((await podinfo.canary()).status).toMatchObject({ phase: 'Initialized', canaryWeight: 0 });
    expect(podinfo.diary.events().slice(told)).toEqual([]);
    if (disturbance.kind === 'deployments') await primaryIsScaled(podinfo);
  });

  it('BC-29: has the copy of its autoscaler follow an edit of the original, and starts no release', async () => {
    const { cluster, namespace } = podinfo;
    const { kubernetes } = cluster;
    const maxOf = async (name: string) =>
      ((await cluster.read(resources.horizontalPodAutoscalers, namespace, name)).spec as { maxReplicas: number })
        .maxReplicas;
    await kubernetes.patch(resources.horizontalPodAutoscalers, namespace, 'podinfo', { spec: { maxReplicas: 7 } });
    await eventually('the copy follows', async () => (await maxOf('podinfo-primary')) === 7, withinMs);
    await releases.settled(podinfo);
    expect((await podinfo.canary()).status?.phase).toBe('Initialized');
  });

  it('Q53: has weights that someone set put back, and says which', async () => {
    const before = (await releases.runs(podinfo)).length;
    await setWeights(podinfo, 50, 50);
    await podinfo.told('W Traffic weights were changed to 50/50 by someone else, restoring 100/0', withinMs);
    await eventually('all traffic on the primary', () => podinfo.diary.weights().at(-1)?.canary === 0, withinMs);
    await releases.settled(podinfo);
    expect((await releases.runs(podinfo)).length - before).toBe(1);
    expect(podinfo.diary.events().filter((event) => event.startsWith('W Traffic weights'))).toHaveLength(1);
  });

  it('Q52: is told once that pods which someone scaled up get no traffic', async () => {
    const { cluster, namespace, diary } = podinfo;
    const scale = (replicas: number) =>
      cluster.kubernetes.patch(resources.deployments, namespace, 'podinfo', { spec: { replicas } }, 'scale');
    const warning =
      `W Deployment podinfo.${namespace} has 2 replicas while no release runs; they get no traffic. ` +
      'Leave spec.replicas out of its manifest';
    await scale(2);
    await podinfo.told(warning, withinMs);
    await eventually(
      'the pods are there',
      async () =>
        ((await podinfo.deployment('podinfo')).status as { availableReplicas?: number }).availableReplicas === 2,
    );
    await releases.settled(podinfo);
    expect(await replicas(podinfo)).toBe(2);
    expect(diary.events().filter((event) => event === warning)).toHaveLength(1);
    expect((await podinfo.canary()).status?.phase).toBe('Initialized');
    await scale(0);
    await releases.settled(podinfo);
    expect(diary.events().at(-1)).toBe(warning);
  });

  it('asks the API server for nothing but changes', async () => {
    await releases.settled(podinfo);
    // A Canary that goes with its namespace is looked for once more.
    await eventually('no namespace is going', async () => !(await isAnyNamespaceGoing()), 60_000);
    await sleep(1_000);
    const runs = await releases.runs(podinfo);
    const since = Date.now();
    await sleep(20_000);
    expect(await releases.runs(podinfo)).toEqual(runs);
    const requests = requestsIn(openStack().directory, serinUsers).filter(({ verb }) => verb !== 'watch');
    expect(requests).not.toEqual([]);
    expect(requests.filter(({ at }) => at >= since)).toEqual([]);
  });
});

async function isAnyNamespaceGoing(): Promise<boolean> {
  const { items } = await openCluster().kubernetes.list(resources.namespaces, undefined);
  return items.some(({ metadata }) => metadata.deletionTimestamp !== undefined);
}

async function setWeights({ cluster, namespace }: Podinfo, primary: number, canary: number): Promise<void> {
  const { spec } = await cluster.read(resources.virtualServices, namespace, 'podinfo');
  const [route] = (spec as { http: object[] }).http;
  const destination = (host: string, weight: number) => ({ destination: { host }, weight });
  const http = [{ ...route, route: [destination('podinfo-primary', primary), destination('podinfo-canary', canary)] }];
  await cluster.kubernetes.patch(resources.virtualServices, namespace, 'podinfo', { spec: { http } });
}

describe('a release that waits ten minutes for its next check', () => {
  let podinfo: Podinfo;
  let runs: readonly string[];
  beforeAll(async () => {
    podinfo = waiting;
    await podinfo.setImage('3.1.1');
    await podinfo.weight(10);
    await eventually('the status says so', async () => (await podinfo.canary()).status?.canaryWeight === 10);
    // Events come after the status, and by a watch of their own.
    await podinfo.told('canary weight 10');
    runs = await releases.runs(podinfo);
  });

  it.each([...generated, ...edits].map(title))('has its $what put back, with its weights', async (disturbance) => {
    const told = podinfo.diary.events().length;
    await expectRepaired(podinfo, disturbance);
    // Q10: what comes back is what was promoted, not what is being judged.
    expect(await podinfo.image('podinfo-primary')).toMatch(/:3\.1\.0$/);
    if (disturbance.kind === 'deployments') await primaryIsReady();
    expect((await podinfo.canary()).status).toMatchObject({ phase: 'Progressing', canaryWeight: 10, failedChecks: 0 });
    expect(podinfo.diary.weights().at(-1)?.canary).toBe(10);
    expect(podinfo.diary.events().slice(told).filter(isNoReadiness)).toEqual([]);
    expect(await releases.runs(podinfo)).toEqual(runs);
  });

  it('Q53: has weights that someone set put back, and says which', async () => {
    await setWeights(podinfo, 50, 50);
    await podinfo.told('W Traffic weights were changed to 50/50 by someone else, restoring 90/10', withinMs);
    await eventually('its own weight', () => podinfo.diary.weights().at(-1)?.canary === 10, withinMs);
    expect(await releases.runs(podinfo)).toEqual(runs);
  });

  it('Q10: has its primary put back as it was promoted, also after it has been given up', async () => {
    await releases.abort(podinfo);
    await podinfo.phase('Failed');
    await podinfo.told(`W Canary failed! Scaling down podinfo.${podinfo.namespace}`);
    expect(await podinfo.image('podinfo')).toMatch(/:3\.1\.1$/);
    await expectRepaired(podinfo, { kind: 'deployments', name: 'podinfo-primary' });
    expect(await podinfo.image('podinfo-primary')).toMatch(/:3\.1\.0$/);
    await releases.settled(podinfo);
    expect((await podinfo.canary()).status?.phase).toBe('Failed');
  });

  const primaryIsReady = () =>
    eventually('the primary is ready', async () => {
      const { spec, status } = await podinfo.deployment('podinfo-primary');
      const wanted = (spec as { replicas: number }).replicas;
      return (status as { availableReplicas?: number }).availableReplicas === wanted;
    });
  const isNoReadiness = (event: string) => !event.includes(' not ready: ');
});

describe('side by side', () => {
  it.concurrent(
    'Q53: a weight that someone changes at a step is put back, and its own weight is judged over a whole interval again',
    async () => {
      await withPodinfo({ interval: '4s' }, async (podinfo) => {
        await podinfo.phase('Initialized');
        await podinfo.setImage('3.1.1');
        await podinfo.weight(20);
        await sleep(2_000);
        await setWeights(podinfo, 50, 50);
        await podinfo.told('W Traffic weights were changed to 50/50 by someone else, restoring 80/20', withinMs);
        await podinfo.phase('Succeeded');
        expect(ladder(podinfo)).toEqual([0, 10, 20, 50, 20, 30, 0]);
        const [restored, next] = podinfo.diary.weights().slice(4, 6);
        expect(next!.at - restored!.at).toBeGreaterThanOrEqual(3_900);
      });
    },
  );

  it.concurrent.each([
    ['at rest', false],
    ['in the middle of a release', true],
  ])('a namespace that is deleted takes a Canary %s with it, and leaves no workflow behind', async (_, releasing) => {
    await withPodinfo({ interval: '10m' }, async (podinfo) => {
      const { cluster, namespace } = podinfo;
      await podinfo.phase('Initialized');
      if (releasing) {
        await podinfo.setImage('3.1.1');
        await podinfo.weight(10);
      }
      await cluster.kubernetes.remove(resources.namespaces, undefined, namespace);
      const isGone = async () => !(await cluster.kubernetes.get(resources.canaries, namespace, 'podinfo'));
      await eventually('the Canary is gone', isGone, 60_000);
      await releases.settled(podinfo);
      // It was not by one look after the other that it came to its end.
      expect((await releases.runs(podinfo)).length).toBeLessThanOrEqual(12);
    });
  });
});
