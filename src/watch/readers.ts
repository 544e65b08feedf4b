/** Which workloads read a ConfigMap or a Secret. */
export interface Readers {
  /** Enters what a workload reads, in place of what it read before. @param workload `<Kind>/<namespace>/<name>` */
  set(workload: string, namespace: string, configs: readonly string[]): void;
  /** @param config `configmap/<name>` or `secret/<name>` */
  of(namespace: string, config: string): readonly string[];
}

export function createReaders(): Readers {
  const byConfig = new Map<string, Set<string>>();
  const byWorkload = new Map<string, readonly string[]>();
  const keyOf = (namespace: string, config: string) => `${namespace}/${config}`;

  return {
    set(workload, namespace, configs) {
      for (const key of byWorkload.get(workload) ?? []) {
        const readers = byConfig.get(key);
        readers?.delete(workload);
        if (readers?.size === 0) byConfig.delete(key);
      }
      const keys = configs.map((config) => keyOf(namespace, config));
      for (const key of keys) byConfig.set(key, (byConfig.get(key) ?? new Set()).add(workload));
      if (keys.length > 0) byWorkload.set(workload, keys);
      else byWorkload.delete(workload);
    },
    of: (namespace, config) => [...(byConfig.get(keyOf(namespace, config)) ?? [])],
  };
}
