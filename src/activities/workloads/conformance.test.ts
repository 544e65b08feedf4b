import { describe, expect, it } from '@jest/globals';
import { memoryKubernetes, type MemoryKubernetes } from '../../../test/support/memory-kubernetes.ts';
import { type settings, shopCanary, shopDeployment, testDeps, type Loose } from '../../../test/support/shop.ts';
import { canaryOf } from '../../../test/contracts/canaries.ts';
import { createServices } from '../services.ts';
import { createDaemonSetWorkload, daemonSetReadiness } from './daemon-set.ts';
import { createDeploymentWorkload, deploymentReadiness } from './deployment.ts';

/*
 * What Flagger's own tests of its Deployment and DaemonSet controllers pin, under their names, as far as both kinds have
 * it in common. What is of our own making is tested beside each kind.
 */

/** The target of those tests: selected by `name`, with a Secret and a ConfigMap in volumes. */
function target(kind: string, { name = 'podinfo', podSpec = {}, image = 'podinfo:1.2.0', cpu = '' } = {}): Loose {
  const deployment = shopDeployment({
    name,
    metadata: {
      labels: { name, 'app.kubernetes.io/info': 'x', 'test-label-1': 'a' },
      annotations: { 'app.kubernetes.io/note': 'y', 'kustomize.toolkit.fluxcd.io/checksum': 'z' },
    },
  });
  const { replicas, strategy, ...shared } = deployment.spec;
  const resources = cpu ? { resources: { requests: { cpu } } } : {};
  const volumes = [
    { name: 'secret', secret: { secretName: 'podinfo-secret-vol' } },
    { name: 'config', configMap: { name: 'podinfo-config-vol' } },
  ];
  const spec = {
    ...shared,
    ...(kind === 'Deployment' ? { replicas, strategy } : { updateStrategy: { type: 'RollingUpdate' } }),
    selector: { matchLabels: { name: 'podinfo' } },
    template: {
      metadata: { labels: { name: 'podinfo' } },
      spec: { containers: [{ name: 'podinfo', image, ports, ...resources }], volumes, ...podSpec },
    },
  };
  return { ...deployment, kind, spec };
}

const ports = [
  { name: 'http', containerPort: 9898, protocol: 'TCP' },
  { name: 'http-metrics', containerPort: 8080, protocol: 'TCP' },
  { containerPort: 8888, protocol: 'TCP' },
];

const configs = () => [
  {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'podinfo-secret-vol', namespace: 'prod' },
    data: { apiKey: 'dGVzdA==' },
  },
  {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'podinfo-config-vol', namespace: 'prod' },
    data: { color: 'red' },
  },
];

const kinds = [
  ['Deployment', createDeploymentWorkload],
  ['DaemonSet', createDaemonSetWorkload],
] as const;

