import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from '@jest/globals';
import { pushImage } from '../../local/push-image.ts';
import { provideTool } from '../../local/tools.ts';
import { resources, type KubernetesObject, type Resource } from '../../src/clients/kubernetes.ts';
import { eventually, openCluster, openStack } from '../support/cluster.ts';
import { canaryWeight } from '../support/diary.ts';
import { openPodinfo, type Podinfo } from '../support/podinfo.ts';
import { say } from '../support/teardown.ts';

const run = promisify(execFile);

let podinfo: Podinfo | undefined;
/** The namespace of the MetricTemplate of run 2. */
let templates: string | undefined;
afterEach(async () => {
  await podinfo?.close();
  if (templates) await openCluster().kubernetes.remove(resources.namespaces, undefined, templates);
  [podinfo, templates] = [undefined, undefined];
});

const podinfoImage = (tag: string) => `stefanprodan/podinfo:${tag}`;

/** As in the tutorial, whose local form does without for the sake of time. */
function withMinReadySeconds(object: object): object {
  const { kind, spec } = object as KubernetesObject;
  return kind === 'Deployment' ? { ...object, spec: { ...(spec as object), minReadySeconds: 1 } } : object;
}

function withTemplateIn(elsewhere: { readonly namespace: string }, object: KubernetesObject): object {
  if (object.kind === 'MetricTemplate') return { ...object, metadata: { ...object.metadata, ...elsewhere } };
  if (object.kind !== 'Canary') return object;
  const spec = object.spec as { analysis: { metrics: { templateRef: object }[] } };
  const metrics = spec.analysis.metrics.map((metric) => ({
    ...metric,
    templateRef: { ...metric.templateRef, ...elsewhere },
  }));
  return { ...object, spec: { ...spec, analysis: { ...spec.analysis, metrics } } };
}

/** Warnings about readiness come and go with the speed of the machine; the tutorial calls them legal. */
const story = (events: readonly string[]) => events.filter((event) => !/^W .* not ready: /.test(event));

/** The steps of the tutorial itself. */
const analysis = { maxWeight: 50 };

const initialization = (ns: string) => [
  'all the metrics providers are available!',
  'all the metrics providers are available!',
  `Initialization done! podinfo.${ns}`,
];

const promotion = (ns: string) => [
  `New revision detected! Scaling up podinfo.${ns}`,
  `Starting canary analysis for podinfo.${ns}`,
  'Pre-rollout check acceptance-test passed',
  ...[10, 20, 30, 40, 50].map((weight) => `Advance podinfo.${ns} canary weight ${weight}`),
  `Copying podinfo.${ns} template spec to podinfo-primary.${ns}`,
  'Routing all traffic to primary',
  `Promotion completed! Scaling down podinfo.${ns}`,
];

describe('the tutorial, run 1: kubectl set image, built-in checks', () => {
  it('tells the recorded story and leaves the specified objects, before, during, after a promotion, and after a rollback', async () => {
    podinfo = await openPodinfo({ minReplicas: 2, analysis, edit: (objects) => objects.map(withMinReadySeconds) });
    const { namespace: ns, diary, cluster, canary } = podinfo;
    const canaryStatus = async () => (await canary()).status!;
    const initialized = await podinfo.phase('Initialized');
    expect(initialized).toMatchObject({ canaryWeight: 0, failedChecks: 0, iterations: 0, trackedConfigs: {} });
    expect(initialized.lastAppliedSpec).toMatch(/^v1:[0-9a-f]{64}$/);
    expect(initialized.lastPromotedSpec).toBe(initialized.lastAppliedSpec);
    await podinfo.told('Initialization done!');
    const first = story(diary.events());
    // A machine that is quick enough has the primary ready at once, and asks the providers once less.
    expect(first.slice(-2)).toEqual(initialization(ns).slice(-2));
    await expectObjects(podinfo, { image: podinfoImage('3.1.0'), weights: [100, 0], parked: true });

    await setImage(podinfo, '3.1.1');
    await podinfo.weight(20);
    await eventually('weight 20 in the status', async () => (await canaryStatus()).canaryWeight === 20, 2_000);
    await expectObjects(podinfo, { image: podinfoImage('3.1.0'), weights: [80, 20], parked: false });
    expect(await canaryStatus()).toMatchObject({ phase: 'Progressing', failedChecks: 0 });

    const succeeded = await podinfo.phase('Succeeded');
    await podinfo.told('Promotion completed!');
    expect(story(diary.events()).slice(first.length)).toEqual(promotion(ns));
    expect(diary.weights().map(({ canary }) => canary)).toEqual([0, 10, 20, 30, 40, 50, 0]);
    expect(succeeded.lastPromotedSpec).toBe(succeeded.lastAppliedSpec);
    expect(succeeded.lastPromotedSpec).not.toBe(initialized.lastPromotedSpec);
    expect(succeeded.conditions).toEqual([
      expect.objectContaining({
        type: 'Promoted',
        status: 'True',
        reason: 'Succeeded',
        message: 'Canary analysis completed successfully, promotion finished.',
      }),
    ]);
    await expectObjects(podinfo, { image: podinfoImage('3.1.1'), weights: [100, 0], parked: true });

    const told = diary.events().length;
    await setImage(podinfo, '3.1.2-err50');
    const failed = await podinfo.phase('Failed');
    expect(failed).toMatchObject({ canaryWeight: 0, failedChecks: 0, lastPromotedSpec: succeeded.lastPromotedSpec });
    await podinfo.told('Canary failed! Scaling down');
    const rollback = story(diary.events().slice(told));
    expect(rollback.slice(0, 4)).toEqual([
      `New revision detected! Scaling up podinfo.${ns}`,
      `Starting canary analysis for podinfo.${ns}`,
      'Pre-rollout check acceptance-test passed',
      `Advance podinfo.${ns} canary weight 10`,
    ]);
    expect(rollback.slice(4, 9)).toHaveLength(5);
    for (const halt of rollback.slice(4, 9))
      expect(halt).toMatch(/^W Halt podinfo\.\S+ advancement success rate \d+\.\d\d% < 99%$/);
    expect(rollback.slice(9)).toEqual([
      `W Rolling back podinfo.${ns} failed checks threshold reached 5`,
      `W Canary failed! Scaling down podinfo.${ns}`,
    ]);
    await expectObjects(podinfo, { image: podinfoImage('3.1.1'), weights: [100, 0], parked: true });

    // Going back to the promoted image is no release.
    await setImage(podinfo, '3.1.1');
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect((await podinfo.canary()).status?.phase).toBe('Failed');
    expect(cluster.kubeconfig).not.toBe('');
  });
});

