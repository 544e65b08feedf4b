import { createHmac, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, Connection, WorkflowNotFoundError } from '@temporalio/client';
import { freePort } from '../../local/ports.ts';
import { pushImage, type PushedImage } from '../../local/push-image.ts';
import { startSerin } from '../../local/serin.ts';
import type { RemoteStack } from '../../local/control.ts';
import { resources, type KubernetesObject } from '../../src/clients/kubernetes.ts';
import { capabilityToken } from '../../src/triggers/credentials/capability.ts';
import type { imagePush, ImagePushResult } from '../../src/workflows/image-push.ts';
import type { imagePoll } from '../../src/workflows/image-poll.ts';
import { formatTrace, traceHeader } from '../../src/workflows/trace-context.ts';
import { eventually, openCluster, openStack, type TestCluster } from '../support/cluster.ts';
import { collectedSpans, tracesIn, type CollectedSpan } from '../support/collector.ts';

/**
 * From pushes to a real registry to pod templates, with senders that are early, late, twice, wrong about the order, or
 * silent. Each scene has a repository and a namespace of its own.
 */

let stack: RemoteStack;
let cluster: TestCluster;
let connection: Connection;
let temporal: Client;
let token: string;

beforeAll(async () => {
  [stack, cluster] = [openStack(), openCluster()];
  connection = await Connection.connect({ address: stack.temporal });
  temporal = new Client({ connection });
  token = readFileSync(join(stack.directory, 'serin', 'tokens'), 'utf8').trim();
});
afterAll(() => connection.close());

/** gRPC's status NOT_FOUND. */
const grpcNotFound = 5;

interface SceneOptions {
  readonly policy?: string;
  /** The only sender that counts; the registry's own, if not said. */
  readonly receiver?: string;
  /** How the pod template calls the registry; its address, if not said. */
  readonly host?: string;
  /** Tag that runs at first. */
  readonly tag?: string;
}

interface Scene {
  readonly namespace: string;
  readonly repository: string;
  push(tag: string, content?: string, platforms?: readonly string[]): Promise<PushedImage>;
  image(): Promise<string>;
  /** Waits until the pod template names this tag and digest. */
  runs(tag: string, digest: string): Promise<void>;
  /** How often an image was written. */
  writes(): Promise<number>;
  release(): Promise<KubernetesObject>;
}

async function scene({
  policy = 'semver:^1',
  receiver = 'local',
  host = stack.registry,
  tag = '1.4.0',
}: SceneOptions = {}): Promise<Scene> {
  const namespace = await cluster.namespace('images');
  const repository = `team/${namespace}`;
  const name = `${host}/${repository}`;
  const push: Scene['push'] = (tag, content = randomUUID(), platforms = ['linux/amd64']) =>
    pushImage(stack.registry, repository, tag, { content, platforms });
  await push(tag);
  const app = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'cart' },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: 'cart' } },
      template: {
        metadata: { labels: { app: 'cart' } },
        spec: { containers: [{ name: 'cart', image: `${name}:${tag}` }] },
      },
    },
  };
  const canary = {
    apiVersion: 'flagger.app/v1beta1',
    kind: 'Canary',
    metadata: {
      name: 'cart',
      annotations: {
        'serin.dev/image-policies': JSON.stringify([{ container: 'cart', policy }]),
        'serin.dev/image-receivers': receiver,
      },
    },
    spec: {
      provider: 'kubernetes',
      targetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'cart' },
      service: { port: 80 },
      skipAnalysis: true,
      analysis: { interval: '1s', threshold: 1, iterations: 1 },
    },
  };
  await cluster.apply(namespace, app, canary);
  const release = () => cluster.read(resources.canaries, namespace, 'cart');
  await eventually('a Canary at rest', async () => phaseOf(await release()) === 'Initialized', 90_000);
  const image = async () => {
    const { spec } = await cluster.read(resources.deployments, namespace, 'cart');
    return (spec as typeof app.spec).template.spec.containers[0]!.image;
  };
  return {
    ...{ namespace, repository, push, image, release },
    runs: async (tag, digest) => {
      await eventually(
        `${tag} in the pod template`,
        async () => (await image()) === `${name}:${tag}@${digest}`,
        60_000,
      );
    },
    writes: async () => {
      const { items } = await cluster.kubernetes.list(resources.events, namespace);
      return items.filter((event) => String(event.message).startsWith('New image pushed!')).length;
    },
  };
}

const isNotFound = (error: unknown) => (error as { code?: unknown }).code === grpcNotFound;

const phaseOf = ({ status }: KubernetesObject) => (status as { phase?: string } | undefined)?.phase;

