import { expect, it } from '@jest/globals';
import { resources, type KubernetesObject } from '../../src/clients/kubernetes.ts';
import { eventually, openStack } from '../support/cluster.ts';
import { serin } from '../support/command-line.ts';
import { imageOf } from '../support/diary.ts';
import { playKnative } from '../support/knative-controller.ts';
import type { Podinfo } from '../support/podinfo.ts';
import { isKind, ladder, replicas, wholeLadder, withPodinfo, withSpec } from '../support/trouble.ts';

/*
 * Targets, routes and triggers beside the tutorial's, on a real API server. The cases mind their own namespaces and run
 * side by side; the worker is killed in the middle of all of them.
 */

const checks = { metrics: [] };

/** The tutorial's Deployment as a DaemonSet. */
function asDaemonSet(objects: object[]): object[] {
  return objects.map((object) => {
    if (!isKind('Deployment')(object)) return object;
    const manifest = object as KubernetesObject;
    const { selector, template } = manifest.spec as { selector: object; template: object };
    return { ...manifest, kind: 'DaemonSet', spec: { selector, template, updateStrategy: { type: 'RollingUpdate' } } };
  });
}

/** Once, and at whatever moment the other cases have come to by then. */
async function killWorker(): Promise<void> {
  const worker = openStack().server('worker');
  await worker.kill();
  await worker.restart();
}

it.concurrent('a DaemonSet is released step by step, and has no pods between releases', async () => {
  const targetRef = { apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'podinfo' };
  await withPodinfo({ analysis: checks, edit: withSpec({ targetRef }, asDaemonSet) }, async (podinfo) => {
    const { cluster, namespace } = podinfo;
    const read = (name: string) => cluster.read(resources.daemonSets, namespace, name);
    const pods = async (name: string) =>
      ((await read(name)).status as { desiredNumberScheduled?: number }).desiredNumberScheduled ?? 0;
    await podinfo.phase('Initialized');
    await eventually('the target has no pods', async () => (await pods('podinfo')) === 0);
    expect(await pods('podinfo-primary')).toBeGreaterThan(0);
    await setImage(podinfo, '3.1.1');
    await podinfo.weight(20);
    await killWorker();
    await podinfo.phase('Succeeded');
    expect(ladder(podinfo)).toEqual(wholeLadder);
    expect(imageOf(await read('podinfo-primary'))).toMatch(/:3\.1\.1$/);
    await eventually('Prometheus has the success', async () => {
      const url = new URL('/api/v1/query', openStack().prometheus);
      url.searchParams.set('query', `flagger_canary_successes_total{namespace="${namespace}",name="podinfo"}`);
      const { data } = (await (await fetch(url)).json()) as { data: { result: { value: [number, string] }[] } };
      return data.result.at(0)?.value[1] === '1';
    });
    await eventually('the target has no pods again', async () => (await pods('podinfo')) === 0);
    await podinfo.told(`Promotion completed! Scaling down podinfo.${namespace}`);
  });
});

async function setImage({ cluster, namespace }: Podinfo, tag: string): Promise<void> {
  const { spec } = await cluster.read(resources.daemonSets, namespace, 'podinfo');
  const [container] = (spec as { template: { spec: { containers: object[] } } }).template.spec.containers;
  const containers = [{ ...container, image: `stefanprodan/podinfo:${tag}` }];
  await cluster.kubernetes.patch(resources.daemonSets, namespace, 'podinfo', {
    spec: { template: { spec: { containers } } },
  });
}

const config = (kind: 'ConfigMap' | 'Secret', value: string) => ({
  apiVersion: 'v1',
  kind,
  metadata: { name: 'settings' },
  [kind === 'Secret' ? 'stringData' : 'data']: { color: value },
});
const reading = (objects: object[]) => [
  config('ConfigMap', 'red'),
  config('Secret', 'red'),
  ...objects.map((object) => {
    if (!isKind('Deployment')(object)) return object;
    const manifest = structuredClone(object) as KubernetesObject;
    const { template } = manifest.spec as { template: { spec: { containers: object[] } } };
    const envFrom = [{ configMapRef: { name: 'settings' } }, { secretRef: { name: 'settings' } }];
    template.spec.containers = template.spec.containers.map((container) => ({ ...container, envFrom }));
    return manifest;
  }),
];