describe.each(kinds)('Test%sController', (kind, create) => {
  const canaryFor = (name = 'podinfo', status?: object) =>
    shopCanary({ targetRef: { apiVersion: 'apps/v1', kind, name } }, status);
  const changes = { includeLabelPrefix: ['app.kubernetes.io'] };
  const workload = (kubernetes: MemoryKubernetes, more: Partial<typeof settings> = changes) =>
    create(testDeps(kubernetes, more));
  const at = (kubernetes: MemoryKubernetes, name: string) => kubernetes.peek(kind, name) as Loose;
  const initialised = async (found = target(kind), more: Partial<typeof settings> = changes) => {
    const kubernetes = memoryKubernetes(found, ...configs());
    await workload(kubernetes, more).ensurePrimary(canaryFor(found.metadata.name as string), 'key');
    return kubernetes;
  };
  const volumesOf = (object: Loose) =>
    (object.spec.template.spec.volumes as Loose[]).map(({ secret, configMap }) => secret?.secretName ?? configMap.name);

  it('_Sync_ConsistentNaming: image and label of the target, and nothing that tracks what was applied', async () => {
    const { metadata, spec } = at(await initialised(), 'podinfo-primary');
    expect(spec.template.spec.containers[0].image).toBe('podinfo:1.2.0');
    expect(spec.selector.matchLabels).toEqual({ name: 'podinfo-primary' });
    expect(metadata.annotations ?? {}).not.toHaveProperty(['kustomize.toolkit.fluxcd.io/checksum']);
  });

  it('_Sync_InconsistentNaming: called after the target, selected by the value of the label', async () => {
    const kubernetes = await initialised(target(kind, { name: 'podinfo-service' }));
    const { spec } = at(kubernetes, 'podinfo-service-primary');
    expect(spec.selector.matchLabels).toEqual({ name: 'podinfo-primary' });
    expect(spec.template.spec.containers[0].image).toBe('podinfo:1.2.0');
  });

  it('_Promote: template, prefixed metadata and configuration reach the primary', async () => {
    const labelSelector = { matchExpressions: [{ key: 'name', operator: 'In', values: ['podinfo'] }] };
    const affinity = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ labelSelector }] } };
    const kubernetes = await initialised(target(kind, { podSpec: { affinity } }));
    const found = at(kubernetes, 'podinfo');
    found.spec.template.spec.containers[0].image = 'podinfo:1.2.1';
    found.metadata.labels['app.kubernetes.io/info'] = 'changed';
    found.metadata.annotations['app.kubernetes.io/note'] = 'changed';
    (kubernetes.peek('ConfigMap', 'podinfo-config-vol') as Loose).data.color = 'blue';
    const canary = canaryFor();
    const { revision } = (await workload(kubernetes).look(canary)).target;
    await workload(kubernetes).promote(canary, revision, 'key');
    const { metadata, spec } = at(kubernetes, 'podinfo-primary');
    expect(spec.template.spec.containers[0].image).toBe('podinfo:1.2.1');
    expect(metadata.labels).toMatchObject({ 'app.kubernetes.io/info': 'changed', name: 'podinfo-primary' });
    expect(metadata.annotations).toMatchObject({ 'app.kubernetes.io/note': 'changed' });
    expect(metadata.labels).not.toHaveProperty(['test-label-1']);
    expect((kubernetes.peek('ConfigMap', 'podinfo-config-vol-primary') as Loose).data.color).toBe('blue');
    // A DaemonSet has a pod on each node anyway: its own affinity stays.
    const terms = spec.template.spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution as Loose[];
    expect(terms.map(({ labelSelector }) => labelSelector.matchExpressions[0].values as string[]).flat()).toEqual([
      kind === 'Deployment' ? 'podinfo-primary' : 'podinfo',
    ]);
  });

  it('Q41: _Promote: metadata that no prefix asks for goes from the primary, as in Flagger', async () => {
    const kubernetes = await initialised();
    const primary = at(kubernetes, 'podinfo-primary');
    primary.metadata.annotations = { ...primary.metadata.annotations, 'third.party/note': 'n' };
    at(kubernetes, 'podinfo').spec.template.spec.containers[0].image = 'podinfo:1.2.1';
    const canary = canaryFor();
    const { revision } = (await workload(kubernetes).look(canary)).target;
    await workload(kubernetes).promote(canary, revision, 'key');
    expect(at(kubernetes, 'podinfo-primary').metadata.annotations).not.toHaveProperty(['third.party/note']);
  });

  it('_NoConfigTracking: no copies, and the names as they were', async () => {
    const kubernetes = await initialised(target(kind), { configTracking: false });
    expect(volumesOf(at(kubernetes, 'podinfo-primary'))).toEqual(['podinfo-secret-vol', 'podinfo-config-vol']);
    expect(kubernetes.peek('Secret', 'podinfo-secret-vol-primary')).toBeUndefined();
    expect(volumesOf(at(await initialised(), 'podinfo-primary'))).toEqual([
      'podinfo-secret-vol-primary',
      'podinfo-config-vol-primary',
    ]);
  });

  it('_HasTargetChanged: another request of CPU is another revision, and the old one is the old revision', async () => {
    const revisionAt = async (cpu: string) => {
      const kubernetes = memoryKubernetes(target(kind, { cpu }), ...configs());
      return (await workload(kubernetes).look(canaryFor())).target.revision;
    };
    const promoted = await revisionAt('1000m');
    expect(await revisionAt('100m')).not.toBe(promoted);
    expect(await revisionAt('1000m')).toBe(promoted);
    expect(await revisionAt('600m')).not.toBe(promoted);
  });

  it('says who made the revision, where the target does', async () => {
    const kubernetes = memoryKubernetes(target(kind), ...configs());
    expect((await workload(kubernetes).look(canaryFor())).target).not.toHaveProperty('author');
    at(kubernetes, 'podinfo').metadata.annotations = { 'serin.dev/author': ' ada ' };
    expect((await workload(kubernetes).look(canaryFor())).target).toMatchObject({ author: 'ada' });
  });

  it('_SyncStatus: the Secret and the ConfigMap belong to what the status says', async () => {
    const kubernetes = memoryKubernetes(target(kind), ...configs());
    const { configs: tracked } = (await workload(kubernetes).look(canaryFor())).target;
    expect(Object.keys(tracked!).sort()).toEqual(['configmap/podinfo-config-vol', 'secret/podinfo-secret-vol']);
  });

  it('_Scale/ScaleToZero, _ScaleToZero, _Finalize: no pods, and those of before, with a primary and without', async () => {
    for (const withPrimary of [true, false]) {
      const kubernetes = withPrimary ? await initialised() : memoryKubernetes(target(kind), ...configs());
      await workload(kubernetes).scaleToZero(canaryFor());
      expect((await workload(kubernetes).look(canaryFor())).target.replicas).toBe(0);
      await workload(kubernetes).revert(canaryFor());
      expect((await workload(kubernetes).look(canaryFor())).target.replicas).toBeGreaterThan(0);
    }
  });

  describe.each<[string, object, readonly string[]]>([
    [`TestScheduler_${kind}PortDiscovery`, { port: 9898 }, ['http 9898']],
    [`TestScheduler_${kind}TargetPortNumber`, { port: 80, targetPort: 9898 }, ['http 80']],
    [`TestScheduler_${kind}TargetPortName`, { port: 8080, targetPort: 'http' }, ['http 8080']],
  ])('%s', (_, service, [own]) => {
    it('the canary Service has the port of the Canary and those of the containers', async () => {
      const { metadata, spec } = canaryFor();
      const canary = canaryOf({
        apiVersion: 'flagger.app/v1beta1',
        kind: 'Canary',
        metadata,
        spec: { ...spec, service: { portDiscovery: true, ...service } },
      });
      const kubernetes = memoryKubernetes(target(kind), ...configs());
      const pods = (await workload(kubernetes).pods(canary))!;
      await createServices(kubernetes).ensure(canary, pods, 'inner');
      const { spec: made } = kubernetes.peek('Service', 'podinfo-canary') as Loose;
      const found = (made.ports as Loose[]).map(({ name, port }) => `${name} ${port}`);
      // Two ports of one number are refused by the API server: the one that the Canary names has it (BC-24).
      const metrics = own === 'http 8080' ? [] : ['http-metrics 8080'];
      expect(found).toEqual([own, ...metrics, 'tcp-podinfo-2 8888']);
    });
  });
});

