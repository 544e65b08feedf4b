import { resources, type KubernetesObject } from '../../clients/kubernetes.ts';
import { failure } from '../../errors.ts';
import type { Canary } from '../../schemas/canary.ts';
import { primaryTargetName } from '../../schemas/defaults.ts';
import type { ObservedWorkload } from '../../workflows/domain/observation.ts';
import { during, retryOnConflict } from '../attempts.ts';
import type { Deps } from '../deps.ts';
import { lastApplied } from '../originals.ts';
import { controllerOf, isControlledBy, keptByPrefix, ownerReference, withoutToolkitKeys } from '../ownership.ts';
import { revisionOf, sameJson } from '../revision.ts';
import { authorOf, fullName, isInitializing } from './target.ts';
import type { Workload } from './workload.ts';

interface Service extends KubernetesObject {
  spec: ServiceSpec;
}

interface ServiceSpec {
  readonly type?: string;
  readonly clusterIP?: string;
  readonly clusterIPs?: readonly string[];
  readonly ipFamilies?: readonly string[];
  readonly healthCheckNodePort?: number;
  readonly ports?: readonly Port[];
  readonly [field: string]: unknown;
}

interface Port {
  readonly name?: string;
  readonly port: number;
  readonly protocol?: string;
  readonly nodePort?: number;
}

type Role = 'canary' | 'primary';

/**
 * Targets of kind Service: whose pods belong to somebody else. The canary's Service is a copy that follows the target,
 * the primary's is one that follows it with a promotion. There is nothing to wait for, and nothing to scale.
 *
 * @see engine spec 12; unlike in Flagger copies are written only when they differ, addresses and node ports are never
 *   copied, and the primary stays the Canary's (Q21)
 */
export function createServiceWorkload({ kubernetes, settings }: Deps): Workload {
  return {
    async look(canary) {
      const [target, live, primary] = await Promise.all([
        readTarget(canary),
        read(canary, copyName(canary, 'canary')),
        read(canary, primaryTargetName(canary)),
      ]);
      if (live) checkCopy(canary, live);
      if (primary) checkCopy(canary, primary);
      const isCurrent = live && sameJson(updated(live, copyOf(canary, target, 'canary')), live);
      return {
        pods: undefined,
        drift: isCurrent ? [] : [`Service ${copyName(canary, 'canary')}`],
        target: observed(target),
        ...(primary
          ? {
              primary: {
                ...observed(primary),
                equalsTarget: revisionOfService(primary) === revisionOfService(target),
                ours: controllerOf(primary)?.uid === canary.metadata.uid,
              },
            }
          : {}),
      };
    },

    pods: () => Promise.resolve(undefined),
    observedTarget: () => Promise.resolve(undefined),

    async ensurePrimary(canary) {
      await during('reconcileCanaryService failed', () => retryOnConflict(() => ensureCopy(canary, 'canary')));
      await during('reconcilePrimaryService failed', () => retryOnConflict(() => ensureCopy(canary, 'primary')));
      return [];
    },

    async promote(canary, revision) {
      const name = fullName(canary, primaryTargetName(canary));
      await during(`updating service ${name} spec failed`, () =>
        retryOnConflict(async () => {
          const [target, primary] = await Promise.all([readTarget(canary), read(canary, primaryTargetName(canary))]);
          const current = revisionOfService(target);
          if (current !== revision) {
            const what = fullName(canary, canary.spec.targetRef.name);
            throw failure('Conflict', `target changed: service ${what} is at ${current}, analysed was ${revision}`);
          }
          if (!primary) throw notFound(canary, primaryTargetName(canary));
          checkCopy(canary, primary);
          await write(primary, copyOf(canary, target, 'primary'));
        }),
      );
      return [];
    },

    // Its pods are somebody else's.
    scaleToZero: () => Promise.resolve(),
    scaleUp: () => Promise.resolve(),
    revert: () => Promise.resolve(),
  };

  /** The primary's changes with promotions only; until there was one, it follows the target (Q34). */
  async function ensureCopy(canary: Canary, role: Role): Promise<void> {
    const target = await readTarget(canary);
    const live = await read(canary, copyName(canary, role));
    const wanted = copyOf(canary, target, role);
    if (!live) {
      const name = fullName(canary, wanted.metadata.name);
      await during(`creating service ${name} query error`, () => kubernetes.create(resources.services, wanted));
      return;
    }
    checkCopy(canary, live);
    if (role === 'primary' && !(isInitializing(canary) && isControlledBy(live, canary))) return;
    await during(`updating service ${fullName(canary, live.metadata.name)} failed`, () => write(live, wanted));
  }

  async function write(live: Service, wanted: Service): Promise<void> {
    const next = updated(live, wanted);
    if (!sameJson(next, live)) await kubernetes.replace(resources.services, next);
  }

  async function readTarget(canary: Canary): Promise<Service> {
    const { name } = canary.spec.targetRef;
    const found = await read(canary, name);
    if (found) return found;
    throw notFound(canary, name);
  }

  async function read(canary: Canary, name: string): Promise<Service | undefined> {
    const found = await during(`service ${fullName(canary, name)} get query error`, () =>
      kubernetes.get(resources.services, canary.metadata.namespace, name),
    );
    return found as Service | undefined;
  }

  function copyOf(canary: Canary, target: Service, role: Role): Service {
    const { labels, annotations } = target.metadata;
    const { [lastApplied]: _, ...others } = withoutToolkitKeys(annotations);
    const { trafficDistribution } = canary.spec.service ?? {};
    const kept =
      role === 'canary' ? withoutToolkitKeys : (map?: typeof labels) => keptByPrefix(map, settings.includeLabelPrefix);
    return {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: {
        name: copyName(canary, role),
        namespace: canary.metadata.namespace,
        labels: kept(labels),
        annotations: kept(others),
        ownerReferences: [ownerReference(canary)],
      },
      spec: { ...authored(target.spec), ...(trafficDistribution ? { trafficDistribution } : {}) },
    };
  }
}

