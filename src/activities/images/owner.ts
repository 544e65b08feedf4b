import type { Kubernetes, KubernetesObject } from '../../clients/kubernetes.ts';
import { failureType } from '../../errors.ts';
import { fluxImages, gitOpsOwner, imageManager, nudgeOf, sourceOf, type Nudge } from '../../images/gitops.ts';
import { eventOf } from '../../images/patch.ts';
import type { ImageSlot } from '../../images/pods.ts';
import { parseReference, repositoryKey } from '../../images/reference.ts';
import type { ImagePush } from '../../workflows/image-push.ts';
import type { ImageWritten } from './contract.ts';
import type { Target } from './world.ts';

export interface Telling {
  readonly found: Target;
  readonly push: ImagePush;
  /** Images that would change. */
  readonly slots: readonly ImageSlot[];
  /** People want nothing written, owner or not. */
  readonly must: boolean;
}

/**
 * A GitOps tool that owns an image is told to look at its source; so are, with Flux, that source, and what looks for new
 * images of the repository. What it then changes starts the release. Undefined when nobody owns the image.
 */
export async function tellOwner(
  kubernetes: Kubernetes,
  argoNamespace: string,
  { found, push, slots, must }: Telling,
): Promise<ImageWritten | undefined> {
  const { target, what } = found;
  const owner = slots.map((slot) => gitOpsOwner(target, slot, imageManager)).find((one) => one);
  if (!owner)
    return must
      ? { outcome: 'refused', reason: `image-write-back is notify, and no GitOps tool owns the image of ${what}` }
      : undefined;
  const belongs = `the image of ${what} belongs to ${owner.name}`;
  const nudge = nudgeOf(target, argoNamespace);
  if (!nudge)
    return {
      outcome: 'refused',
      reason: `${belongs}, and nothing on it says by which object; change it there, or have ${owner.name} ignore it and set serin.dev/image-write-back: cluster`,
    };
  // Sources first: who reads them is to find what is new.
  const before = nudge.kind === 'Application' ? [] : await sourcesFor(kubernetes, nudge, push);
  const told: string[] = [];
  for (const one of before) if ((await tell(kubernetes, one, push)) === undefined) told.push(nameOf(one));
  const problem = await tell(kubernetes, nudge, push);
  return problem === undefined
    ? { outcome: 'notified', reason: `${belongs}; told ${[...told, nameOf(nudge)].join(' and ')} to look for changes` }
    : { outcome: 'refused', reason: `${belongs}, and ${nameOf(nudge)} could not be told: ${problem}` };
}

/** What of Flux has to look before the owner of a workload can see anything new. */
async function sourcesFor(kubernetes: Kubernetes, owner: Nudge, push: ImagePush): Promise<readonly Nudge[]> {
  const [scanners, object] = await Promise.all([
    ifThere(async () => (await kubernetes.list(fluxImages, undefined, { limit: 500 })).items),
    ifThere(async () => kubernetes.get(owner, owner.namespace, owner.name)),
  ]);
  const ours = (scanners ?? []).filter((scanner) => isAbout(scanner, push));
  const source = object && sourceOf(object);
  const { annotation } = owner;
  return [
    ...ours.map(({ metadata }) => ({
      ...fluxImages,
      namespace: metadata.namespace ?? '',
      name: metadata.name,
      annotation,
    })),
    ...(source ? [{ ...source, annotation }] : []),
  ];
}

function isAbout({ spec }: KubernetesObject, push: ImagePush): boolean {
  const image = (spec as { image?: unknown } | undefined)?.image;
  const parsed = typeof image === 'string' ? parseReference(image) : undefined;
  return parsed !== undefined && 'reference' in parsed && repositoryKey(parsed.reference) === repositoryKey(push);
}

/** Undefined for what the cluster does not have, or does not let us see: these are extras, and the owner is told anyway. */
async function ifThere<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    const type = failureType(error);
    if (type === 'NotFound' || type === 'Unauthorized') return undefined;
    throw error;
  }
}

/** @returns why it could not be told; undefined when it was */
async function tell(kubernetes: Kubernetes, nudge: Nudge, push: ImagePush): Promise<string | undefined> {
  const { apiVersion, kind, plural, namespace, name, annotation } = nudge;
  // Flux acts on any new text, so a repetition of the same push asks for nothing more. Argo CD takes its own away.
  const value = kind === 'Application' ? 'normal' : eventOf(push);
  try {
    const annotations = { [annotation]: value };
    await kubernetes.patch({ apiVersion, kind, plural }, namespace, name, { metadata: { annotations } });
    return undefined;
  } catch (error) {
    if (failureType(error) === 'NotFound') return 'it does not exist';
    if (failureType(error) === 'Unauthorized') return 'the worker may not patch it; see gitops.enabled of the chart';
    throw error;
  }
}

function nameOf({ kind, namespace, name }: Nudge): string {
  return `${kind} ${namespace}/${name}`;
}
