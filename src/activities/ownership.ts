import type { KubernetesObject, OwnerReference } from '../clients/kubernetes.ts';
import { fieldManager } from '../config/settings.ts';
import type { Canary } from '../schemas/canary.ts';

/** The owner reference of everything that goes away with its Canary. @see routers spec 1.5 */
export function ownerReference(canary: Canary): OwnerReference {
  const { name, uid = '' } = canary.metadata;
  return { apiVersion: 'flagger.app/v1beta1', kind: 'Canary', name, uid, controller: true, blockOwnerDeletion: true };
}

/** The owner that controls an object, if there is one. */
export function controllerOf(object: KubernetesObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}

/** Controlled by a Canary of this name. Flagger looks at neither API version nor uid. @see routers spec 3.3 */
export function isControlledBy(object: KubernetesObject, canary: Canary): boolean {
  const owner = controllerOf(object);
  return owner?.kind === 'Canary' && owner.name === canary.metadata.name;
}

/** Name under which Flagger writes. */
export const flagger = 'flagger';

/** Whether Serin or Flagger is among those who wrote an object, its status aside. */
export function wasWrittenByEngine({ metadata }: KubernetesObject): boolean {
  return (metadata.managedFields ?? []).some(
    ({ manager, subresource }) => !subresource && (manager === fieldManager || manager === flagger),
  );
}

/** Annotations that keep Flux from undoing what Serin writes. @see routers spec 1.6 */
export const fluxGuards: Readonly<Record<string, string>> = {
  'kustomize.toolkit.fluxcd.io/reconcile': 'disabled',
  'helm.toolkit.fluxcd.io/driftDetection': 'disabled',
};

/** Without the keys that GitOps Toolkit uses to track what it applied. */
export function withoutToolkitKeys(map: Readonly<Record<string, string>> = {}): Record<string, string> {
  return filterKeys(map, (key) => !key.includes('toolkit.fluxcd.io'));
}

/** The labels or annotations that are copied to generated objects: those with one of these prefixes, `*` for all. */
export function keptByPrefix(
  map: Readonly<Record<string, string>> = {},
  prefixes: readonly string[],
): Record<string, string> {
  return filterKeys(withoutToolkitKeys(map), (key) =>
    prefixes.some((prefix) => prefix === '*' || (prefix !== '' && key.startsWith(prefix))),
  );
}

function filterKeys(map: Readonly<Record<string, string>>, keep: (key: string) => boolean): Record<string, string> {
  return Object.fromEntries(Object.entries(map).filter(([key]) => keep(key)));
}
