import { resources, type Kubernetes, type KubernetesObject } from '../clients/kubernetes.ts';
import { failure } from '../errors.ts';
import type { Canary } from '../schemas/canary.ts';
import { serviceNames } from '../schemas/defaults.ts';
import { during, retryOnConflict } from './attempts.ts';
import { lastApplied, originalIn } from './originals.ts';
import { controllerOf, fluxGuards, isControlledBy, ownerReference } from './ownership.ts';
import { sameJson } from './revision.ts';
import { servicePorts, type ServicePort } from './service-ports.ts';
import type { Labels, Pods } from './workloads/workload.ts';

/** The three Services of a Canary: `canary` and `primary` for the routes, `apex` for clients. */
export interface Services {
  /**
   * Services that are missing or differ, as `Service <name>`. Writes nothing.
   *
   * @throws `Conflict` when the name of the canary's or the primary's Service belongs to something else
   */
  drift(canary: Canary, pods: Pods): Promise<readonly string[]>;

  /**
   * Creates what is missing and repairs what differs: the canary's and the primary's Service, or the apex, which is
   * taken over when it exists. Answers with what people should know about the ports.
   */
  ensure(canary: Canary, pods: Pods, which: 'inner' | 'apex'): Promise<readonly string[]>;

  /**
   * Has an apex that does not go away with the Canary select the target's pods again. One that is missing, or goes
   * away, is left alone.
   *
   * @see routers spec 3.4
   */
  revert(canary: Canary, pods: Pods): Promise<void>;
}

type Role = 'canary' | 'primary' | 'apex';

interface Service extends KubernetesObject {
  spec: { selector?: Labels; ports?: ServicePort[]; clusterIP?: string; [field: string]: unknown };
}

/** @see routers spec 3.2 and 3.3 */
export function createServices(kubernetes: Kubernetes): Services {
  return {
    async drift(canary, pods) {
      const roles: readonly Role[] = ['canary', 'primary', 'apex'];
      const found = await Promise.all(
        roles.map(async (role) => {
          const wanted = wantedService(canary, pods, role);
          const live = await read(wanted);
          if (live) checkOwner(canary, wanted, live, role);
          return live && sameJson(reconciled(canary, wanted, live), live) ? [] : [`Service ${wanted.metadata.name}`];
        }),
      );
      return found.flat();
    },

    async ensure(canary, pods, which) {
      await during('reconcileService failed', async () => {
        for (const role of which === 'apex' ? (['apex'] as const) : (['canary', 'primary'] as const)) {
          await retryOnConflict(() => ensureOne(canary, pods, role));
        }
      });
      return servicePorts(canary, pods.ports).leftOut;
    },

    async revert(canary, pods) {
      await retryOnConflict(async () => {
        const live = await read(wantedService(canary, pods, 'apex'));
        if (!live || controllerOf(live)?.kind === 'Canary') return;
        const { name, namespace } = live.metadata;
        const selector = appliedSelector(live) ?? pods.target;
        if (sameJson(live.spec.selector, selector)) return;
        await during(`service ${name}.${namespace} update error`, () =>
          kubernetes.replace(resources.services, { ...live, spec: { ...live.spec, selector } }),
        );
      });
    },
  };

  async function ensureOne(canary: Canary, pods: Pods, role: Role): Promise<void> {
    const wanted = wantedService(canary, pods, role);
    const { name, namespace } = wanted.metadata;
    const live = await read(wanted);
    if (!live) {
      await during(`service ${name}.${namespace} create error`, () => kubernetes.create(resources.services, wanted));
      return;
    }
    checkOwner(canary, wanted, live, role);
    const next = reconciled(canary, wanted, live);
    if (sameJson(next, live)) return;
    await during(`service ${name} update error`, () => kubernetes.replace(resources.services, next));
  }

  async function read({ metadata: { name, namespace } }: Service): Promise<Service | undefined> {
    const found = await during(`service ${name} get query error`, () =>
      kubernetes.get(resources.services, namespace, name),
    );
    return found as Service | undefined;
  }
}

/** The selector that its owner applied last, if it was applied with kubectl. */
function appliedSelector(live: Service): Labels | undefined {
  const { name, namespace } = live.metadata;
  return originalIn<{ spec?: { selector?: Labels } }>(live, lastApplied, `router ${name}.${namespace}`)?.spec?.selector;
}

