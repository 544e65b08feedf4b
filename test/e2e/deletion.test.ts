import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { resources, type KubernetesObject } from '../../src/clients/kubernetes.ts';
import { eventually } from '../support/cluster.ts';
import type { Podinfo, PodinfoOptions } from '../support/podinfo.ts';
import { inMidRelease, openReleases, replicas, withPodinfo, type Releases } from '../support/trouble.ts';

/*
 * A Canary that is deleted with revertOnDeletion gives the target back what was its own: replicas, then the Service that
 * was there before it. Whoever calls that Service is served at every moment.
 */
const applied = { selector: { app: 'podinfo' }, ports: [{ name: 'http', port: 9898, targetPort: 9898 }] };
const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'podinfo' }, spec: applied };

const options: PodinfoOptions = {
  edit: (objects) => [
    service,
    ...objects.map((object) => {
      const { kind, spec } = object as KubernetesObject;
      return kind === 'Canary' ? { ...object, spec: { ...(spec as object), revertOnDeletion: true } } : object;
    }),
  ],
};

let releases: Releases;
beforeAll(async () => {
  releases = await openReleases();
});
afterAll(() => releases.close());

describe('a Canary that is deleted with revertOnDeletion', () => {
  it.concurrent(
    'at rest: the service is served by the primary, then by the target, and never by nobody',
    () =>
      withPodinfo(options, async (podinfo) => {
        await podinfo.phase('Initialized');
        await eventually('the finalizer', async () => (await podinfo.canary()).metadata.finalizers?.length === 1);
        await goesAway(podinfo);
        await isTheTeamsAgain(podinfo);
      }),
    120_000,
  );

  it.concurrent(
    'in the middle of a release: the same, and the release is over',
    () =>
      withPodinfo(options, async (podinfo) => {
        await inMidRelease(podinfo);
        await goesAway(podinfo);
        await isTheTeamsAgain(podinfo);
        await releases.settled(podinfo);
      }),
    120_000,
  );
});

async function goesAway(podinfo: Podinfo): Promise<void> {
  const { cluster, namespace } = podinfo;
  await cluster.kubernetes.remove(resources.canaries, namespace, 'podinfo');
  const unserved: string[] = [];
  await eventually(
    'the Canary is gone',
    async () => {
      const { selector } = (await cluster.read(resources.services, namespace, 'podinfo')).spec as typeof applied;
      if ((await readyPods(podinfo, selector)) === 0) unserved.push(JSON.stringify(selector));
      return !(await cluster.kubernetes.get(resources.canaries, namespace, 'podinfo'));
    },
    60_000,
  );
  expect(unserved).toEqual([]);
  await podinfo.told('Terminated canary');
  const terminated = [`Terminating canary podinfo.${namespace}`, `Terminated canary podinfo.${namespace}`];
  expect(podinfo.diary.events().filter((event) => event.includes('Terminat'))).toEqual(terminated);
}

async function isTheTeamsAgain(podinfo: Podinfo): Promise<void> {
  const { cluster, namespace } = podinfo;
  expect((await cluster.read(resources.services, namespace, 'podinfo')).spec).toMatchObject({
    selector: applied.selector,
  });
  expect(await replicas(podinfo)).toBeGreaterThan(0);
  await eventually('the primary is collected', async () => {
    return !(await cluster.kubernetes.get(resources.deployments, namespace, 'podinfo-primary'));
  });
  expect(await readyPods(podinfo, applied.selector)).toBeGreaterThan(0);
}

async function readyPods({ cluster, namespace }: Podinfo, selector: Record<string, string>): Promise<number> {
  const labelSelector = Object.entries(selector)
    .map((pair) => pair.join('='))
    .join(',');
  const { items } = await cluster.kubernetes.list(resources.pods, namespace, { labelSelector });
  return items.filter(isReady).length;
}

function isReady({ metadata, status }: KubernetesObject): boolean {
  const { conditions = [] } = (status ?? {}) as { conditions?: readonly { type: string; status: string }[] };
  return !metadata.deletionTimestamp && conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
}
