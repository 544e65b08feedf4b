import { execFile } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { resources, type KubernetesObject } from '../../src/clients/kubernetes.ts';
import { generatedFor } from '../../src/cli/generated.ts';
import { timelineOf, type TimelineEntry } from '../../src/cli/simulate.ts';
import { readSettings } from '../../src/config.ts';
import { parseCanary } from '../../src/schemas/canary.ts';
import { eventually, openStack } from '../support/cluster.ts';
import { serin } from '../support/command-line.ts';
import { canaryWeight } from '../support/diary.ts';
import { openIssuer } from '../support/issuer.ts';
import { openReleases, route, withPodinfo, withSpec, type Releases } from '../support/trouble.ts';
import type { Podinfo, PodinfoOptions } from '../support/podinfo.ts';

/*
 * What `serin simulate` says of a Canary is what a release of it does: the same events, weights and statuses, in the same
 * order. Measured values, and how often pods were not ready yet, are the real world's own.
 */
interface Case {
  readonly what: string;
  readonly options: PodinfoOptions;
  /** For the play; without one a good revision comes. */
  readonly world?: object;
  /** For the release: what happens to it. */
  readonly real: (podinfo: Podinfo) => Promise<unknown>;
  readonly ends: 'Succeeded' | 'Failed';
}

const analysis = (more: object) => ({ analysis: { threshold: 2, stepWeight: 20, maxWeight: 40, ...more } });
const iterations = (more: object) => analysis({ stepWeight: undefined, maxWeight: undefined, ...more });
const good = (podinfo: Podinfo) => podinfo.setImage('3.1.1');
const bad = { revisions: [{ name: 'bad', checks: { 'request-success-rate': 50 } }] };
const match = [{ headers: { 'x-canary': { exact: 'insider' } } }];
const approvals = [{ name: 'managers', before: 'promotion' }];
const order = (name: string) => (podinfo: Podinfo) =>
  serin(name, `${podinfo.namespace}/podinfo`, '--reason', 'because');

const cases: readonly Case[] = [
  { what: 'steps', options: analysis({}), real: good, ends: 'Succeeded' },
  {
    what: 'errors',
    options: analysis({}),
    world: bad,
    real: (podinfo) => podinfo.setImage('3.1.1-err50'),
    ends: 'Failed',
  },
  {
    what: 'a list of steps, and a promotion in steps',
    options: analysis({ stepWeight: undefined, maxWeight: undefined, stepWeights: [10, 60], stepWeightPromotion: 50 }),
    real: good,
    ends: 'Succeeded',
  },
  { what: 'an A/B test', options: iterations({ iterations: 2, match }), real: good, ends: 'Succeeded' },
  { what: 'blue/green', options: iterations({ iterations: 2 }), real: good, ends: 'Succeeded' },
  { what: 'mirrored traffic', options: analysis({ mirror: true }), real: good, ends: 'Succeeded' },
  {
    what: 'no analysis',
    options: { ...analysis({}), edit: withSpec({ skipAnalysis: true }) },
    real: good,
    ends: 'Succeeded',
  },
  {
    what: 'a newer revision in the middle',
    // Time for it to be seen before the promotion begins, on a busy machine too.
    options: analysis({ interval: '6s' }),
    world: { revisions: [{ name: 'one' }, { name: 'two', at: '13s' }] },
    real: async (podinfo) => {
      await podinfo.setImage('3.1.1');
      await podinfo.told('canary weight 40');
      await podinfo.setImage('3.1.2');
    },
    ends: 'Succeeded',
  },
  {
    what: 'pods that never start',
    // Of one pod with maxUnavailable 1, none need be available: no deadline passes, as in Flagger.
    options: { ...analysis({}), progressDeadlineSeconds: 8, minReplicas: 2 },
    world: { revisions: [{ name: 'stuck', readyAfter: 'never' }] },
    real: (podinfo) => podinfo.setImage('3.1.1-neverready'),
    ends: 'Failed',
  },
  {
    what: 'a pause, and an abort',
    options: analysis({ interval: '6s' }),
    world: {
      orders: [
        { at: '6s', order: 'pause', by: 'ann', reason: 'because' },
        { at: '20s', order: 'abort', by: 'ann', reason: 'because' },
      ],
    },
    real: async (podinfo) => {
      await podinfo.setImage('3.1.1');
      // By the release's own account: it tells of a weight a moment before it knows that all of the step was done.
      await eventually('weight 20', async () => {
        const { out } = await serin('get', `${podinfo.namespace}/podinfo`, '-o', 'json');
        return (JSON.parse(out) as { progress: { canaryWeight: number } }).progress.canaryWeight === 20;
      });
      await order('pause')(podinfo);
      await order('abort')(podinfo);
    },
    ends: 'Failed',
  },
  {
    what: 'an approval',
    options: analysis({ approvals }),
    world: { orders: [{ at: '60s', order: 'approve', by: 'ann', reason: 'because' }] },
    real: async (podinfo) => {
      await podinfo.setImage('3.1.1');
      await podinfo.told('waiting for promotion approval managers');
      await eventually('it is taken', async () => (await order('approve')(podinfo)).code === 0);
    },
    ends: 'Succeeded',
  },
];

