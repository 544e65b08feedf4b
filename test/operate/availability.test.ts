import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import type { Server } from '../../local/process.ts';
import { pushImage } from '../../local/push-image.ts';
import { planPushRoute, type PushRoute } from '../../local/serin.ts';
import { startStack, type Stack } from '../../local/stack.ts';
import { createKubernetes, loadKubeConfig } from '../../src/clients/kubernetes-client.ts';
import { resources, type Kubernetes } from '../../src/clients/kubernetes.ts';
import { releaseId } from '../../src/workflows/messages.ts';
import { eventually } from '../support/cluster.ts';
import { elsewhere, openFleet, type Fleet } from '../support/fleet.ts';
import { openShops, storyOf, type Shops } from '../support/shops.ts';
import { say } from '../support/teardown.ts';

/*
 * Two workers and two starters, as the chart installs them. Fifty releases while all four are replaced one after another;
 * a node with one of each gone at once; Temporal gone for a while, ten minutes with SERIN_TEST_OUTAGE_SECONDS=600. What
 * people would see afterwards is what they would have seen without: every release once, step by step, to its end.
 */
const outageMs = Number(process.env.SERIN_TEST_OUTAGE_SECONDS ?? '40') * 1_000;
const namespace = 'shops';
const names = Array.from({ length: 50 }, (_, index) => `shop-${String(index + 1).padStart(2, '0')}`);
const [few, others] = [names.slice(0, 10), names.slice(10, 20)];

let stack: Stack;
let kubernetes: Kubernetes;
let connection: Connection;
let client: Client;
let fleet: Fleet;
let routes: readonly [PushRoute, PushRoute];
let shops: Shops;
/** The application whose image follows tags. */
let pushed: Shops;
const repository = `team/pushed-${randomUUID().slice(0, 8)}`;
const workers: Server[] = [];
const starters: Server[] = [];
/** Releases that each shop has had. */
const releases = new Map(names.map((name) => [name, 0]));

beforeAll(async () => {
  const first = await planPushRoute();
  routes = [first, await elsewhere(first)];
  stack = await startStack({
    parts: ['cluster', 'workloads', 'temporal', 'registry'],
    ports: { registry: first.registryPort },
    // Both hear of each push, as behind a Service whose client tries again elsewhere.
    pushListeners: routes.map(({ listener }) => listener),
  });
  kubernetes = createKubernetes(loadKubeConfig(stack.kubeconfig), { fieldManager: 'test' });
  connection = await Connection.connect({ address: stack.temporal });
  client = new Client({ connection });
  await kubernetes.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  fleet = openFleet(stack, { minimumIntervalMs: 1_000, drainMs: 200, env: { SERIN_LOG_LEVEL: 'info' } });
  await pushImage(stack.registry, repository, '1.0.0');
  workers.push(...(await Promise.all(['a', 'b'].map((name) => newWorker(name)))));
  starters.push(...(await Promise.all(routes.map((route, index) => newStarter('ab'[index]!, route)))));
  shops = await openShops(kubernetes, namespace, { names });
  pushed = await openShops(
    kubernetes,
    namespace,
    { names: ['pushed'], image: `${stack.registry}/${repository}` },
    (canary) => ({
      ...canary,
      metadata: {
        ...canary.metadata,
        annotations: { 'serin.dev/image-policies': JSON.stringify([{ container: 'shop', policy: 'semver:^1' }]) },
      },
    }),
  );
  say(`fifty Canaries initialized after ${seconds(await shops.promoted('1.0.0', names, 240_000))}`);
  await pushed.promoted('1.0.0');
}, 420_000);

afterAll(async () => {
  await fleet?.stop();
  await connection?.close();
  await stack?.stop();
}, 90_000);

const newWorker = (name: string) => fleet.worker(`worker-${name}`, { route: routes[0] });
const newStarter = (name: string, route: PushRoute) => fleet.starter(`starter-${name}`, { route });
const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;

/** Sets a new image, and remembers that there is one release more to be told of. */
async function release(tag: string, some: readonly string[]): Promise<void> {
  for (const name of some) releases.set(name, releases.get(name)! + 1);
  await shops.release(tag, some);
}

/** Each release was told once, with each of its steps; and the primary got no template but those. */
async function expectStories(some: readonly string[]): Promise<void> {
  const told = await wholeStories(shops, new Map(some.map((name) => [name, releases.get(name)!])));
  for (const name of some) {
    const count = releases.get(name)!;
    expect([name, told.get(name)]).toEqual([name, expect.objectContaining(storyOf(count))]);
    expect([name, await templatesOf(`${name}-primary`)]).toEqual([name, count + 1]);
  }
}

type Stories = Awaited<ReturnType<Shops['told']>>;

/** What was told of so many releases of each, once the last words are in: they come after the last statuses. */
function wholeStories(of: Shops, releases: ReadonlyMap<string, number>): Promise<Stories> {
  return eventually(`the last words on ${[...releases.keys()].join(', ')}`, async () => {
    const told = await of.told();
    const isWhole = ([name, count]: readonly [string, number]) =>
      (told.get(name)?.['Promotion completed! Scaling down shop'] ?? 0) >= count;
    return [...releases].every(isWhole) && told;
  });
}

