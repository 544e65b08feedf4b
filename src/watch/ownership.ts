import type { CanaryRef } from '../activities/contract.ts';
import type { CanaryView } from './hints.ts';

/** Which Canaries an object belongs to, by the names it has in their specs and the names Serin derives from them. */
export interface Ownership {
  /** Enters a Canary, or moves it to the names it has now. */
  set(view: CanaryView): void;
  remove(canary: CanaryRef): void;
  /** In the order in which they were entered; several may share an object by mistake. */
  canariesOf(kind: string, namespace: string, name: string): readonly CanaryRef[];
}

export function createOwnership(): Ownership {
  const byObject = new Map<string, Map<string, CanaryRef>>();
  const byCanary = new Map<string, readonly string[]>();

  const remove = (canary: CanaryRef) => {
    const id = `${canary.namespace}/${canary.name}`;
    for (const object of byCanary.get(id) ?? []) {
      const owners = byObject.get(object);
      owners?.delete(id);
      if (owners?.size === 0) byObject.delete(object);
    }
    byCanary.delete(id);
  };

  return {
    set(view) {
      remove(view.canary);
      const id = `${view.canary.namespace}/${view.canary.name}`;
      const objects = objectsOf(view).map(([kind, name]) => keyOf(kind, view.canary.namespace, name));
      for (const object of objects) {
        const owners = byObject.get(object) ?? new Map<string, CanaryRef>();
        owners.set(id, view.canary);
        byObject.set(object, owners);
      }
      byCanary.set(id, objects);
    },
    remove,
    canariesOf(kind, namespace, name) {
      return [...(byObject.get(keyOf(kind, namespace, name))?.values() ?? [])];
    },
  };
}

/** What a Canary reads or generates, as pairs of kind and name; whatever a router or an autoscaler has is one kind. @see Flagger, names in pkg/canary and pkg/router */
function objectsOf({ target, targetKind, apex, autoscaler }: CanaryView): readonly (readonly [string, string])[] {
  if (target === '') return [];
  // Everything in one, and nothing generated.
  if (targetKind === 'Knative Service') return [[targetKind, target]];
  return [
    ['Deployment', target],
    ['Deployment', `${target}-primary`],
    ['DaemonSet', target],
    ['DaemonSet', `${target}-primary`],
    ['Service', apex],
    ['Service', `${apex}-primary`],
    ['Service', `${apex}-canary`],
    ['route', apex],
    ['route', `${apex}-primary`],
    ['route', `${apex}-canary`],
    // Its copies are called after it, whatever the apex is called.
    ...(targetKind === 'Service'
      ? ([
          ['Service', target],
          ['Service', `${target}-primary`],
          ['Service', `${target}-canary`],
        ] as const)
      : []),
    ...(autoscaler === undefined
      ? []
      : ([
          ['autoscaler', autoscaler],
          ['autoscaler', `${autoscaler}-primary`],
        ] as const)),
  ];
}

function keyOf(kind: string, namespace: string, name: string): string {
  return `${kind}/${namespace}/${name}`;
}