/** A Service as it is created. */
export function wantedService(canary: Canary, pods: Pods, role: Role): Service {
  const { namespace } = canary.metadata;
  const { headless, trafficDistribution } = canary.spec.service ?? {};
  const name = serviceNames(canary)[role];
  if (name.length > 63) {
    const cure = 'set spec.service.name to a shorter name';
    throw failure('InvalidSpec', `Service ${name} would have a name longer than 63 characters; ${cure}`);
  }
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, ...wantedMetadata(canary, pods, role), ownerReferences: [ownerReference(canary)] },
    spec: {
      type: 'ClusterIP',
      ...(headless ? { clusterIP: 'None' } : {}),
      ...(trafficDistribution ? { trafficDistribution } : {}),
      selector: role === 'canary' ? pods.target : pods.primary,
      ports: [...servicePorts(canary, pods.ports).ports],
    },
  };
}

function wantedMetadata(canary: Canary, { label }: Pods, role: Role): { labels: Labels; annotations: Labels } {
  const { labels, annotations } = canary.spec.service?.[role] ?? {};
  return {
    labels: { ...labels, [label]: serviceNames(canary)[role] },
    annotations: { ...annotations, ...fluxGuards },
  };
}

/** What an existing Service becomes; type, cluster IP and traffic distribution stay as they are. */
function reconciled(canary: Canary, wanted: Service, live: Service): Service {
  const ports = (wanted.spec.ports ?? []).map((port) => withNodePort(port, live));
  const routed =
    sameJson(byNumber(ports), byNumber(live.spec.ports)) && sameJson(live.spec.selector, wanted.spec.selector);
  const spec = routed ? live.spec : { ...live.spec, ports, selector: wanted.spec.selector };
  const { labels, annotations } = isControlledBy(live, canary) ? managedMetadata(canary, wanted, live) : live.metadata;
  const next: Service = { ...live, metadata: { ...live.metadata, labels, annotations }, spec };
  if (sameJson(next, live)) return live;
  return { ...next, metadata: { ...next.metadata, annotations: { ...annotations, ...fluxGuards } } };
}

function withNodePort(port: ServicePort, live: Service): ServicePort {
  const nodePort = live.spec.ports?.find(({ name }) => name === port.name)?.nodePort;
  return nodePort ? { ...port, nodePort } : port;
}

/** Order says nothing about ports, and the API server fills in the protocol and the target. */
function byNumber(ports: readonly ServicePort[] = []): ServicePort[] {
  return ports
    .map((port) => ({ ...port, protocol: port.protocol ?? 'TCP', targetPort: port.targetPort ?? port.port }))
    .sort((one, other) => one.port - other.port || (one.protocol < other.protocol ? -1 : 1));
}

/** Foreign keys go, but for those that the Canary declares unmanaged. */
function managedMetadata(canary: Canary, wanted: Service, live: Service) {
  const unmanaged = canary.spec.service?.unmanagedMetadata;
  const keep = (map: Labels | undefined, live: Labels = {}, keys: readonly string[] = []): Record<string, string> => {
    const kept = Object.entries(live).filter(([key]) => keys.includes(key));
    return { ...map, ...Object.fromEntries(kept) };
  };
  return {
    labels: keep(wanted.metadata.labels, live.metadata.labels, unmanaged?.labels),
    annotations: keep(wanted.metadata.annotations, live.metadata.annotations, unmanaged?.annotations),
  };
}

/** The apex is the team's own Service more often than not; the other two names are Serin's, unless someone was first. */
function checkOwner(canary: Canary, wanted: Service, live: Service, role: Role): void {
  if (role === 'apex' || isControlledBy(live, canary)) return;
  const owner = controllerOf(live);
  if (!owner && sameJson(live.spec.selector, wanted.spec.selector)) return;
  const { name, namespace } = wanted.metadata;
  const whose = owner ? `is controlled by ${owner.kind} ${owner.name}` : 'selects other pods than this Canary would';
  throw failure(
    'Conflict',
    `service ${name}.${namespace} exists and ${whose}: rename or delete it, or set spec.service.name to another name`,
  );
}
