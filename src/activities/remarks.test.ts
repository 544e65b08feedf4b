import { describe, expect, it } from '@jest/globals';
import { memoryKubernetes, type MemoryKubernetes } from '../../test/support/memory-kubernetes.ts';
import { byShop, hpaRef, shopCanary, shopDeployment, shopHpa, testDeps } from '../../test/support/shop.ts';
import { failure } from '../errors.ts';
import { createHpa } from './autoscalers/hpa.ts';
import { createScaledObject } from './autoscalers/scaled-object.ts';
import { createRemarks } from './remarks.ts';

const warned: object[] = [];
const noPods = () => Promise.resolve(undefined);

async function remarksOn(kubernetes: MemoryKubernetes, spec: object, settings: object = {}) {
  warned.length = 0;
  const deps = testDeps(kubernetes, settings);
  const remarks = createRemarks(deps, { warn: (message, fields) => warned.push({ message, ...fields }) }, noPods);
  return (await remarks(shopCanary(spec))).map(({ type, message }) => `${type} ${message}`);
}

const keda = 'ScaledObject';
const scaledObject = (metadata: object, name = 'shop') => ({
  ...{ apiVersion: 'keda.sh/v1alpha1', kind: keda },
  metadata: { namespace: 'prod', name: 'shop', ...metadata },
  spec: { scaleTargetRef: { name }, triggers: [] },
});
const total = { ...hpaRef, name: 'shop-total' };
const scaling = (name: string) => ({ scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name } });
const cure = 'two autoscalers of one workload undo each other; delete one of them';

describe('autoscalers beside those of spec.autoscalerRef', () => {
  it('are none where there is one and its copy', async () => {
    const kubernetes = memoryKubernetes(shopDeployment(), shopHpa());
    await createHpa(testDeps(kubernetes)).ensure(shopCanary({ autoscalerRef: hpaRef }), 'create');
    expect(await remarksOn(kubernetes, { autoscalerRef: hpaRef })).toEqual([]);
  });

  it('are those that another reference left behind: the second run of the tutorial without a new namespace', async () => {
    const kubernetes = memoryKubernetes(shopDeployment(), shopHpa(), shopHpa({}, { name: 'shop-total' }));
    for (const autoscalerRef of [hpaRef, total])
      await createHpa(testDeps(kubernetes)).ensure(shopCanary({ autoscalerRef }), 'create');
    expect(await remarksOn(kubernetes, { autoscalerRef: total })).toEqual([
      `Warning HorizontalPodAutoscaler shop.prod scales shop beside HorizontalPodAutoscaler shop-total of spec.autoscalerRef: ${cure}`,
      'Warning HorizontalPodAutoscaler shop-primary.prod is of an earlier spec.autoscalerRef and still scales shop-primary; delete it',
    ]);
  });

  it('are the copy, where the reference is gone, and nobody else’s', async () => {
    const kubernetes = memoryKubernetes(shopDeployment(), shopHpa());
    await createHpa(testDeps(kubernetes)).ensure(shopCanary({ autoscalerRef: hpaRef }), 'create');
    expect(await remarksOn(kubernetes, {})).toEqual([
      'Warning HorizontalPodAutoscaler shop-primary.prod is of an earlier spec.autoscalerRef and still scales shop-primary; delete it',
    ]);
  });

  it('may be somebody else’s on the primary', async () => {
    const kubernetes = memoryKubernetes(shopHpa(), shopHpa(scaling('shop-primary'), { name: 'mine' }));
    expect(await remarksOn(kubernetes, { autoscalerRef: hpaRef })).toEqual([
      `Warning HorizontalPodAutoscaler mine.prod scales shop-primary beside HorizontalPodAutoscaler shop-primary: ${cure}`,
    ]);
  });

  it('may be of the other kind; what KEDA makes of its own object is none', async () => {
    const ofKeda = { ownerReferences: [{ kind: keda, name: 'shop', controller: true }] };
    const kubernetes = memoryKubernetes(scaledObject({}), shopHpa({}, { name: 'keda-hpa-shop', ...ofKeda }));
    const autoscalerRef = { apiVersion: 'keda.sh/v1alpha1', kind: keda, name: 'shop' };
    await createScaledObject(testDeps(kubernetes)).ensure(shopCanary({ autoscalerRef }), 'create');
    expect(await remarksOn(kubernetes, { autoscalerRef })).toEqual([]);
    kubernetes.put(shopHpa({}, { ownerReferences: byShop }));
    expect(await remarksOn(kubernetes, { autoscalerRef })).toEqual([
      `Warning HorizontalPodAutoscaler shop.prod scales shop beside ScaledObject shop of spec.autoscalerRef: ${cure}`,
    ]);
    expect(await remarksOn(kubernetes, { autoscalerRef: hpaRef }, { apis: ['istio'] })).toEqual([]);
  });

  it.each([
    ['scale something else', shopHpa(scaling('database'), { name: 'other' }), {}],
    [
      'scale another kind of that name',
      shopHpa({ scaleTargetRef: { kind: 'StatefulSet', name: 'shop' } }, { name: 'other' }),
      {},
    ],
    ['are of another namespace', shopHpa({}, { name: 'other', namespace: 'elsewhere' }), {}],
    ['could scale nothing here', shopHpa({}, { name: 'other' }), { targetRef: { kind: 'DaemonSet', name: 'shop' } }],
  ])('are not those that %s', async (_, other, spec) => {
    expect(await remarksOn(memoryKubernetes(shopHpa(), other), { autoscalerRef: hpaRef, ...spec })).toEqual([]);
  });

  it('hold nothing up when they cannot be listed', async () => {
    const kubernetes = memoryKubernetes(shopHpa(), shopHpa({}, { name: 'other' }));
    kubernetes.failNext('list', 'HorizontalPodAutoscaler', failure('Unauthorized', 'forbidden'));
    kubernetes.failNext('list', keda, failure('NotFound', 'no such resource'));
    expect(await remarksOn(kubernetes, { autoscalerRef: hpaRef })).toEqual([]);
    expect(warned).toEqual([{ message: 'autoscalers not compared', canary: 'shop.prod', error: 'forbidden' }]);
  });
});

it('an apiVersion of an autoscaler that nobody reads is told of, and no reason to worry', async () => {
  const autoscalerRef = { ...hpaRef, apiVersion: 'autoscaling/v2beta2' };
  expect(await remarksOn(memoryKubernetes(shopHpa()), { autoscalerRef })).toEqual([
    'Normal spec.autoscalerRef.apiVersion: autoscaling/v2beta2 is ignored: autoscaling/v2 is read and written; write that',
  ]);
});
