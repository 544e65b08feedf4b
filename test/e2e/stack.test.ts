import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import type { RemoteStack } from '../../local/control.ts';
import { pushImage } from '../../local/push-image.ts';
import { resources } from '../../src/clients/kubernetes.ts';
import { eventually, openCluster, openStack, type TestCluster } from '../support/cluster.ts';

/** The local stack itself: what the other end-to-end tests take for granted. */
let stack: RemoteStack;
let cluster: TestCluster;
/** A workload that takes long to become ready, started before the other tests so that nobody has to wait for it. */
let slow: { readonly namespace: string; readonly since: number };
beforeAll(async () => {
  stack = openStack();
  cluster = openCluster();
  slow = { namespace: await cluster.namespace(), since: Date.now() };
  await cluster.apply(slow.namespace, workload('shop', 'shop:2-slow'));
});

const workload = (name: string, image: string, replicas = 1) => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name} }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec: { containers: [{ name: app, image: "${image}" }] }
---
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { selector: { app: ${name} }, ports: [{ port: 80 }] }
`;
const available = async (namespace: string, name: string) => {
  const { status } = await cluster.read(resources.deployments, namespace, name);
  return (status as { availableReplicas?: number } | undefined)?.availableReplicas ?? 0;
};
interface PodStatus {
  readonly phase?: string;
  readonly containerStatuses?: readonly {
    readonly restartCount: number;
    readonly state: object;
    readonly lastState?: object;
  }[];
}
const podOf = async (namespace: string, app: string) => {
  const { items } = await cluster.kubernetes.list(resources.pods, namespace, { labelSelector: `app=${app}` });
  return items[0]?.status as PodStatus | undefined;
};

describe('pods', () => {
  it('become ready, and go when their Deployment goes', async () => {
    const namespace = await cluster.namespace();
    await cluster.apply(namespace, workload('shop', 'shop:1', 3));
    await eventually('three available pods', async () => (await available(namespace, 'shop')) === 3);
    await cluster.kubernetes.remove(resources.deployments, namespace, 'shop');
    await eventually('no pod left', async () => (await podOf(namespace, 'shop')) === undefined);
  });

  it('of an image -neverready run without becoming ready', async () => {
    const namespace = await cluster.namespace();
    await cluster.apply(namespace, workload('shop', 'shop:2-neverready'));
    await eventually('a pod that runs', async () => (await podOf(namespace, 'shop'))?.phase === 'Running');
    expect(await available(namespace, 'shop')).toBe(0);
  });

  it('of an image -crash are restarted again and again', async () => {
    const namespace = await cluster.namespace();
    await cluster.apply(namespace, workload('shop', 'shop:2-crash'));
    const restarts = (count: number) => async () => {
      const container = (await podOf(namespace, 'shop'))?.containerStatuses?.[0];
      return container?.restartCount === count && container;
    };
    const container = await eventually('one restart', restarts(1));
    expect(container).toMatchObject({
      state: { waiting: { reason: 'CrashLoopBackOff' } },
      lastState: { terminated: { exitCode: 1, message: 'fatal: cannot read configuration' } },
    });
    await eventually('two restarts', restarts(2));
    expect(await available(namespace, 'shop')).toBe(0);
  });
});

describe('traffic', () => {
  const rate = async (namespace: string, name: string, more = '') => {
    const series = `istio_requests_total{destination_workload_namespace="${namespace}",destination_workload="${name}"${more}}`;
    const url = new URL('/api/v1/query', stack.prometheus);
    url.searchParams.set('query', `sum(rate(${series}[5s]))`);
    const answer = (await (await fetch(url)).json()) as { data: { result: { value: [number, string] }[] } };
    return Number(answer.data.result[0]?.value[1] ?? 0);
  };

  it('is measured by Prometheus in proportion to the weights and as good as the images are', async () => {
    const namespace = await cluster.namespace();
    await stack.setTraffic({ rps: 200, loadtestRps: 0 }, namespace);
    await cluster.apply(
      namespace,
      workload('shop-primary', 'shop:1'),
      workload('shop-canary', 'shop:2-err50'),
      `
apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata: { name: shop }
spec:
  hosts: [shop]
  http:
  - route:
    - { destination: { host: shop-primary }, weight: 75 }
    - { destination: { host: shop-canary }, weight: 25 }
