import { resources, type Kubernetes, type KubernetesObject } from '../../clients/kubernetes.ts';
import type { Settings } from '../../config.ts';
import { failure } from '../../errors.ts';
import type { Canary } from '../../schemas/canary.ts';
import { during, retryOnConflict } from '../attempts.ts';
import { controllerOf, isControlledBy, keptByPrefix, ownerReference } from '../ownership.ts';
import { revisionOf, sameJson, sha256 } from '../revision.ts';
import {
  configKey,
  configReferences,
  renamed,
  type ConfigKind,
  type ConfigReference,
  type ConfiguredTemplate,
} from '../../schemas/config-references.ts';

/** The ConfigMaps and Secrets that a template refers to and that are part of its revision. */
export interface Tracked {
  /** By key, in the order of the keys; empty when nothing is tracked. */
  readonly configs: ReadonlyMap<string, TrackedConfig>;
  /**
   * What `status.trackedConfigs` says of them, and the name of the revision is made of. Undefined when there is nothing
   * to track. With tracking off, those of before for as long as the template is the one they were released with.
   */
  readonly checksums?: Readonly<Record<string, string>>;
}

export interface TrackedConfig {
  /** As in `status.trackedConfigs`. */
  readonly key: string;
  readonly kind: ConfigKind;
  readonly name: string;
  readonly object: Config;
  readonly checksum: string;
}

interface Config extends KubernetesObject {
  data?: Record<string, string>;
  binaryData?: Record<string, string>;
  immutable?: boolean;
  type?: string;
}

/**
 * Configuration that is released together with the pods that read it: the primary reads copies, `<name>-primary`, which
 * change when it is promoted.
 *
 * @see engine spec 14.4 and 14.5, Q24
 */
export interface ConfigTracker {
  /**
   * What a template refers to, as it is now.
   *
   * @throws `NotFound` when something is missing that the pods cannot do without
   */
  collect(canary: Canary, template: ConfiguredTemplate): Promise<Tracked>;
  /**
   * Writes the primary's copies.
   *
   * @param keep leaves the copies that are there as they are
   * @returns what people should know: which of them other Canaries share
   * @throws `Conflict` when the name of a copy belongs to something else
   */
  copy(canary: Canary, tracked: Tracked, keep?: 'keep'): Promise<readonly string[]>;
  /** A template with references to the primary's copies. */
  rewrite<T extends ConfiguredTemplate>(template: T, tracked: Tracked): T;
  /** The copies that the primary's template refers to: those that are gone, and whether all say what the originals say now. */
  copies(
    canary: Canary,
    primary: ConfiguredTemplate,
    tracked: Tracked,
  ): Promise<{ readonly same: boolean; readonly missing: readonly TrackedConfig[] }>;
}

/** Other types of Secrets belong to whoever issues them. */
const trackedSecrets = new Set(['Opaque', 'kubernetes.io/basic-auth', 'kubernetes.io/ssh-auth', 'kubernetes.io/tls']);
const optOut = 'flagger.app/config-tracking';
const kinds = { ConfigMap: resources.configMaps, Secret: resources.secrets } as const;

export function createConfigTracker(
  kubernetes: Kubernetes,
  { configTracking, includeLabelPrefix }: Pick<Settings, 'configTracking' | 'includeLabelPrefix'>,
): ConfigTracker {
  return {
    async collect(canary, template) {
      if (!configTracking) return { configs: new Map(), ...untracked(canary, template) };
      const found = await Promise.all(
        [...wantedBy(template)].map(async ([key, { kind, name, optional }]) => {
          const object = await readOriginal(canary, kind, name, optional);
          return object && isTracked(object)
            ? ([[key, { key, kind, name, object, checksum: checksumOf(object) }]] as const)
            : [];
        }),
      );
      const configs = new Map(found.flat().sort(([one], [other]) => (one < other ? -1 : 1)));
      if (configs.size === 0) return { configs };
      return { configs, checksums: Object.fromEntries([...configs].map(([key, { checksum }]) => [key, checksum])) };
    },

    async copy(canary, { configs }, keep) {
      return during('CreatePrimaryConfigs failed', async () => {
        const remarks: string[] = [];
        for (const config of configs.values())
          remarks.push(...(await retryOnConflict(() => copyOne(canary, config, keep))));
        return remarks;
      });
    },

    rewrite: (template, { configs }) =>
      renamed(template, (kind, name) => (configs.has(configKey(kind, name)) ? copyOf(name) : undefined)),

    async copies(canary, primary, { configs }) {
      const names = new Set(configReferences(primary).map(({ kind, name }) => configKey(kind, name)));
      const copied = [...configs.values()].filter(({ kind, name }) => names.has(configKey(kind, copyOf(name))));
      const live = await Promise.all(copied.map(({ kind, name }) => read(canary, kind, copyOf(name))));
      return {
        same: copied.every(({ checksum }, index) => live[index] && checksumOf(live[index]) === checksum),
        missing: copied.filter((_, index) => !live[index]),
      };
    },
  };

  /** Read errors are doubled in Flagger's words. Only what is not there counts as absent, whoever could do without it. */
  async function readOriginal(canary: Canary, kind: ConfigKind, name: string, optional: boolean) {
    const what = `${kind.toLowerCase()} ${name}.${canary.metadata.namespace} get query error`;
    return during(`GetTargetConfigs failed: ${what}: ${what}`, async () => {
      const found = await read(canary, kind, name);
      if (found || optional) return found;
      throw failure('NotFound', `${kinds[kind].plural} "${name}" not found`);
    });
  }

  async function read(canary: Canary, kind: ConfigKind, name: string): Promise<Config | undefined> {
    return await kubernetes.get(kinds[kind], canary.metadata.namespace, name);
  }

  async function copyOne(
    canary: Canary,
    { kind, name, object }: TrackedConfig,
    keep: 'keep' | undefined,
  ): Promise<readonly string[]> {
    const resource = kinds[kind];
    const copy = copyOf(name);
    const what = `${kind.toLowerCase()} ${copy}.${canary.metadata.namespace}`;
    const live = await during(`${what} get query failed `, () => read(canary, kind, copy));
    if (live) checkCopy(canary, live, what);
    const remarks = sharers(canary, live).map((other) => sharedText(what, other));
    if (live && keep) return remarks;
    const wanted = wantedCopy(canary, object, live);
    if (!live) {
      await during(`creating ${what} failed`, () => kubernetes.create(resource, wanted));
      return remarks;
    }
    if (sameJson(wanted, live)) return remarks;
    await during(`updating ${what} failed`, async () => {
      if (live.immutable !== true) return kubernetes.replace(resource, wanted);
      // What says of itself that it never changes can only be made anew. Running pods do not notice.
      await kubernetes.remove(resource, canary.metadata.namespace, copy);
      const { resourceVersion: _, uid: __, creationTimestamp: ___, managedFields: ____, ...metadata } = wanted.metadata;
      return kubernetes.create(resource, { ...wanted, metadata });
    });
    return remarks;
  }

  function wantedCopy(canary: Canary, original: Config, live: Config | undefined): Config {
    const { apiVersion, kind, data, binaryData, immutable, type, metadata } = original;
    return {
      apiVersion,
      kind,
      metadata: {
        ...live?.metadata,
        name: copyOf(metadata.name),
        namespace: canary.metadata.namespace,
        labels: keptByPrefix(metadata.labels, includeLabelPrefix),
        ownerReferences: ownersOf(canary, live),
      },
      ...(data ? { data } : {}),
      ...(binaryData ? { binaryData } : {}),
      ...(immutable ? { immutable } : {}),
      ...(type ? { type } : {}),
    };
  }
}

