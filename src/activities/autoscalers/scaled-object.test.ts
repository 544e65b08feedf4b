import { describe, expect, it } from '@jest/globals';
import { memoryKubernetes, type MemoryKubernetes } from '../../../test/support/memory-kubernetes.ts';
import { byShop, shopCanary, testDeps, type Loose } from '../../../test/support/shop.ts';
import { createScaledObject } from './scaled-object.ts';

const autoscalerRef = { apiVersion: 'keda.sh/v1alpha1', kind: 'ScaledObject', name: 'shop' };
const canary = shopCanary({ autoscalerRef });
const paused = 'autoscaling.keda.sh/paused-replicas';

function shopScaledObject(spec: object = {}, metadata: object = {}): Loose {
  return {
    apiVersion: 'keda.sh/v1alpha1',
    kind: 'ScaledObject',
    metadata: { name: 'shop', namespace: 'prod', ...metadata },
    spec: {
      scaleTargetRef: { name: 'shop' },
      pollingInterval: 10,
      cooldownPeriod: 20,
      minReplicaCount: 1,
      maxReplicaCount: 4,
      idleReplicaCount: 0,
      triggers: [
        {
          type: 'prometheus',
          name: 'requests',
          metadata: { threshold: '100', query: 'sum(rate(http_requests{app="shop-canary"}[30s]))' },
        },
        { type: 'cron', metadata: { start: '0 8 * * *' } },
      ],
      ...spec,
    },
  };
}

const source = (kubernetes: MemoryKubernetes) => kubernetes.peek('ScaledObject', 'shop') as Loose;
const primary = (kubernetes: MemoryKubernetes) => kubernetes.peek('ScaledObject', 'shop-primary') as Loose;
const scaler = (kubernetes: MemoryKubernetes) => createScaledObject(testDeps(kubernetes));

async function created(found = shopScaledObject(), of = canary) {
  const kubernetes = memoryKubernetes(found);
  await scaler(kubernetes).ensure(of, 'create');
  return kubernetes;
}

const queriesOf = (object: Loose) => object.spec.triggers.map(({ metadata }: Loose) => metadata.query);

