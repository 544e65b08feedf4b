import { failure } from '../../errors.ts';
import type { Canary } from '../../schemas/canary.ts';
import { analysisOf, serviceNames } from '../../schemas/defaults.ts';
import type { Traffic, Weights } from '../../workflows/domain/observation.ts';
import { difference, isObject, omit, type JsonObject } from './compare.ts';
import { isCookiePattern, primaryMaxAge } from './cookies.ts';
import { isTcp, keepsUsers, routesOf, serviceOf, type Routes } from './istio-routes.ts';
import { present } from './matches.ts';

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
 * The VirtualService that the Canary asks for, with this traffic.
 *
 * @throws `InvalidSpec` when it asks for what cannot work; the message names the field
 */
export function virtualServiceSpec(canary: Canary, traffic: Traffic): VirtualServiceSpec {
  const { hosts = [], gateways = [], delegation } = serviceOf(canary);
  const { apex } = serviceNames(canary);
  // Not only once there is a cookie: a release that is under way could not go on.
  if (keepsUsers(canary) && analysisOf(canary).sessionAffinity?.primaryCookieName) primaryMaxAge(canary);
  const routes = routesOf(canary, traffic);
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

/**
 * The weights of the last route that has the canary as a destination, users with a cookie left aside; undefined when
 * none has. Read from either protocol, the Canary's first: after a switch between HTTP and TCP the old routes carry
 * traffic until they are replaced.
 */
export function weightsIn(canary: Canary, spec: unknown): Weights | undefined {
  const names = serviceNames(canary);
  const lists = isTcp(canary) ? ['http', 'tcp'] : ['tcp', 'http'];
  const routes = lists.flatMap((list) => {
    const all = readRoutes(spec, list);
    return keepsUsers(canary) ? all.filter((route) => !isSticky(route, all)) : all;
  });
  const seen = routes.map((route) => ({ destinations: readDestinations(route), mirrored: hasMirror(route) }));
  const found = seen.findLast(({ destinations }) => destinations.some(({ host }) => host === names.canary));
  if (!found) return undefined;
  const weightOf = (name: string) => found.destinations.find(({ host }) => host === name)?.weight ?? 0;
  const weights = { primary: weightOf(names.primary), canary: weightOf(names.canary) };
  return found.mirrored ? { ...weights, mirrored: true } : weights;
}

/**
 * A spec without what changes in the course of a release: weights, mirrors, and, where users are kept on one side, their
 * routes and the cookies. A route for a cookie that says anything but what the last one says is not such a route.
 */
export function withoutTraffic(canary: Canary, spec: object): JsonObject {
  const still: JsonObject = { ...spec };
  for (const list of ['http', 'tcp']) {
    const routes = readRoutes(spec, list);
    if (routes.length === 0) continue;
    still[list] = keepsUsers(canary)
      ? routes.filter((route) => !isStickyCopy(route, routes)).map((route) => withoutCookies(withoutWeights(route)))
      : routes.map(withoutWeights);
  }
  return still;
}

/** Fields whose keys say something even with an empty value: a header condition `{}` asks for the header's presence. */
export const conditionMaps: ReadonlySet<string> = new Set(['headers', 'withoutHeaders', 'queryParams']);

function withoutWeights(route: unknown): unknown {
  if (!isObject(route)) return route;
  const still = omit(route, ['mirror', 'mirrorPercentage']);
  if (!Array.isArray(route.route)) return still;
  return { ...still, route: route.route.map((destination: unknown) => omit(destination, ['weight'])) };
}

/** Our destinations have no headers but for the cookie. */
function withoutCookies(route: unknown): unknown {
  if (!isObject(route) || !Array.isArray(route.route)) return route;
  return { ...route, route: route.route.map(withoutCookie) };
}

/** What a route or a destination says, but for the cookie that it sets. */
function withoutCookie(sender: unknown): unknown {
  if (!isObject(sender) || !isObject(sender.headers)) return sender;
  const { headers, ...others } = sender;
  const response = isObject(headers.response) ? headers.response : {};
  const add = omit(response.add, ['Set-Cookie']);
  return { ...others, ...present({ headers: present({ ...headers, response: present({ ...response, add }) }) }) };
}

/** For users with a cookie of ours, and before the route for everybody, which comes last. */
function isSticky(route: unknown, all: readonly unknown[]): boolean {
  const matches = readRoutes(route, 'match');
  return route !== all.at(-1) && matches.length > 0 && matches.every(asksForCookie);
}

function asksForCookie(match: unknown): boolean {
  const headers = isObject(match) && isObject(match.headers) ? match.headers : {};
  const { Cookie: cookie, ...others } = headers;
  return Object.keys(others).length === 0 && isObject(cookie) && isCookiePattern(cookie.regex);
}

function isStickyCopy(route: unknown, all: readonly unknown[]): boolean {
  const plain = (one: unknown) => omit(withoutCookie(withoutCookies(withoutWeights(one))), ['match']);
  return isSticky(route, all) && !difference(plain(all.at(-1)), plain(route), '', conditionMaps);
}

function hasMirror(route: unknown): boolean {
  return isObject(route) && isObject(route.mirror) && Boolean(route.mirror.host);
}

function readRoutes(object: unknown, list: string): unknown[] {
  const routes = isObject(object) ? object[list] : undefined;
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
