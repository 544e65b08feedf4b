/** A pod template as far as it refers to configuration; whatever else it holds is carried along. */
export interface ConfiguredTemplate {
  readonly spec?: {
    readonly containers?: readonly ConfiguredContainer[];
    readonly initContainers?: readonly ConfiguredContainer[];
    readonly volumes?: readonly ConfiguredVolume[];
  };
}

interface ConfiguredContainer {
  readonly env?: readonly { readonly valueFrom?: { configMapKeyRef?: Named; secretKeyRef?: Named } }[];
  readonly envFrom?: readonly { configMapRef?: Named; secretRef?: Named }[];
}

interface ConfiguredVolume {
  readonly configMap?: Named;
  readonly secret?: { secretName?: string; readonly optional?: boolean };
  readonly projected?: { readonly sources?: readonly { configMap?: Named; secret?: Named }[] };
}

interface Named {
  name?: string;
  readonly optional?: boolean;
}

export type ConfigKind = 'ConfigMap' | 'Secret';

/** One place in which a template names a ConfigMap or a Secret. */
export interface ConfigReference {
  readonly kind: ConfigKind;
  readonly name: string;
  /** Pods start without it. */
  readonly optional: boolean;
  rename(name: string): void;
}

/**
 * Every place in which a template names configuration: volumes, projected volumes, and the environment of containers and
 * init containers. Writing to one changes the template.
 *
 * @see engine spec 14.4
 */
export function configReferences({ spec = {} }: ConfiguredTemplate): readonly ConfigReference[] {
  const containers = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
  return [
    ...(spec.volumes ?? []).flatMap(({ configMap, secret, projected }) => [
      ...named('ConfigMap', configMap),
      ...secretVolume(secret),
      ...(projected?.sources ?? []).flatMap((source) => [
        ...named('ConfigMap', source.configMap),
        ...named('Secret', source.secret),
      ]),
    ]),
    ...containers.flatMap(({ env = [], envFrom = [] }) => [
      ...env.flatMap(({ valueFrom }) => [
        ...named('ConfigMap', valueFrom?.configMapKeyRef),
        ...named('Secret', valueFrom?.secretKeyRef),
      ]),
      ...envFrom.flatMap((source) => [
        ...named('ConfigMap', source.configMapRef),
        ...named('Secret', source.secretRef),
      ]),
    ]),
  ];
}

function named(kind: ConfigKind, reference: Named | undefined): ConfigReference[] {
  if (!reference?.name) return [];
  const { name, optional = false } = reference;
  return [{ kind, name, optional, rename: (other) => void (reference.name = other) }];
}

function secretVolume(secret: ConfiguredVolume['secret']): ConfigReference[] {
  if (!secret?.secretName) return [];
  const { secretName: name, optional = false } = secret;
  return [{ kind: 'Secret', name, optional, rename: (other) => void (secret.secretName = other) }];
}

/** A copy of a template in which references go by other names, where `to` gives one. */
export function renamed<T extends ConfiguredTemplate>(
  template: T,
  to: (kind: ConfigKind, name: string) => string | undefined,
): T {
  const copy = structuredClone(template);
  for (const reference of configReferences(copy)) {
    const { kind, name } = reference;
    reference.rename(to(kind, name) ?? name);
  }
  return copy;
}

/** Key of a piece of configuration in `status.trackedConfigs`. */
export function configKey(kind: ConfigKind, name: string): string {
  return `${kind.toLowerCase()}/${name}`;
}