/** What Harbor says of a push, as a CloudEvent. */
function harborEvent({ repository }: Scene, id: string, tag: string, digest?: string): object {
  const resource = { tag, ...(digest === undefined ? {} : { digest }), resource_url: `harbor/${repository}:${tag}` };
  return {
    ...{ specversion: '1.0', id, source: '/projects/7/webhook/policies/3', type: 'harbor.artifact.pushed' },
    data: { resources: [resource], repository: { repo_full_name: repository } },
  };
}

async function call(
  path: string,
  body: string,
  headers: Readonly<Record<string, string>>,
  hooks = stack.hooks,
): Promise<number> {
  const response = await fetch(`${hooks}/hooks/v1/${path}`, { method: 'POST', body, headers });
  await response.arrayBuffer();
  return response.status;
}

const harborHeaders = () => ({
  authorization: `Bearer ${token}`,
  'content-type': 'application/cloudevents+json',
});

const harbor = (event: object, receiver = 'harbor') => call(receiver, JSON.stringify(event), harborHeaders());

/** How many images the worker has written that no event had told of. */
async function missedPushes(receiver: string): Promise<number> {
  const { data } = (await (await fetch(`${stack.prometheus}/api/v1/targets`)).json()) as {
    data: { activeTargets: readonly { scrapeUrl: string; labels: { job: string } }[] };
  };
  const urls = data.activeTargets.filter(({ labels }) => labels.job === 'serin').map(({ scrapeUrl }) => scrapeUrl);
  const exposed = await Promise.all(urls.map(async (url) => (await fetch(url)).text()));
  const line = new RegExp(`^serin_poll_found_missed_event_total\\{receiver="${receiver}"\\} (\\d+)$`, 'm');
  const counts = exposed.flatMap((text) => line.exec(text)?.[1] ?? []);
  expect(counts).toHaveLength(1);
  return Number(counts[0]);
}

/** Runs about a repository that are over, as Temporal knows them. */
async function runsAbout({ repository }: Scene, ...receivers: readonly string[]) {
  const found: { workflowId: string; result: ImagePushResult }[] = [];
  const query = 'WorkflowType = "imagePush" AND ExecutionStatus = "Completed"';
  for await (const { workflowId, runId } of temporal.workflow.list({ query })) {
    if (!receivers.some((receiver) => workflowId.startsWith(`img/${receiver}/`))) continue;
    const result = await temporal.workflow.getHandle<typeof imagePush>(workflowId, runId).result();
    if (result.image.includes(`${repository}:`)) found.push({ workflowId, result });
  }
  return found;
}

/** The same, once there are so many. */
const decided = (shop: Scene, count: number, ...receivers: readonly string[]) =>
  eventually(`${count} runs`, async () => {
    const runs = await runsAbout(shop, ...receivers);
    return runs.length >= count && runs;
  });

const outcomesOf = (runs: readonly { readonly result: ImagePushResult }[]) =>
  runs.flatMap(({ result }) => result.targets.map(({ outcome, reason = '' }) => `${outcome} ${reason}`.trim())).sort();

