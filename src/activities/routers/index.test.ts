import { describe, expect, it } from '@jest/globals';
import { routerContract } from '../../../test/contracts/router.ts';
import { openWorld, routerWorlds } from '../../../test/contracts/router-worlds.ts';
import { memoryKubernetes } from '../../../test/support/memory-kubernetes.ts';
import { testDeps } from '../../../test/support/shop.ts';
import { routerFor, routers } from './index.ts';

const memoryDeps = () => testDeps(memoryKubernetes());

for (const [provider, { create }] of routers) {
  const capabilities = routerWorlds.get(provider)!(memoryDeps(), 'prod');
  routerContract(provider, create, capabilities, () => openWorld(provider, memoryDeps(), 'prod'));
}

describe('the index of routers', () => {
  it.each([...routers])('%s is tried in all it says that it can do, and in nothing else', (provider, { can }) => {
    const { split, matching, mirroring, affinity } = routerWorlds.get(provider)!(memoryDeps(), 'prod');
    const tried = { weights: split, match: matching, mirror: mirroring, sessionAffinity: affinity };
    for (const [what, world] of Object.entries(tried))
      expect({ [what]: world !== undefined }).toEqual({ [what]: can[what as keyof typeof tried] !== false });
  });

  it('has a world to try each router in', () => {
    expect([...routerWorlds.keys()]).toEqual([...routers.keys()]);
  });

  it('finds a router by its provider', () => {
    expect(Object.keys(routerFor('istio', memoryDeps())).sort()).toEqual([
      'drift',
      'ensure',
      'getWeights',
      'revert',
      'setWeights',
    ]);
  });

  it.each(['', 'Istio', 'smi:v1alpha1', 'no-such-mesh'])(
    "refuses provider '%s' and lists the ones there are, instead of falling back to one",
    (provider) => {
      expect(() => routerFor(provider, memoryDeps())).toThrow(
        expect.objectContaining({
          type: 'InvalidSpec',
          message: `unknown mesh router provider '${provider}' in spec.provider; supported: ${[...routers.keys()].join(', ')}`,
        }),
      );
    },
  );
});
