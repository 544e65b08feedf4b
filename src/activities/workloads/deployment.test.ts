import { describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { memoryKubernetes, type MemoryKubernetes } from '../../../test/support/memory-kubernetes.ts';
import {
  byShop,
  hpaRef,
  recorded,
  shopCanary,
  shopDeployment,
  shopHpa,
  testDeps,
  type Loose,
} from '../../../test/support/shop.ts';
import { resources } from '../../clients/kubernetes.ts';
import type { Settings } from '../../config.ts';
import { failure } from '../../errors.ts';
import { revisionOf } from '../revision.ts';
import { createDeploymentWorkload } from './deployment.ts';

const workload = (kubernetes: MemoryKubernetes, settings: Partial<Settings> = {}) =>
  createDeploymentWorkload(testDeps(kubernetes, settings));

const primaryOf = (kubernetes: MemoryKubernetes, name = 'shop-primary') => kubernetes.peek('Deployment', name) as Loose;
const imageOf = (deployment: Loose) => deployment.spec.template.spec.containers[0].image;
const idOf = (deployment: Loose) => deployment.spec.template.metadata.annotations['flagger-id'];
const templates = (kubernetes: MemoryKubernetes) =>
  kubernetes.writes.filter((write) => write.includes('ControllerRevision')).length;

/** The primary as Serin makes it for this target. */
async function initialised(target = shopDeployment(), canary = shopCanary()) {
  const kubernetes = memoryKubernetes(target);
  await workload(kubernetes).ensurePrimary(canary, 'run-1/1/0');
  return kubernetes;
}

function setImage(kubernetes: MemoryKubernetes, image: string): string {
  const target = kubernetes.peek('Deployment', 'shop') as Loose;
  target.spec.template.spec.containers[0].image = image;
  return revisionOf(target.spec.template);
}

describe('creating the primary', () => {
  it('gives what Flagger gave in the recorded run', async () => {
    const objects = recorded('initialised');
    const target = structuredClone(objects.get('Deployment podinfo'));
    const expected = objects.get('Deployment podinfo-primary');
    const canary = structuredClone(objects.get('Canary podinfo'));
    canary.metadata.uid = 'u';
    canary.status = undefined;
    target.spec.replicas = 2;
    const kubernetes = memoryKubernetes(target);
    await workload(kubernetes).ensurePrimary(canary, 'key');

    const { metadata, spec } = primaryOf(kubernetes, 'podinfo-primary');
    expect(metadata).toMatchObject({ labels: expected.metadata.labels, annotations: {} });
    expect(metadata.ownerReferences).toEqual([{ ...expected.metadata.ownerReferences[0], uid: 'u' }]);
    const id = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expected.spec.template.metadata.annotations['flagger-id'] = id;
    expect(spec).toEqual(expected.spec);
  });

  it.each([
    ['the replicas of the target', 3, 3],
    ['one replica for a target that is parked', 0, 1],
  ])('gives it %s', async (_, replicas, expected) => {
    const kubernetes = await initialised(shopDeployment({ replicas }));
    expect(primaryOf(kubernetes).spec.replicas).toBe(expected);
  });

  it('is called after the target, and selected by the value of the label', async () => {
    const target = shopDeployment({ name: 'shop-app', label: 'shop' });
    const targetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'shop-app' };
    const kubernetes = await initialised(target, shopCanary({ targetRef }));
    const primary = primaryOf(kubernetes, 'shop-app-primary');
    expect(primary.spec.selector).toEqual({ matchLabels: { app: 'shop-primary' } });
    expect(primary.spec.template.metadata.labels).toEqual({ app: 'shop-primary' });
  });

  it('does not carry over that the target is paused', async () => {
    const kubernetes = await initialised(shopDeployment({ spec: { paused: true } }));
    expect(primaryOf(kubernetes).spec).not.toHaveProperty('paused');
  });

  const marked = {
    labels: { app: 'shop', 'ci.tool/env': 'x', 'gitops.tool/name': 'a' },
    annotations: { 'reload.tool/match': 'true', 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
  };

  it('BC-20: copies no metadata of the Deployment, at creation and at promotion alike', async () => {
    const kubernetes = await initialised(shopDeployment({ metadata: marked }));
    const seen = () => {
      const { labels, annotations, ownerReferences } = primaryOf(kubernetes).metadata;
      return { labels, annotations, ownerReferences };
    };
    const expected = { labels: { app: 'shop-primary' }, annotations: {}, ownerReferences: byShop };
    expect(seen()).toEqual(expected);
    await workload(kubernetes).promote(shopCanary(), setImage(kubernetes, 'shop:1.1'), 'run-1/2/0');
    expect(seen()).toEqual(expected);
  });

  it('copies metadata with the prefixes that are asked for, and never what Flux tracks by', async () => {
    const labels = { ...marked.labels, 'ci.tool/toolkit.fluxcd.io': 'y' };
    const kubernetes = memoryKubernetes(shopDeployment({ metadata: { ...marked, labels } }));
    await workload(kubernetes, { includeLabelPrefix: ['ci.tool', 'reload'] }).ensurePrimary(shopCanary(), 'key');
    expect(primaryOf(kubernetes).metadata).toMatchObject({ annotations: { 'reload.tool/match': 'true' } });
    expect(primaryOf(kubernetes).metadata.labels).toEqual({ app: 'shop-primary', 'ci.tool/env': 'x' });
  });

  it('BC-26: selects by all labels of the target, so that two releases of one chart stay apart', async () => {
    const labels = { 'app.kubernetes.io/name': 'shop', 'app.kubernetes.io/instance': 'eu1' };
    const template = { metadata: { labels: { ...labels, tier: 'web' } }, spec: { containers: [] } };
    const target = shopDeployment({ spec: { selector: { matchLabels: labels }, template } });
    const kubernetes = await initialised(target);
    const selector = { 'app.kubernetes.io/name': 'shop-primary', 'app.kubernetes.io/instance': 'eu1' };
    expect(primaryOf(kubernetes).spec.selector.matchLabels).toEqual(selector);
    expect(primaryOf(kubernetes).spec.template.metadata.labels).toEqual({ ...selector, tier: 'web' });
  });

  it.each([
    [
      'the target is missing',
      [],
      'NotFound',
      'createPrimaryDeployment failed: deployment shop.prod get query error: deployments.apps "shop" not found',
    ],
    [
      'the target has no selector label',
      [shopDeployment({ spec: { selector: { matchLabels: { role: 'shop' } } } })],
      'InvalidSpec',
      'createPrimaryDeployment failed: getSelectorLabel failed: deployment shop.prod spec.selector.matchLabels must contain one of [app name app.kubernetes.io/name]',
    ],
    [
      'BC-21: a label would be too long',
      [shopDeployment({ label: 'x'.repeat(60) })],
      'InvalidSpec',
      expect.stringContaining('longer than the 63 characters of a label value'),
    ],
    [
      'the name belongs to another application',
      [shopDeployment(), shopDeployment({ name: 'shop-primary', label: 'database' })],
      'Conflict',
      expect.stringContaining(
        'deployment shop-primary.prod is not the primary of canary shop.prod: it does not select app=shop-primary; rename',
      ),
    ],
    [
      'the name belongs to another controller',
      [
        shopDeployment(),
        shopDeployment({
          name: 'shop-primary',
          metadata: { ownerReferences: [{ ...byShop[0], kind: 'Rollout', name: 'r' }] },
        }),
      ],
      'Conflict',
      expect.stringContaining('is controlled by Rollout r'),
    ],
  ])('fails when %s, and writes nothing', async (_, objects, type, message) => {
    const kubernetes = memoryKubernetes(...objects);
    await expect(workload(kubernetes).ensurePrimary(shopCanary(), 'key')).rejects.toMatchObject({ type, message });
    expect(kubernetes.writes).toEqual([]);
  });

  it('keeps a primary that was there before as it is', async () => {
    const kubernetes = memoryKubernetes(
      shopDeployment({ image: 'shop:2.0' }),
      shopDeployment({ name: 'shop-primary' }),
    );
    await workload(kubernetes).ensurePrimary(shopCanary(), 'key');
    expect(kubernetes.writes).toEqual([]);
  });
});

describe('Q34: while a Canary initializes, its primary', () => {
  const initializing = shopCanary({}, { phase: 'Initializing' });

  it('follows a target that is mended', async () => {
    const kubernetes = await initialised();
    const id = idOf(primaryOf(kubernetes));
    setImage(kubernetes, 'shop:1.0.1');
    await workload(kubernetes).ensurePrimary(initializing, 'run-1/3/0');
    expect(imageOf(primaryOf(kubernetes))).toBe('shop:1.0.1');
    expect(idOf(primaryOf(kubernetes))).not.toBe(id);
  });

  it.each([
    ['when nothing changed', {}, initializing],
    ['once the Canary is at rest', { image: 'shop:2.0' }, shopCanary({}, { phase: 'Initialized' })],
    ['when another Canary of this name made it', { image: 'shop:2.0' }, shopCanary({}, {}, { uid: 'other' })],
  ])('stays as it is %s', async (_, { image = 'shop:1.0' }: { image?: string }, canary) => {
    const kubernetes = await initialised();
    setImage(kubernetes, image);
    const before = structuredClone(primaryOf(kubernetes));
    await workload(kubernetes).ensurePrimary(canary, 'run-1/3/0');
    expect(primaryOf(kubernetes)).toEqual(before);
  });

  it('Q51: stays as it is once clients are sent to it, though the status was lost', async () => {
    const kubernetes = await initialised();
    kubernetes.put({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'shop', namespace: 'prod' },
      spec: { selector: { app: 'shop-primary' } },
    });
    setImage(kubernetes, 'shop:2.0');
    await workload(kubernetes).ensurePrimary(shopCanary(), 'run-1/3/0');
    expect(imageOf(primaryOf(kubernetes))).toBe('shop:1.0');
    expect((await workload(kubernetes).look(shopCanary())).primary).toMatchObject({ ours: false, equalsTarget: false });
  });
});