let releases: Releases;
beforeAll(async () => {
  releases = await openReleases();
});
afterAll(() => releases.close());

it.concurrent.each(cases)(
  '$what: a release does what the play says',
  async ({ options, world = {}, real, ends }) => {
    await withPodinfo(options, async (podinfo) => {
      const { cluster, namespace, diary } = podinfo;
      await podinfo.phase('Initialized');
      await podinfo.told('Initialization done!');
      const before = {
        events: diary.events().length,
        weights: diary.weights().length,
        statuses: diary.statuses().length,
      };
      const canary = await cluster.read(resources.canaries, namespace, 'podinfo');
      const { entries, ended } = timelineOf(canary, world, { SERIN_MINIMUM_INTERVAL_MS: '1000' });
      expect(ended).toBe(true);

      await real(podinfo);
      await podinfo.phase(ends);
      await releases.settled(podinfo);
      await eventually('the routes are seen', async () => {
        const last = diary.weights().at(-1)?.canary;
        return last === canaryWeight(await route(podinfo), 'podinfo-canary');
      });
      await podinfo.told(ends === 'Failed' ? 'Canary failed! Scaling down' : 'Promotion completed!');
      expect(likened(diary.events().slice(before.events))).toEqual(likened(eventsOf(entries)));
      expect(
        diary
          .weights()
          .slice(before.weights)
          .map(({ canary }) => canary),
      ).toEqual(weightsOf(entries));
      expect(diary.statuses().slice(before.statuses)).toEqual(statusesOf(entries));
    });
  },
  180_000,
);

it.concurrent('lint says what is made', async () => {
  await withPodinfo({}, async (podinfo) => {
    const { cluster, namespace } = podinfo;
    await podinfo.phase('Initialized');
    const given = await Promise.all(
      (['canaries', 'deployments', 'horizontalPodAutoscalers'] as const).map((plural) =>
        cluster.read(resources[plural], namespace, 'podinfo'),
      ),
    );
    const parsed = parseCanary(given[0]);
    if ('problem' in parsed) throw new Error(parsed.problem);
    const { objects, missing } = await generatedFor(parsed.canary, given, readSettings({}));
    expect(missing).toBeUndefined();
    const lists = await Promise.all(
      (['services', 'deployments', 'horizontalPodAutoscalers', 'destinationRules', 'virtualServices'] as const).map(
        (plural) => cluster.kubernetes.list(resources[plural], namespace),
      ),
    );
    const nameOf = ({ kind, metadata }: KubernetesObject) => `${kind} ${metadata.name}`;
    const made = lists
      .flatMap(({ items }) => items)
      .filter(({ metadata }) => metadata.ownerReferences?.some(({ kind }) => kind === 'Canary'));
    expect(objects.map(nameOf).sort()).toEqual(made.map(nameOf).sort());
    for (const object of objects) {
      expect(essence(made.find((one) => nameOf(one) === nameOf(object))!.spec)).toMatchObject(essence(object.spec));
    }
  });
});

