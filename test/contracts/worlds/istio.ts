import type { Deps } from '../../../src/activities/deps.ts';
import { resources, type KubernetesObject } from '../../../src/clients/kubernetes.ts';
import { shopWith } from '../canaries.ts';
import type { CookieRule, RouterWorld, WrittenWeights } from '../router-world.ts';

export function istioWorld(deps: Deps, namespace: string, uid?: string): RouterWorld {
  const canaryWith = (service: object, analysis: Parameters<typeof shopWith>[1] = {}) =>
    shopWith(
      {
        hosts: ['shop.example.com'],
        gateways: ['ingress/public'],
        match: [{ uri: { prefix: '/' }, headers: { 'x-user': {} } }],
        retries: { attempts: 3, perTryTimeout: '1s', retryOn: 'gateway-error' },
        trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } },
        ...service,
      },
      analysis,
      { namespace, uid },
    );
  const { virtualServices, destinationRules } = resources;
  const change = async (edit: (spec: RouteSpec) => void) => {
    const route = (await deps.mesh.get(virtualServices, namespace, 'shop'))!;
    edit(specOf(route));
    await deps.mesh.replace(virtualServices, route);
  };

  return {
    deps,
    canary: canaryWith({}),
    impossible: { canary: canaryWith({ delegation: true }), field: 'hosts and gateways when delegation enabled' },
    objects: ['DestinationRule shop-canary', 'DestinationRule shop-primary', 'VirtualService shop'],
    async stored() {
      const lists = await Promise.all(
        [destinationRules, virtualServices].map((kind) => deps.mesh.list(kind, namespace)),
      );
      return lists.flatMap(({ items }) => items);
    },
    split: {
      edited: canaryWith({ hosts: ['shop.example.com', 'shop.example.org'], timeout: '15s' }),
      route: () => deps.mesh.get(virtualServices, namespace, 'shop'),
      written: (route) => weightsOf(dividing(specOf(route))),
      async tamper() {
        await change((spec) => spec.gateways.push('by-hand'));
        return 'VirtualService shop';
      },
      shove: ({ primary, canary }) =>
        change((spec) => {
          const { route } = dividing(spec);
          route[0]!.weight = primary;
          route[1]!.weight = canary;
        }),
      removeRoute: () => deps.mesh.remove(virtualServices, namespace, 'shop'),
    },
    mirroring: {
      canary: canaryWith({}, { mirror: true, mirrorWeight: 25 }),
      copiesTo: (route) => dividing(specOf(route)).mirror?.host,
    },
    matching: {
      canary: canaryWith({}, { iterations: 3, match: [{ headers: { 'x-canary': { exact: 'insider' } } }] }),
      audiences(route) {
        const [matching, others] = specOf(route).http;
        return { matching: weightsOf(matching!), others: weightsOf(others!) };
      },
    },
    affinity: {
      canary: canaryWith({}, { sessionAffinity: { cookieName: 'sid', maxAge: 3600 } }),
      withPrimary: canaryWith({}, { sessionAffinity: { cookieName: 'sid', primaryCookieName: 'pid' } }),
      rules: (route) => specOf(route).http.map(cookieRule),
    },
    takeover: {
      async plant() {
        const spec = {
          hosts: ['old.example.com'],
          http: [{ match: [{ uri: { exact: '/pay' } }], fault: { abort: { httpStatus: 403 } }, route: [elsewhere] }],
        };
        const { apiVersion, kind } = virtualServices;
        await deps.mesh.create(virtualServices, { apiVersion, kind, metadata: { name: 'shop', namespace }, spec });
      },
      dropped: ['old.example.com', 'http[0]', 'fault'],
    },
  };
}

const elsewhere = { destination: { host: 'elsewhere' } };

/** What the suite reaches for in a VirtualService. */
interface RouteSpec {
  gateways: string[];
  http: HttpRoute[];
}

interface HttpRoute {
  match?: { headers?: { Cookie?: { regex?: string } } }[];
  headers?: Headers;
  mirror?: { host: string };
  route: { destination: { host: string }; weight: number; headers?: Headers }[];
}

interface Headers {
  response?: { add?: { 'Set-Cookie'?: string } };
}

function specOf(route: KubernetesObject): RouteSpec {
  return route.spec as RouteSpec;
}

/** The last one that has both destinations. */
function dividing({ http }: RouteSpec): HttpRoute {
  return http.findLast(({ route }) => route.length > 1)!;
}

function weightsOf({ route }: HttpRoute): WrittenWeights {
  const weightOf = (host: string) => route.find(({ destination }) => destination.host === host)?.weight;
  return { primary: weightOf('shop-primary'), canary: weightOf('shop-canary') };
}

function cookieRule(rule: HttpRoute): CookieRule {
  const set = (headers: Headers | undefined) => headers?.response?.add?.['Set-Cookie'];
  const setBy = (host: string) =>
    set(rule.headers) ?? set(rule.route.find(({ destination }) => destination.host === host)?.headers);
  return {
    cookie: rule.match?.[0]?.headers?.Cookie?.regex,
    weights: weightsOf(rule),
    sets: { primary: setBy('shop-primary'), canary: setBy('shop-canary') },
  };
}
