import { failure } from '../../errors.ts';
import type { Canary } from '../../schemas/canary.ts';
import { analysisOf, serviceNames } from '../../schemas/defaults.ts';
import type { Weights } from '../../workflows/domain/observation.ts';
import { isObject, omit, type JsonObject } from './compare.ts';

/** A route as we write it. Whatever else the Canary passes on is carried as data. */
export interface Route extends JsonObject {
  readonly match?: readonly object[];
  readonly route: readonly Destination[];
}

export interface Destination {
  readonly destination: { readonly host: string; readonly port?: { readonly number: number } };
  /** Percent; written even when it is 0, for a missing weight is not a weight of zero. */
  readonly weight: number;
}

/** The one list of routes that a VirtualService of ours has. */
export type Routes = { readonly http: readonly Route[] } | { readonly tcp: readonly Route[] };

export type VirtualServiceSpec = Routes & { readonly hosts: readonly string[]; readonly gateways?: readonly string[] };

export interface DestinationRuleSpec {
  readonly host: string;
  readonly trafficPolicy?: object;
}

/** Fields that a spec of ours decides, be it by leaving them out. What others write beside them stays. */
export const ownedFields = {
  DestinationRule: ['host', 'trafficPolicy', 'subsets'],
  VirtualService: ['hosts', 'gateways', 'http', 'tcp'],
} as const;

/** `service.trafficPolicy` goes through as it is: Istio gains fields faster than anyone can copy its schema. */
export function destinationRuleSpec(canary: Canary, host: string): DestinationRuleSpec {
  const { trafficPolicy } = serviceOf(canary);
  return { host, ...present({ trafficPolicy }) };
}

/**
 * The VirtualService that the Canary asks for, with these weights.
 *
 * @throws `InvalidSpec` when it asks for what cannot work; the message names the field
 */
export function virtualServiceSpec(canary: Canary, weights: Weights): VirtualServiceSpec {
  const { hosts = [], gateways = [], delegation } = serviceOf(canary);
  const { apex } = serviceNames(canary);
  refuseUnsupported(canary);
  const routes = routesOf(canary, weights);
  if (delegation) {
    if (hosts.length > 0 || gateways.length > 0) {
      const text = `VirtualService ${apex}.${canary.metadata.namespace} cannot have hosts and gateways when delegation enabled`;
      throw failure('InvalidSpec', text);
    }
    return { hosts: [], ...routes };
  }
  return {
    hosts: hosts.includes(apex) || hosts.includes('*') ? hosts : [...hosts, apex],
    gateways: gateways.length > 0 ? gateways : ['mesh'],
    ...routes,
  };
}

/** The routes alone, with these weights: all that a change of weights replaces. */
export function routesOf(canary: Canary, weights: Weights): Routes {
  const { match = [], rewrite, timeout, retries, corsPolicy, headers } = serviceOf(canary);
  const route = destinations(canary, weights);
  if (isTcp(canary)) {
    const ports = match.map(({ port }) => (port ? { port } : {}));
    return { tcp: [{ ...present({ match: ports }), route }] };
  }
  // Istio has no `type` of rewrite; that field is the Gateway API's.
  const fields = { match, rewrite: omit(rewrite, ['type']), timeout, retries, corsPolicy, headers };
  return { http: [{ ...present(fields), route }] };
}

/**
 * The weights of the last route that has the canary as a destination, or undefined when none has. Read from either
 * protocol, the Canary's first: after a switch between HTTP and TCP the old routes carry traffic until they are replaced.
 */
export function weightsIn(canary: Canary, spec: unknown): Weights | undefined {
  const names = serviceNames(canary);
  const lists = isTcp(canary) ? ['http', 'tcp'] : ['tcp', 'http'];
  const routes = lists.flatMap((list) => readRoutes(spec, list)).map(readDestinations);
  const found = routes.findLast((destinations) => destinations.some(({ host }) => host === names.canary));
  if (!found) return undefined;
  const weightOf = (name: string) => found.find(({ host }) => host === name)?.weight ?? 0;
  return { primary: weightOf(names.primary), canary: weightOf(names.canary) };
}

