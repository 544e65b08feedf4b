import type { KubernetesObject, Resource } from '../clients/kubernetes.ts';
import { failureType, messageOf } from '../errors.ts';
import { canaryLabel, isOneCluster, labelOf } from './belonging.ts';
import type { CanaryRef } from './contract.ts';
import type { Deps } from './deps.ts';
import { controllerOf } from './ownership.ts';
import { apisOf, routers } from './routers/index.ts';

/**
 * Deletes what a Canary that goes away has made in the cluster of the mesh, where no garbage collector knows that it belonged
 * to one. What was there before the Canary has no label of ours and stays. Repeating it changes nothing.
 *
 * Nothing waits for it: an object that cannot be deleted is harmless, while a Canary that does not go away is not.
 *
 * @returns what could not be deleted, and why, in sentences for people
 */
export type ClearMesh = (canary: CanaryRef) => Promise<readonly string[]>;

export function createClearMesh(deps: Deps): ClearMesh {
  const { mesh, settings } = deps;
  const resources = apisOf(routers)
    .filter(({ name, cluster }) => cluster === 'mesh' && settings.apis.includes(name))
    .flatMap(({ uses }) => uses.map(({ resource }) => resource));

  return async (canary) => {
    if (!settings.meshCleanup || isOneCluster(deps)) return [];
    const trouble = await Promise.all(resources.map((resource) => clear(resource, canary)));
    return trouble.flat();
  };

  async function clear(resource: Resource, canary: CanaryRef): Promise<readonly string[]> {
    const labelSelector = `${canaryLabel}=${labelOf(canary)}`;
    try {
      const { items } = await mesh.list(resource, canary.namespace, { labelSelector });
      for (const item of items.filter(isUnowned)) await mesh.remove(resource, canary.namespace, item.metadata.name);
      return [];
    } catch (error) {
      // Without the product's resources there is nothing of ours among them.
      if (failureType(error) === 'NotFound') return [];
      const what = `${resource.plural} of canary ${canary.name}.${canary.namespace} are left in the cluster of the mesh`;
      const cure = `delete those with the label ${labelSelector}, or allow Serin to`;
      return [`${what}: ${messageOf(error)}; ${cure}`];
    }
  }
}

function isUnowned(object: KubernetesObject): boolean {
  return controllerOf(object) === undefined;
}
