import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Server } from '../../local/process.ts';
import { resources } from '../../src/clients/kubernetes.ts';
import { openStack } from '../support/cluster.ts';
import { startFlagger } from '../support/flagger.ts';
import { openPodinfo, type CanaryStatus, type Podinfo } from '../support/podinfo.ts';
import { ladder, openReleases, route, type Releases } from '../support/trouble.ts';
import { canaryWeight } from '../support/diary.ts';

/*
 * A cluster moves from Flagger, which is killed in the middle of what it does, to Serin, and back. Its interval is ten
 * seconds, the shortest that Flagger has.
 */
const scenes = {
  /** Initialized, and nothing happens. */
  resting: {},
  /** Somewhere on its ladder. */
  progressing: { stepWeight: 5 },
  /** Rolled back, with the bad version still in the target. */
  failed: { threshold: 1 },
  /** The primary runs the new version and has not got its traffic back. */
  promoting: { maxWeight: 20 },
} as const;
type Scene = keyof typeof scenes;

const starter = () => openStack().server('starter');
const apps = new Map<Scene, Podinfo>();
const app = (scene: Scene) => apps.get(scene)!;
/** What each had been through when Flagger was killed. */
const left = new Map<Scene, { status: CanaryStatus; events: number; primary: string | undefined }>();
let flagger: Server & { clear(): void };
let releases: Releases;

beforeAll(async () => {
  releases = await openReleases();
  await starter().stop();
  flagger = await startFlagger();
  await Promise.all(
    (Object.keys(scenes) as Scene[]).map(async (scene) => {
      const podinfo = await openPodinfo({ interval: '10s', analysis: scenes[scene] });
      apps.set(scene, podinfo);
      await podinfo.phase('Initialized');
      await podinfo.told('Initialization done!');
    }),
  );
  await Promise.all([
    app('progressing').setImage('3.1.1'),
    app('failed').setImage('3.1.1-err50'),
    app('promoting').setImage('3.1.1'),
  ]);
  await app('failed').phase('Failed');
  await app('promoting').phase('Promoting');
  await flagger.kill();
  for (const [scene, podinfo] of apps) {
    const { status } = await podinfo.canary();
    left.set(scene, { status: status!, events: podinfo.diary.events().length, primary: await template(podinfo) });
  }
  await starter().restart();
}, 300_000);

afterAll(async () => {
  await Promise.all([...apps.values()].map((podinfo) => podinfo.close()));
  await flagger?.stop();
  flagger?.clear();
  await starter().restart();
  await releases?.close();
}, 60_000);

/** Name of the primary's pod template: it changes with each rollout. */
async function template(podinfo: Podinfo): Promise<string | undefined> {
  const { metadata } = await podinfo.deployment('podinfo-primary');
  return metadata.annotations?.['deployment.kubernetes.io/revision'];
}

const since = (scene: Scene) => app(scene).diary.events().slice(left.get(scene)!.events);
const count = (podinfo: Podinfo, text: string) =>
  podinfo.diary.events().filter((event) => event.startsWith(text)).length;
const ours = expect.stringMatching(/^v1:/);

