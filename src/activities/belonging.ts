import { createHash } from 'node:crypto';
import type { ObjectMeta } from '../clients/kubernetes.ts';
import type { Canary } from '../schemas/canary.ts';
import type { CanaryRef } from './contract.ts';
import type { Deps } from './deps.ts';
import { ownerReference } from './ownership.ts';

/** Label of what a Canary made in a cluster where it cannot be the owner. */
export const canaryLabel = 'serin.dev/canary';

/** Whether the control plane of the mesh is the cluster with the workloads: the same URL, and the same certificates. */
export function isOneCluster({ mesh, kubernetes }: Pick<Deps, 'mesh' | 'kubernetes'>): boolean {
  return mesh.server === kubernetes.server && mesh.authority === kubernetes.authority;
}

/**
 * What says to which Canary a generated object of a mesh belongs, for its creation: an owner, with which it goes away; in
 * another cluster, where there is no Canary to own it, a label.
 *
 * @see routers spec 1.5 and canary-crd spec 6.7
 */
export function belonging(canary: Canary, deps: Deps): Pick<ObjectMeta, 'ownerReferences' | 'labels'> {
  if (isOneCluster(deps)) return { ownerReferences: [ownerReference(canary)] };
  return { labels: { [canaryLabel]: labelOf(canary.metadata) } };
}

/** `<namespace>.<name>`; where that is too long for a label, its beginning and a digest of it. */
export function labelOf({ namespace, name }: CanaryRef): string {
  const whole = `${namespace}.${name}`;
  if (whole.length <= 63) return whole;
  return `${whole.slice(0, 46)}-${createHash('sha256').update(whole).digest('hex').slice(0, 16)}`;
}
