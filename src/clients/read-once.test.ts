import { describe, expect, it } from '@jest/globals';
import { memoryKubernetes } from '../../test/support/memory-kubernetes.ts';
import { shopDeployment } from '../../test/support/shop.ts';
import { failure } from '../errors.ts';
import { resources } from './kubernetes.ts';
import { readOnce } from './read-once.ts';

const deployment = (name: string) => [resources.deployments, 'prod', name] as const;

function counted(...objects: Parameters<typeof memoryKubernetes>) {
  const kubernetes = memoryKubernetes(...objects);
  const asked: string[] = [];
  const get: typeof kubernetes.get = (resource, namespace, name) => {
    asked.push(`${resource.kind} ${namespace}/${name}`);
    return kubernetes.get(resource, namespace, name);
  };
  return { kubernetes: { ...kubernetes, get }, asked };
}

describe('a cluster that is read once', () => {
  it('is asked once for each object, whether the first answer is there yet or not', async () => {
    const { kubernetes, asked } = counted(shopDeployment(), shopDeployment({ name: 'shop-primary' }));
    const once = readOnce(kubernetes);
    const [one, other] = await Promise.all([once.get(...deployment('shop')), once.get(...deployment('shop'))]);
    expect(one?.metadata.name).toBe('shop');
    expect([other, await once.get(...deployment('shop'))]).toEqual([one, one]);
    await once.get(...deployment('shop-primary'));
    await once.get(resources.deployments, 'stage', 'shop');
    await once.get(resources.services, 'prod', 'shop');
    expect(asked).toEqual([
      'Deployment prod/shop',
      'Deployment prod/shop-primary',
      'Deployment stage/shop',
      'Service prod/shop',
    ]);
  });

  it('answers that there is none, and that it cannot be told, as often as it is asked', async () => {
    const { kubernetes, asked } = counted();
    const once = readOnce(kubernetes);
    expect([await once.get(...deployment('gone')), await once.get(...deployment('gone'))]).toEqual([
      undefined,
      undefined,
    ]);
    expect(asked).toHaveLength(1);
    const ill = readOnce({ ...kubernetes, get: () => Promise.reject(failure('Unavailable', 'no answer')) });
    for (const _ of [1, 2]) await expect(ill.get(...deployment('shop'))).rejects.toThrow('no answer');
  });
});
