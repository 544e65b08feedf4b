import { describe, expect, it } from '@jest/globals';
import { memoryKubernetes, type MemoryKubernetes } from '../../../test/support/memory-kubernetes.ts';
import { byShop, hpaRef, recorded, shopCanary, shopHpa, testDeps, type Loose } from '../../../test/support/shop.ts';
import { failure } from '../../errors.ts';
import { createHpa } from './hpa.ts';

const canary = shopCanary({ autoscalerRef: hpaRef });
const primaryOf = (kubernetes: MemoryKubernetes) => kubernetes.peek('HorizontalPodAutoscaler', 'shop-primary') as Loose;
const hpa = (kubernetes: MemoryKubernetes, includeLabelPrefix = ['']) =>
  createHpa(testDeps(kubernetes, { includeLabelPrefix }));

async function created(source = shopHpa(), prefixes = ['']) {
  const kubernetes = memoryKubernetes(source);
  await hpa(kubernetes, prefixes).ensure(canary, 'create');
  return kubernetes;
}

describe('the autoscaler of the primary', () => {
  it('Test_reconcilePrimaryHpa: is what Flagger made in the recorded run', async () => {
    const objects = recorded('initialised');
    const kubernetes = memoryKubernetes(objects.get('HorizontalPodAutoscaler podinfo'));
    await hpa(kubernetes).ensure(objects.get('Canary podinfo'), 'create');
    const { spec, metadata } = kubernetes.peek('HorizontalPodAutoscaler', 'podinfo-primary') as Loose;
    const expected = objects.get('HorizontalPodAutoscaler podinfo-primary');
    expect(spec).toEqual(expected.spec);
    expect(metadata).toMatchObject({
      namespace: 's-happy',
      ownerReferences: [{ ...expected.metadata.ownerReferences[0] }],
    });
  });

  it('Test_reconcilePrimaryHpaV2: scales the primary between the limits that the Canary sets', async () => {
    const kubernetes = memoryKubernetes(shopHpa({ behavior: { scaleDown: { stabilizationWindowSeconds: 60 } } }));
    const replicas = { ...hpaRef, primaryScalerReplicas: { minReplicas: 3, maxReplicas: 15 } };
    await hpa(kubernetes).ensure(shopCanary({ autoscalerRef: replicas }), 'create');
    expect(primaryOf(kubernetes)).toMatchObject({
      metadata: { ownerReferences: byShop },
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'shop-primary' },
        minReplicas: 3,
        maxReplicas: 15,
        behavior: { scaleDown: { stabilizationWindowSeconds: 60 } },
      },
    });
  });

  it('is found whatever version of the API the Canary names', async () => {
    const kubernetes = memoryKubernetes(shopHpa());
    const autoscalerRef = { ...hpaRef, apiVersion: 'autoscaling/v2beta2' };
    await hpa(kubernetes).ensure(shopCanary({ autoscalerRef }), 'create');
    expect(primaryOf(kubernetes).apiVersion).toBe('autoscaling/v2');
  });

  it('Test_reconcilePrimaryHpaV2, BC-29: an edit of the source alone is drift, and an update copies it', async () => {
    const kubernetes = await created();
    expect(await hpa(kubernetes).drift(canary)).toEqual([]);
    const source = kubernetes.peek('HorizontalPodAutoscaler', 'shop') as Loose;
    source.spec.maxReplicas = 10;
    source.spec.metrics[0].resource.target.averageUtilization = 50;
    expect(await hpa(kubernetes).drift(canary)).toEqual(['HorizontalPodAutoscaler shop-primary']);
    await hpa(kubernetes).ensure(canary, 'create');
    expect(primaryOf(kubernetes).spec.maxReplicas).toBe(4);
    await hpa(kubernetes).ensure(canary, 'update');
    expect(primaryOf(kubernetes).spec).toMatchObject({
      maxReplicas: 10,
      metrics: [{ resource: { target: { averageUtilization: 50 } } }],
    });
    expect(await hpa(kubernetes).drift(canary)).toEqual([]);
  });

  it('BC-29: an edit of primaryScalerReplicas alone is drift', async () => {
    const kubernetes = await created();
    const edited = shopCanary({ autoscalerRef: { ...hpaRef, primaryScalerReplicas: { minReplicas: 3 } } });
    expect(await hpa(kubernetes).drift(edited)).toEqual(['HorizontalPodAutoscaler shop-primary']);
  });

  it('has a floor for as long as it is asked for, whatever else is copied meanwhile', async () => {
    const kubernetes = await created();
    const floor = () => [
      primaryOf(kubernetes).spec.minReplicas,
      primaryOf(kubernetes).metadata.annotations?.['serin.dev/minimum-replicas'],
    ];
    await hpa(kubernetes).ensure(canary, 'update', 3);
    expect(floor()).toEqual([3, '3']);
    expect(await hpa(kubernetes).drift(canary)).toEqual([]);
    (kubernetes.peek('HorizontalPodAutoscaler', 'shop') as Loose).spec.maxReplicas = 10;
    await hpa(kubernetes).ensure(canary, 'update');
    expect(floor()).toEqual([3, '3']);
    await hpa(kubernetes).ensure(canary, 'update', 0);
    expect(floor()).toEqual([2, undefined]);
  });

  it('has a floor from its creation on, and none above its maximum', async () => {
    const kubernetes = memoryKubernetes(shopHpa());
    await hpa(kubernetes).ensure(canary, 'create', 9);
    expect(primaryOf(kubernetes).spec).toMatchObject({ minReplicas: 4, maxReplicas: 4 });
    expect(await hpa(kubernetes).drift(canary)).toEqual([]);
  });

  it('tells the minimum of the source', async () => {
    expect(await hpa(memoryKubernetes(shopHpa())).minimum(canary)).toBe(2);
    expect(await hpa(memoryKubernetes(shopHpa({ minReplicas: undefined }))).minimum(canary)).toBe(1);
    expect(await hpa(memoryKubernetes()).minimum(canary)).toBeUndefined();
  });

  it('takes a minimum that is not given for one', async () => {
    const kubernetes = await created(shopHpa({ minReplicas: undefined }));
    expect(primaryOf(kubernetes).spec.minReplicas).toBe(1);
    expect(await hpa(kubernetes).drift(canary)).toEqual([]);
  });

  it('Q19: has metadata by prefix from the first day, keeps what others add, and then needs no more writes', async () => {
    const labels = { 'team.io/owner': 'a', other: 'b', 'kustomize.toolkit.fluxcd.io/name': 'c' };
    const kubernetes = await created(shopHpa({}, { labels, annotations: { 'team.io/note': 'n' } }), ['team.io']);
    expect(primaryOf(kubernetes).metadata).toMatchObject({
      labels: { 'team.io/owner': 'a' },
      annotations: { 'team.io/note': 'n' },
    });
    primaryOf(kubernetes).metadata.annotations.foreign = 'stays';
    const writes = kubernetes.writes.length;
    await hpa(kubernetes, ['team.io']).ensure(canary, 'update');
    expect(kubernetes.writes).toHaveLength(writes);
    (kubernetes.peek('HorizontalPodAutoscaler', 'shop') as Loose).metadata.labels['team.io/owner'] = 'z';
    await hpa(kubernetes, ['team.io']).ensure(canary, 'update');
    expect(primaryOf(kubernetes).metadata).toMatchObject({
      labels: { 'team.io/owner': 'z' },
      annotations: { 'team.io/note': 'n', foreign: 'stays' },
    });
  });

  it('reads again and goes on when somebody wrote it in between', async () => {
    const kubernetes = await created();
    (kubernetes.peek('HorizontalPodAutoscaler', 'shop') as Loose).spec.maxReplicas = 10;
    kubernetes.failNext('replace', 'HorizontalPodAutoscaler', failure('Conflict', 'modified'));
    await hpa(kubernetes).ensure(canary, 'update');
    expect(primaryOf(kubernetes).spec.maxReplicas).toBe(10);
  });

  it('cannot be made without a source, in the words of Flagger', async () => {
    await expect(hpa(memoryKubernetes()).ensure(canary, 'create')).rejects.toMatchObject({
      type: 'NotFound',
      message:
        'HorizontalPodAutoscaler shop.prod get query error: horizontalpodautoscalers.autoscaling "shop" not found',
    });
  });

  it('is not taken from another application that has its name', async () => {
    const other = shopHpa({ scaleTargetRef: { kind: 'Deployment', name: 'database' } }, { name: 'shop-primary' });
    const kubernetes = memoryKubernetes(shopHpa(), other);
    await expect(hpa(kubernetes).drift(canary)).rejects.toMatchObject({
      type: 'Conflict',
      message: expect.stringContaining('shop-primary.prod scales database and not shop-primary: rename or delete it'),
    });
  });
});