it.concurrent('people who hold tokens approve, and what happened is kept', async () => {
  const { directory } = openStack();
  const [{ issuer }] = JSON.parse(readFileSync(join(directory, 'issuers.json'), 'utf8')) as [{ issuer: string }];
  const tokens = await openIssuer(Number(new URL(issuer).port));
  try {
    const four = [{ ...approvals[0], quorum: 2, excludeAuthor: true }];
    await withPodinfo(analysis({ approvals: four }), async (podinfo) => {
      const { cluster, namespace, diary } = podinfo;
      const name = `${namespace}/podinfo`;
      await podinfo.phase('Initialized');
      const annotations = { 'serin.dev/author': 'ada' };
      await cluster.kubernetes.patch(resources.deployments, namespace, 'podinfo', { metadata: { annotations } });
      await podinfo.setImage('3.1.1');
      await podinfo.told('waiting for promotion approval managers: 2, but not its author, have to approve');
      const approve = async (who: string) => {
        const file = join(directory, `${namespace}-${who}`);
        writeFileSync(file, await tokens.token(who));
        return serin('approve', name, '--token-file', file);
      };
      await eventually('bob has approved', async () => (await approve('bob')).code === 0);
      expect((await approve('ada')).out).toContain('ada made this change, and may not approve managers');
      expect((await approve('cyd')).code).toBe(0);
      await podinfo.phase('Succeeded');
      await podinfo.told('Promotion completed!');
      expect(diary.events()).toContain('Approved by bob (verified), managers (1 of 2)');
      const folder = join(directory, 'audit', name);
      const kept = await eventually('what happened is kept', () => {
        const lines = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'));
        return lines.find((text) => text.includes('Promotion completed!'));
      });
      expect(kept).toContain('{"verified":"bob"}');
      const { out } = await serin('history', name, '--audit');
      expect(out).toContain(kept.trim());
      expect(out).not.toContain('eyJ');
    });
  } finally {
    await tokens.close();
  }
});

it('a worker that could verify nobody does not start', async () => {
  const worker = fileURLToPath(new URL('../../src/worker.ts', import.meta.url));
  const env = {
    PATH: process.env.PATH,
    SERIN_VERIFIED_ACTORS: 'true',
    SERIN_PORT: '0',
    KUBECONFIG: openStack().kubeconfig,
  };
  await expect(promisify(execFile)(process.execPath, [worker], { env, timeout: 20_000 })).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('nobody can be verified; set SERIN_TOKEN_ISSUERS to a file'),
  });
});

/** Without the autoscaler's number of pods, and an id that is drawn anew each time. */
function essence(spec: unknown): object {
  return JSON.parse(
    JSON.stringify(spec, (key, value: unknown) => (['replicas', 'flagger-id'].includes(key) ? undefined : value)),
  ) as object;
}

/** Events as both worlds could tell them. */
function likened(events: readonly string[]): string[] {
  const alike = events
    .filter((event) => !/^W (canary \w+ )?\S+ not ready: /.test(event))
    .map((event) => event.replace(/success rate [\d.]+%/, 'success rate …').replace(/not ready: .*/, 'not ready'));
  return alike.filter((event, index) => event !== alike[index - 1]);
}

function eventsOf(entries: readonly TimelineEntry[]): string[] {
  return entries.flatMap(({ kind, text }) => (kind === 'event' ? [text] : kind === 'warning' ? [`W ${text}`] : []));
}

/** Canary weights, each time one was set to another value. */
function weightsOf(entries: readonly TimelineEntry[]): number[] {
  const all = entries.flatMap(({ kind, text }) =>
    kind === 'traffic' ? [Number(/(\d+) % canary/.exec(text)![1])] : [],
  );
  return all.filter((weight, index) => weight !== (all[index - 1] ?? 0));
}

function statusesOf(entries: readonly TimelineEntry[]): string[] {
  const all = entries.flatMap(({ kind, text }) => {
    const [, phase, weight, failed] = kind === 'status' ? /^(\w+), weight (\d+), failed checks (\d+)/.exec(text)! : [];
    return phase ? [`${phase} ${weight} ${failed}`] : [];
  });
  return all.filter((status, index) => status !== all[index - 1]);
}
