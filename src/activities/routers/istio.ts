import { resources, type KubernetesObject, type Resource } from '../../clients/kubernetes.ts';
import { failure } from '../../errors.ts';
import type { Canary } from '../../schemas/canary.ts';
import { serviceNames } from '../../schemas/defaults.ts';
import type { Weights } from '../../workflows/domain/observation.ts';
import type { Deps } from '../deps.ts';
import { attempt } from './attempt.ts';
import { difference, omit, pick, type JsonObject } from './compare.ts';
import {
  conditionMaps,
  destinationRuleSpec,
  ownedFields,
  routesOf,
  virtualServiceSpec,
  weightsIn,
  withoutTraffic,
} from './istio-spec.ts';
import { apexMetadata, lastApplied, originalConfiguration, ownership, type Metadata } from './metadata.ts';
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
    const differing = all.filter((wanted, index) => !found[index] || hasDrifted(wanted, found[index]));
    return differing.map(({ resource, name }) => `${resource.kind} ${name}`);
  },

  async ensure(canary, weights) {
    const all = await wantedObjects(canary, weights, deps);
    const stored: KubernetesObject[] = [];
    for (const wanted of all) {
      const live = await read(wanted, canary, deps);
      stored.push(live ? await repair(wanted, live, canary, deps) : await create(wanted, canary, deps));
    }
    // Only now: a field that is not kept in one object must not hold up the weights in another.
    all.forEach((wanted, index) => assertKept(wanted, stored[index]!, canary));
  },

  async getWeights(canary) {
    const live = await readRoute(canary, deps);
    return live && weightsIn(canary, live.spec);
  },

  async setWeights(canary, weights) {
    const live = await readRoute(canary, deps);
    const route = routeName(canary);
    if (!live) {
      const { apex } = serviceNames(canary);
      const text = `virtualservices.networking.istio.io "${apex}" not found`;
      throw failure('NotFound', `${route} get query error ${text}`);
    }
    const routes = routesOf(canary, weights);
    if (!difference(routes, pick(live.spec, Object.keys(routes)), 'spec', conditionMaps)) return;
    const moved = { ...live, spec: { ...(live.spec as JsonObject), ...routes } };
    await attempt(`${route} update failed:`, () => deps.mesh.replace(resources.virtualServices, moved));
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
async function wantedObjects(canary: Canary, weights: Weights, deps: Deps): Promise<Wanted[]> {
  const names = serviceNames(canary);
  const spec = await attempt('reconcileVirtualService failed:', () => virtualServiceSpec(canary, weights));
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
  const colon = resource.kind === 'VirtualService' ? '' : ':'; // as Flagger spells it
  return attempt(`${doing(resource, name, canary)} get query error${colon}`, () =>
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
  return attempt(`${doing(resource, name, canary)} create error:`, () =>
    deps.mesh.create(resource, object as KubernetesObject),
  );
}

/**
 * Writes what is wanted over what is there, if they differ. Fields of the spec beyond Flagger's model of it (`exportTo`, `tls`) stay.
 * A spec that nobody has a copy of is kept in an annotation first, once, for `revertOnDeletion` to find.
 */
async function repair(wanted: Wanted, live: KubernetesObject, canary: Canary, deps: Deps) {
  const { resource, name, metadata } = wanted;
  if (!hasDrifted(wanted, live) && !specDifference(wanted, live)) return live;
  const repaired: KubernetesObject = {
    ...live,
    spec: { ...omit(live.spec, ownedFields[resource.kind]), ...wanted.spec },
  };
  if (metadata) {
    const annotations = annotationsFor(metadata, live);
    const isSaved = lastApplied in annotations || originalConfiguration in annotations;
    if (!isSaved && stillDifference(wanted, live)) annotations[originalConfiguration] = JSON.stringify(live.spec);
    repaired.metadata = { ...live.metadata, labels: { ...metadata.labels }, annotations };
  }
  return attempt(`${doing(resource, name, canary)} update error:`, () => deps.mesh.replace(resource, repaired));
}

/** Whether anything but weights and mirrors differs. */
function hasDrifted(wanted: Wanted, live: KubernetesObject): boolean {
  const { metadata } = wanted;
  if (stillDifference(wanted, live)) return true;
  if (!metadata) return false;
  const { labels, annotations } = live.metadata;
  return Boolean(
    difference(metadata.labels, labels, 'labels') ??
    difference(annotationsFor(metadata, live), annotations, 'annotations'),
  );
}

function stillDifference(wanted: Wanted, live: KubernetesObject): string | undefined {
  const found = pick(live.spec, ownedFields[wanted.resource.kind]);
  return difference(withoutTraffic(wanted.spec), withoutTraffic(found), 'spec', conditionMaps);
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

function readRoute(canary: Canary, deps: Deps): Promise<KubernetesObject | undefined> {
  const { apex } = serviceNames(canary);
  return attempt(`${routeName(canary)} get query error`, () =>
    deps.mesh.get(resources.virtualServices, canary.metadata.namespace, apex),
  );
}

function routeName(canary: Canary): string {
  return `VirtualService ${serviceNames(canary).apex}.${canary.metadata.namespace}`;
}

function doing({ kind }: Resource, name: string, canary: Canary): string {
  return `reconcile${kind} failed: ${kind} ${name}.${canary.metadata.namespace}`;
}
