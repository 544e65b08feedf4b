import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { stubCluster } from '../support/stub-cluster.ts';
import { openBench, until, type Bench } from '../support/temporal.ts';

let bench: Bench;
beforeAll(async () => (bench = await openBench()));
afterAll(() => bench.close());

const changes = 3_000;
const canaries = 30;

it(`${changes} hints against runs that end at once: every change is seen, none lost, none after a newer one`, async () => {
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
  await bench.whileWorking(activities, async () => {
    await Promise.all(
      names.map(async (name) => {
        for (let change = 1; change <= changes / canaries; change += 1) {
          current.set(name, change);
          await bench.hint({ namespace: 'prod', name });
        }
      }),
    );
    await until(
      'the last change of every Canary was seen',
      () => names.every((name) => seen.get(name)?.at(-1) === changes / canaries),
      60_000,
    );
    await Promise.all(
      names.map((name) =>
        bench.client.workflow
          .getHandle(`release/prod/${name}`)
          .result()
          .catch(() => undefined),
      ),
    );
  });
  for (const name of names) {
    const numbers = seen.get(name) ?? [];
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    expect(numbers.at(-1)).toBe(changes / canaries);
  }
}, 180_000);
