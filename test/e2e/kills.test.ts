import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import type { RemoteStack } from '../../local/control.ts';
import { pushImage } from '../../local/push-image.ts';
import { chanceOf, seedOf } from '../support/chance.ts';
import { openStack } from '../support/cluster.ts';
import { bringBack, openKiller, victims, type Killer } from '../support/killer.ts';
import { openLane, type Lane } from '../support/lane.ts';
import { moments, momentOfCall, type Moment } from '../support/moments.ts';
import { openReceiver, type Call, type Receiver } from '../support/receiver.ts';
import { openPodinfo, type Podinfo } from '../support/podinfo.ts';
import { alertsOf, questionsOf, storyOf, told, versionRemark } from '../support/stories.ts';
import { say } from '../support/teardown.ts';

/*
 * Releases of four Canaries go on at the same time, and again and again something they need is killed when one of them
 * has come to a certain moment, so that each kill finds four releases in the middle of something. What is looked at
 * afterwards is what people would look at: versions, weights, events, calls, alerts; all as if nothing had happened.
 */
const canaries = 4;
const intervalMs = 3_000;
const fewestKills = 20;
/** Once there were enough kills, no release begins later than this, in milliseconds after the first. */
const lastStartMs = 140_000;

const seed = seedOf();
let stack: RemoteStack;
let connection: Connection;
let receiver: Receiver;
let killer: Killer<Moment>;
const lanes: Lane[] = [];

beforeAll(async () => {
  stack = openStack();
  connection = await Connection.connect({ address: stack.temporal });
  killer = openKiller(stack, moments, chanceOf(seed));
  receiver = await openReceiver({
    // Long enough to be killed in the middle of.
    slow: { acceptance: 2_000, 'load-test': 1_500, farewell: 500, release: 300, 'more-traffic': 100, alert: 200 },
    onCall(call) {
      const moment = momentOfCall(call);
      if (moment) killer.reached(moment);
    },
  });
  const startedAt = Date.now();
  try {
    await Promise.all(Array.from({ length: canaries }, () => ride(startedAt + lastStartMs)));
  } finally {
    await killer.end();
    await report(Date.now() - startedAt);
  }
}, 540_000);

afterAll(async () => {
  await Promise.all(lanes.map((lane) => lane.close()));
  await receiver?.close();
  await connection?.close();
}, 30_000);

/** A good version, a bad one, and so on for as long as there is somebody left to be killed. */
async function ride(lastStartAt: number): Promise<void> {
  const options = { intervalMs, receiver, client: new Client({ connection }), onMoment: killer.reached };
  const lane = await killer.quietly(() => openLane(options));
  lanes.push(lane);
  await lane.initialized();
  // Initialization does not come again.
  const isMissing = () =>
    killer.kills.length < fewestKills || killer.untouched.some((moment) => moment !== 'initialization');
  const isWanted = () => killer.left > 0 && (isMissing() || Date.now() < lastStartAt);
  for (let number = 1; number <= 2 || isWanted(); number += 1)
    await lane.release(`3.1.${number}${number % 2 === 0 ? '-err50' : ''}`, killer.quietly);
}

async function report(tookMs: number): Promise<void> {
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
  const { kills, left } = killer;
  say(`SERIN_TEST_SEED=${seed}: ${kills.length} kills in ${seconds(tookMs)}, ${left} more were planned`);
  for (const { victim, moment, downMs, backMs } of kills)
    say(`  ${victim} at ${moment}: down for ${seconds(downMs)}, back after ${seconds(backMs)}`);
  for (const { podinfo, released } of lanes)
    say(`  ${podinfo.namespace}: ${released.map(({ tag, tookMs: ms }) => `${tag} ${seconds(ms)}`).join(', ')}`);
  const activities = (await Promise.all(lanes.map((lane) => lane.runs()))).flat().flatMap((run) => run.activities);
  const again = activities.filter(({ attempts }) => attempts > 1).length;
  say(`  ${activities.length} activities, ${again} of them repeated; ${receiver.calls.length} calls`);
}

const each = <T>(look: (lane: Lane) => T) => lanes.map(look);
const callsOf = ({ podinfo }: Lane) => receiver.calls.filter(({ namespace }) => namespace === podinfo.namespace);
const named = (calls: readonly Call[], name: string) => calls.filter((call) => call.name === name);

