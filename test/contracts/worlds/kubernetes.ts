import type { Deps } from '../../../src/activities/deps.ts';
import { resources } from '../../../src/clients/kubernetes.ts';
import { shopWith } from '../canaries.ts';
import type { RouterWorld } from '../router-world.ts';

/** Nothing is generated, so all there could be of routes is what another provider would have made. */
export function kubernetesWorld(deps: Deps, namespace: string, uid?: string): RouterWorld {
  return {
    deps,
    canary: shopWith({}, { iterations: 5 }, { namespace, uid }),
    objects: [],
    async stored() {
      const kinds = [resources.services, resources.virtualServices, resources.destinationRules];
      const lists = await Promise.all(kinds.map((kind) => deps.kubernetes.list(kind, namespace)));
      return lists.flatMap(({ items }) => items);
    },
  };
}
