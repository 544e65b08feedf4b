import { describe, expect, it } from '@jest/globals';
import { knativeShop, knativeCanary, trafficOf } from '../../../test/support/knative.ts';
import { memoryKubernetes, type MemoryKubernetes } from '../../../test/support/memory-kubernetes.ts';
import { testDeps, type Loose } from '../../../test/support/shop.ts';
import { knative } from './knative.ts';

const primary = 'flagger.app/primary-revision';
const initializing = knativeCanary();
const released = knativeCanary({ phase: 'Succeeded' });
const router = (kubernetes: MemoryKubernetes) => knative.create(testDeps(kubernetes));
const annotated = (revision = 'podinfo-00001') => ({ annotations: { [primary]: revision } });
const live = (kubernetes: MemoryKubernetes) => kubernetes.peek('Service', 'podinfo') as Loose;

/** Named after Flagger's own tests of its router. */
describe('Flagger’s tests of its Knative router', () => {
  it('TestKnativeRouter_Reconcile: the newest revision becomes the primary of a Service that has none', async () => {
    const kubernetes = memoryKubernetes(knativeShop());
    await router(kubernetes).ensure(initializing, { primary: 100, canary: 0 });
    expect(live(kubernetes).metadata.annotations[primary]).toBe('podinfo-00001');
  });

  it('TestKnativeRouter_SetRoutes: without the annotation it fails, with it the newest revision comes first', async () => {
    const kubernetes = memoryKubernetes(knativeShop());
    const moving = router(kubernetes).setWeights(released, { primary: 10, canary: 90 });
    await expect(moving).rejects.toMatchObject({
      type: 'NotFound',
      message: 'Knative Service podinfo.prod annotation not found',
    });
    kubernetes.put(knativeShop({}, annotated()));
    await router(kubernetes).setWeights(released, { primary: 10, canary: 90 });
    expect(trafficOf(kubernetes)).toEqual([
      { latestRevision: true, percent: 90 },
      { revisionName: 'podinfo-00001', percent: 10 },
    ]);
  });

  it('TestKnativeRouter_GetRoutes: weights are those of the status, and none without the annotation', async () => {
    const traffic = [
      { latestRevision: true, revisionName: 'podinfo-00002', percent: 90 },
      { revisionName: 'podinfo-00001', latestRevision: false, percent: 10 },
    ];
    const status = { observedGeneration: 1, traffic };
    expect(await router(memoryKubernetes(knativeShop({ status }))).getWeights(released)).toBeUndefined();
    const kubernetes = memoryKubernetes(knativeShop({ status }, annotated()));
    expect(await router(kubernetes).getWeights(released)).toEqual({ primary: 10, canary: 90 });
  });
});

describe('a Knative Service as route', () => {
  const traffic = [
    { latestRevision: true, percent: 20 },
    { revisionName: 'podinfo-00001', latestRevision: false, percent: 80 },
  ];

  it('weights that Knative has not heard of yet are those that were asked for', async () => {
    const status = { observedGeneration: 0, traffic: [{ latestRevision: true, percent: 100 }] };
    const kubernetes = memoryKubernetes(knativeShop({ traffic, status }, annotated()));
    expect(await router(kubernetes).getWeights(released)).toEqual({ primary: 80, canary: 20 });
  });

  it('one revision on both sides has the traffic on the side that is named', async () => {
    const both = [
      { latestRevision: true, revisionName: 'podinfo-00001', percent: 0 },
      { revisionName: 'podinfo-00001', percent: 100 },
    ];
    const status = { observedGeneration: 1, traffic: both };
    const kubernetes = memoryKubernetes(knativeShop({ status }, annotated()));
    expect(await router(kubernetes).getWeights(released)).toEqual({ primary: 100, canary: 0 });
  });

  it('what Knative fills in is no drift, and is not written again', async () => {
    const kubernetes = memoryKubernetes(knativeShop({ traffic }, annotated()));
    expect(await router(kubernetes).drift(released)).toEqual([]);
    await router(kubernetes).ensure(released, { primary: 80, canary: 20 });
    await router(kubernetes).setWeights(released, { primary: 80, canary: 20 });
    expect(kubernetes.writes).toEqual([]);
  });

  it('tags of other authors stay, and get no traffic by them', async () => {
    const tagged = [
      { latestRevision: true, percent: 60, tag: 'next' },
      { revisionName: 'podinfo-00000', tag: 'old' },
      { latestRevision: true, percent: 40 },
    ];
    const kubernetes = memoryKubernetes(knativeShop({ traffic: tagged }, annotated()));
    expect(await router(kubernetes).drift(released)).toEqual(['Service podinfo']);
    await router(kubernetes).ensure(released, { primary: 80, canary: 20 });
    expect(trafficOf(kubernetes)).toEqual([
      { latestRevision: true, percent: 20 },
      { revisionName: 'podinfo-00001', percent: 80 },
      { latestRevision: true, percent: 0, tag: 'next' },
      { revisionName: 'podinfo-00000', tag: 'old' },
    ]);
    expect(await router(kubernetes).drift(released)).toEqual([]);
  });

  it('a manifest that is applied in the middle and sends everybody to the newest revision is seen, and repaired', async () => {
    const applied = [{ latestRevision: true, percent: 100 }];
    const kubernetes = memoryKubernetes(knativeShop({ traffic: applied }, annotated()));
    expect(await router(kubernetes).getWeights(released)).toEqual({ primary: 0, canary: 100 });
    expect(await router(kubernetes).drift(released)).toEqual(['Service podinfo']);
    await router(kubernetes).ensure(released, { primary: 80, canary: 20 });
    expect(await router(kubernetes).getWeights(released)).toEqual({ primary: 80, canary: 20 });
  });

  it('the annotation goes with the Canary, and traffic stays where it is', async () => {
    const kubernetes = memoryKubernetes(knativeShop({ traffic }, annotated()));
    await router(kubernetes).revert(released);
    expect(live(kubernetes).metadata.annotations).toEqual({});
    expect(trafficOf(kubernetes)).toEqual(traffic);
    await router(memoryKubernetes()).revert(released);
  });
});