describe('releases that are hit by kill -9 of the worker, the starter, Temporal and the API server', () => {
  it('were hit at least twenty times, at every kind of step, and by each at several', () => {
    expect(killer.kills.length).toBeGreaterThanOrEqual(fewestKills);
    expect(new Set(killer.kills.map(({ moment }) => moment))).toEqual(new Set(moments));
    for (const victim of victims) {
      const at = new Set(killer.kills.filter((kill) => kill.victim === victim).map(({ moment }) => moment));
      expect(at.size).toBeGreaterThanOrEqual(3);
    }
  });

  it('end as they would have: a good version is promoted, a bad one is rolled back', () => {
    for (const { released } of lanes) {
      let serving = '3.1.0';
      for (const { tag, bad, status, primary } of released) {
        serving = bad ? serving : tag;
        const { phase, canaryWeight, failedChecks, lastAppliedSpec, lastPromotedSpec } = status;
        expect({ tag, phase, canaryWeight, failedChecks, primary }).toEqual({
          ...{ tag, canaryWeight: 0, failedChecks: 0, primary: serving },
          phase: bad ? 'Failed' : 'Succeeded',
        });
        expect(lastPromotedSpec === lastAppliedSpec).toBe(!bad);
      }
    }
  });

  it('set every weight once and in order', () => {
    const ladder = [10, 20, 30, 40, 50];
    expect(each(({ podinfo }) => podinfo.diary.weights().map(({ canary }) => canary))).toEqual(
      each(({ released }) => [0, ...released.flatMap(({ bad }) => [...(bad ? [10] : ladder), 0])]),
    );
  });

  /*
   * Which clock is honest? The diary's is not: a watch that comes back late sees a weight late, and makes the step look
   * shorter than it was. `managedFields` knows whole seconds only. Two clocks err on the safe side alone. The receiver's:
   * the gate said yes before the weight moved, and nobody kills the receiver. And Temporal's, which dates each event as
   * it is written: the weight was moved before the activity that moved it was done. What they show can be longer than the
   * step really was only by the time that the move itself took, and both have to agree.
   */
  it('leave each weight in force for a whole interval before it is judged', async () => {
    for (const lane of lanes) {
      const calls = callsOf(lane);
      const judgments = named(calls, 'load-test').filter(
        ({ key }, index, all) => all.findIndex((call) => call.key === key) === index,
      );
      for (const { at } of judgments) {
        const answers = named(calls, 'more-traffic').flatMap(({ answeredAt = Infinity }) =>
          answeredAt < at ? answeredAt : [],
        );
        expect(at - Math.max(...answers)).toBeGreaterThanOrEqual(intervalMs);
      }
      for (const { activities } of await lane.runs()) {
        const moves = activities.filter(({ type }) => type === 'shiftTraffic');
        for (const { scheduledAt } of activities.filter(({ type }) => type === 'analyse')) {
          const done = moves.flatMap(({ completedAt = Infinity }) => (completedAt < scheduledAt ? completedAt : []));
          // The workflow counts in whole milliseconds.
          expect(scheduledAt - Math.max(...done)).toBeGreaterThanOrEqual(intervalMs - 1);
        }
      }
    }
  });

  it('promote once: the primary gets one new pod template for each good version, and none for a bad one', () => {
    for (const { podinfo, released } of lanes) {
      const good = released.filter(({ bad }) => !bad);
      const tags = podinfo.diary.primaryImages().map((image) => image.split(':').at(-1));
      expect(tags).toEqual(['3.1.0', ...good.map(({ tag }) => tag)]);
      expect(released.at(-1)?.primaryTemplates).toBe(1 + good.length);
    }
  });

  it('tell the whole story, in order, and nothing twice', () => {
    expect(each(({ podinfo }) => told(podinfo.diary.events()))).toEqual(
      each(({ podinfo, released }) => storyOf(podinfo.namespace, released)),
    );
  });

  it('record what one release tells under one Event, and what another tells under another', async () => {
    for (const lane of lanes) {
      const { namespace } = lane.podinfo;
      const objects = told((await lane.events()).map(({ message }) => String(message)));
      // What a release tells of its failed checks has a number in it, so it can be one Event or several.
      const expected = lane.released.flatMap((release) => [...new Set(storyOf(namespace, [release], false))]);
      const without = (texts: readonly string[]) =>
        texts
          .map((text) => text.replace(/^W /, ''))
          .filter((text) => !text.startsWith('Halt'))
          .sort();
      expect(without(objects)).toEqual(
        without([versionRemark, `Initialization done! podinfo.${namespace}`, ...expected]),
      );
    }
  });

  it('ask each question under an id of its own, and under the same id when it has to be asked again', () => {
    for (const lane of lanes) {
      const calls = callsOf(lane);
      for (const [name, questions] of Object.entries(questionsOf(lane.released))) {
        const keys = named(calls, name).map(({ key }) => key);
        // A repetition comes before the next question, never after it.
        const asked = keys.filter((key, index) => key !== keys[index - 1]);
        expect([name, asked.length, new Set(keys).size]).toEqual([name, questions, questions]);
      }
    }
  });

  it('send each event to the event webhook at least once, and under one id', () => {
    for (const lane of lanes) {
      const sent = named(callsOf(lane), 'events');
      const once = new Map(sent.map(({ key, text }) => [key, text]));
      expect(sent.filter(({ key, text }) => once.get(key) !== text)).toEqual([]);
      const unmarked = lane.podinfo.diary.events().map((event) => event.replace(/^W /, ''));
      // Remarks on a spec are no events of its release: they are told where people look at the Canary.
      expect([...once.values()].sort()).toEqual(unmarked.filter((text) => text !== versionRemark).sort());
    }
  });

  it('send each alert at least once, and under one id', () => {
    for (const lane of lanes) {
      const sent = named(callsOf(lane), 'alert');
      const once = new Map(sent.map(({ key, text }) => [key, text]));
      expect(sent.filter(({ key, text }) => once.get(key) !== text)).toEqual([]);
      expect([...once.values()]).toEqual(alertsOf(lane.released));
    }
  });

  it('leave no run of a workflow behind, and none that failed', async () => {
    for (const lane of lanes) {
      const statuses = (await lane.runs()).map(({ status }) => status);
      expect(statuses.filter((status) => status !== 'COMPLETED' && status !== 'CONTINUED_AS_NEW')).toEqual([]);
    }
  });
});