it.concurrent(
  'a ConfigMap and a Secret that pods read start a release when they change, and reach the primary with its promotion',
  async () => {
    await withPodinfo({ analysis: checks, edit: withSpec({}, reading) }, async (podinfo) => {
      const { cluster, namespace } = podinfo;
      const copied = async (kind: 'configMaps' | 'secrets') => {
        const { color } = (await cluster.read(resources[kind], namespace, 'settings-primary')).data as {
          color: string;
        };
        return kind === 'secrets' ? Buffer.from(color, 'base64').toString() : color;
      };
      await podinfo.phase('Initialized');
      expect([await copied('configMaps'), await copied('secrets')]).toEqual(['red', 'red']);
      await cluster.apply(namespace, config('ConfigMap', 'blue'));
      await podinfo.weight(20);
      expect(await copied('configMaps')).toBe('red');
      await podinfo.phase('Succeeded');
      expect(ladder(podinfo)).toEqual(wholeLadder);
      expect([await copied('configMaps'), await copied('secrets')]).toEqual(['blue', 'red']);
      const { status } = (await podinfo.canary()) as { status?: { trackedConfigs?: object } };
      expect(Object.keys(status?.trackedConfigs ?? {}).sort()).toEqual(['configmap/settings', 'secret/settings']);
      await cluster.apply(namespace, config('Secret', 'green'));
      await podinfo.phase('Progressing');
      await podinfo.phase('Succeeded');
      expect([await copied('configMaps'), await copied('secrets')]).toEqual(['blue', 'green']);
      await cluster.kubernetes.remove(resources.secrets, namespace, 'settings-primary');
      await eventually(
        'the copy is back',
        async () => (await cluster.kubernetes.get(resources.secrets, namespace, 'settings-primary')) !== undefined,
      );
      expect(await copied('secrets')).toBe('green');
      expect(await replicas(podinfo)).toBe(0);
    });
  },
);

it.concurrent.each([
  ['gatewayapi:v1', 'gateway.networking.k8s.io/v1'],
  ['gatewayapi:v1beta1', 'gateway.networking.k8s.io/v1beta1'],
])('%s takes a release from step to step on an HTTPRoute', async (provider, apiVersion) => {
  const httpRoutes = { ...resources.httpRoutes, apiVersion };
  const gatewayRefs = [{ name: 'public', namespace: 'ingress' }];
  const service = { port: 9898, hosts: ['podinfo.example.com'], gatewayRefs };
  await withPodinfo({ analysis: checks, edit: withSpec({ provider, service }) }, async (podinfo) => {
    const { cluster, namespace } = podinfo;
    const weights = async () => {
      const { rules } = (await cluster.read(httpRoutes, namespace, 'podinfo')).spec as {
        rules: { backendRefs: { weight: number }[] }[];
      };
      return rules[0]!.backendRefs.map(({ weight }) => weight);
    };
    await podinfo.phase('Initialized');
    expect(await weights()).toEqual([100, 0]);
    await podinfo.setImage('3.1.1');
    await eventually('weight 20', async () => (await weights())[1] === 20, 60_000);
    await podinfo.phase('Succeeded');
    expect(await weights()).toEqual([100, 0]);
    expect(await podinfo.image('podinfo-primary')).toMatch(/:3\.1\.1$/);
    for (const weight of [10, 20, 30]) await podinfo.told(`Advance podinfo.${namespace} canary weight ${weight}`);
  });
});

it.concurrent.each<[string, object, readonly string[]]>([
  [
    'tells requests apart for an A/B test',
    { iterations: 2, match: [{ headers: { 'x-user': { exact: 'insider' } } }] },
    ['0/100 x-user', '100'],
  ],
  ['mirrors requests in blue/green', { iterations: 2, mirror: true }, ['100/0 mirrored']],
  [
    'keeps users where they are',
    { stepWeight: 25, maxWeight: 50, sessionAffinity: { cookieName: 'sid' } },
    ['0/100 Cookie', '75/25'],
  ],
])('gatewayapi:v1 %s, and promotes', async (_, analysis, seen) => {
  const spec = { provider: 'gatewayapi:v1', service: { port: 9898, gatewayRefs: [{ name: 'public' }] } };
  const plain = { stepWeight: undefined, maxWeight: undefined };
  await withPodinfo({ analysis: { ...checks, ...plain, ...analysis }, edit: withSpec(spec) }, async (podinfo) => {
    const { cluster, namespace } = podinfo;
    const rules = async () => {
      const { rules } = (await cluster.read(resources.httpRoutes, namespace, 'podinfo')).spec as { rules: HttpRule[] };
      return rules.map(({ matches = [], backendRefs, filters = [] }) => {
        const weights = backendRefs.map(({ weight }) => weight).join('/');
        const conditions = matches.flatMap(({ headers = [] }) => headers.map(({ name }) => name));
        const mirrors = filters.some(({ type }) => type === 'RequestMirror') ? ['mirrored'] : [];
        return [weights, ...conditions, ...mirrors].join(' ');
      });
    };
    await podinfo.phase('Initialized');
    await podinfo.setImage('3.1.1');
    await eventually(seen.join(', '), async () => (await rules()).join(', ') === seen.join(', '), 60_000);
    await podinfo.phase('Succeeded');
    const after = await rules();
    expect(after.every((rule) => !rule.includes('mirrored'))).toBe(true);
    expect(after.at(-1)).toMatch(/^100(\/0)?$/);
    expect(await podinfo.image('podinfo-primary')).toMatch(/:3\.1\.1$/);
  });
});

