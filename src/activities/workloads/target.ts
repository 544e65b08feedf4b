import type { KubernetesObject } from '../../clients/kubernetes.ts';
import { authorAnnotation } from '../../images/memory.ts';
import type { Canary } from '../../schemas/canary.ts';

/** Who made the revision that a target is at, as far as it says so. */
export function authorOf({ metadata }: Pick<KubernetesObject, 'metadata'>): { readonly author?: string } {
  const author = metadata.annotations?.[authorAnnotation]?.trim();
  return author ? { author } : {};
}

/** Nobody is sent to the primary yet, so that it may still follow the target. */
export function isInitializing({ status }: Canary): boolean {
  const phase = status?.phase ?? '';
  return phase === '' || phase === 'Initializing';
}

/** As event texts name an object of a Canary's namespace. */
export function fullName({ metadata }: Canary, name: string): string {
  return `${name}.${metadata.namespace}`;
}

/** The image of the first container, its digest cut to what tells it from others. */
export function imageOf(template: { readonly spec?: { readonly containers?: unknown } } | undefined): {
  readonly image?: string;
} {
  const { containers } = template?.spec ?? {};
  const [first] = Array.isArray(containers) ? (containers as { readonly image?: unknown }[]) : [];
  if (typeof first?.image !== 'string') return {};
  return { image: first.image.replace(/(@sha256:[0-9a-f]{12})[0-9a-f]+$/, '$1') };
}