describe('pushes', () => {
  it.concurrent('of several platforms bring the index, once, and none of its children', async () => {
    const shop = await scene();
    const { digest, manifests } = await shop.push('1.4.2', undefined, ['linux/amd64', 'linux/arm64']);
    await shop.runs('1.4.2', digest);
    expect(manifests).not.toContain(digest);
    await eventually('the end of the release', async () => phaseOf(await shop.release()) === 'Succeeded', 60_000);
    expect(await shop.writes()).toBe(1);
  });

  it.concurrent('of 1.4.2 and then 1.4.1 end at 1.4.2', async () => {
    const shop = await scene();
    const { digest } = await shop.push('1.4.2');
    await shop.runs('1.4.2', digest);
    await shop.push('1.4.1');
    // The tag that was there from the beginning had its event too.
    expect(outcomesOf(await decided(shop, 3, 'local'))).toContain('unchanged cart: older');
    expect(await shop.image()).toContain(':1.4.2@');
    expect(await shop.writes()).toBe(1);
  });

  it.concurrent('told twice at the same time are one', async () => {
    const shop = await scene({ receiver: 'harbor' });
    const { digest } = await shop.push('1.4.2');
    const event = harborEvent(shop, randomUUID(), '1.4.2', digest);
    expect(await Promise.all([harbor(event), harbor(event), harbor(event)])).toEqual([200, 200, 200]);
    await shop.runs('1.4.2', digest);
    const runs = await decided(shop, 1, 'harbor');
    expect([runs.length, outcomesOf(runs)]).toEqual([1, ['written']]);
  });

  it.concurrent('told through two receivers, as a replicating registry does, are written once', async () => {
    const shop = await scene({ receiver: 'harbor,harbor-replica' });
    const { digest } = await shop.push('1.4.2');
    const statuses = ['harbor', 'harbor-replica'].map((receiver) =>
      harbor(harborEvent(shop, randomUUID(), '1.4.2', digest), receiver),
    );
    expect(await Promise.all(statuses)).toEqual([200, 200]);
    const outcomes = outcomesOf(await decided(shop, 2, 'harbor', 'harbor-replica'));
    expect(outcomes.filter((outcome) => outcome === 'written')).toHaveLength(1);
    expect(await shop.writes()).toBe(1);
    expect(await shop.image()).toContain(`:1.4.2@${digest}`);
  });

  it.concurrent('of one mutable tag, told in reverse order, end at what the registry has', async () => {
    const shop = await scene({ policy: 'exact:prod', receiver: 'harbor', tag: 'prod' });
    const first = await shop.push('prod');
    const second = await shop.push('prod');
    expect(await harbor(harborEvent(shop, randomUUID(), 'prod', second.digest))).toBe(200);
    expect(await harbor(harborEvent(shop, randomUUID(), 'prod', first.digest))).toBe(200);
    await shop.runs('prod', second.digest);
    const runs = await decided(shop, 2, 'harbor');
    expect(outcomesOf(runs)).toEqual(['unchanged cart: same-digest', 'written']);
    expect(new Set(runs.map(({ result }) => result.digest))).toEqual(new Set([second.digest]));
    expect(await shop.image()).toContain(second.digest);
  });

  it.concurrent('that are told before the registry shows them are waited for', async () => {
    const shop = await scene({ receiver: 'harbor' });
    expect(await harbor(harborEvent(shop, randomUUID(), '1.4.2'))).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const { digest } = await shop.push('1.4.2');
    await shop.runs('1.4.2', digest);
  });

  it.concurrent('to GHCR, three events for one push of two platforms, are one', async () => {
    const shop = await scene({ receiver: 'ghcr', host: 'ghcr.io' });
    const { digest, manifests } = await shop.push('1.4.2', undefined, ['linux/amd64', 'linux/arm64']);
    const send = (tag: string, digest: string) => {
      const [namespace, name] = shop.repository.split('/');
      const container_metadata = { tag: { name: tag, digest }, manifest: { digest } };
      const body = JSON.stringify({
        action: 'published',
        package: {
          name,
          namespace: namespace!.toUpperCase(),
          package_type: 'CONTAINER',
          package_version: { container_metadata },
        },
      });
      const signature = createHmac('sha256', token).update(body).digest('hex');
      return call('ghcr', body, {
        ...{ 'content-type': 'application/json', 'x-github-event': 'package', 'x-github-delivery': randomUUID() },
        'x-hub-signature-256': `sha256=${signature}`,
      });
    };
    const statuses = [...manifests.map((child) => send('', child)), send('1.4.2', digest)];
    expect(await Promise.all(statuses)).toEqual([200, 200, 200]);
    await shop.runs('1.4.2', digest);
    expect(outcomesOf(await decided(shop, 1, 'ghcr'))).toEqual(['written']);
  });

  it.concurrent(
    'of several tags, of which GHCR names one that nobody follows, bring the one that is followed',
    async () => {
      const shop = await scene({ receiver: 'ghcr', host: 'ghcr.io' });
      const { digest } = await shop.push('1.4.2', 'the same');
      await shop.push('latest', 'the same');
      const [namespace, name] = shop.repository.split('/');
      const container_metadata = { tag: { name: 'latest', digest }, manifest: { digest } };
      const body = JSON.stringify({
        action: 'published',
        package: { name, namespace, package_type: 'CONTAINER', package_version: { container_metadata } },
      });
      const signature = createHmac('sha256', token).update(body).digest('hex');
      const headers = {
        'content-type': 'application/json',
        'x-github-event': 'package',
        'x-github-delivery': randomUUID(),
      };
      expect(await call('ghcr', body, { ...headers, 'x-hub-signature-256': `sha256=${signature}` })).toBe(200);
      await shop.runs('1.4.2', digest);
    },
  );

  it.concurrent('to Alibaba Cloud reach pods that use the inner name of the registry', async () => {
    const shop = await scene({ receiver: 'acr', host: 'acme-registry-vpc.cn-hangzhou.cr.aliyuncs.com' });
    const { digest } = await shop.push('1.4.2');
    const body = {
      push_data: { digest, tag: '1.4.2', pushed_at: '2026-05-04 17:12:46' },
      repository: { repo_full_name: shop.repository },
    };
    const path = `acr/${capabilityToken(token, 'acr', 1)}`;
    expect(await call(path, JSON.stringify(body), { 'content-type': 'application/json' })).toBe(200);
    await shop.runs('1.4.2', digest);
  });

  it.concurrent('told again after Temporal has forgotten them change nothing', async () => {
    const shop = await scene({ receiver: 'harbor' });
    const { digest } = await shop.push('1.4.2');
    const event = harborEvent(shop, randomUUID(), '1.4.2', digest);
    await harbor(event);
    await shop.runs('1.4.2', digest);
    const [run] = await decided(shop, 1, 'harbor');
    const { workflowId } = run!;
    // It deletes in its own time, and not what has only just closed; so it is asked until it has.
    const forget = async () => {
      const workflowExecution = { workflowId };
      await temporal.workflowService.deleteWorkflowExecution({ namespace: 'default', workflowExecution });
      await temporal.workflow.getHandle(workflowId).describe();
      return false;
    };
    await eventually(
      'Temporal to forget it',
      () =>
        forget().catch((error: unknown) => {
          if (error instanceof WorkflowNotFoundError || isNotFound(error)) return true;
          throw error;
        }),
      90_000,
    );
    await eventually('the end of the release', async () => phaseOf(await shop.release()) === 'Succeeded', 60_000);
    const target = () => cluster.read(resources.deployments, shop.namespace, 'cart');
    const before = await target();
    expect(await harbor(event)).toBe(200);
    // The target names this event, and so the run says again that it was written; nobody has touched it.
    expect(outcomesOf(await decided(shop, 1, 'harbor'))).toEqual(['written']);
    expect((await target()).metadata).toEqual(before.metadata);
    expect(await shop.writes()).toBe(1);
  });

  it.concurrent('of several tags of one build are one change, in whatever order they are told', async () => {
    const shop = await scene({ receiver: 'harbor' });
    const lower = await shop.push('1.4.1');
    const higher = await shop.push('1.4.2');
    const statuses = [
      harbor(harborEvent(shop, randomUUID(), '1.4.1', lower.digest)),
      harbor(harborEvent(shop, randomUUID(), '1.4.2', higher.digest)),
    ];
    expect(await Promise.all(statuses)).toEqual([200, 200]);
    await shop.runs('1.4.2', higher.digest);
    expect(outcomesOf(await decided(shop, 2, 'harbor'))).toEqual(['unchanged cart: older', 'written']);
    expect(await shop.writes()).toBe(1);
  });

  it.concurrent('that nobody tells are found by the poll, and counted', async () => {
    const shop = await scene({ receiver: 'harbor' });
    const before = await missedPushes('harbor');
    const id = `poll/${shop.namespace}/cart/cart`;
    const schedule = temporal.schedule.getHandle(id);
    await eventually('a Schedule', () =>
      schedule.describe().then(
        () => true,
        () => false,
      ),
    );
    const { digest } = await shop.push('1.4.2');
    await schedule.trigger();
    await eventually(
      '1.4.2 in the pod template',
      async () => (await shop.image()).endsWith(`:1.4.2@${digest}`),
      90_000,
    );
    const { recentActions } = (await schedule.describe()).info;
    const found = await Promise.all(
      recentActions.map(async ({ action: { workflow } }) => {
        const poll = temporal.workflow.getHandle<typeof imagePoll>(workflow.workflowId, workflow.firstExecutionRunId);
        return (await poll.result()).targets;
      }),
    );
    expect(found.flat()).toMatchObject([{ outcome: 'written' }]);
    expect(await missedPushes('harbor')).toBeGreaterThan(before);
  });
});