describe('Q10: a primary that someone deletes', () => {
  it('comes back from the template that was promoted last, not from the target', async () => {
    const kubernetes = await initialised();
    const promoted = revisionOf(shopDeployment().spec.template);
    setImage(kubernetes, 'shop:2.0-untested');
    await kubernetes.remove(
      { apiVersion: 'apps/v1', kind: 'Deployment', plural: 'deployments' },
      'prod',
      'shop-primary',
    );
    const canary = shopCanary({}, { phase: 'Progressing', lastPromotedSpec: promoted, lastAppliedSpec: 'v1:x' });
    await workload(kubernetes).ensurePrimary(canary, 'run-1/9/0');
    expect(imageOf(primaryOf(kubernetes))).toBe('shop:1.0');
  });

  it('comes back from the target when nothing is known of a promotion', async () => {
    const kubernetes = memoryKubernetes(shopDeployment({ image: 'shop:2.0' }));
    await workload(kubernetes).ensurePrimary(
      shopCanary({}, { phase: 'Succeeded', lastPromotedSpec: '7b59f45745' }),
      'key',
    );
    expect(imageOf(primaryOf(kubernetes))).toBe('shop:2.0');
  });

  it('BC-22: leaves one kept template behind, however many releases there were', async () => {
    const kubernetes = await initialised();
    for (let release = 1; release <= 80; release++) {
      await workload(kubernetes).promote(shopCanary(), setImage(kubernetes, `shop:1.${release}`), `run-${release}/1/0`);
    }
    const resource = { apiVersion: 'apps/v1', kind: 'ControllerRevision', plural: 'controllerrevisions' };
    const { items } = await kubernetes.list(resource, 'prod');
    expect(items).toHaveLength(1);
    expect(items[0]).toMatchObject({
      metadata: { ownerReferences: byShop },
      data: { template: { spec: { containers: [{ image: 'shop:1.80' }] } } },
    });
    expect(imageOf(primaryOf(kubernetes))).toBe('shop:1.80');
  });
});