it('TestDeploymentController_AntiAffinityAndTopologySpreadConstraints: selectors of the label follow the primary, others stay', async () => {
  const selects = (labels: object) => ({ labelSelector: { matchLabels: labels } });
  const inAList = (key: string) => ({
    labelSelector: { matchExpressions: [{ key, operator: 'In', values: ['podinfo'] }] },
  });
  const podSpec = {
    affinity: {
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          { weight: 1, podAffinityTerm: inAList('name') },
          { weight: 2, podAffinityTerm: inAList('other') },
        ],
        requiredDuringSchedulingIgnoredDuringExecution: [inAList('name'), inAList('other')],
      },
    },
    topologySpreadConstraints: [selects({ name: 'podinfo' }), selects({ other: 'podinfo' })],
  };
  const kubernetes = memoryKubernetes(target('Deployment', { podSpec }), ...configs());
  const canary = shopCanary({ targetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'podinfo' } });
  await createDeploymentWorkload(testDeps(kubernetes)).ensurePrimary(canary, 'key');
  const { affinity, topologySpreadConstraints } = (kubernetes.peek('Deployment', 'podinfo-primary') as Loose).spec
    .template.spec;
  const valuesIn = (term: Loose) => term.labelSelector.matchExpressions[0].values as string[];
  const { podAntiAffinity } = affinity;
  const preferred = podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution as Loose[];
  const required = podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution as Loose[];
  expect(preferred.map(({ podAffinityTerm }) => valuesIn(podAffinityTerm))).toEqual([['podinfo-primary'], ['podinfo']]);
  expect(required.map(valuesIn)).toEqual([['podinfo-primary'], ['podinfo']]);
  expect((topologySpreadConstraints as Loose[]).map(({ labelSelector }) => labelSelector.matchLabels)).toEqual([
    { name: 'podinfo-primary' },
    { other: 'podinfo' },
  ]);
});

describe('readiness', () => {
  const wanted = { thresholdPercent: 100, deadlineSeconds: 600, now: Date.now() };

  it('TestDeploymentController_IsReady: a primary that was just made is not ready, the target is', () => {
    expect(deploymentReadiness(shopDeployment(), wanted)).toMatchObject({ ready: true });
    const fresh = shopDeployment({ status: { updatedReplicas: 0, availableReplicas: 0, replicas: 0, conditions: [] } });
    expect(deploymentReadiness(fresh, wanted)).toMatchObject({ ready: false, retriable: true });
  });

  it('TestDaemonSetController_IsReady: with an empty status both are', () => {
    const fresh = { ...target('DaemonSet'), status: {} };
    expect(daemonSetReadiness(fresh, wanted)).toMatchObject({ ready: true });
  });
});