describe('a starter that dies', () => {
  it('after Temporal has a push and before it could answer, is told again, and the push is one', async () => {
    const shop = await scene({ receiver: 'harbor' });
    const { digest } = await shop.push('1.4.2');
    const event = harborEvent(shop, randomUUID(), '1.4.2', digest);
    const way = await openWay(stack.temporal);
    const directory = mkdtempSync(join(tmpdir(), 'serin-second-starter-'));
    const hooksPort = await freePort();
    const route = { ...{ registryPort: portOf(stack.registry), hooksPort }, listener: { url: '', token } };
    const second = await startSerin(
      { ...stack, directory, temporal: way.address },
      { ...{ route, only: ['starter'] }, receivers: { harbor: { type: 'harbor', auth: { scheme: 'bearer' } } } },
    );
    try {
      way.holdAnswers();
      const send = () => call('harbor', JSON.stringify(event), harborHeaders(), second.hooks).catch(() => 'cut');
      // Temporal has it, and the starter has no word of that.
      expect(await send()).toBe(503);
      await decided(shop, 1, 'harbor');
      const again = send();
      await sleep(300);
      await second.processes.starter.kill('SIGKILL');
      expect(await again).toBe('cut');
    } finally {
      await second.stop();
      await way.close();
      rmSync(directory, { recursive: true, force: true });
    }
    expect(await harbor(event)).toBe(200);
    await shop.runs('1.4.2', digest);
    expect(outcomesOf(await decided(shop, 1, 'harbor'))).toEqual(['written']);
    expect(await shop.writes()).toBe(1);
  });

  it('and comes back goes on where it was', async () => {
    const shop = await scene({ receiver: 'harbor' });
    const { digest } = await shop.push('1.4.2');
    await stack.server('starter').kill('SIGKILL');
    await stack.server('starter').restart();
    expect(await harbor(harborEvent(shop, randomUUID(), '1.4.2', digest))).toBe(200);
    await shop.runs('1.4.2', digest);
  });
});

