import type { KubernetesObject, ManagedFields } from '../clients/kubernetes.ts';

/** Field managers of tools that put back what Git says. */
const managers = ['kustomize-controller', 'helm-controller', 'argocd-controller', 'argocd-application-controller'];

/** What such tools leave on the objects they apply, and who then owns fields under a name that says nothing. */
const marks: Readonly<Record<string, string>> = {
  'kustomize.toolkit.fluxcd.io/name': 'Flux',
  'helm.toolkit.fluxcd.io/name': 'Flux',
  'argocd.argoproj.io/tracking-id': 'Argo CD',
};

/**
 * The GitOps tool that owns the image of a container, or undefined. Writing a field it owns would last until its next
 * sync, perhaps in the middle of an analysis. People who run `kubectl apply` themselves are no GitOps tool.
 */
export function gitOpsOwner(object: KubernetesObject, container: string, ours: string): string | undefined {
  const owners = (object.metadata.managedFields ?? [])
    .filter((entry) => ownsImage(entry, container))
    .map((entry) => entry.manager ?? '');
  const manager = owners.find((owner) => managers.includes(owner));
  if (manager !== undefined) return manager;
  if (owners.length > 0 && owners.every((owner) => owner === ours)) return undefined;
  const keys = Object.keys({ ...object.metadata.labels, ...object.metadata.annotations });
  const mark = keys.find((key) => key in marks);
  return mark === undefined ? undefined : marks[mark];
}

function ownsImage(entry: ManagedFields, container: string): boolean {
  const path = ['f:spec', 'f:template', 'f:spec', 'f:containers', `k:{"name":${JSON.stringify(container)}}`, 'f:image'];
  let node: unknown = (entry as ManagedFields & { fieldsV1?: unknown }).fieldsV1;
  for (const key of path) {
    if (typeof node !== 'object' || node === null) return false;
    node = (node as Record<string, unknown>)[key];
  }
  return node !== undefined;
}
