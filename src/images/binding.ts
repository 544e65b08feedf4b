import type { KubernetesObject } from '../clients/kubernetes.ts';
import { repositoryIn, type RegistryNames } from './aliases.ts';
import { imageIn } from './pods.ts';
import { repositoryKey, type ImageReference } from './reference.ts';
import type { RegistryAccess } from './registry.ts';
import type { ContainerPolicy, ImageSettings } from './settings.ts';

/** What the worker has to know of a receiver: a registry, and whose pods its images may change. */
export interface RegistryBinding extends RegistryNames {
  readonly name: string;
  /** Globs of repositories whose pushes count. */
  readonly repositories: readonly string[];
  readonly namespaces: readonly string[];
  readonly registry: RegistryAccess;
  /** It is no more: nothing follows it, by event or poll. */
  readonly retired?: boolean;
  /** Least time between two questions about one tag, in milliseconds. */
  readonly settleMs: number;
}

/** An image of a pod that follows tags of a registry. */
export interface Bound {
  readonly policy: ContainerPolicy;
  readonly image: ImageReference;
  readonly receiver: RegistryBinding;
  /** Path inside the receiver's registry. */
  readonly repository: string;
}

/**
 * Images of a target that may follow pushes. Both sides have to want it: the receiver lists the namespace and the
 * repository, and the Canary names the receiver, or leaves the choice to those who list it.
 */
export function boundImages(
  receivers: readonly RegistryBinding[],
  settings: ImageSettings,
  target: KubernetesObject,
): readonly Bound[] {
  const { namespace = '' } = target.metadata;
  const willing = receivers.filter((receiver) => isWilling(receiver, namespace, settings.receivers));
  return settings.policies.flatMap((policy) => {
    const image = imageIn(target, policy.slot);
    if (!image || (policy.repository !== undefined && !isSameRepository(policy.repository, image, willing))) return [];
    return willing.flatMap((receiver) => {
      const repository = repositoryIn(receiver, image);
      return repository !== undefined && allows(receiver.repositories, repository)
        ? [{ policy, image, receiver, repository }]
        : [];
    });
  });
}

/**
 * Whether a receiver and a Canary of a namespace agree on each other.
 *
 * @param named the receivers that the Canary names, if it names any
 */
export function isWilling(
  { name, namespaces, retired }: Pick<RegistryBinding, 'name' | 'namespaces' | 'retired'>,
  namespace: string,
  named: readonly string[] | undefined,
): boolean {
  const lists = namespaces.includes('*') || namespaces.includes(namespace);
  return !retired && lists && (named?.includes(name) ?? true);
}

/** Whether a path is on an allow-list of globs: `*` stays within a path segment, `**` does not. */
export function allows(globs: readonly string[], repository: string): boolean {
  return globs.some((glob) => matches(glob.split('/'), repository.split('/')));
}

/** A registry may be called differently by whoever wrote the trigger and by whoever wrote the pods. */
function isSameRepository(key: string, image: ImageReference, receivers: readonly RegistryBinding[]): boolean {
  if (key === repositoryKey(image)) return true;
  const [host = '', ...path] = key.split('/');
  return receivers.some((receiver) => {
    const wanted = repositoryIn(receiver, { host, repository: path.join('/') });
    return wanted !== undefined && wanted === repositoryIn(receiver, image);
  });
}

function matches(glob: readonly string[], path: readonly string[]): boolean {
  const [first, ...rest] = glob;
  if (first === undefined) return path.length === 0;
  if (first === '**') return path.some((_, index) => matches(rest, path.slice(index + 1))) || matches(rest, path);
  const [segment, ...others] = path;
  if (segment === undefined) return false;
  const pattern = first
    .split('*')
    .map((part) => part.replace(/[.]/g, '\\.'))
    .join('.*');
  return new RegExp(`^${pattern}$`).test(segment) && matches(rest, others);
}