describe('from Flagger to Serin', () => {
  it('it was killed where it was to be killed', () => {
    const phases = Object.fromEntries([...left].map(([scene, { status }]) => [scene, status.phase]));
    expect(phases).toEqual({
      resting: 'Initialized',
      progressing: 'Progressing',
      failed: 'Failed',
      promoting: 'Promoting',
    });
    expect(left.get('progressing')!.status.canaryWeight).toBeGreaterThan(0);
    for (const { status } of left.values()) expect(status.lastAppliedSpec).not.toEqual(ours);
  });

  it.each(['resting', 'failed'] as const)('a Canary that is %s stays so, and nothing is rolled out', async (scene) => {
    const { status, primary } = left.get(scene)!;
    await releases.settled(app(scene));
    const taken = (await app(scene).canary()).status!;
    expect(taken).toMatchObject({
      phase: status.phase,
      lastAppliedSpec: ours,
      lastPromotedSpec: ours,
      canaryWeight: 0,
    });
    expect(since(scene)).toEqual([]);
    expect(await template(app(scene))).toBe(primary);
    expect(canaryWeight(await route(app(scene)), 'podinfo-canary')).toBe(0);
  });

  it('a release in its middle goes on from where it was, and succeeds', async () => {
    const podinfo = app('progressing');
    // One step at Flagger's pace, the others faster.
    await podinfo.weight(left.get('progressing')!.status.canaryWeight + 5);
    await podinfo.patchCanary({ spec: { analysis: { interval: '2s' } } });
    await podinfo.phase('Succeeded');
    await podinfo.told('Promotion completed!');
    expect(count(podinfo, 'New revision detected!')).toBe(1);
    const [zero, ...steps] = ladder(podinfo);
    expect([zero, steps.at(-1)]).toEqual([0, 0]);
    expect(steps.slice(0, -1)).toEqual([5, 10, 15, 20, 25, 30]);
    expect(await podinfo.image('podinfo-primary')).toMatch(/:3\.1\.1$/);
  }, 150_000);

  it('a promotion is brought to its end', async () => {
    const podinfo = app('promoting');
    await podinfo.phase('Succeeded');
    await podinfo.told('Promotion completed!');
    expect(count(podinfo, 'New revision detected!')).toBe(1);
    expect(count(podinfo, 'Copying ')).toBe(1);
    expect(ladder(podinfo)).toEqual([0, 10, 20, 0]);
    expect(podinfo.diary.primaryImages().map((image) => image.split(':').at(-1))).toEqual(['3.1.0', '3.1.1']);
  });

  it.each([
    ['resting', '3.1.1'],
    ['failed', '3.1.2'],
  ] as const)('the next version of a Canary that was %s is released', async (scene, tag) => {
    const podinfo = app(scene);
    await podinfo.patchCanary({ spec: { analysis: { interval: '2s' } } });
    await podinfo.setImage(tag);
    await podinfo.phase('Succeeded');
    expect(await podinfo.image('podinfo-primary')).toMatch(new RegExp(`:${tag}$`));
  });
});

describe('back to Flagger', () => {
  const told = new Map<Scene, number>();

  beforeAll(async () => {
    for (const podinfo of apps.values()) await releases.settled(podinfo);
    await starter().stop();
    for (const [scene, { namespace, cluster, diary }] of apps) {
      const status = { phase: '', lastAppliedSpec: '', lastPromotedSpec: '' };
      await cluster.kubernetes.patch(resources.canaries, namespace, 'podinfo', { status }, 'status');
      told.set(scene, diary.events().length);
      left.set(scene, { ...left.get(scene)!, primary: await template(apps.get(scene)!) });
    }
    await flagger.restart();
    for (const podinfo of apps.values()) await podinfo.phase('Initialized');
    // Twice as long as it takes Flagger to look again.
    await sleep(20_000);
  }, 120_000);

  it.each(Object.keys(scenes) as Scene[])('a Canary that was %s starts no release', async (scene) => {
    const podinfo = app(scene);
    const { status } = await podinfo.canary();
    expect(status).toMatchObject({ phase: 'Initialized', canaryWeight: 0 });
    expect(status?.lastAppliedSpec).not.toEqual(ours);
    expect(
      podinfo.diary
        .events()
        .slice(told.get(scene))
        .filter((event) => /revision/i.test(event)),
    ).toEqual([]);
    expect(await template(podinfo)).toBe(left.get(scene)!.primary);
    expect(canaryWeight(await route(podinfo), 'podinfo-canary')).toBe(0);
  });

  it('both at once by mistake: it is told, and the version is released all the same', async () => {
    const podinfo = app('resting');
    await starter().restart();
    await podinfo.setImage('3.1.3');
    await podinfo.told('W Flagger has written the status of this canary since Serin did');
    await flagger.stop();
    await podinfo.phase('Succeeded');
    await releases.settled(podinfo);
    expect(await podinfo.image('podinfo-primary')).toMatch(/:3\.1\.3$/);
    expect(canaryWeight(await route(podinfo), 'podinfo-canary')).toBe(0);
  });
});
