import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { releaseId } from '../../src/workflows/messages.ts';
import { stubCluster } from '../support/stub-cluster.ts';
import { openBench, until, type Bench } from '../support/temporal.ts';

let bench: Bench;
beforeAll(async () => (bench = await openBench()));
afterAll(() => bench.close());

const changes = 3_000;
const canaries = 30;
const each = changes / canaries;

it(`${changes} hints against runs that end at once: each is looked after, none is lost, none is seen after a newer one`, async () => {
  const cluster = stubCluster();
  // Each Canary has a number that its hints announce; a look reads the number as it is then.
  const current = new Map<string, number>();
  const seen = new Map<string, number[]>();
  const activities = {
    ...cluster.activities,
    look: async (canary: { name: string }, ask: { metricsProviders: boolean }) => {
      const numbers = seen.get(canary.name) ?? [];
      numbers.push(current.get(canary.name) ?? 0);
      seen.set(canary.name, numbers);
      return cluster.activities.look({ namespace: 'prod', name: canary.name }, ask);
    },
  };
  const names = Array.from({ length: canaries }, () => `hinted-${randomUUID().slice(0, 8)}`);
  /** Runs that took a hint, by Canary: the server says with each which run it went to. */
  const runs = new Map(names.map((name) => [name, new Set<string>()]));
  await bench.whileWorking(activities, async () => {
    await Promise.all(
      names.map(async (name) => {
        let endsWithinMs = 50;
        for (let change = 1; change <= each; change += 1) {
          current.set(name, change);
          const handle = await bench.hint({ namespace: 'prod', name }, { eventId: String(change) });
          runs.get(name)!.add(handle.signaledRunId);
          // Left alone, hints come faster than a busy server lets runs end, and none would meet an end.
          if (change % 5 !== 0) continue;
          await until(`change ${change} of ${name} was seen`, () => seen.get(name)?.at(-1) === change, 60_000);
          const seenAt = Date.now();
          if (change % 20 === 0) {
            await handle.result();
            endsWithinMs = Date.now() - seenAt;
          } else {
            // The next one comes as the run is about to end, or has just ended.
            await sleep((endsWithinMs * ((change * 7) % 20)) / 10);
          }
        }
      }),
    );
    await until(
      'the last change of every Canary was seen',
      () => names.every((name) => seen.get(name)?.at(-1) === each),
      60_000,
    );
    await Promise.all(
      names.map((name) => bench.client.workflow.getHandle(releaseId({ namespace: 'prod', name })).result()),
    );
  });

  // Runs did end under the hints, many a time: what is a race was run.
  const all = names.flatMap((name) => [...runs.get(name)!].map((runId) => ({ name, runId })));
  expect(all.length).toBeGreaterThan((canaries * each) / 20);
  const told = new Map<string, number[]>(names.map((name) => [name, []]));
  await inTurns(all, 20, async ({ name, runId }) => {
    const run = await readRun(name, runId);
    expect([runId, run.ended]).toEqual([runId, true]);
    for (const { change, at } of run.hints) {
      // A look that was asked for before the hint does not know of it.
      expect([name, change, run.lastLook > at]).toEqual([name, change, true]);
      told.get(name)!.push(change);
    }
  });
  for (const name of names) {
    const numbers = seen.get(name) ?? [];
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    const inOrder = told.get(name)!.sort((a, b) => a - b);
    expect(inOrder).toEqual(Array.from({ length: each }, (_, index) => index + 1));
  }
}, 420_000);

/** What is read of one run's history; places in it are numbers of events. */
interface Run {
  readonly hints: readonly { readonly change: number; readonly at: number }[];
  readonly lastLook: number;
  readonly ended: boolean;
}

async function readRun(name: string, runId: string): Promise<Run> {
  const workflowId = releaseId({ namespace: 'prod', name });
  const { events } = await bench.client.workflow.getHandle(workflowId, runId).fetchHistory();
  const hints: { change: number; at: number }[] = [];
  let [lastLook, ended] = [0, false];
  for (const event of events ?? []) {
    const at = Number(event.eventId);
    const [payload] = event.workflowExecutionSignaledEventAttributes?.input?.payloads ?? [];
    if (payload?.data) {
      const { eventId } = JSON.parse(Buffer.from(payload.data).toString()) as { eventId: string };
      hints.push({ change: Number(eventId), at });
    }
    if (event.activityTaskScheduledEventAttributes?.activityType?.name === 'look') lastLook = at;
    if (event.workflowExecutionCompletedEventAttributes) ended = true;
  }
  return { hints, lastLook, ended };
}

/** So many at a time. */
async function inTurns<Item>(
  items: readonly Item[],
  lanes: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const left = [...items];
  const lane = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}