function copyName(canary: Canary, role: Role): string {
  return `${canary.spec.targetRef.name}-${role}`;
}

/** A spec without what the API server assigns to one Service, and refuses to another. */
function authored({
  clusterIP,
  clusterIPs: _,
  ipFamilies: __,
  healthCheckNodePort: ___,
  ports,
  ...spec
}: ServiceSpec): ServiceSpec {
  return {
    ...spec,
    ...(clusterIP === 'None' ? { clusterIP } : {}),
    ...(ports ? { ports: ports.map(({ nodePort: ____, ...port }) => port) } : {}),
  };
}

/** What a live copy becomes: it keeps what was assigned to it, and what others wrote beside it. */
function updated(live: Service, wanted: Service): Service {
  const { clusterIP, clusterIPs, ipFamilies, healthCheckNodePort } = live.spec;
  const nodePortOf = ({ name, port }: Port) =>
    live.spec.ports?.find((one) => one.port === port && (one.name ?? '') === (name ?? ''))?.nodePort;
  const isInternal = (wanted.spec.type ?? 'ClusterIP') === 'ClusterIP';
  const ports = wanted.spec.ports?.map((port) => {
    const nodePort = nodePortOf(port);
    return nodePort && !isInternal ? { ...port, nodePort } : port;
  });
  const assigned = wanted.spec.type === 'ExternalName' ? {} : { clusterIP, clusterIPs, ipFamilies };
  return {
    ...live,
    metadata: {
      ...live.metadata,
      labels: { ...live.metadata.labels, ...wanted.metadata.labels },
      annotations: { ...live.metadata.annotations, ...wanted.metadata.annotations },
      ownerReferences: wanted.metadata.ownerReferences,
    },
    spec: { ...wanted.spec, ...assigned, ...(isInternal ? {} : { healthCheckNodePort }), ports },
  };
}

function revisionOfService({ spec }: Service): string {
  return revisionOf({ spec: authored(spec) });
}

function observed(service: Service): ObservedWorkload {
  // One replica says: there is something, and nothing to wait for.
  return {
    revision: revisionOfService(service),
    ...authorOf(service),
    replicas: 1,
    available: 1,
    readiness: { ready: true },
  };
}

/** After a promotion Flagger leaves a primary that belongs to no Canary: once there was one, the name is taken for it. */
function checkCopy(canary: Canary, live: Service): void {
  if (isControlledBy(live, canary)) return;
  const owner = controllerOf(live);
  if (!owner && !isInitializing(canary)) return;
  const whose = owner ? `is controlled by ${owner.kind} ${owner.name}` : 'belongs to no Canary';
  const what = `service ${fullName(canary, live.metadata.name)}`;
  throw failure('Conflict', `${what} exists and ${whose}: rename or delete it, or rename the target`);
}

function notFound(canary: Canary, name: string) {
  return failure('NotFound', `service ${fullName(canary, name)} get query error: services "${name}" not found`);
}