`,
    );
    const near = (expected: number) => (value: number) => Math.abs(value - expected) < expected * 0.15;
    await eventually('150 a second at the primary', async () => near(150)(await rate(namespace, 'shop-primary')));
    await eventually('50 a second at the canary', async () => near(50)(await rate(namespace, 'shop-canary')));
    const failing = ',response_code=~"5.."';
    await eventually('half of them failing', async () => near(25)(await rate(namespace, 'shop-canary', failing)));
    await stack.setTraffic({ images: [{ match: ':2', errorRate: 0 }] }, namespace);
    await eventually('none failing', async () => (await rate(namespace, 'shop-canary', failing)) === 0);
  });
});

describe('the registry', () => {
  let listener: Server;
  const heard: { authorization?: string; events: { action: string; target: Record<string, unknown> }[] }[] = [];
  beforeAll(async () => {
    listener = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk: Buffer) => (text += chunk.toString()));
      request.on('end', () => {
        const { authorization } = request.headers;
        heard.push({ authorization, ...(JSON.parse(text) as { events: [] }) });
        response.end();
      });
    });
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    const { port } = listener.address() as AddressInfo;
    await stack.notifyPushes([{ url: `http://127.0.0.1:${port}/pushes`, token: 'open-sesame' }]);
  });
  afterAll(async () => {
    await stack.notifyPushes([]);
    listener.closeAllConnections();
    await new Promise((resolve) => listener.close(resolve));
  });

  it('tells of a push: repository, tag, digest', async () => {
    const { digest } = await pushImage(stack.registry, 'team/shop', '1.2.3');
    const call = await eventually('the notification', () =>
      heard.find(({ events }) => events.some(({ action, target }) => action === 'push' && target.tag === '1.2.3')),
    );
    const event = call.events.find(({ target }) => target.tag === '1.2.3');
    expect(event?.target).toMatchObject({ repository: 'team/shop', digest });
    expect(call.authorization).toBe('Bearer open-sesame');
  });

  it('keeps an image for several platforms under one tag', async () => {
    const { digest, manifests } = await pushImage(stack.registry, 'team/shop', '2', {
      platforms: ['linux/amd64', 'linux/arm64'],
    });
    const headers = { accept: 'application/vnd.oci.image.index.v1+json' };
    const response = await fetch(`http://${stack.registry}/v2/team/shop/manifests/2`, { headers });
    expect(response.headers.get('docker-content-digest')).toBe(digest);
    const { manifests: entries } = (await response.json()) as { manifests: { digest: string; platform: object }[] };
    expect(entries.map((entry) => [entry.digest, entry.platform])).toEqual([
      [manifests[0], { os: 'linux', architecture: 'amd64' }],
      [manifests[1], { os: 'linux', architecture: 'arm64' }],
    ]);
  });
});

describe('a pod of an image -slow', () => {
  it('becomes ready half a minute after it was created', async () => {
    await eventually('an available pod', async () => (await available(slow.namespace, 'shop')) === 1, 60_000);
    const { items } = await cluster.kubernetes.list(resources.pods, slow.namespace);
    const { startTime, conditions } = items[0]!.status as {
      startTime: string;
      conditions: { type: string; lastTransitionTime: string }[];
    };
    const ready = conditions.find(({ type }) => type === 'Ready')?.lastTransitionTime ?? '';
    expect(Date.parse(ready) - slow.since).toBeGreaterThan(28_000);
    expect(Date.parse(startTime)).toBeLessThanOrEqual(Date.parse(ready));
  });
});

describe('kill -9', () => {
  let connection: Connection | undefined;
  afterEach(() => connection?.close());

  it('of Temporal and a new start lose no workflow', async () => {
    connection = await Connection.connect({ address: stack.temporal });
    const client = new Client({ connection });
    const workflowId = `survivor-${Date.now()}`;
    await client.workflow.start('nobody-runs-this', { workflowId, taskQueue: workflowId });
    await client.workflow.getHandle(workflowId).signal('before');
    await stack.server('temporal').kill();
    await stack.server('temporal').restart();
    const handle = client.workflow.getHandle(workflowId);
    await eventually('the workflow, still running', async () => (await handle.describe()).status.name === 'RUNNING');
    await handle.signal('after');
    const { events } = await handle.fetchHistory();
    const signals = events?.flatMap(
      ({ workflowExecutionSignaledEventAttributes: signaled }) => signaled?.signalName ?? [],
    );
    expect(signals).toEqual(['before', 'after']);
    await handle.terminate();
  });

  it.each(['kube-apiserver', 'etcd'] as const)(
    'of %s and a new start lose no object, and pods go on coming',
    async (name) => {
      const namespace = await cluster.namespace();
      await cluster.apply(namespace, workload('before', 'shop:1'));
      await eventually('an available pod', async () => (await available(namespace, 'before')) === 1);
      await stack.server(name).kill();
      await expect(available(namespace, 'before')).rejects.toMatchObject({ type: 'Unavailable' });
      await stack.server(name).restart();
      await eventually('the pod, still available', async () => (await available(namespace, 'before')) === 1);
      await cluster.apply(namespace, workload('after', 'shop:1'));
      await eventually('a pod of a new Deployment', async () => (await available(namespace, 'after')) === 1, 60_000);
    },
  );

  it('of the simulated kubelet, scheduler and controllers, and a new start, leave no pod behind', async () => {
    const namespace = await cluster.namespace();
    for (const name of ['kwok', 'kube-scheduler', 'kube-controller-manager'] as const) {
      await stack.server(name).kill();
      await cluster.apply(namespace, workload(name, 'shop:1'));
      await stack.server(name).restart();
      await eventually(
        `a pod made ready after ${name} was gone`,
        async () => (await available(namespace, name)) === 1,
        60_000,
      );
    }
  });
});