describe('promoting', () => {
  it('gives what Flagger gave in the recorded run', async () => {
    const [before, after] = [recorded('initialised'), recorded('end')];
    const target = structuredClone(after.get('Deployment podinfo'));
    const expected = after.get('Deployment podinfo-primary');
    const kubernetes = memoryKubernetes(target, before.get('Deployment podinfo-primary'));
    await workload(kubernetes).promote(before.get('Canary podinfo'), revisionOf(target.spec.template), 'key');
    const { spec } = primaryOf(kubernetes, 'podinfo-primary');
    expected.spec.template.metadata.annotations['flagger-id'] = expect.any(String);
    expect(spec).toEqual(expected.spec);
  });

  it('Q28: refuses a target that changed since it was analysed, and changes nothing', async () => {
    const kubernetes = await initialised();
    const analysed = setImage(kubernetes, 'shop:1.1');
    const current = setImage(kubernetes, 'shop:1.2');
    await expect(workload(kubernetes).promote(shopCanary(), analysed, 'key')).rejects.toMatchObject({
      type: 'Conflict',
      message: `target changed: deployment shop.prod is at ${current}, analysed was ${analysed}`,
    });
    expect(imageOf(primaryOf(kubernetes))).toBe('shop:1.0');
  });

  it('rolls the pods once, however often it is carried out', async () => {
    const kubernetes = await initialised();
    const revision = setImage(kubernetes, 'shop:1.1');
    await workload(kubernetes).promote(shopCanary(), revision, 'run-1/5/0');
    const id = idOf(primaryOf(kubernetes));
    const writes = kubernetes.writes.length;
    await workload(kubernetes).promote(shopCanary(), revision, 'run-1/5/0');
    await workload(kubernetes).promote(shopCanary(), revision, 'run-1/6/0');
    expect(idOf(primaryOf(kubernetes))).toBe(id);
    expect(kubernetes.writes).toHaveLength(writes);
  });

  it('makes the pods roll for a new template', async () => {
    const kubernetes = await initialised();
    const id = idOf(primaryOf(kubernetes));
    await workload(kubernetes).promote(shopCanary(), setImage(kubernetes, 'shop:1.1'), 'run-1/5/0');
    expect(idOf(primaryOf(kubernetes))).not.toBe(id);
  });

  it('reads again and goes on when somebody wrote the primary in between', async () => {
    const kubernetes = await initialised();
    const revision = setImage(kubernetes, 'shop:1.1');
    kubernetes.failNext('replace', 'Deployment', failure('Conflict', 'the object has been modified'));
    await workload(kubernetes).promote(shopCanary(), revision, 'key');
    expect(imageOf(primaryOf(kubernetes))).toBe('shop:1.1');
  });

  it('copies how the target rolls out, and leaves alone what belongs to others', async () => {
    const kubernetes = await initialised(shopDeployment({ spec: { minReadySeconds: 5 } }));
    const primary = primaryOf(kubernetes);
    primary.spec.paused = false;
    primary.metadata.annotations = { 'deployment.kubernetes.io/revision': '7', 'other.tool/x': 'y' };
    const target = kubernetes.peek('Deployment', 'shop') as Loose;
    delete target.spec.minReadySeconds;
    target.spec.revisionHistoryLimit = 3;
    await workload(kubernetes).promote(shopCanary(), setImage(kubernetes, 'shop:1.1'), 'key');
    expect(primaryOf(kubernetes).spec).toMatchObject({ revisionHistoryLimit: 3, paused: false });
    expect(primaryOf(kubernetes).spec.minReadySeconds).toBeUndefined();
    // Q41: annotations of third parties go, as in Flagger; the Deployment controller's own stays.
    expect(primaryOf(kubernetes).metadata.annotations).toEqual({ 'deployment.kubernetes.io/revision': '7' });
  });

  it('BC-27: goes on selecting an existing primary by the label it was made with', async () => {
    const kubernetes = await initialised();
    const target = kubernetes.peek('Deployment', 'shop') as Loose;
    target.spec.selector.matchLabels = { app: 'shop', deploy: 'shop' };
    target.spec.template.metadata.labels = { app: 'shop', deploy: 'shop' };
    const relabelled = workload(kubernetes, { selectorLabels: ['deploy'] });
    expect((await relabelled.pods(shopCanary()))!.primary).toEqual({ app: 'shop-primary' });
    await relabelled.promote(shopCanary(), setImage(kubernetes, 'shop:1.1'), 'key');
    const { selector, template } = primaryOf(kubernetes).spec;
    expect(template.metadata.labels).toEqual({ app: 'shop-primary', deploy: 'shop-primary' });
    expect(selector.matchLabels).toEqual({ app: 'shop-primary' });
  });

  it('BC-30 (a): takes over the replicas of the target when there is no autoscaler', async () => {
    const kubernetes = await initialised();
    const target = kubernetes.peek('Deployment', 'shop') as Loose;
    target.spec.replicas = 4;
    await workload(kubernetes).promote(shopCanary(), setImage(kubernetes, 'shop:1.1'), 'key');
    expect(primaryOf(kubernetes).spec.replicas).toBe(4);
  });

  it('BC-30: never takes over zero, and no number at all beside an autoscaler', async () => {
    for (const [replicas, canary] of [
      [0, shopCanary()],
      [9, shopCanary({ autoscalerRef: hpaRef })],
    ] as const) {
      const kubernetes = await initialised();
      (kubernetes.peek('Deployment', 'shop') as Loose).spec.replicas = replicas;
      await workload(kubernetes).promote(canary, setImage(kubernetes, 'shop:1.1'), 'key');
      expect(primaryOf(kubernetes).spec.replicas).toBe(2);
    }
  });
});

