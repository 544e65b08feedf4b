import type { KubernetesObject } from '../clients/kubernetes.ts';
import { failure } from '../errors.ts';

/** Annotations in which `revertOnDeletion` finds what an object looked like before its Canary took it over. */
export const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';
export const originalConfiguration = 'flagger.kubernetes.io/original-configuration';

/**
 * What such an annotation holds; undefined when the object does not have it.
 *
 * @param what the object, as Flagger's event names it
 * @throws `InvalidSpec` when it holds no JSON object
 */
export function originalIn<T extends object>(
  { metadata }: KubernetesObject,
  annotation: string,
  what: string,
): T | undefined {
  const kept = metadata.annotations?.[annotation];
  if (kept === undefined) return undefined;
  const original = parsed(kept);
  if (typeof original === 'object' && original !== null) return original as T;
  throw failure('InvalidSpec', `${what} failed to unMarshal annotation ${annotation}; remove or mend it`);
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
