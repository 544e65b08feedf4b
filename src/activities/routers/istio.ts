import { resources, type KubernetesObject, type Resource } from '../../clients/kubernetes.ts';
import { failure } from '../../errors.ts';
import type { Canary } from '../../schemas/canary.ts';
import { serviceNames } from '../../schemas/defaults.ts';
import type { Traffic } from '../../workflows/domain/observation.ts';
import { during } from '../attempts.ts';
import type { Deps } from '../deps.ts';
import { lastApplied, originalConfiguration, originalIn } from '../originals.ts';
import { difference, isObject, omit, pick, type JsonObject } from './compare.ts';
import { routesOf } from './istio-routes.ts';
import {
  conditionMaps,
  destinationRuleSpec,
  ownedFields,
  virtualServiceSpec,
  weightsIn,
  withoutTraffic,
} from './istio-spec.ts';
import { apexMetadata, ownership, type Metadata } from './metadata.ts';
import type { CreateRouter } from './router.ts';

/**
 * Istio: a VirtualService that holds the weights, and a DestinationRule for each of its two destinations.
 *
 * @see Flagger, pkg/router/istio.go; the error texts are its own
 */
export const istio: CreateRouter = (deps) => ({
  async drift(canary) {
    const all = await wantedObjects(canary, { primary: 100, canary: 0 }, deps);
    const found = await Promise.all(all.map((wanted) => read(wanted, canary, deps)));
    const differing = all.filter((wanted, index) => !found[index] || hasDrifted(wanted, found[index], canary));
    return differing.map(({ resource, name }) => `${resource.kind} ${name}`);
  },

  async ensure(canary, traffic) {
    const all = await wantedObjects(canary, traffic, deps);
    const stored: KubernetesObject[] = [];
    const remarks: string[] = [];
    for (const wanted of all) {
      const live = await read(wanted, canary, deps);
      if (live && wanted.resource.kind === 'VirtualService') remarks.push(...lossesOf(wanted, live, canary));
      stored.push(live ? await repair(wanted, live, canary, deps) : await create(wanted, canary, deps));
    }
    // Only now: a field that is not kept in one object must not hold up the weights in another.
    all.forEach((wanted, index) => assertKept(wanted, stored[index]!, canary));
    return remarks;
  },

  async getWeights(canary) {
    const live = await readRoute(canary, deps);
    return live && weightsIn(canary, live.spec);
  },

  async setWeights(canary, traffic) {
    const live = await readRoute(canary, deps);
    const route = routeName(canary);
    if (!live) {
      const { apex } = serviceNames(canary);
      const text = `virtualservices.networking.istio.io "${apex}" not found`;
      throw failure('NotFound', `${route} get query error ${text}`);
    }
    const routes = routesOf(canary, traffic);
    if (!difference(routes, pick(live.spec, Object.keys(routes)), 'spec', conditionMaps)) return;
    const moved = { ...live, spec: { ...(live.spec as JsonObject), ...routes } };
    await during(`${route} update failed`, () => deps.mesh.replace(resources.virtualServices, moved));
  },

  async revert(canary) {
    const live = await readRoute(canary, deps);
    const original = live && originalSpec(live, canary);
    if (!original || !difference(original, live.spec, 'spec', conditionMaps)) return;
    await during(`${routeName(canary)} update error`, () =>
      deps.mesh.replace(resources.virtualServices, { ...live, spec: original }),
    );
  },
});

/** An object as the Canary asks for it. */
interface Wanted {
  readonly resource: Resource & { readonly kind: keyof typeof ownedFields };
  readonly name: string;
  readonly spec: object;
  /** Labels and annotations to keep to. Without it they are whatever others make of them. */
  readonly metadata?: Metadata;
}

/** The three objects in the order in which they are written: a route comes after the rules of its destinations. */
async function wantedObjects(canary: Canary, traffic: Traffic, deps: Deps): Promise<Wanted[]> {
  const names = serviceNames(canary);
  const spec = await during('reconcileVirtualService failed', () => virtualServiceSpec(canary, traffic));
  const metadata = await apexMetadata(canary, deps);
  return [
    ...[names.canary, names.primary].map((host) => ({
      resource: resources.destinationRules,
      name: host,
      spec: destinationRuleSpec(canary, host),
    })),
    { resource: resources.virtualServices, name: names.apex, spec, metadata },
  ];
}

async function read({ resource, name }: Wanted, canary: Canary, deps: Deps): Promise<KubernetesObject | undefined> {
  const { namespace } = canary.metadata;
  const space = resource.kind === 'VirtualService' ? ' ' : ''; // and no colon, as Flagger spells it
  return during(`${doing(resource, name, canary)} get query error${space}`, () =>
    deps.mesh.get(resource, namespace, name),
  );
}

async function create(wanted: Wanted, canary: Canary, deps: Deps): Promise<KubernetesObject> {
  const { resource, name, spec, metadata } = wanted;
  const object = {
    apiVersion: resource.apiVersion,
    kind: resource.kind,
    metadata: { name, namespace: canary.metadata.namespace, ...metadata, ...ownership(canary, deps) },
    spec,
  };
  return during(`${doing(resource, name, canary)} create error`, () =>
    deps.mesh.create(resource, object as KubernetesObject),
  );
}