describe('the tutorial, run 2: a push to the registry, a MetricTemplate', () => {
  it('releases what was pushed, and judges it by the custom metric', async () => {
    const { registry } = openStack();
    const repository = `shop/podinfo-${Date.now()}`;
    const image = `${registry}/${repository}`;
    await pushImage(registry, repository, '3.1.0');
    // It is somebody else's, who looks after metrics.
    templates = await openCluster().namespace('metrics');
    const elsewhere = { namespace: templates };
    podinfo = await openPodinfo({
      run: 2,
      image,
      analysis,
      edit: (objects) => objects.map((object) => withTemplateIn(elsewhere, object as KubernetesObject)),
      annotations: { 'serin.dev/image-policies': JSON.stringify([{ container: 'podinfod', policy: 'semver:^3.1' }]) },
    });
    const { namespace: ns, diary } = podinfo;
    await podinfo.phase('Initialized');
    await podinfo.told('Initialization done!');
    await expectObjects(podinfo, { run: 2, image: `${image}:3.1.0`, weights: [100, 0], parked: true });
    const before = diary.events().length;
    const { digest } = await pushImage(registry, repository, '3.1.1', { platforms: ['linux/amd64', 'linux/arm64'] });
    await podinfo.phase('Succeeded');
    await podinfo.told('Promotion completed!');
    const told = story(diary.events().slice(before)).filter((event) => !event.startsWith('New image pushed!'));
    expect(told).toEqual(promotion(ns));
    // The index of a multi-platform image is what was pinned, and no platform's own manifest.
    await expectObjects(podinfo, { run: 2, image: `${image}:3.1.1@${digest}`, weights: [100, 0], parked: true });
    expect(diary.primaryImages()).toEqual([`${image}:3.1.0`, `${image}:3.1.1@${digest}`]);
  });
});

/** The way of the tutorial: kubectl itself. */
async function setImage({ namespace, cluster }: Podinfo, tag: string): Promise<void> {
  const image = `podinfod=${podinfoImage(tag)}`;
  const target = ['--kubeconfig', cluster.kubeconfig, '-n', namespace, 'set', 'image', 'deployment/podinfo', image];
  await run(await provideTool('kubectl', say), target);
}

interface Expected {
  readonly run?: 1 | 2;
  /** The primary runs it. */
  readonly image: string;
  readonly weights: readonly [number, number];
  /** The target has no replicas. */
  readonly parked: boolean;
}

interface PodSpec {
  readonly replicas: number;
  readonly template: { readonly spec: { readonly containers: readonly { readonly image: string }[] } };
}

/** How the autoscalers of the two runs scale. */
const bounds = {
  1: {
    minReplicas: 2,
    maxReplicas: 4,
    metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 99 } } }],
  },
  2: {
    minReplicas: 1,
    maxReplicas: 5,
    metrics: [
      {
        type: 'External',
        external: {
          metric: { name: 'prometheus-query', selector: { matchLabels: { 'query-name': 'requests-per-second' } } },
          target: { type: 'AverageValue', averageValue: '10' },
        },
      },
    ],
  },
} as const;