/** A spec without what changes in the course of a release: weights and mirrors. */
export function withoutTraffic(spec: object): JsonObject {
  const still: JsonObject = { ...spec };
  for (const list of ['http', 'tcp']) {
    const routes = readRoutes(spec, list);
    if (routes.length > 0) still[list] = routes.map(withoutWeights);
  }
  return still;
}

/** Fields whose keys say something even with an empty value: a header condition `{}` asks for the header's presence. */
export const conditionMaps: ReadonlySet<string> = new Set(['headers', 'withoutHeaders', 'queryParams']);

function destinations(canary: Canary, weights: Weights): Destination[] {
  const { primary, canary: canaryName } = serviceNames(canary);
  const port = destinationPort(canary);
  return [
    { destination: { host: primary, ...present({ port }) }, weight: weights.primary },
    { destination: { host: canaryName, ...present({ port }) }, weight: weights.canary },
  ];
}

/** A port is named where the Services have several and the caller is not the mesh, which knows the port it was called on. */
function destinationPort(canary: Canary): { number: number } | undefined {
  const { port, portDiscovery, gateways = [], delegation } = serviceOf(canary);
  const fromGateway = gateways[0] !== undefined && gateways[0] !== 'mesh';
  return portDiscovery && (fromGateway || delegation) ? { number: port } : undefined;
}

/**
 * What this router does not do yet is refused, never left out: without its `match`, an A/B test would send everyone to
 * the canary. TCP routes ignore these settings, as Flagger's do.
 */
function refuseUnsupported(canary: Canary): void {
  if (isTcp(canary)) return;
  const analysis = analysisOf(canary);
  const asked = {
    match: (analysis.match?.length ?? 0) > 0,
    mirror: analysis.mirror === true,
    sessionAffinity: analysis.sessionAffinity !== undefined,
  };
  for (const [field, isAsked] of Object.entries(asked)) {
    if (isAsked)
      throw failure('InvalidSpec', `spec.analysis.${field} is not supported with the istio provider; remove it`);
  }
}

function serviceOf(canary: Canary): NonNullable<Canary['spec']['service']> {
  const { service } = canary.spec;
  if (!service) throw failure('InvalidSpec', 'spec.service is missing; the istio provider needs at least its port');
  return service;
}

function isTcp(canary: Canary): boolean {
  return serviceOf(canary).appProtocol?.toLowerCase() === 'tcp';
}

/** Without the fields that are unset or empty. */
function present<T extends object>(fields: T): Partial<T> {
  const isPresent = (value: unknown) =>
    Array.isArray(value) ? value.length > 0 : isObject(value) ? Object.keys(value).length > 0 : Boolean(value);
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => isPresent(value))) as Partial<T>;
}

function withoutWeights(route: unknown): unknown {
  if (!isObject(route)) return route;
  const still = omit(route, ['mirror', 'mirrorPercentage']);
  if (!Array.isArray(route.route)) return still;
  return { ...still, route: route.route.map((destination: unknown) => omit(destination, ['weight'])) };
}

function readRoutes(spec: unknown, list: string): unknown[] {
  const routes = isObject(spec) ? spec[list] : undefined;
  return Array.isArray(routes) ? routes : [];
}

/** Destinations with the weights in force: Istio sends everything to a lone destination, whatever weight it carries. */
function readDestinations(route: unknown): { host: unknown; weight: number }[] {
  const found = readRoutes(route, 'route').filter(isObject);
  return found.map(({ destination, weight }) => ({
    host: isObject(destination) ? destination.host : undefined,
    weight: found.length === 1 ? 100 : typeof weight === 'number' ? weight : 0,
  }));
}
