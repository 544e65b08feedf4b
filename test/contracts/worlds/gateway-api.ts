import type { Deps } from '../../../src/activities/deps.ts';
import { resources, type KubernetesObject, type Resource } from '../../../src/clients/kubernetes.ts';
import { shopWith } from '../canaries.ts';
import type { CookieRule, RouterWorld, WrittenWeights } from '../router-world.ts';

export const gatewayApiV1World = gatewayApiWorld('gateway.networking.k8s.io/v1', true);
export const gatewayApiV1Beta1World = gatewayApiWorld('gateway.networking.k8s.io/v1beta1', false);

function gatewayApiWorld(apiVersion: string, hasPrimaryCookie: boolean) {
  const httpRoutes: Resource = { ...resources.httpRoutes, apiVersion };
  return (deps: Deps, namespace: string, uid?: string): RouterWorld => {
    const canaryWith = (service: object, analysis: Parameters<typeof shopWith>[1] = {}) =>
      shopWith(
        {
          hosts: ['shop.example.com'],
          gatewayRefs: [{ name: 'public', namespace: 'ingress' }],
          match: [{ uri: { prefix: '/' }, queryParams: { page: { exact: 'cart' } } }, { method: { exact: 'POST' } }],
          headers: { response: { add: { 'x-served-by': 'shop' }, remove: ['server'] } },
          timeout: '10s',
          ...service,
        },
        analysis,
        { namespace, uid },
      );
    const get = () => deps.mesh.get(httpRoutes, namespace, 'shop');
    const change = async (edit: (spec: RouteSpec) => void) => {
      const route = (await get())!;
      edit(specOf(route));
      await deps.mesh.replace(httpRoutes, route);
    };

    return {
      deps,
      canary: canaryWith({}),
      impossible: { canary: canaryWith({ gatewayRefs: [] }), field: 'spec.service.gatewayRefs' },
      objects: ['HTTPRoute shop'],
      async stored() {
        return (await deps.mesh.list(httpRoutes, namespace)).items;
      },
      split: {
        edited: canaryWith({ hosts: ['shop.example.com', 'shop.example.org'], rewrite: { uri: '/v2' } }),
        route: get,
        written: (route) => weightsOf(dividing(specOf(route))),
        async tamper() {
          await change((spec) => void (spec.hostnames = ['by-hand.example.com']));
          return 'HTTPRoute shop';
        },
        shove: ({ primary, canary }) =>
          change((spec) => {
            const { backendRefs } = dividing(spec);
            backendRefs[0]!.weight = primary;
            backendRefs[1]!.weight = canary;
          }),
        removeRoute: () => deps.mesh.remove(httpRoutes, namespace, 'shop'),
      },
      mirroring: {
        canary: canaryWith({}, { iterations: 3, mirror: true }),
        copiesTo: (route) =>
          dividing(specOf(route)).filters?.find(({ type }) => type === 'RequestMirror')?.requestMirror?.backendRef.name,
      },
      matching: {
        canary: canaryWith({}, { iterations: 3, match: [{ headers: { 'x-canary': { exact: 'insider' } } }] }),
        audiences(route) {
          const [matching, others] = specOf(route).rules;
          return { matching: weightsOf(matching!), others: weightsOf(others!) };
        },
      },
      affinity: {
        canary: canaryWith({}, { sessionAffinity: { cookieName: 'sid', maxAge: 3600 } }),
        withPrimary: hasPrimaryCookie
          ? canaryWith({}, { sessionAffinity: { cookieName: 'sid', primaryCookieName: 'pid' } })
          : undefined,
        rules: (route) => specOf(route).rules.map(cookieRule),
      },
      takeover: {
        async plant() {
          const spec = {
            parentRefs: [{ name: 'internal' }],
            hostnames: ['old.example.com'],
            rules: [{ backendRefs: [{ name: 'elsewhere', port: 80 }] }],
          };
          const { kind } = httpRoutes;
          await deps.mesh.create(httpRoutes, { apiVersion, kind, metadata: { name: 'shop', namespace }, spec });
        },
        dropped: ['old.example.com', 'rules[0]', 'backendRefs'],
      },
    };
  };
}

/** What the suite reaches for in an HTTPRoute. */
interface RouteSpec {
  hostnames: string[];
  rules: Rule[];
}

interface Rule {
  matches?: { headers?: { name: string; value: string }[] }[];
  filters?: Filter[];
  backendRefs: { name: string; weight: number; filters?: Filter[] }[];
}

interface Filter {
  type: string;
  requestMirror?: { backendRef: { name: string } };
  responseHeaderModifier?: { add?: { name: string; value: string }[] };
}

function specOf(route: KubernetesObject): RouteSpec {
  return route.spec as RouteSpec;
}

/** The last one that has both backends. */
function dividing({ rules }: RouteSpec): Rule {
  return rules.findLast(({ backendRefs }) => backendRefs.length > 1)!;
}

function weightsOf({ backendRefs }: Rule): WrittenWeights {
  const weightOf = (service: string) => backendRefs.find(({ name }) => name === service)?.weight;
  return { primary: weightOf('shop-primary'), canary: weightOf('shop-canary') };
}

function cookieRule(rule: Rule): CookieRule {
  const set = (filters: Filter[] = []) =>
    filters
      .flatMap(({ responseHeaderModifier }) => responseHeaderModifier?.add ?? [])
      .find(({ name }) => name === 'Set-Cookie')?.value;
  const setBy = (service: string) =>
    set(rule.filters) ?? set(rule.backendRefs.find(({ name }) => name === service)?.filters);
  return {
    cookie: rule.matches?.[0]?.headers?.find(({ name }) => name === 'Cookie')?.value,
    weights: weightsOf(rule),
    sets: { primary: setBy('shop-primary'), canary: setBy('shop-canary') },
  };
}
