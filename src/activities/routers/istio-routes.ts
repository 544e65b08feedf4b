import { failure } from '../../errors.ts';
import type { Canary, CanaryService } from '../../schemas/canary.ts';
import { analysisOf, serviceNames } from '../../schemas/defaults.ts';
import type { Traffic, Weights } from '../../workflows/domain/observation.ts';
import { omit, type JsonObject } from './compare.ts';
import { cookiePattern, cookiesInForce, forgetCookie, offersOf } from './cookies.ts';
import { merged, present } from './matches.ts';

/** A route as we write it. Whatever else the Canary passes on is carried as data. */
export interface Route extends JsonObject {
  readonly match?: readonly object[];
  readonly route: readonly Destination[];
}

export interface Destination {
  readonly destination: { readonly host: string; readonly port?: { readonly number: number } };
  /** Percent; written even when it is 0, for a missing weight is not a weight of zero. */
  readonly weight: number;
  readonly headers?: object;
}

/** The one list of routes that a VirtualService of ours has. */
export type Routes = { readonly http: readonly Route[] } | { readonly tcp: readonly Route[] };

/**
 * The routes with this traffic: all that a change of weights replaces. The one that divides traffic comes last, unless
 * the Canary tells requests apart; then it is the first of two. TCP routes divide, and do nothing else.
 *
 * @throws `InvalidSpec` when the interval is needed and is no duration
 * @see routers spec 6.2 and 6.4
 */
export function routesOf(canary: Canary, traffic: Traffic): Routes {
  const { match = [] } = serviceOf(canary);
  if (isTcp(canary)) {
    const ports = match.map(({ port }) => (port ? { port } : {}));
    return { tcp: [{ ...present({ match: ports }), route: destinations(canary, traffic) }] };
  }
  const asked = analysisOf(canary).match ?? [];
  if (asked.length > 0) {
    const [primary, canaryDestination] = destinations(canary, traffic);
    const matching = httpRoute(canary, merged(asked, match), [primary, canaryDestination]);
    return { http: [matching, httpRoute(canary, match, [primary])] };
  }
  const weighted = httpRoute(canary, match, destinations(canary, traffic));
  return {
    http: [...stickyRoutes(canary, weighted, traffic), mirroring(canary, offering(canary, weighted, traffic), traffic)],
  };
}

/** Whether users are kept on one side by cookies. Neither A/B tests nor TCP routes do that. */
export function keepsUsers(canary: Canary): boolean {
  const { match = [], sessionAffinity } = analysisOf(canary);
  return sessionAffinity !== undefined && match.length === 0 && !isTcp(canary);
}

export function isTcp(canary: Canary): boolean {
  return serviceOf(canary).appProtocol?.toLowerCase() === 'tcp';
}

export function serviceOf(canary: Canary): NonNullable<Canary['spec']['service']> {
  const { service } = canary.spec;
  if (!service) throw failure('InvalidSpec', 'spec.service is missing; the istio provider needs at least its port');
  return service;
}

function httpRoute(canary: Canary, match: readonly object[], route: readonly Destination[]): Route {
  const { rewrite, timeout, retries, corsPolicy, headers } = serviceOf(canary);
  // Istio has no `type` of rewrite; that field is the Gateway API's.
  const fields = { match, rewrite: omit(rewrite, ['type']), timeout, retries, corsPolicy, headers };
  return { ...present(fields), route };
}

function destinations(canary: Canary, weights: Weights): readonly [Destination, Destination] {
  const names = serviceNames(canary);
  const port = destinationPort(canary);
  return [
    { destination: { host: names.primary, ...present({ port }) }, weight: weights.primary },
    { destination: { host: names.canary, ...present({ port }) }, weight: weights.canary },
  ];
}

/** A port is named where the Services have several and the caller is not the mesh, which knows the port it was called on. */
function destinationPort(canary: Canary): { number: number } | undefined {
  const { port, portDiscovery, gateways = [], delegation } = serviceOf(canary);
  const fromGateway = gateways[0] !== undefined && gateways[0] !== 'mesh';
  return portDiscovery && (fromGateway || delegation) ? { number: port } : undefined;
}

/** Copies of requests go to the canary: of all, or of `analysis.mirrorWeight` percent. */
function mirroring(canary: Canary, route: Route, { mirrored }: Traffic): Route {
  if (!mirrored) return route;
  const { mirrorWeight = 0 } = analysisOf(canary);
  const share = mirrorWeight > 0 ? { mirrorPercentage: { value: mirrorWeight } } : {};
  return { ...route, mirror: { host: serviceNames(canary).canary }, ...share };
}

/** The route with which a user who is served by one side gets the cookie that keeps them there. */
function offering(canary: Canary, route: Route, traffic: Traffic): Route {
  if (!keepsUsers(canary)) return route;
  const offers = offersOf(canary, cookiesInForce(canary, traffic));
  const withOffer = (destination: Destination, side: number): Destination => {
    const offer = offers[side];
    return offer ? { ...destination, headers: answering(undefined, offer) } : destination;
  };
  return { ...route, route: route.route.map(withOffer) };
}

/**
 * The routes of users who have a cookie: they go to their side, as long as the canary has traffic. When it has none,
 * whoever still has its cookie is told to forget it, and goes where everybody goes. No copies of their requests are made.
 *
 * @see routers spec 5
 */
function stickyRoutes(canary: Canary, weighted: Route, traffic: Traffic): readonly Route[] {
  if (!keepsUsers(canary)) return [];
  const { match = [], headers } = serviceOf(canary);
  const having = (cookie: string) => merged([{ headers: { Cookie: { regex: cookiePattern(cookie) } } }], match);
  if (traffic.canary === 0) {
    const { previous } = traffic.cookies ?? {};
    if (!previous) return [];
    return [{ ...weighted, match: having(previous), headers: answering(headers, forgetCookie(previous)) }];
  }
  const only = (cookie: string | undefined, weights: Weights) =>
    cookie ? [{ ...weighted, match: having(cookie), route: destinations(canary, weights) }] : [];
  const cookies = cookiesInForce(canary, traffic);
  return [...only(cookies.canary, { primary: 0, canary: 100 }), ...only(cookies.primary, { primary: 100, canary: 0 })];
}

/** These headers, with a cookie for whoever gets the answer. */
function answering(headers: CanaryService['headers'], cookie: string): object {
  const { response } = headers ?? {};
  return { ...headers, response: { ...response, add: { ...response?.add, 'Set-Cookie': cookie } } };
}
