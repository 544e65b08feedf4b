import type { KubernetesObject } from '../clients/kubernetes.ts';
import type { ImageKind } from '../schemas/image-choices.ts';
import { parseReference, type ImageReference } from './reference.ts';

/** A place in a pod template that names an image. */
export interface ImageSlot {
  readonly kind: ImageKind;
  /** Of the container or the volume. */
  readonly name: string;
}

interface PodTemplate {
  readonly metadata?: { readonly annotations?: Readonly<Record<string, string>> };
  readonly spec?: {
    readonly containers?: readonly Container[];
    readonly initContainers?: readonly Container[];
    readonly volumes?: readonly Volume[];
    readonly imagePullSecrets?: readonly { readonly name?: string }[];
    readonly serviceAccountName?: string;
  };
}

interface Container {
  readonly name: string;
  readonly image?: string;
}

interface Volume {
  readonly name: string;
  readonly image?: { readonly reference?: string };
}

/** The pod template of a workload. */
export function templateOf(workload: KubernetesObject): PodTemplate {
  return (workload.spec as { readonly template?: PodTemplate } | undefined)?.template ?? {};
}

/** The image that a workload names in a slot, as written; undefined when it has no such slot. */
export function imageText(workload: KubernetesObject, { kind, name }: ImageSlot): string | undefined {
  const { spec = {} } = templateOf(workload);
  switch (kind) {
    case 'container':
      return spec.containers?.find((container) => container.name === name)?.image;
    case 'initContainer':
      return spec.initContainers?.find((container) => container.name === name)?.image;
    case 'imageVolume':
      return spec.volumes?.find((volume) => volume.name === name)?.image?.reference;
  }
}

/** The same as a reference; undefined for text that is none. */
export function imageIn(workload: KubernetesObject, slot: ImageSlot): ImageReference | undefined {
  const parsed = parseReference(imageText(workload, slot) ?? '');
  return 'reference' in parsed ? parsed.reference : undefined;
}

/** The part of a pod spec that names images in these slots, for a server-side apply. */
export function podWith(images: readonly (ImageSlot & { readonly image: string | undefined })[]): object {
  const of = (wanted: ImageKind) => images.filter(({ kind }) => kind === wanted);
  const containers = (kind: ImageKind) => of(kind).map(({ name, image }) => ({ name, image }));
  const initContainers = containers('initContainer');
  const volumes = of('imageVolume').map(({ name, image }) => ({ name, image: { reference: image } }));
  return {
    containers: containers('container'),
    ...(initContainers.length > 0 ? { initContainers } : {}),
    ...(volumes.length > 0 ? { volumes } : {}),
  };
}

/** How a slot is named in what a target remembers. Containers share one set of names; volumes have another. */
export function slotKey({ kind, name }: ImageSlot): string {
  return kind === 'imageVolume' ? `volume/${name}` : name;
}
