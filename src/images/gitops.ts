import type { KubernetesObject, ManagedFields } from '../clients/kubernetes.ts';
import type { ImageSlot } from './pods.ts';

/** Field manager of image updates. Apart from the worker's own, so that its one field can be left to it alone. */
export const imageManager = 'serin-image';

/** Field managers of tools that put back what Git says. */
const managers = ['kustomize-controller', 'helm-controller', 'argocd-controller', 'argocd-application-controller'];

/** What such tools leave on the objects they apply, and who then owns fields under a name that says nothing. */
const marks: Readonly<Record<string, string>> = {
  'kustomize.toolkit.fluxcd.io/name': 'Flux',
  'helm.toolkit.fluxcd.io/name': 'Flux',
  'argocd.argoproj.io/tracking-id': 'Argo CD',
};

/** Someone who puts a field back. */
export interface GitOpsOwner {
  /** The field manager, or the tool that left its mark. */
  readonly name: string;
  /** When it wrote last, in milliseconds since 1970, as far as is known. */
  readonly wroteAt?: number;
}

/**
 * The GitOps tool that owns an image, or undefined. Writing a field it owns would last until its next sync, perhaps in
 * the middle of an analysis. People who run `kubectl apply` themselves are no GitOps tool.
 */
export function gitOpsOwner(object: KubernetesObject, slot: ImageSlot, ours: string): GitOpsOwner | undefined {
  const owners = (object.metadata.managedFields ?? []).filter((entry) => ownsImage(entry, slot));
  const tool = owners.find(({ manager = '' }) => managers.includes(manager));
  if (tool !== undefined) return { name: tool.manager ?? '', ...since(tool) };
  if (owners.length > 0 && owners.every(({ manager }) => manager === ours)) return undefined;
  const keys = Object.keys({ ...object.metadata.labels, ...object.metadata.annotations });
  const mark = keys.find((key) => key in marks);
  if (mark === undefined) return undefined;
  const [other] = owners.filter(({ manager }) => manager !== ours);
  return { name: marks[mark] ?? mark, ...(other ? since(other) : {}) };
}

function since({ time }: ManagedFields): { readonly wroteAt?: number } {
  const at = Date.parse(time ?? '');
  return Number.isNaN(at) ? {} : { wroteAt: at };
}

const fields = { container: 'f:containers', initContainer: 'f:initContainers', imageVolume: 'f:volumes' } as const;

function ownsImage(entry: ManagedFields, { kind, name }: ImageSlot): boolean {
  const path = ['f:spec', 'f:template', 'f:spec', fields[kind], `k:{"name":${JSON.stringify(name)}}`, 'f:image'];
  let node: unknown = (entry as ManagedFields & { fieldsV1?: unknown }).fieldsV1;
  for (const key of path) {
    if (typeof node !== 'object' || node === null) return false;
    node = (node as Record<string, unknown>)[key];
  }
  return node !== undefined;
}

/** An object of a GitOps tool that, when told to, looks at its source at once. */
export interface Nudge {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespace: string;
  readonly name: string;
  readonly annotation: string;
}

const refresh = 'reconcile.fluxcd.io/requestedAt';
const kustomization = { apiVersion: 'kustomize.toolkit.fluxcd.io/v1', kind: 'Kustomization', plural: 'kustomizations' };
const helmRelease = { apiVersion: 'helm.toolkit.fluxcd.io/v2', kind: 'HelmRelease', plural: 'helmreleases' };
const application = { apiVersion: 'argoproj.io/v1alpha1', kind: 'Application', plural: 'applications' };

/** What to tell so that whoever owns a workload looks again, as far as the workload says who that is. */
export function nudgeOf({ metadata }: KubernetesObject, argoNamespace: string): Nudge | undefined {
  const { labels = {}, annotations = {}, namespace = '' } = metadata;
  for (const [prefix, object] of [
    ['kustomize.toolkit.fluxcd.io', kustomization],
    ['helm.toolkit.fluxcd.io', helmRelease],
  ] as const) {
    const name = labels[`${prefix}/name`];
    if (name) return { ...object, name, namespace: labels[`${prefix}/namespace`] ?? namespace, annotation: refresh };
  }
  // `<application>:<group>/<kind>:<namespace>/<name>`; an application elsewhere is `<its namespace>_<application>`.
  const tracked = annotations['argocd.argoproj.io/tracking-id']?.split(':')[0];
  if (!tracked) return undefined;
  const [space, name] = tracked.includes('_') ? tracked.split('_', 2) : [argoNamespace, tracked];
  return {
    ...application,
    name: name ?? tracked,
    namespace: space ?? argoNamespace,
    annotation: 'argocd.argoproj.io/refresh',
  };
}

/** What looks into registries for Flux. */
export const fluxImages = {
  apiVersion: 'image.toolkit.fluxcd.io/v1',
  kind: 'ImageRepository',
  plural: 'imagerepositories',
} as const;

const sources: Readonly<Record<string, string>> = {
  GitRepository: 'gitrepositories',
  OCIRepository: 'ocirepositories',
  Bucket: 'buckets',
};

/** Where a Kustomization of Flux has its manifests from. */
export function sourceOf({ metadata, spec }: KubernetesObject): Omit<Nudge, 'annotation'> | undefined {
  const { kind, name, namespace } =
    (spec as { sourceRef?: { kind?: string; name?: string; namespace?: string } } | undefined)?.sourceRef ?? {};
  const plural = kind === undefined ? undefined : sources[kind];
  if (kind === undefined || plural === undefined || !name) return undefined;
  return {
    ...{ apiVersion: 'source.toolkit.fluxcd.io/v1', kind, plural, name },
    namespace: namespace ?? metadata.namespace ?? '',
  };
}