interface HttpRule {
  readonly matches?: readonly { readonly headers?: readonly { readonly name: string }[] }[];
  readonly backendRefs: readonly { readonly weight: number }[];
  readonly filters?: readonly { readonly type: string }[];
}

it.concurrent(
  'a ScaledObject is copied for the primary, and is paused exactly while the target is parked',
  async () => {
    const scaledObject = {
      apiVersion: 'keda.sh/v1alpha1',
      kind: 'ScaledObject',
      metadata: { name: 'podinfo' },
      spec: {
        scaleTargetRef: { name: 'podinfo' },
        minReplicaCount: 2,
        maxReplicaCount: 4,
        triggers: [
          { type: 'prometheus', metadata: { serverAddress: 'http://p', threshold: '1', query: 'up{a="podinfo"}' } },
        ],
      },
    };
    const autoscalerRef = { apiVersion: 'keda.sh/v1alpha1', kind: 'ScaledObject', name: 'podinfo' };
    const edit = withSpec({ autoscalerRef }, (objects) => [scaledObject, ...objects]);
    await withPodinfo({ analysis: checks, edit }, async (podinfo) => {
      const { cluster, namespace } = podinfo;
      const paused = async () => {
        const { metadata } = await cluster.read(resources.scaledObjects, namespace, 'podinfo');
        return metadata.annotations?.['autoscaling.keda.sh/paused-replicas'];
      };
      const primary = () => cluster.read(resources.scaledObjects, namespace, 'podinfo-primary');
      await podinfo.phase('Initialized');
      expect([await paused(), await replicas(podinfo)]).toEqual(['0', 0]);
      expect((await primary()).spec).toMatchObject({
        scaleTargetRef: { name: 'podinfo-primary' },
        triggers: [{ metadata: { query: 'up{a="podinfo-primary"}' } }],
      });
      await podinfo.setImage('3.1.1');
      await podinfo.weight(20);
      expect([await paused(), await replicas(podinfo)]).toEqual([undefined, 2]);
      expect((await primary()).metadata.annotations).toHaveProperty(['serin.dev/minimum-replicas']);
      await podinfo.phase('Succeeded');
      await eventually('the target is parked', async () => (await replicas(podinfo)) === 0);
      expect(await paused()).toBe('0');
      await eventually('the floor is gone', async () => {
        const { annotations = {} } = (await primary()).metadata;
        return !('serin.dev/minimum-replicas' in annotations);
      });
      expect(ladder(podinfo)).toEqual(wholeLadder);
    });
  },
);

it.concurrent('a pipeline waits for its own image, and is told by the exit code what became of it', async () => {
  await withPodinfo({ analysis: { threshold: 1, maxWeight: 20 }, edit: withSpec({}) }, async (podinfo) => {
    const name = `${podinfo.namespace}/podinfo`;
    await podinfo.phase('Initialized');
    const image = 'stefanprodan/podinfo:3.1.1';
    expect((await serin('wait', name, '--image', image)).code).toBe(1);
    await podinfo.setImage('3.1.1');
    expect(await serin('wait', name, '--image', image, '--timeout', '2m')).toMatchObject({ code: 0 });
    expect(await podinfo.image('podinfo-primary')).toBe(image);
    await podinfo.setImage('3.1.2-err50');
    const failed = await serin('wait', name, '--timeout', '2m', '-o', 'json');
    expect(failed.code).toBe(3);
    expect(JSON.parse(failed.out)).toMatchObject({ outcome: 'rolled back' });
    const { out } = await serin('why', name);
    expect(out).toMatch(/check +request-success-rate \d\d(\.\d+)? \(min 99\)/);
    expect(out).toMatch(/warning +Rolling back .* failed checks threshold reached 1/);
  });
});