/** What was told of so many pushes. */
async function pushedStory(count: number): Promise<Readonly<Record<string, number>>> {
  return (await wholeStories(pushed, new Map([['pushed', count]]))).get('pushed')!;
}

/** Each pod template makes a ReplicaSet of its own. */
async function templatesOf(name: string): Promise<number> {
  const replicaSets = { apiVersion: 'apps/v1', kind: 'ReplicaSet', plural: 'replicasets' };
  return (await kubernetes.list(replicaSets, namespace, { labelSelector: `app=${name}` })).items.length;
}

/** Runs that ended in a promotion, as Temporal lists them. */
async function promotions(name: string): Promise<number> {
  const query = `WorkflowId = "${releaseId({ namespace, name })}" AND CanaryOutcome = "promoted"`;
  return (await client.workflow.count(query)).count;
}

const halfway = (some: readonly string[]) =>
  eventually('half of them to have traffic', async () => (await shops.underTest(some)) >= some.length / 2, 120_000);

describe('fifty releases at once', () => {
  it('end as if nothing had happened when both workers and both starters are replaced in their middle', async () => {
    await release('1.1.0', names);
    await halfway(names);
    // As a Deployment with maxUnavailable 0 does it: the new one is ready before an old one is told to go.
    const roll = async (running: Server[], start: (name: string) => Promise<Server>) => {
      for (const [index, old] of [...running].entries()) {
        running.push(await start('cd'[index]!));
        running.splice(running.indexOf(old), 1);
        await old.stop(45_000);
        // By itself, having drained: one that had to be killed says no last word.
        expect(readFileSync(old.log, 'utf8')).toMatch(/(worker|starter has) stopped/);
      }
    };
    const since = Date.now();
    await Promise.all([
      roll(workers, newWorker),
      // A starter's port is its own until it has gone, so its successor takes another.
      roll(starters, async (name) => newStarter(name, await elsewhere(routes[0]))),
    ]);
    const rolled = Date.now() - since;
    const took = await shops.promoted('1.1.0', names, 300_000);
    say(`fifty releases over a rolling restart of ${seconds(rolled)}: the last one ended ${seconds(took)} later`);
    await expectStories(names);
  }, 480_000);

  it('are as many promotions in Temporal as there were releases', async () => {
    await eventually('the list to be complete', async () => {
      const counts = await Promise.all(names.map(promotions));
      return counts.every((count) => count === 1);
    });
  });
});

describe('a node with a worker and a starter', () => {
  it('takes no release with it, and the starter that is left sees what changes next', async () => {
    await release('1.2.0', few);
    await halfway(few);
    const since = Date.now();
    await Promise.all([workers.shift()!.kill(), starters.shift()!.kill()]);
    await release('1.2.0', others);
    const took = await shops.promoted('1.2.0', [...few, ...others], 180_000);
    say(
      `after the loss of a node: twenty releases ended ${seconds(Date.now() - since)} later (waited ${seconds(took)})`,
    );
    await expectStories([...few, ...others]);
  }, 300_000);

  it('is replaced, and a push that both starters are told of is one', async () => {
    workers.push(await newWorker('e'));
    // The two addresses that the registry knows.
    await Promise.all(starters.splice(0).map((server) => server.stop()));
    starters.push(...(await Promise.all(routes.map((route, index) => newStarter('ef'[index]!, route)))));
    await pushImage(stack.registry, repository, '1.1.0');
    await pushed.promoted('1.1.0');
    const told = await pushedStory(1);
    expect(Object.entries(told).filter(([text]) => text.startsWith('New image pushed!'))).toHaveLength(1);
    expect(told).toMatchObject(storyOf(1));
  }, 180_000);
});

describe('Temporal', () => {
  it(
    `that is gone for ${outageMs / 1_000} s loses no release, no change and no push`,
    async () => {
      await release('1.3.0', few);
      await halfway(few);
      const temporal = stack.servers.get('temporal')!;
      await temporal.kill();
      const weightsBefore = await Promise.all(few.map(async (name) => (await shops.status(name))?.canaryWeight));
      await release('1.3.0', others);
      await pushImage(stack.registry, repository, '1.2.0');
      await eventually('the starters to say so', async () => {
        const answers = await Promise.all(starters.map(({ address }) => fetch(`http://${address}/readyz`)));
        return answers.every(({ status }) => status === 503);
      });
      for (const { address } of [...starters, ...workers])
        expect((await fetch(`http://${address}/healthz`)).status).toBe(200);
      await sleep(outageMs);
      // Nobody decides meanwhile: weights stay, or end where a step that was on its way has put them.
      for (const [index, name] of few.entries()) {
        const now = (await shops.status(name))!.canaryWeight;
        expect([name, Math.abs(now - weightsBefore[index]!) <= 20]).toEqual([name, true]);
      }
      expect([...starters, ...workers].every(({ pid }) => pid !== undefined)).toBe(true);
      const since = Date.now();
      await temporal.restart();
      const took = await shops.promoted('1.3.0', [...few, ...others], 240_000);
      await pushed.promoted('1.2.0', undefined, 120_000);
      say(
        `Temporal was gone for ${seconds(outageMs)}: all was done ${seconds(Date.now() - since)} after its return (waited ${seconds(took)})`,
      );
      await expectStories([...few, ...others]);
      expect(await pushedStory(2)).toMatchObject(storyOf(2));
    },
    480_000 + outageMs,
  );
});
