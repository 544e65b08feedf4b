import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startSerin, type Serin } from '../../local/serin.ts';
import { startStack, type Stack } from '../../local/stack.ts';
import { autoscaler, canary, deployment } from '../../local/tutorial.ts';
import { createKubernetes, loadKubeConfig } from '../../src/clients/kubernetes-client.ts';
import { resources, type Kubernetes, type KubernetesObject, type Resource } from '../../src/clients/kubernetes.ts';
import { eventually } from '../support/cluster.ts';
import { canaryWeight, imageOf } from '../support/diary.ts';

/*
 * The mesh's control plane is another cluster, as with Alibaba Cloud Service Mesh: workloads, Services and Canaries are in
 * one API server, VirtualServices and DestinationRules in another. Two stacks of their own, and a Serin that knows both.
 */
const namespace = 'shop';
let workloads: Stack;
let mesh: Stack;
let serin: Serin;
let here: Kubernetes;
let there: Kubernetes;

beforeAll(async () => {
  [workloads, mesh] = await Promise.all([
    startStack({ parts: ['cluster', 'workloads', 'temporal'] }),
    startStack({ parts: ['cluster'] }),
  ]);
  [here, there] = [workloads, mesh].map(({ kubeconfig }) =>
    createKubernetes(loadKubeConfig(kubeconfig), { fieldManager: 'test' }),
  ) as [Kubernetes, Kubernetes];
  const object = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } };
  await Promise.all([here, there].map((cluster) => cluster.create(resources.namespaces, object)));
  serin = await startSerin(workloads, {
    only: ['worker', 'starter'],
    env: { SERIN_MESH_KUBECONFIG: mesh.kubeconfig },
    minimumIntervalMs: 1_000,
    drainMs: 200,
  });
}, 240_000);

afterAll(async () => {
  await serin?.stop();
  await Promise.all([workloads?.stop(), mesh?.stop()]);
}, 30_000);

const route = () => there.get(resources.virtualServices, namespace, 'podinfo');
const weight = async () => {
  const found = await route();
  return found && canaryWeight(found, 'podinfo-canary');
};
const phase = async () => {
  const found = await here.get(resources.canaries, namespace, 'podinfo');
  return (found?.status as { phase?: string } | undefined)?.phase;
};
const inPhase = (wanted: string) => eventually(`phase ${wanted}`, async () => (await phase()) === wanted, 60_000);

async function setImage(image: string): Promise<void> {
  const found = (await here.get(resources.deployments, namespace, 'podinfo'))!;
  const spec = found.spec as { template: { spec: { containers: object[] } } };
  const containers = [{ ...spec.template.spec.containers[0], image }];
  await here.patch(resources.deployments, namespace, 'podinfo', { spec: { template: { spec: { containers } } } });
}

describe('a mesh whose control plane is another cluster', () => {
  it('gets the routes, without owners that it could not find, and nothing else', async () => {
    const options = { namespace, loadTester: 'http://127.0.0.1:9/', interval: '1s' };
    const analysis = { stepWeight: 25, maxWeight: 50, metrics: [], webhooks: [] };
    for (const object of [deployment(options), autoscaler(options), canary({ ...options, analysis })]) {
      const { apiVersion, kind } = object as KubernetesObject;
      await here.create({ apiVersion, kind, plural: plurals[kind]! }, object as KubernetesObject);
    }
    await inPhase('Initialized');
    for (const kind of [resources.virtualServices, resources.destinationRules]) {
      const { items } = await there.list(kind, namespace);
      expect(items.length).toBeGreaterThan(0);
      for (const { metadata } of items) expect(metadata.ownerReferences).toBeUndefined();
      // An API server that has just been given a CRD may still be setting its storage up.
      const { items: strays } = await eventually(`${kind.plural} here`, () => here.list(kind, namespace));
      expect(strays).toEqual([]);
    }
    expect((await there.list(resources.services, namespace)).items).toEqual([]);
    const primary = await here.get(resources.services, namespace, 'podinfo-primary');
    expect(primary?.metadata.ownerReferences).toMatchObject([{ kind: 'Canary', name: 'podinfo' }]);
  }, 120_000);

  it('has its weights moved by a release, and its own outage in the middle waited out', async () => {
    await setImage('stefanprodan/podinfo:3.1.1');
    await eventually('weight 25', async () => (await weight()) === 25);
    const server = mesh.servers.get('kube-apiserver')!;
    await server.kill();
    await server.restart();
    await inPhase('Succeeded');
    expect(await weight()).toBe(0);
    const primary = (await here.get(resources.deployments, namespace, 'podinfo-primary'))!;
    expect(imageOf(primary)).toBe('stefanprodan/podinfo:3.1.1');
  }, 120_000);

  it('has a route that somebody deletes there put back, since it is watched there', async () => {
    await there.remove(resources.virtualServices, namespace, 'podinfo');
    await eventually('the route is back', async () => (await weight()) === 0);
  }, 60_000);

  it('is left by a Canary that is deleted, though it had no finalizer; what was there before stays', async () => {
    const { apiVersion, kind } = resources.destinationRules;
    const other = { apiVersion, kind, metadata: { name: 'other', namespace }, spec: { host: 'other' } };
    await there.create(resources.destinationRules, other);
    await here.remove(resources.canaries, namespace, 'podinfo');
    const namesOf = async (resource: Resource) =>
      (await there.list(resource, namespace)).items.map(({ metadata }) => metadata.name);
    await eventually('the routes are gone', async () => {
      const [routes, rules] = await Promise.all([resources.virtualServices, resources.destinationRules].map(namesOf));
      return routes!.length === 0 && rules!.join() === 'other';
    });
  }, 60_000);
});

const plurals: Readonly<Record<string, string>> = {
  Deployment: 'deployments',
  HorizontalPodAutoscaler: 'horizontalpodautoscalers',
  Canary: 'canaries',
};