const portOf = (address: string) => Number(address.split(':').at(-1));

/** A way to a server on which answers can be held back while questions still arrive. */
async function openWay(address: string) {
  let isHeld = false;
  const sockets = new Set<Socket>();
  const server = createServer((caller) => {
    const callee = connect(portOf(address), '127.0.0.1');
    for (const socket of [caller, callee]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => [caller, callee].forEach((one) => one.destroy()));
    }
    caller.pipe(callee);
    callee.on('data', (bytes) => void (isHeld || caller.write(bytes)));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    holdAnswers: () => (isHeld = true),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}

describe('a trace', () => {
  const caller = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', sampled: true };

  it('goes from the pipeline that pushed, over starter and worker, to the end of the release', async () => {
    const shop = await scene({ receiver: 'harbor' });
    const { namespace, release } = shop;
    const { digest } = await shop.push('1.5.0');
    const response = await fetch(`${stack.hooks}/hooks/v1/harbor`, {
      method: 'POST',
      headers: {
        ...{ authorization: `Bearer ${token}`, 'content-type': 'application/cloudevents+json' },
        [traceHeader]: formatTrace(caller),
      },
      body: JSON.stringify(harborEvent(shop, randomUUID(), '1.5.0', digest)),
    });
    expect(response.status).toBe(200);
    await shop.runs('1.5.0', digest);
    await eventually('the promotion', async () => phaseOf(await release()) === 'Succeeded', 90_000);

    const canary = `${namespace}/cart`;
    const spans = await eventually(
      'the span of the release that promoted',
      () => {
        const found = collectedSpans(tracesIn(stack.directory)).filter(({ traceId }) => traceId === caller.traceId);
        return found.some(({ attributes }) => attributes['serin.outcome'] === 'promoted') && found;
      },
      30_000,
    );
    const byId = new Map(spans.map((span) => [span.spanId, span]));
    const path = (span: CollectedSpan): string[] => {
      const parent = byId.get(span.parentSpanId);
      return [...(parent ? path(parent) : []), `${span.service.replace('serin-', '')}: ${span.name}`];
    };
    const finish = spans.find(({ name }) => name === 'finish')!;
    expect(path(finish)).toEqual([
      'starter: push',
      'worker: imagePush',
      'worker: writeImage',
      'starter: hint',
      'worker: release',
      'worker: finish',
    ]);
    // Whatever is in it has its cause in it, up to the pipeline.
    for (const span of spans) expect([caller.spanId, ...byId.keys()]).toContain(span.parentSpanId);
    expect(spans.find(({ name }) => name === 'hint')!.attributes['serin.canary']).toBe(canary);
    // And the log tells the events of the release, as lines of this trace and of that run.
    const told = readFileSync(join(stack.directory, 'serin', 'worker.log'), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('{') && line.includes(caller.traceId))
      .map((line) => JSON.parse(line) as Record<string, string>);
    const run = spans.find(({ attributes }) => attributes['serin.outcome'] === 'promoted')!.attributes[
      'temporal.run_id'
    ];
    expect(told).toContainEqual(
      expect.objectContaining({
        ...{
          level: 'info',
          msg: `Copying cart.${namespace} template spec to cart-primary.${namespace}`,
          canary: `cart.${namespace}`,
        },
        ...{ trace_id: caller.traceId, release: `release/${canary}`, run },
      }),
    );
  });
});
