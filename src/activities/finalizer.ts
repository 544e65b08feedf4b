import { resources, type Kubernetes, type KubernetesObject } from '../clients/kubernetes.ts';
import { during, retryOnConflict } from './attempts.ts';
import type { CanaryRef } from './contract.ts';

/** Keeps a Canary until what it took from its target has been given back. The name is Flagger's. @see engine spec 17 */
const finalizer = 'finalizer.flagger.app';

export function hasFinalizer({ metadata }: KubernetesObject): boolean {
  return metadata.finalizers?.includes(finalizer) ?? false;
}

/** Adds or removes the finalizer. The others keep their order, and each is there once (BC-17). */
export function createSetFinalizer(kubernetes: Kubernetes) {
  return async ({ namespace, name }: CanaryRef, present: boolean): Promise<void> => {
    const verb = present ? 'add' : 'remove';
    await during(`unable to ${verb} finalizer for canary ${name}.${namespace}: failed after retries`, () =>
      retryOnConflict(async () => {
        const canary = await kubernetes.get(resources.canaries, namespace, name);
        // A Canary that is gone holds nothing any more.
        if (!canary || hasFinalizer(canary) === present) return;
        const { resourceVersion, finalizers = [] } = canary.metadata;
        const others = [...new Set(finalizers)].filter((one) => one !== finalizer);
        const metadata = { resourceVersion, finalizers: present ? [...others, finalizer] : others };
        await kubernetes.patch(resources.canaries, namespace, name, { metadata });
      }),
    );
  };
}