describe('a change that comes while the one is down who should hear of it', () => {
  /** By who was down, and how the change came. */
  const apps = new Map<string, Podinfo>();
  const deaf = ['starter', 'temporal'] as const;
  const repository = (victim: string) => `deaf/${victim}-${seed}-${process.pid}`;
  afterAll(async () => {
    await Promise.all([...apps.values()].map((app) => app.close()));
  });

  beforeAll(async () => {
    const follow = JSON.stringify([{ container: 'podinfod', policy: 'semver:^3.1' }]);
    const open = async (name: string, image?: string) => {
      const annotations = image ? { 'serin.dev/image-policies': follow } : undefined;
      apps.set(name, await openPodinfo({ analysis: { maxWeight: 20 }, image, annotations }));
    };
    for (const victim of deaf)
      await Promise.all([open(`${victim} set`), open(`${victim} pushed`, `${stack.registry}/${repository(victim)}`)]);
    await Promise.all([...apps.values()].map((app) => app.phase('Initialized')));
    await Promise.all([...apps.values()].map((app) => app.told('Initialization done!')));

    for (const victim of deaf) {
      await stack.server(victim).kill();
      await apps.get(`${victim} set`)?.setImage('3.1.1');
      await pushImage(stack.registry, repository(victim), '3.1.1');
      // Time for the registry, and for the starter, to try in vain.
      await sleep(2_500);
      await bringBack(stack, victim);
    }
  }, 180_000);

  it.concurrent.each(
    deaf.flatMap(
      (victim) =>
        [
          [victim, 'set'],
          [victim, 'pushed'],
        ] as const,
    ),
  )('(%s): an image that is %s meanwhile is released when it is back, and once', async (victim, how) => {
    const app = apps.get(`${victim} ${how}`)!;
    // Tags alone: a registry has a port, and a digest may begin like a version.
    const image = () => app.diary.primaryImages().map((name) => /[^/:@]+:([^/@]+)(@|$)/.exec(name)?.[1]);
    await app.told('Promotion completed!', 90_000);
    await app.phase('Succeeded');
    // A second release, if there were one, would have begun by now.
    await sleep(3_000);
    const count = (text: string) => app.diary.events().filter((event) => event.startsWith(text)).length;
    expect(count('New revision detected!')).toBe(1);
    expect(count('New image pushed!')).toBe(how === 'pushed' ? 1 : 0);
    expect(app.diary.weights().map(({ canary }) => canary)).toEqual([0, 10, 20, 0]);
    expect(image()).toEqual(['3.1.0', '3.1.1']);
  });
});