it('never promotes onto fewer pods than the traffic needs, where an autoscaler decides', async () => {
  const kubernetes = await initialised();
  const canary = shopCanary({ autoscalerRef: hpaRef });
  await workload(kubernetes).promote(canary, setImage(kubernetes, 'shop:1.1'), 'key', 5);
  expect(primaryOf(kubernetes).spec.replicas).toBe(5);
  await workload(kubernetes).promote(canary, setImage(kubernetes, 'shop:1.2'), 'key', 3);
  expect(primaryOf(kubernetes).spec.replicas).toBe(5);
});

describe('scaling the target', () => {
  const primary = shopDeployment({ name: 'shop-primary', replicas: 4 });

  it.each([
    ['keeps what it runs with', 3, {}, [primary], 3],
    ['BC-30 (b): starts with the capacity of the primary', 0, {}, [primary], 4],
    [
      'starts with the minimum of its autoscaler',
      0,
      { autoscalerRef: hpaRef },
      [primary, shopHpa({ minReplicas: 3 })],
      3,
    ],
    [
      'starts with one pod when the minimum is zero',
      0,
      { autoscalerRef: hpaRef },
      [primary, shopHpa({ minReplicas: 0 })],
      1,
    ],
    ['starts with one pod when the autoscaler is gone', 0, { autoscalerRef: hpaRef }, [primary], 1],
  ])('%s', async (_, replicas, spec, others, expected) => {
    const kubernetes = memoryKubernetes(shopDeployment({ replicas }), ...others);
    await workload(kubernetes).scaleUp(shopCanary(spec));
    expect((kubernetes.peek('Deployment', 'shop') as Loose).spec.replicas).toBe(expected);
  });

  it.each([
    ['the replicas of the primary', 0, [primary], 4],
    ['the replicas of the primary, though it has more', 9, [primary], 4],
    ['one pod when the primary is gone', 0, [], 1],
    ['what it has when the primary is gone', 3, [], 3],
  ])('is given back %s', async (_, replicas, others, expected) => {
    const kubernetes = memoryKubernetes(shopDeployment({ replicas }), ...others);
    await workload(kubernetes).revert(shopCanary());
    expect((kubernetes.peek('Deployment', 'shop') as Loose).spec.replicas).toBe(expected);
  });

  it('counts as reverted when it is gone', async () => {
    const kubernetes = memoryKubernetes(primary);
    await workload(kubernetes).revert(shopCanary());
    expect(kubernetes.writes).toEqual([]);
  });

  it('goes on when somebody wrote it in between', async () => {
    const kubernetes = memoryKubernetes(shopDeployment({ replicas: 3 }));
    kubernetes.failNext('patch', 'Deployment', failure('Conflict', 'modified'));
    await workload(kubernetes).scaleToZero(shopCanary());
    expect((kubernetes.peek('Deployment', 'shop') as Loose).spec.replicas).toBe(0);
  });

  it('parks it once more when its autoscaler, which had decided before, has the last word', async () => {
    const kubernetes = memoryKubernetes(shopDeployment({ replicas: 3 }));
    const autoscalerRef = { apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', name: 'shop' };
    const parking = workload(kubernetes).scaleToZero(shopCanary({ autoscalerRef }));
    while (kubernetes.writes.length === 0) await sleep(1);
    (kubernetes.peek('Deployment', 'shop') as Loose).spec.replicas = 2;
    await parking;
    expect((kubernetes.peek('Deployment', 'shop') as Loose).spec.replicas).toBe(0);
    expect(kubernetes.writes).toEqual(['patch Deployment shop', 'patch Deployment shop']);
  });

  it('parks it, and writes nothing when it is parked', async () => {
    const kubernetes = memoryKubernetes(shopDeployment({ replicas: 3 }));
    await workload(kubernetes).scaleToZero(shopCanary());
    await workload(kubernetes).scaleToZero(shopCanary());
    expect((kubernetes.peek('Deployment', 'shop') as Loose).spec.replicas).toBe(0);
    expect(kubernetes.writes).toEqual(['patch Deployment shop']);
  });
});

describe('looking at a Deployment', () => {
  it('sees a target and a primary that runs it', async () => {
    const kubernetes = await initialised();
    primaryOf(kubernetes).status = shopDeployment().status;
    const revision = revisionOf(shopDeployment().spec.template);
    expect(await workload(kubernetes).look(shopCanary({}, { phase: 'Initialized' }))).toMatchObject({
      target: { revision, replicas: 2, available: 2, readiness: { ready: true } },
      primary: { replicas: 2, readiness: { ready: true }, equalsTarget: true, ours: true },
    });
  });

  it('knows a primary that Flagger made', async () => {
    const objects = recorded('end');
    const kubernetes = memoryKubernetes(objects.get('Deployment podinfo'), objects.get('Deployment podinfo-primary'));
    const { primary } = await workload(kubernetes).look(objects.get('Canary podinfo'));
    expect(primary).toMatchObject({ equalsTarget: true });
  });

  it('words what is not ready as Flagger does', async () => {
    const status = { availableReplicas: 1 };
    const kubernetes = memoryKubernetes(shopDeployment({ status }), shopDeployment({ name: 'shop-primary', status }));
    const text =
      'not ready: waiting for rollout to finish: 1 of 2 (readyThreshold 100%) updated replicas are available';
    expect(await workload(kubernetes).look(shopCanary())).toMatchObject({
      target: { readiness: { message: `canary deployment shop.prod ${text}` } },
      primary: { readiness: { message: `shop-primary.prod ${text}` } },
    });
  });

  it('Q56: reads from the pods why a deadline has passed', async () => {
    const status = { conditions: [{ type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' }] };
    const pod = (name: string, app: string, exitCode: number) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'prod', labels: { app } },
      status: { containerStatuses: [{ name: 'web', lastState: { terminated: { exitCode } } }] },
    });
    const kubernetes = memoryKubernetes(shopDeployment({ status }), pod('x', 'other', 1), pod('shop-1', 'shop', 3));
    expect((await workload(kubernetes).look(shopCanary())).target.readiness).toEqual({
      ready: false,
      retriable: false,
      rolledOut: false,
      message: 'canary deployment shop.prod not ready: deployment "shop" exceeded its progress deadline',
      cause: 'pod shop-1 container web exited with code 3',
    });
  });

  it('says when it may not read the pods', async () => {
    const status = { conditions: [{ type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' }] };
    const kubernetes = memoryKubernetes(shopDeployment({ status }));
    kubernetes.failNext('list', 'Pod', failure('Unauthorized', 'pods is forbidden'));
    expect((await workload(kubernetes).look(shopCanary())).target.readiness).toMatchObject({
      cause: 'its pods could not be read: pods is forbidden',
    });
  });

  it.each([
    ['Q16: a primary without pods is not ready', {}, [], false],
    ['Q16: nor is one whose autoscaler wants pods', { autoscalerRef: hpaRef }, [shopHpa()], false],
    ['one whose autoscaler allows none is', { autoscalerRef: hpaRef }, [shopHpa({ minReplicas: 0 })], true],
  ])('%s', async (_, spec, others, ready) => {
    const kubernetes = memoryKubernetes(
      shopDeployment(),
      shopDeployment({ name: 'shop-primary', replicas: 0 }),
      ...others,
    );
    const { primary } = await workload(kubernetes).look(shopCanary(spec));
    const message = 'halt shop.prod advancement: primary deployment is scaled to zero';
    expect(primary?.readiness).toMatchObject(ready ? { ready } : { ready, retriable: true, message });
  });
});

it('keeps a template no more than once', async () => {
  const kubernetes = await initialised();
  await workload(kubernetes).promote(shopCanary(), setImage(kubernetes, 'shop:1.0'), 'key');
  expect(templates(kubernetes)).toBe(1);
});

describe('configuration that the pods read', () => {
  const settings = (data: object, name = 'settings') => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: 'prod' },
    data,
  });
  const reading = () => shopDeployment({ podSpec: { volumes: [{ name: 'v', configMap: { name: 'settings' } }] } });
  const volumeOf = (deployment: Loose) => deployment.spec.template.spec.volumes[0].configMap.name;
  const copy = (kubernetes: MemoryKubernetes) => (kubernetes.peek('ConfigMap', 'settings-primary') as Loose)?.data;

  async function started() {
    const kubernetes = memoryKubernetes(reading(), settings({ color: 'red' }));
    await workload(kubernetes).ensurePrimary(shopCanary(), 'key');
    return kubernetes;
  }

  it('TestDeploymentController_Promote: is part of the revision, and reaches the primary with the promotion', async () => {
    const kubernetes = await started();
    const before = (await workload(kubernetes).look(shopCanary())).target;
    expect(before.configs).toEqual({ 'configmap/settings': '241889ca0604e333' });
    expect([volumeOf(primaryOf(kubernetes)), copy(kubernetes)]).toEqual(['settings-primary', { color: 'red' }]);
    expect((await workload(kubernetes).look(shopCanary())).primary).toMatchObject({ equalsTarget: true });
    kubernetes.put(settings({ color: 'blue' }));
    const { target, primary } = await workload(kubernetes).look(shopCanary());
    expect(target.revision).not.toBe(before.revision);
    expect(primary).toMatchObject({ equalsTarget: false });
    expect(copy(kubernetes)).toEqual({ color: 'red' });
    const id = idOf(primaryOf(kubernetes));
    await workload(kubernetes).promote(shopCanary(), target.revision, 'run-2');
    expect([volumeOf(primaryOf(kubernetes)), copy(kubernetes)]).toEqual(['settings-primary', { color: 'blue' }]);
    expect(idOf(primaryOf(kubernetes))).not.toBe(id);
  });

  it('that is read no more is forgotten by the status', async () => {
    const kubernetes = memoryKubernetes(shopDeployment());
    const { target } = await workload(kubernetes).look(shopCanary());
    expect(target.configs).toEqual({});
    const off = createDeploymentWorkload(testDeps(kubernetes, { configTracking: false }));
    expect((await off.look(shopCanary())).target).not.toHaveProperty('configs');
  });

  it('BC-19: a Secret that is not tracked starts nothing when it changes, and the primary reads it as it is', async () => {
    const rotated = (password: string, value: string) => ({
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'Opaque',
      metadata: { name: 'db', namespace: 'prod', annotations: { 'flagger.app/config-tracking': value } },
      data: { password },
    });
    for (const [value, isTracked] of [
      ['disabled', false],
      ['disable-x', false],
      ['enabled', true],
    ] as const) {
      const pods = { volumes: [{ name: 'v', secret: { secretName: 'db' } }] };
      const kubernetes = memoryKubernetes(shopDeployment({ podSpec: pods }), rotated('b2xk', value));
      await workload(kubernetes).ensurePrimary(shopCanary(), 'key');
      const before = (await workload(kubernetes).look(shopCanary())).target.revision;
      kubernetes.put(rotated('bmV3', value));
      const after = (await workload(kubernetes).look(shopCanary())).target.revision;
      expect([value, after !== before]).toEqual([value, isTracked]);
      const [{ secret }] = primaryOf(kubernetes).spec.template.spec.volumes;
      expect(secret.secretName).toBe(isTracked ? 'db-primary' : 'db');
      expect(kubernetes.peek('Secret', 'db-primary') !== undefined).toBe(isTracked);
    }
  });

  describe('whose copy somebody deletes', () => {
    const drift = async (kubernetes: MemoryKubernetes, canary = shopCanary()) =>
      (await workload(kubernetes).look(canary)).drift;

    /** At rest, or releasing another image, with the copy gone. */
    async function bereft(phase: 'Succeeded' | 'Progressing') {
      const kubernetes = await started();
      const { revision, configs } = (await workload(kubernetes).look(shopCanary())).target;
      expect(await drift(kubernetes)).toEqual([]);
      await kubernetes.remove(resources.configMaps, 'prod', 'settings-primary');
      const isNew = phase === 'Progressing';
      if (isNew) setImage(kubernetes, 'shop:2.0');
      const applied = isNew ? (await workload(kubernetes).look(shopCanary())).target.revision : revision;
      const canary = shopCanary(
        {},
        { phase, lastAppliedSpec: applied, lastPromotedSpec: revision, trackedConfigs: configs },
      );
      expect(await drift(kubernetes, canary)).toEqual(['ConfigMap settings-primary']);
      return { kubernetes, canary };
    }

    it.each(['Succeeded', 'Progressing'] as const)(
      'is copied again, while the original is as promoted (%s)',
      async (phase) => {
        const { kubernetes, canary } = await bereft(phase);
        expect(await workload(kubernetes).ensurePrimary(canary, 'repair')).toEqual([]);
        expect(copy(kubernetes)).toEqual({ color: 'red' });
        expect(await drift(kubernetes, canary)).toEqual([]);
        const writes = kubernetes.writes.length;
        await workload(kubernetes).ensurePrimary(canary, 'repair');
        expect(kubernetes.writes).toHaveLength(writes);
      },
    );

    it.each(['Succeeded', 'Progressing'] as const)(
      'is left to a release, and named, when it is not (%s)',
      async (phase) => {
        const { kubernetes, canary } = await bereft(phase);
        kubernetes.put(settings({ color: 'blue' }));
        const remarks = await workload(kubernetes).ensurePrimary(canary, 'repair');
        expect(remarks).toEqual([
          expect.stringMatching(
            /^configmap settings-primary\.prod is missing, and settings is not known to be as it was/,
          ),
        ]);
        expect(copy(kubernetes)).toBeUndefined();
      },
    );

    it('does not stop a repair when the original is gone too', async () => {
      const { kubernetes, canary } = await bereft('Progressing');
      await kubernetes.remove(resources.configMaps, 'prod', 'settings');
      expect(await workload(kubernetes).ensurePrimary(canary, 'repair')).toEqual([]);
    });
  });

  describe('when tracking is switched off', () => {
    const off = { configTracking: false };
    const atRest = (revision: string, configs?: object) =>
      shopCanary(
        {},
        { phase: 'Succeeded', lastAppliedSpec: revision, lastPromotedSpec: revision, trackedConfigs: configs },
      );

    it('starts no release, nor does switching it on again, unless the configuration changed meanwhile', async () => {
      const kubernetes = await started();
      const { revision, configs } = (await workload(kubernetes).look(shopCanary())).target;
      const canary = atRest(revision, configs);
      expect((await workload(kubernetes, off).look(canary)).target).toMatchObject({ revision, configs });
      expect((await workload(kubernetes).look(canary)).target).toMatchObject({ revision, configs });
      kubernetes.put(settings({ color: 'blue' }));
      expect((await workload(kubernetes, off).look(canary)).target).toMatchObject({ revision, configs });
      expect((await workload(kubernetes).look(canary)).target.revision).not.toBe(revision);
    });

    it('names a new template by itself alone, and then again with what it reads', async () => {
      const kubernetes = await started();
      const { revision, configs } = (await workload(kubernetes).look(shopCanary())).target;
      const plain = setImage(kubernetes, 'shop:1.1');
      const { target } = await workload(kubernetes, off).look(atRest(revision, configs));
      expect(target).toMatchObject({ revision: plain });
      expect(target).not.toHaveProperty('configs');
      expect((await workload(kubernetes).look(atRest(plain))).target.revision).not.toBe(plain);
    });

    it('promotes what is being analysed, which then reads what the target reads', async () => {
      const kubernetes = await started();
      setImage(kubernetes, 'shop:1.1');
      const { revision, configs } = (await workload(kubernetes).look(shopCanary())).target;
      const status = { phase: 'Progressing', lastAppliedSpec: revision, trackedConfigs: configs };
      await workload(kubernetes, off).promote(shopCanary({}, status), revision, 'run-2');
      expect([imageOf(primaryOf(kubernetes)), volumeOf(primaryOf(kubernetes))]).toEqual(['shop:1.1', 'settings']);
      const view = await workload(kubernetes, off).look(atRest(revision, configs));
      expect(view).toMatchObject({ target: { revision }, primary: { equalsTarget: true } });
    });
  });

  it('that changes after it was analysed is not promoted', async () => {
    const kubernetes = await started();
    const { target } = await workload(kubernetes).look(shopCanary());
    kubernetes.put(settings({ color: 'blue' }));
    await expect(workload(kubernetes).promote(shopCanary(), target.revision, 'run-2')).rejects.toMatchObject({
      type: 'Conflict',
      message: expect.stringContaining('target changed: deployment shop.prod'),
    });
    expect(copy(kubernetes)).toEqual({ color: 'red' });
  });

  it('Q10: stays as it was promoted when a primary that is gone comes back', async () => {
    const kubernetes = await started();
    const { revision } = (await workload(kubernetes).look(shopCanary())).target;
    await kubernetes.remove(resources.deployments, 'prod', 'shop-primary');
    kubernetes.put(settings({ color: 'blue' }));
    setImage(kubernetes, 'shop:2.0');
    const canary = shopCanary({}, { phase: 'Progressing', lastPromotedSpec: revision });
    await workload(kubernetes).ensurePrimary(canary, 'again');
    expect(imageOf(primaryOf(kubernetes))).toBe('shop:1.0');
    expect([volumeOf(primaryOf(kubernetes)), copy(kubernetes)]).toEqual(['settings-primary', { color: 'red' }]);
  });

  it('_NoConfigTracking: is read where it is, without copies, when nothing is tracked', async () => {
    const kubernetes = memoryKubernetes(reading(), settings({ color: 'red' }));
    const untracked = workload(kubernetes, { configTracking: false });
    await untracked.ensurePrimary(shopCanary(), 'key');
    expect([volumeOf(primaryOf(kubernetes)), copy(kubernetes)]).toEqual(['settings', undefined]);
    const { target } = await untracked.look(shopCanary());
    expect(target).not.toHaveProperty('configs');
    expect(target.revision).toBe(revisionOf(reading().spec.template));
  });

  it('a primary that Flagger made of it runs the target, for as long as its copies say the same', async () => {
    const kubernetes = await started();
    const flagger = primaryOf(kubernetes);
    flagger.spec.template.metadata.annotations['flagger-id'] = 'by-flagger';
    expect((await workload(kubernetes).look(shopCanary())).primary).toMatchObject({ equalsTarget: true });
    kubernetes.put(settings({ color: 'green' }, 'settings-primary'));
    expect((await workload(kubernetes).look(shopCanary())).primary).toMatchObject({ equalsTarget: false });
  });

  it('that is missing holds everything up, in Flagger’s words', async () => {
    const kubernetes = memoryKubernetes(reading());
    const text = 'configmap settings.prod get query error';
    await expect(workload(kubernetes).look(shopCanary())).rejects.toMatchObject({
      type: 'NotFound',
      message: `GetTargetConfigs failed: ${text}: ${text}: configmaps "settings" not found`,
    });
  });
});