/** @see the tables "Expected after initialization" and "Expected during and after" of the Canary specification, 7.4 and 7.6 */
async function expectObjects({ namespace, cluster, deployment }: Podinfo, expected: Expected): Promise<void> {
  const { run: number = 1, image } = expected;
  const read = (resource: Resource, name: string) => cluster.read(resource, namespace, name);
  const canary = await read(resources.canaries, 'podinfo');
  const owner = {
    apiVersion: 'flagger.app/v1beta1',
    kind: 'Canary',
    name: 'podinfo',
    uid: canary.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
  const guards = {
    'kustomize.toolkit.fluxcd.io/reconcile': 'disabled',
    'helm.toolkit.fluxcd.io/driftDetection': 'disabled',
  };

  const target = await deployment('podinfo');
  const { replicas, template: targetTemplate, ...rollout } = target.spec as PodSpec;
  expect(replicas === 0).toBe(expected.parked);

  const primary = await deployment('podinfo-primary');
  expect(primary.metadata).toMatchObject({ labels: { app: 'podinfo-primary' }, ownerReferences: [owner] });
  const [container] = targetTemplate.spec.containers;
  expect(primary.spec).toEqual({
    ...rollout,
    progressDeadlineSeconds: 60,
    revisionHistoryLimit: 5,
    ...(number === 1 ? { minReadySeconds: 1 } : {}),
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: 1 } },
    replicas: expect.any(Number),
    selector: { matchLabels: { app: 'podinfo-primary' } },
    template: {
      metadata: {
        labels: { app: 'podinfo-primary' },
        annotations: {
          'prometheus.io/scrape': 'true',
          'prometheus.io/port': '9797',
          'flagger-id': expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
        },
      },
      spec: { ...targetTemplate.spec, containers: [{ ...container, image }] },
    },
  });
  expect((primary.spec as PodSpec).replicas).toBeGreaterThan(0);
  const { name, command, ports: containerPorts } = container as unknown as Record<string, unknown>;
  expect({ name, command, containerPorts }).toEqual({
    name: 'podinfod',
    command: ['./podinfo', '--port=9898', '--port-metrics=9797', '--level=info'],
    containerPorts: [
      { name: 'http', containerPort: 9898, protocol: 'TCP' },
      { name: 'http-metrics', containerPort: 9797, protocol: 'TCP' },
    ],
  });

  const scaler = number === 1 ? 'podinfo' : 'podinfo-total';
  const autoscaler = await read(resources.horizontalPodAutoscalers, `${scaler}-primary`);
  expect(autoscaler.metadata.ownerReferences).toEqual([owner]);
  const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'podinfo-primary' };
  expect(autoscaler.spec).toEqual({ scaleTargetRef, ...bounds[number] });
  const original = await read(resources.horizontalPodAutoscalers, scaler);
  expect(original.spec).toEqual({ scaleTargetRef: { ...scaleTargetRef, name: 'podinfo' }, ...bounds[number] });

  const ports = [{ name: 'http', protocol: 'TCP', port: 9898, targetPort: 9898 }];
  for (const [name, app] of [
    ['podinfo', 'podinfo-primary'],
    ['podinfo-primary', 'podinfo-primary'],
    ['podinfo-canary', 'podinfo'],
  ] as const) {
    const service = await read(resources.services, name);
    expect(service.metadata).toMatchObject({ labels: { app: name }, annotations: guards, ownerReferences: [owner] });
    expect(service.spec).toMatchObject({ type: 'ClusterIP', selector: { app }, ports });
  }
  for (const name of ['podinfo-canary', 'podinfo-primary']) {
    const rule = await read(resources.destinationRules, name);
    expect(rule.metadata.ownerReferences).toEqual([owner]);
    expect(rule.spec).toEqual({ host: name, trafficPolicy: { tls: { mode: 'DISABLE' } } });
  }
  const route: KubernetesObject = await read(resources.virtualServices, 'podinfo');
  expect(route.metadata).toMatchObject({ annotations: guards, ownerReferences: [owner] });
  expect(canaryWeight(route, 'podinfo-canary')).toBe(expected.weights[1]);
  expect(route.spec).toEqual({
    hosts: ['*'],
    gateways: ['public-gateway.istio-system.svc.cluster.local'],
    http: [
      {
        retries: { attempts: 3, perTryTimeout: '1s', retryOn: 'gateway-error,connect-failure,refused-stream' },
        route: [
          { destination: { host: 'podinfo-primary' }, weight: expected.weights[0] },
          { destination: { host: 'podinfo-canary' }, weight: expected.weights[1] },
        ],
      },
    ],
  });
}