describe('the ScaledObject of the primary', () => {
  it('Test_reconcilePrimaryScaledObject: follows the target’s, and scales the primary', async () => {
    const annotations = { 'scaledobject.keda.sh/transfer-hpa-ownership': 'true', note: 'n' };
    const advanced = { horizontalPodAutoscalerConfig: { name: 'shop', behavior: { scaleDown: {} } } };
    const kubernetes = await created(shopScaledObject({ advanced }, { annotations }));
    const { metadata, spec } = primary(kubernetes);
    expect(metadata.ownerReferences).toEqual(byShop);
    expect(metadata.annotations).toEqual({ 'scaledobject.keda.sh/transfer-hpa-ownership': 'true' });
    expect(spec).toMatchObject({
      scaleTargetRef: { name: 'shop-primary' },
      pollingInterval: 10,
      cooldownPeriod: 20,
      minReplicaCount: 1,
      maxReplicaCount: 4,
      idleReplicaCount: 0,
      advanced: { horizontalPodAutoscalerConfig: { name: 'shop-primary', behavior: { scaleDown: {} } } },
    });
    expect(queriesOf(primary(kubernetes))).toEqual(['sum(rate(http_requests{app="shop-primary"}[30s]))', undefined]);
    source(kubernetes).spec.pollingInterval = 20;
    expect(await scaler(kubernetes).drift(canary)).toEqual(['ScaledObject shop-primary']);
    await scaler(kubernetes).ensure(canary, 'update');
    expect(primary(kubernetes).spec.pollingInterval).toBe(20);
    expect(await scaler(kubernetes).drift(canary)).toEqual([]);
  });

  it('has the bounds that the Canary gives it', async () => {
    const of = shopCanary({
      autoscalerRef: { ...autoscalerRef, primaryScalerReplicas: { minReplicas: 2, maxReplicas: 9 } },
    });
    expect(primary(await created(undefined, of)).spec).toMatchObject({ minReplicaCount: 2, maxReplicaCount: 9 });
  });

  it.each([
    ['the canary’s name', 'a{app="shop-canary"}', 'a{app="shop-primary"}'],
    ['the target’s name', 'a{app="shop"}', 'a{app="shop-primary"}'],
    ['both, each once', 'a{app="shop"} + b{app="shop-canary"}', 'a{app="shop-primary"} + b{app="shop-primary"}'],
  ])(
    'Test_setPrimaryScaledObjectQueries: asks about the primary where the query has %s',
    async (_, query, expected) => {
      const triggers = [{ type: 'prometheus', metadata: { query } }];
      expect(queriesOf(primary(await created(shopScaledObject({ triggers }))))).toEqual([expected]);
    },
  );

  it('Test_setPrimaryScaledObjectQueries: takes explicit queries by the name of the trigger, and leaves the others', async () => {
    const triggers = ['a', 'b'].map((name) => ({ type: 'prometheus', name, metadata: { query: 'up{app="shop"}' } }));
    const of = shopCanary({ autoscalerRef: { ...autoscalerRef, primaryScalerQueries: { a: 'up{app="other"}' } } });
    const kubernetes = await created(shopScaledObject({ triggers }), of);
    expect(queriesOf(primary(kubernetes))).toEqual(['up{app="other"}', 'up{app="shop"}']);
  });

  it('Test_pauseScaledObject, Test_resumeScaledObject: the target’s is paused at nothing, and goes on, each written once', async () => {
    const kubernetes = await created();
    await scaler(kubernetes).pause(canary);
    expect(source(kubernetes).metadata.annotations).toEqual({ [paused]: '0' });
    const writes = kubernetes.writes.length;
    await scaler(kubernetes).pause(canary);
    expect(kubernetes.writes).toHaveLength(writes);
    await scaler(kubernetes).resume(canary);
    expect(source(kubernetes).metadata.annotations).toEqual({});
    await scaler(kubernetes).resume(canary);
    expect(kubernetes.writes).toHaveLength(writes + 1);
  });

  it('one that is missing counts as paused, and as resumed', async () => {
    const kubernetes = memoryKubernetes();
    await scaler(kubernetes).pause(canary);
    await scaler(kubernetes).resume(canary);
    expect(kubernetes.writes).toEqual([]);
  });

  it('Q10, BC-28: inherits no pause of the target’s', async () => {
    const annotations = {
      [paused]: '0',
      'autoscaling.keda.sh/paused': 'true',
      'autoscaling.keda.sh/force-activation': 'x',
    };
    const kubernetes = await created(shopScaledObject({}, { annotations }));
    expect(primary(kubernetes).metadata.annotations).toEqual({ 'autoscaling.keda.sh/force-activation': 'x' });
  });

  it('has a floor while it is asked for, and is not idle then', async () => {
    const kubernetes = await created();
    await scaler(kubernetes).ensure(canary, 'update', 3);
    expect(primary(kubernetes).spec).toMatchObject({ minReplicaCount: 3, maxReplicaCount: 4 });
    expect(primary(kubernetes).spec.idleReplicaCount).toBeUndefined();
    expect(await scaler(kubernetes).drift(canary)).toEqual([]);
    await scaler(kubernetes).ensure(canary, 'update', 0);
    expect(primary(kubernetes).spec).toMatchObject({ minReplicaCount: 1, idleReplicaCount: 0 });
  });

  it('tells the minimum of the source, which is nothing when it does not say', async () => {
    expect(await scaler(memoryKubernetes(shopScaledObject())).minimum(canary)).toBe(1);
    expect(await scaler(memoryKubernetes(shopScaledObject({ minReplicaCount: undefined }))).minimum(canary)).toBe(0);
    expect(await scaler(memoryKubernetes()).minimum(canary)).toBeUndefined();
  });

  it('cannot be made without a source, in the words of Flagger', async () => {
    await expect(scaler(memoryKubernetes()).ensure(canary, 'create')).rejects.toMatchObject({
      type: 'NotFound',
      message: 'Keda ScaledObject shop.prod get query error: scaledobjects.keda.sh "shop" not found',
    });
  });
});