/**
 * To stop looking at configuration is no change of it: a revision that was named with some keeps its name until its
 * template changes, or the switch alone would start a release of every Canary.
 */
function untracked({ status }: Canary, template: ConfiguredTemplate): Pick<Tracked, 'checksums'> {
  const { trackedConfigs = {}, lastAppliedSpec, lastPromotedSpec } = status ?? {};
  if (Object.keys(trackedConfigs).length === 0) return {};
  const named = revisionOf(template, trackedConfigs);
  return named === lastAppliedSpec || named === lastPromotedSpec ? { checksums: trackedConfigs } : {};
}

function copyOf(name: string): string {
  return `${name}-primary`;
}

/** What a template asks for, by key. What one place needs, another cannot make optional. */
function wantedBy(template: ConfiguredTemplate): ReadonlyMap<string, Omit<ConfigReference, 'rename'>> {
  const wanted = new Map<string, Omit<ConfigReference, 'rename'>>();
  for (const { kind, name, optional } of configReferences(template)) {
    const key = configKey(kind, name);
    wanted.set(key, { kind, name, optional: optional && (wanted.get(key)?.optional ?? true) });
  }
  return wanted;
}

function isTracked({ kind, metadata, type }: Config): boolean {
  if (metadata.annotations?.[optOut]?.startsWith('disable')) return false;
  return kind !== 'Secret' || trackedSecrets.has(type ?? 'Opaque');
}

/**
 * First eight bytes, in hex, of the SHA-256 of the data as Go writes it down. Binary data joins in only where there is
 * some, so that all other checksums are Flagger's.
 */
function checksumOf({ data, binaryData }: Config): string {
  const binary = binaryData && Object.keys(binaryData).length > 0 ? goJson(binaryData) : '';
  return sha256(goJson(data) + binary).slice(0, 16);
}

function goJson(data: Readonly<Record<string, string>> | undefined): string {
  if (!data) return 'null';
  const sorted = Object.fromEntries(Object.entries(data).sort(([one], [other]) => (one < other ? -1 : 1)));
  const escape = (sign: string) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(sorted).replaceAll(/[<>&\u2028\u2029]/g, escape);
}

/** Names of other Canaries whose primaries read a copy. */
function sharers(canary: Canary, live: Config | undefined): readonly string[] {
  const owners = (live?.metadata.ownerReferences ?? []).filter(({ kind }) => kind === 'Canary');
  return owners.map(({ name }) => name).filter((name) => name !== canary.metadata.name);
}

/** As in Flagger it is whoever promotes first who changes it (Q24); that it happens has to be said. */
function sharedText(what: string, other: string): string {
  return (
    `${what} is also read by the primary of canary ${other}, which gets what this one promotes when its pods start again; ` +
    'give each target an object of its own'
  );
}

/** Copies that several Canaries share have several owners. This one is the controller. */
function ownersOf(canary: Canary, live: Config | undefined) {
  const others = (live?.metadata.ownerReferences ?? []).filter(
    ({ kind, name }) => kind !== 'Canary' || name !== canary.metadata.name,
  );
  return [ownerReference(canary), ...others.map((owner) => ({ ...owner, controller: false }))];
}

/** Whatever no Canary owns is somebody else's, be it called like a copy. */
function checkCopy(canary: Canary, live: Config, what: string): void {
  const owners = live.metadata.ownerReferences ?? [];
  if (isControlledBy(live, canary) || owners.some(({ kind }) => kind === 'Canary')) return;
  const owner = controllerOf(live);
  const whose = owner ? `is controlled by ${owner.kind} ${owner.name}` : 'belongs to no Canary';
  throw failure('Conflict', `${what} exists and ${whose}: rename or delete it, or rename what the pods refer to`);
}