/**
 * Writes what is wanted over what is there, if they differ. Fields of the spec beyond Flagger's model of it (`exportTo`, `tls`) stay.
 * A spec that nobody has a copy of is kept in an annotation first, once, for `revertOnDeletion` to find.
 */
async function repair(wanted: Wanted, live: KubernetesObject, canary: Canary, deps: Deps) {
  const { resource, name, metadata } = wanted;
  if (!hasDrifted(wanted, live, canary) && !specDifference(wanted, live)) return live;
  const repaired: KubernetesObject = {
    ...live,
    spec: { ...omit(live.spec, ownedFields[resource.kind]), ...wanted.spec },
  };
  if (metadata) {
    const annotations = annotationsFor(metadata, live);
    const isSaved = lastApplied in annotations || originalConfiguration in annotations;
    if (!isSaved && stillDifference(wanted, live, canary))
      annotations[originalConfiguration] = JSON.stringify(live.spec);
    repaired.metadata = { ...live.metadata, labels: { ...metadata.labels }, annotations };
  }
  return during(`${doing(resource, name, canary)} update error`, () => deps.mesh.replace(resource, repaired));
}

/** Whether anything differs that does not change in the course of a release. */
function hasDrifted(wanted: Wanted, live: KubernetesObject, canary: Canary): boolean {
  const { metadata } = wanted;
  if (stillDifference(wanted, live, canary)) return true;
  if (!metadata) return false;
  const { labels, annotations } = live.metadata;
  return Boolean(
    difference(metadata.labels, labels, 'labels') ??
    difference(annotationsFor(metadata, live), annotations, 'annotations'),
  );
}

function stillDifference(wanted: Wanted, live: KubernetesObject, canary: Canary): string | undefined {
  const found = pick(live.spec, ownedFields[wanted.resource.kind]);
  return difference(withoutTraffic(canary, wanted.spec), withoutTraffic(canary, found), 'spec', conditionMaps);
}

function specDifference(wanted: Wanted, live: KubernetesObject): string | undefined {
  return difference(wanted.spec, pick(live.spec, ownedFields[wanted.resource.kind]), 'spec', conditionMaps);
}

/** The wanted annotations, with the two that remember an original. */
function annotationsFor(metadata: Metadata, live: KubernetesObject): Record<string, string> {
  const remembered = pick(live.metadata.annotations, [lastApplied, originalConfiguration]) as Record<string, string>;
  return { ...metadata.annotations, ...remembered };
}

/** An API server drops fields that its version of Istio does not know. Said once here, it is not repaired for ever. */
function assertKept(wanted: Wanted, stored: KubernetesObject, canary: Canary): void {
  const path = specDifference(wanted, stored);
  if (!path) return;
  const text = doing(wanted.resource, wanted.name, canary);
  const cure = 'remove it from the Canary, or install a version of Istio that has it';
  throw failure('InvalidSpec', `${text}: the cluster does not keep ${path} as the Canary asks; ${cure}`);
}

/**
 * What a VirtualService that was there before loses to the Canary, told once: as its original is kept (BC-31). One that
 * sends requests to the Canary's Services already is ours, or Flagger's.
 */
function lossesOf({ name, spec }: Wanted, live: KubernetesObject, canary: Canary): string[] {
  if (weightsIn(canary, live.spec)) return [];
  const before = pick(live.spec, ownedFields.VirtualService);
  const now = spec as { readonly hosts?: readonly string[]; readonly gateways?: readonly string[] };
  const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
  const lost = [
    ...(['hosts', 'gateways'] as const).flatMap((field) => {
      const gone = list(before[field]).filter((one) => !now[field]?.includes(String(one)));
      return gone.length > 0 ? [`${field} ${gone.join(', ')}`] : [];
    }),
    ...(['http', 'tcp'] as const).flatMap((field) =>
      list(before[field]).map((route, index) => `${field}[${index}] (${fieldsOf(route)})`),
    ),
  ];
  if (lost.length === 0) return [];
  const what = `VirtualService ${name}.${canary.metadata.namespace}`;
  return [`${what} was there before the canary and loses ${lost.join('; ')}; spec.service says what it routes`];
}

function fieldsOf(route: unknown): string {
  return isObject(route) ? Object.keys(route).join(', ') : 'empty';
}

/** The spec from before the Canary, if it was kept; what kubectl remembers comes first. */
function originalSpec(live: KubernetesObject, canary: Canary): JsonObject | undefined {
  const what = routeName(canary);
  const applied = originalIn<{ spec?: JsonObject }>(live, lastApplied, what);
  return applied ? applied.spec : originalIn<JsonObject>(live, originalConfiguration, what);
}

function readRoute(canary: Canary, deps: Deps): Promise<KubernetesObject | undefined> {
  const { apex } = serviceNames(canary);
  return during(`${routeName(canary)} get query error `, () =>
    deps.mesh.get(resources.virtualServices, canary.metadata.namespace, apex),
  );
}

function routeName(canary: Canary): string {
  return `VirtualService ${serviceNames(canary).apex}.${canary.metadata.namespace}`;
}

function doing({ kind }: Resource, name: string, canary: Canary): string {
  return `reconcile${kind} failed: ${kind} ${name}.${canary.metadata.namespace}`;
}