it.concurrent('a Service is released step by step, and its primary copy follows with the promotion', async () => {
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'podinfo' },
    spec: { selector: { app: 'podinfo', version: '1' }, ports: [{ name: 'http', port: 9898 }] },
  };
  const targetRef = { apiVersion: 'v1', kind: 'Service', name: 'podinfo' };
  await withPodinfo(
    { analysis: checks, edit: withSpec({ targetRef }, (objects) => [service, ...objects]) },
    async (podinfo) => {
      const { cluster, namespace } = podinfo;
      const read = (name: string) => cluster.read(resources.services, namespace, name);
      const version = async (name: string) => ((await read(name)).spec as typeof service.spec).selector.version;
      await podinfo.phase('Initialized');
      expect([await version('podinfo-canary'), await version('podinfo-primary')]).toEqual(['1', '1']);
      await cluster.kubernetes.patch(resources.services, namespace, 'podinfo', {
        spec: { selector: { version: '2' } },
      });
      await podinfo.weight(20);
      expect([await version('podinfo-canary'), await version('podinfo-primary')]).toEqual(['2', '1']);
      const name = `${namespace}/podinfo`;
      expect((await serin('wait', name, '--image', 'x')).out).toContain('a target of kind Service has no image');
      expect(await serin('wait', name, '--timeout', '2m')).toMatchObject({ code: 0 });
      await podinfo.phase('Succeeded');
      expect(ladder(podinfo)).toEqual(wholeLadder);
      expect(await version('podinfo-primary')).toBe('2');
      expect((await read('podinfo-primary')).metadata.ownerReferences).toMatchObject([{ kind: 'Canary' }]);
    },
  );
});

it.concurrent('a Knative Service is released from revision to revision, and a broken one gets no traffic', async () => {
  const { knativeServices } = resources;
  const { apiVersion, kind } = knativeServices;
  const image = (tag: string) => `stefanprodan/podinfo:${tag}`;
  const template = (tag: string) => ({ spec: { containers: [{ name: 'user-container', image: image(tag) }] } });
  const service = {
    ...{ apiVersion, kind, metadata: { name: 'podinfo' } },
    spec: { template: template('3.1.0'), traffic: [{ latestRevision: true, percent: 100 }] },
  };
  const spec = { provider: 'knative', targetRef: { apiVersion, kind, name: 'podinfo' }, service: undefined };
  const edit = withSpec(spec, (objects) => [service, ...objects.filter((object) => !isKind('Deployment')(object))]);
  await withPodinfo({ analysis: checks, edit }, async (podinfo) => {
    const { cluster, namespace } = podinfo;
    const knative = playKnative(cluster.kubernetes, namespace);
    const read = async () => {
      const { metadata, spec } = await cluster.read(knativeServices, namespace, 'podinfo');
      const { traffic } = spec as { traffic: { percent: number; revisionName?: string }[] };
      return {
        primary: metadata.annotations?.['flagger.app/primary-revision'],
        traffic: traffic.map(({ revisionName = 'latest', percent }) => `${revisionName} ${percent}`),
      };
    };
    const release = (tag: string) =>
      cluster.kubernetes.patch(knativeServices, namespace, 'podinfo', { spec: { template: template(tag) } });
    try {
      await podinfo.phase('Initialized');
      const initial = { primary: 'podinfo-00001', traffic: ['latest 0', 'podinfo-00001 100'] };
      expect(await read()).toEqual(initial);

      await release('3.1.1');
      await eventually('weight 20', async () => (await read()).traffic[0] === 'latest 20', 60_000);
      expect(await read()).toEqual({ primary: 'podinfo-00001', traffic: ['latest 20', 'podinfo-00001 80'] });
      const wait = ['wait', `${namespace}/podinfo`, '--image', image('3.1.1'), '--timeout', '2m'];
      expect(await serin(...wait)).toMatchObject({ code: 0 });
      await podinfo.phase('Succeeded');
      const promoted = { primary: 'podinfo-00002', traffic: ['latest 0', 'podinfo-00002 100'] };
      expect(await read()).toEqual(promoted);
      for (const weight of [10, 20, 30]) await podinfo.told(`Advance podinfo.${namespace} canary weight ${weight}`);

      await release('3.1.2-broken');
      await podinfo.told(
        `W Knative Revision podinfo-00003.${namespace} is not ready (ContainerMissing: no such image)`,
      );
      expect(await read()).toEqual(promoted);

      await release('3.1.3');
      await eventually('weight 20', async () => (await read()).traffic[0] === 'latest 20', 60_000);
      await release('3.1.4');
      await podinfo.told(`New revision detected! Restarting analysis for podinfo.${namespace}`);
      await podinfo.phase('Succeeded');
      expect(await read()).toEqual({ primary: 'podinfo-00005', traffic: ['latest 0', 'podinfo-00005 100'] });
    } finally {
      await knative.close();
    }
  });
});
