import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Found, ImageActivities } from '../../src/activities/images/contract.ts';
import { createLog } from '../../src/log.ts';
import { createPolls } from '../../src/polls.ts';
import { connectTemporal } from '../../src/temporal.ts';
import { pollId, type WantedPoll } from '../../src/watch/images.ts';
import type { imagePoll } from '../../src/workflows/image-poll.ts';
import type { ImagePush } from '../../src/workflows/image-push.ts';
import { openBench, until, type Bench } from '../support/temporal.ts';

let bench: Bench;
beforeAll(async () => (bench = await openBench()));
afterAll(() => bench.close());

const B = `sha256:${'b'.repeat(64)}`;
const canary = () => ({ namespace: `shop-${randomUUID().slice(0, 8)}`, name: 'cart' });

const found: ImagePush = {
  ...{ receiver: 'prod', source: 'poll', eventId: 'found-by-poll', host: 'registry.example.com' },
  ...{ repository: 'shop/cart', tag: '1.4.2' },
};
const something: Found = { changes: [{ push: found, digest: B }] };

/** A registry whose answers come one after the other, the last one for ever. */
function world(...answers: Found[]) {
  const written: string[] = [];
  const sought: string[] = [];
  const activities: ImageActivities = {
    resolveImage: async () => ({ missing: 'nobody asks' }),
    findTargets: async () => [],
    seekImages: async ({ namespace, name }, what) => {
      sought.push(`${namespace}/${name} ${'container' in what ? what.container : ''}`);
      return answers[Math.min(sought.length, answers.length) - 1]!;
    },
    writeImage: async ({ name }, { digest }) => {
      written.push(`${name} ${digest}`);
      return { outcome: 'written', images: { cart: digest } };
    },
  };
  return { activities, written, sought };
}

describe('a poll', () => {
  const run = (activities: ImageActivities, graceMs: number) =>
    bench.whileWorking(activities, () =>
      bench.client.workflow.execute<typeof imagePoll>('imagePoll', {
        taskQueue: bench.taskQueue,
        workflowId: `poll-${randomUUID()}`,
        args: [{ canary: canary(), container: 'cart' }, { graceMs }],
      }),
    );

  it('writes what it finds, once an event has had its time to bring it', async () => {
    const { activities, written, sought } = world(something);
    expect(await run(activities, 50)).toMatchObject({ targets: [{ outcome: 'written' }] });
    expect([written, sought.length]).toEqual([[`cart ${B}`], 2]);
  });

  it('leaves to an event what that brings meanwhile', async () => {
    const { activities, written } = world(something, { changes: [], reason: 'cart: older' });
    expect(await run(activities, 50)).toEqual({ targets: [], reason: 'an event has brought it meanwhile' });
    expect(written).toEqual([]);
  });

  it('that finds nothing says why', async () => {
    const { activities } = world({ changes: [], reason: 'cart: older' });
    expect(await run(activities, 50)).toEqual({ targets: [], reason: 'cart: older' });
  });
});

describe('Schedules of polls', () => {
  it('are made, changed, rested and taken away in Temporal; R9: at the end of a suspension one looks at once', async () => {
    process.env.TEMPORAL_ADDRESS = process.env.SERIN_TEST_TEMPORAL ?? '127.0.0.1:7233';
    const starter = connectTemporal(bench.taskQueue);
    const follower = canary();
    const id = pollId(follower, 'cart');
    const poll = (more: Partial<WantedPoll> = {}) =>
      new Map([[id, { canary: follower, container: 'cart', intervalMs: 3_600_000, suspended: false, ...more }]]);
    let wanted: ReadonlyMap<string, WantedPoll> = poll({ suspended: true });
    const polls = createPolls({
      ...{ schedules: starter.polls, wanted: () => wanted, namespace: follower.namespace },
      log: createLog('error', () => undefined),
      everyMs: 500,
    });
    const stop = new AbortController();
    const running = polls.run(stop.signal);
    const handle = bench.client.schedule.getHandle(id);
    const described = () => handle.describe().catch(() => undefined);
    const { activities, sought } = world({ changes: [], reason: 'cart: older' });
    try {
      await bench.whileWorking(activities, async () => {
        await until('a Schedule', async () => (await described())?.state.paused === true);
        const { action, policies, spec } = (await described())!;
        expect(action).toMatchObject({ workflowType: 'imagePoll', args: [{ canary: follower, container: 'cart' }] });
        expect([policies.overlap, spec.intervals?.[0]?.every]).toEqual(['SKIP', 3_600_000]);
        // Many polls do not meet, and what was missed while Temporal was away is not made up for, each by each.
        expect([spec.jitter, policies.catchupWindow]).toEqual([360_000, 60_000]);
        expect(spec.intervals?.[0]?.offset).toBeLessThan(3_600_000);
        expect(sought).toEqual([]);

        wanted = poll();
        polls.wake();
        await until('a look at once', () => sought.length > 0);
        expect(sought).toEqual([`${follower.namespace}/cart cart`]);
        expect((await described())!.state.paused).toBe(false);

        wanted = poll({ intervalMs: 7_200_000 });
        polls.wake();
        await until('another interval', async () => (await described())?.spec.intervals?.[0]?.every === 7_200_000);

        wanted = new Map();
        polls.wake();
        await until('no Schedule', async () => (await described()) === undefined);
      });
    } finally {
      stop.abort();
      await running;
      await starter.close();
    }
  });
});
