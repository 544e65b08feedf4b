import { failure } from '../../errors.ts';
import type { Canary, CanaryService } from '../../schemas/canary.ts';
import { analysisOf, serviceNames } from '../../schemas/defaults.ts';
import { parseDuration } from '../../schemas/duration.ts';
import type { Traffic, Weights } from '../../workflows/domain/observation.ts';
import { cookiePattern, cookiesInForce, forgetCookie, offersOf, type CookiesInForce } from './cookies.ts';
import { matchesOf, type Match } from './gateway-matches.ts';
import { merged, present } from './matches.ts';

/** A rule of an HTTPRoute, as we write it: with all that its API server would fill in. */
export interface Rule {
  readonly matches?: readonly Match[];
  readonly filters?: readonly Filter[];
  readonly backendRefs: readonly BackendRef[];
  readonly timeouts?: object;
}

export interface BackendRef {
  readonly group: '';
  readonly kind: 'Service';
  readonly name: string;
  readonly port: number;
  /** Share of the requests; written even when it is 0, for a missing weight counts as 1. */
  readonly weight: number;
  readonly filters?: readonly Filter[];
}

export interface Filter {
  readonly type: string;
  readonly [of: string]: unknown;
}

/** What the two versions of the API can say. @see routers spec 8 */
export interface Version {
  readonly apiVersion: 'gateway.networking.k8s.io/v1' | 'gateway.networking.k8s.io/v1beta1';
  /** Timeouts, CORS, a cookie of the primary, and parents that have to be ready before the canary gets more. */
  readonly isFull: boolean;
}

/**
 * The rules with this traffic. The one that divides it comes last, unless the Canary tells requests apart; then it is the
 * first of two.
 *
 * @throws `InvalidSpec` when it asks for what an HTTPRoute cannot say
 * @see routers spec 7.2 to 7.6
 */
export function rulesOf(canary: Canary, traffic: Traffic, version: Version): readonly Rule[] {
  const own = matchesOf(serviceOf(canary).match ?? [], 'service');
  const asked = analysisOf(canary).match ?? [];
  const weighted: Rule = { ...rule(canary, version), matches: orAll(own), backendRefs: backends(canary, traffic) };
  if (asked.length > 0) {
    const matching = merged(matchesOf(asked, 'analysis'), own) as readonly Match[];
    return [
      { ...weighted, matches: matching },
      { ...weighted, backendRefs: [{ ...weighted.backendRefs[0]!, weight: 100 }] },
    ];
  }
  const sticky = stickyRules(canary, weighted, own, traffic, version);
  return [...sticky, mirroring(canary, offering(canary, weighted, traffic, version), traffic)];
}

/** Whether users are kept on one side by cookies. */
export function keepsUsers(canary: Canary): boolean {
  return analysisOf(canary).sessionAffinity !== undefined;
}

export function serviceOf(canary: Canary): CanaryService {
  const { service } = canary.spec;
  if (!service) throw failure('InvalidSpec', 'spec.service is missing; the Gateway API needs its port and gatewayRefs');
  return service;
}

/** A filter that sends copies of requests to the canary. */
export function isCanaryMirror(canary: Canary, filter: unknown): boolean {
  const { type, requestMirror } = (filter ?? {}) as {
    type?: unknown;
    requestMirror?: { backendRef?: { name?: unknown } };
  };
  return type === 'RequestMirror' && requestMirror?.backendRef?.name === serviceNames(canary).canary;
}

/** A rule without conditions is one for all requests. */
const orAll = (matches: readonly Match[]): readonly Match[] =>
  matches.length > 0 ? matches : [{ path: { type: 'PathPrefix', value: '/' } }];

function rule(canary: Canary, version: Version): Pick<Rule, 'filters' | 'timeouts'> {
  const { timeout, backendTimeout } = serviceOf(canary);
  const timeouts = version.isFull ? present({ request: timeout, backendRequest: backendTimeout }) : {};
  return present({ filters: filtersOf(canary, version), timeouts });
}

function backends(canary: Canary, weights: Weights): readonly [BackendRef, BackendRef] {
  const names = serviceNames(canary);
  const { port } = serviceOf(canary);
  return [
    { group: '', kind: 'Service', name: names.primary, port, weight: weights.primary },
    { group: '', kind: 'Service', name: names.canary, port, weight: weights.canary },
  ];
}

/** @see routers spec 7.3 */
function filtersOf(canary: Canary, { isFull }: Version): Filter[] {
  const { headers, rewrite, mirror = [], corsPolicy } = serviceOf(canary);
  const filters: Filter[] = [];
  if (headers?.request) {
    filters.push({ type: 'RequestHeaderModifier', requestHeaderModifier: headerModifier(headers.request) });
  }
  if (headers?.response) {
    filters.push({ type: 'ResponseHeaderModifier', responseHeaderModifier: headerModifier(headers.response) });
  }
  if (rewrite) {
    const { uri, authority, type } = rewrite;
    const path =
      type === 'ReplacePrefixMatch'
        ? { type, replacePrefixMatch: uri }
        : { type: 'ReplaceFullPath', replaceFullPath: uri };
    filters.push({ type: 'URLRewrite', urlRewrite: present({ hostname: authority, path: uri ? path : undefined }) });
  }
  for (const { backendRef } of mirror) {
    if (backendRef) filters.push({ type: 'RequestMirror', requestMirror: { backendRef } });
  }
  if (corsPolicy && isFull) filters.push({ type: 'CORS', cors: corsOf(corsPolicy) });
  return filters;
}

