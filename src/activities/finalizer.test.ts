import { describe, expect, it } from '@jest/globals';
import { memoryKubernetes } from '../../test/support/memory-kubernetes.ts';
import { shopCanary } from '../../test/support/shop.ts';
import { failure } from '../errors.ts';
import { createSetFinalizer, hasFinalizer } from './finalizer.ts';

const ref = { namespace: 'prod', name: 'shop' };
const ours = 'finalizer.flagger.app';
const held = (...finalizers: string[]) => memoryKubernetes(shopCanary({}, undefined, { finalizers }));
const finalizers = (kubernetes: ReturnType<typeof held>) => kubernetes.peek('Canary', 'shop')!.metadata.finalizers;

describe('the finalizer', () => {
  it('TestFinalizer_hasFinalizer: is there or not', () => {
    expect(hasFinalizer(shopCanary({}, undefined, { finalizers: [ours] }) as never)).toBe(true);
    expect(hasFinalizer(shopCanary({}, undefined, { finalizers: ['other'] }) as never)).toBe(false);
    expect(hasFinalizer(shopCanary() as never)).toBe(false);
  });

  it('TestFinalizer_addFinalizer, BC-17: is added once, behind those of others', async () => {
    const kubernetes = held('other');
    await createSetFinalizer(kubernetes)(ref, true);
    await createSetFinalizer(kubernetes)(ref, true);
    expect(finalizers(kubernetes)).toEqual(['other', ours]);
    expect(kubernetes.writes).toHaveLength(1);
  });

  it('TestFinalizer_removeFinalizer: is removed, however often it was there, and the others stay', async () => {
    const kubernetes = held(ours, 'other', ours);
    await createSetFinalizer(kubernetes)(ref, false);
    expect(finalizers(kubernetes)).toEqual(['other']);
  });

  it('of a Canary that is gone holds nothing', async () => {
    await createSetFinalizer(memoryKubernetes())(ref, false);
  });

  it('reads again when somebody wrote in between, and tells what the API server says otherwise', async () => {
    const kubernetes = held();
    kubernetes.failNext('patch', 'Canary', failure('Conflict', 'modified'));
    await createSetFinalizer(kubernetes)(ref, true);
    expect(finalizers(kubernetes)).toEqual([ours]);
    kubernetes.failNext('patch', 'Canary', failure('Unauthorized', 'forbidden'));
    await expect(createSetFinalizer(kubernetes)(ref, false)).rejects.toMatchObject({
      message: 'unable to remove finalizer for canary shop.prod: failed after retries: forbidden',
    });
  });
});