type HeaderOperations = NonNullable<NonNullable<CanaryService['headers']>['response']>;

/** Sorted, so that equal Canaries make equal routes. */
function headerModifier({ add, set, remove }: HeaderOperations): object {
  const list = (values: Readonly<Record<string, string>> = {}) =>
    Object.keys(values)
      .sort()
      .map((name) => ({ name, value: values[name]! }));
  return present({ add: list(add), set: list(set), remove });
}

/** Patterns of origins have no place in a CORS filter, and an age that is no duration is left out, as in Flagger. */
function corsOf(policy: NonNullable<CanaryService['corsPolicy']>): object {
  const { allowOrigin, allowMethods, allowHeaders, exposeHeaders, allowCredentials, maxAge } = policy;
  const ageMs = maxAge === undefined ? undefined : parseDuration(maxAge);
  return present({
    allowOrigins: allowOrigin,
    allowMethods,
    allowHeaders,
    exposeHeaders,
    allowCredentials,
    maxAge: ageMs === undefined ? undefined : Math.floor(ageMs / 1000),
  });
}

/** Copies of requests go to the canary, of all of them: an HTTPRoute's percentage is not Flagger's. */
function mirroring(canary: Canary, weighted: Rule, { mirrored }: Traffic): Rule {
  if (!mirrored) return weighted;
  const { port } = serviceOf(canary);
  const backendRef = { group: '', kind: 'Service', name: serviceNames(canary).canary, port };
  return {
    ...weighted,
    filters: [...(weighted.filters ?? []), { type: 'RequestMirror', requestMirror: { backendRef } }],
  };
}

/** The rule with which a user who is served by one side gets the cookie that keeps them there. */
function offering(canary: Canary, weighted: Rule, traffic: Traffic, version: Version): Rule {
  const offers = offersOf(canary, cookiesIn(canary, traffic, version));
  const withOffer = (backend: BackendRef, side: number): BackendRef => {
    const offer = offers[side];
    return offer ? { ...backend, filters: answering([], offer) } : backend;
  };
  return { ...weighted, backendRefs: weighted.backendRefs.map(withOffer) };
}

/**
 * The rules of users who have a cookie: they go to their side, as long as the canary has traffic. When it has none,
 * whoever still has its cookie is told to forget it, and goes where everybody goes.
 *
 * @see routers spec 5
 */
function stickyRules(
  canary: Canary,
  weighted: Rule,
  own: readonly Match[],
  traffic: Traffic,
  version: Version,
): readonly Rule[] {
  if (!keepsUsers(canary)) return [];
  const having = (cookie: string) =>
    merged(
      [{ headers: [{ type: 'RegularExpression', name: 'Cookie', value: cookiePattern(cookie) }] }],
      own,
    ) as Match[];
  if (traffic.canary === 0) {
    const { previous } = traffic.cookies ?? {};
    if (!previous) return [];
    const filters = answering(weighted.filters ?? [], forgetCookie(previous));
    return [{ ...weighted, matches: having(previous), filters }];
  }
  const only = (cookie: string | undefined, weights: Weights) =>
    cookie ? [{ ...weighted, matches: having(cookie), backendRefs: backends(canary, weights) }] : [];
  const cookies = cookiesIn(canary, traffic, version);
  return [...only(cookies.canary, { primary: 0, canary: 100 }), ...only(cookies.primary, { primary: 100, canary: 0 })];
}

/** The older version of the API keeps nobody with the primary. */
function cookiesIn(canary: Canary, traffic: Traffic, { isFull }: Version): CookiesInForce {
  const cookies = cookiesInForce(canary, traffic);
  return isFull ? cookies : { canary: cookies.canary };
}

/** These filters, with a cookie for whoever gets the answer. A rule may modify response headers but once. */
function answering(filters: readonly Filter[], cookie: string): readonly Filter[] {
  const added = { name: 'Set-Cookie', value: cookie };
  const index = filters.findIndex(({ type }) => type === 'ResponseHeaderModifier');
  if (index < 0) return [...filters, { type: 'ResponseHeaderModifier', responseHeaderModifier: { add: [added] } }];
  const modifier = filters[index]!.responseHeaderModifier as { add?: readonly object[] };
  const merged = { ...modifier, add: [...(modifier.add ?? []), added] };
  return filters.with(index, { type: 'ResponseHeaderModifier', responseHeaderModifier: merged });
}
