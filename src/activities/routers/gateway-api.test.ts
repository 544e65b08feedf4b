import { describe, expect, it } from '@jest/globals';
import { shopWith } from '../../../test/contracts/canaries.ts';
import { memoryKubernetes, type MemoryKubernetes } from '../../../test/support/memory-kubernetes.ts';
import { testDeps } from '../../../test/support/shop.ts';
import { gatewayApiV1, gatewayApiV1Beta1 } from './gateway-api.ts';
import type { Rule } from './gateway-rules.ts';
import type { Router, RouterKind } from './router.ts';

const start = { primary: 100, canary: 0 };
const gatewayRefs = [{ name: 'public' }];

/** Flagger's fixture: port 80, a Gateway, and both timeouts. */
type Analysis = Parameters<typeof shopWith>[1];
const podinfo = (service: object = {}, analysis: Analysis = {}) =>
  shopWith({ port: 80, gatewayRefs, timeout: '10s', backendTimeout: '5s', ...service }, analysis);

const versions = [
  ['TestGatewayAPIRouter', gatewayApiV1, true],
  ['TestGatewayAPIV1Beta1Router', gatewayApiV1Beta1, false],
] as const;

function cluster({ create }: RouterKind = gatewayApiV1): { kubernetes: MemoryKubernetes; router: Router } {
  const kubernetes = memoryKubernetes();
  return { kubernetes, router: create(testDeps(kubernetes)) };
}

function routeIn(kubernetes: MemoryKubernetes) {
  const route = kubernetes.peek('HTTPRoute', 'shop')!;
  return { ...route, spec: route.spec as { hostnames?: string[]; parentRefs: object[]; rules: [Rule, ...Rule[]] } };
}

const weights = ({ backendRefs }: Rule) => backendRefs.map(({ name, weight }) => [name, weight]);
const sides = (primary: number, canary: number) => [
  ['shop-primary', primary],
  ['shop-canary', canary],
];

describe.each(versions)('%s', (_, create, isFull) => {
  it('_Reconcile: one rule with all traffic on the primary, in the version that was asked for', async () => {
    const { kubernetes, router } = cluster(create);
    await router.ensure(podinfo(), start);
    const { apiVersion, spec } = routeIn(kubernetes);
    expect(apiVersion).toBe(`gateway.networking.k8s.io/${isFull ? 'v1' : 'v1beta1'}`);
    expect(spec).toEqual({
      parentRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'public' }],
      rules: [
        {
          matches: [{ path: { type: 'PathPrefix', value: '/' } }],
          backendRefs: [
            { group: '', kind: 'Service', name: 'shop-primary', port: 80, weight: 100 },
            { group: '', kind: 'Service', name: 'shop-canary', port: 80, weight: 0 },
          ],
          ...(isFull ? { timeouts: { request: '10s', backendRequest: '5s' } } : {}),
        },
      ],
    });
  });

  it('_Reconcile: annotations of others survive, labels of others do not', async () => {
    const { kubernetes, router } = cluster(create);
    await router.ensure(podinfo(), start);
    const route = kubernetes.peek('HTTPRoute', 'shop')!;
    route.metadata.annotations = { ...route.metadata.annotations, foo: 'bar' };
    expect(await router.drift(podinfo())).toEqual([]);
    route.metadata.labels = { stray: 'label' };
    expect(await router.drift(podinfo())).toEqual(['HTTPRoute shop']);
    await router.ensure(podinfo(), start);
    expect(routeIn(kubernetes).metadata.annotations).toMatchObject({ foo: 'bar' });
    expect(routeIn(kubernetes).metadata.labels).toEqual({});
  });

  it('_Routes/normal', async () => {
    const { kubernetes, router } = cluster(create);
    await router.ensure(podinfo(), start);
    await router.setWeights(podinfo(), { primary: 50, canary: 50 });
    expect(weights(routeIn(kubernetes).spec.rules[0])).toEqual(sides(50, 50));
  });

  it('_Routes/session affinity', async () => {
    const { kubernetes, router } = cluster(create);
    const asked = podinfo(
      {},
      {
        sessionAffinity: {
          cookieName: 'sid',
          maxAge: 300,
          domain: 'example.com',
          httpOnly: true,
          partitioned: true,
          path: '/app',
          sameSite: 'Strict',
          secure: true,
        },
      },
    );
    const cookies = { canary: 'sid=abcdefghij' };
    await router.ensure(asked, start);
    await router.setWeights(asked, { primary: 90, canary: 10, cookies });
    const [sticky, weighted] = routeIn(kubernetes).spec.rules;
    expect(sticky.matches).toEqual([
      { headers: [{ type: 'RegularExpression', name: 'Cookie', value: '.*sid.*abcdefghij.*' }] },
    ]);
    expect(weights(sticky)).toEqual(sides(0, 100));
    expect(weights(weighted!)).toEqual(sides(90, 10));
    const value =
      'sid=abcdefghij; Max-Age=300; Domain=example.com; HttpOnly; Partitioned; Path=/app; SameSite=Strict; Secure';
    expect(weighted!.backendRefs.map(({ filters }) => filters)).toEqual([
      undefined,
      [{ type: 'ResponseHeaderModifier', responseHeaderModifier: { add: [{ name: 'Set-Cookie', value }] } }],
    ]);
    await router.setWeights(asked, { ...start, cookies: { previous: 'sid=abcdefghij' } });
    const [forget, all] = routeIn(kubernetes).spec.rules;
    const gone = { name: 'Set-Cookie', value: 'sid=abcdefghij; Max-Age=-1' };
    expect(forget.filters).toEqual([{ type: 'ResponseHeaderModifier', responseHeaderModifier: { add: [gone] } }]);
    expect([weights(forget), weights(all!)]).toEqual([sides(100, 0), sides(100, 0)]);
    expect(all!.backendRefs.every(({ filters }) => filters === undefined)).toBe(true);
  });

  it('_Routes/b/g mirror', async () => {
    const { kubernetes, router } = cluster(create);
    const asked = podinfo({}, { iterations: 5, mirror: true });
    const mirrored = { ...start, mirrored: true } as const;
    await router.ensure(asked, start);
    await router.setWeights(asked, mirrored);
    const backendRef = { group: '', kind: 'Service', name: 'shop-canary', port: 80 };
    expect(routeIn(kubernetes).spec.rules[0].filters).toEqual([
      { type: 'RequestMirror', requestMirror: { backendRef } },
    ]);
    await router.ensure(asked, mirrored);
    expect(routeIn(kubernetes).spec.rules[0].filters).toHaveLength(1);
    await router.setWeights(asked, start);
    expect(routeIn(kubernetes).spec.rules[0].filters).toBeUndefined();
  });

  it(`_getSessionAffinityRouteRules/${isFull ? 'with' : 'ignores the'} primary cookie`, async () => {
    const { kubernetes, router } = cluster(create);
    const asked = podinfo({}, { interval: '15s', sessionAffinity: { cookieName: 'sid', primaryCookieName: 'pid' } });
    const cookies = { canary: 'sid=abcdefghij', primary: 'pid=klmnopqrst' };
    await router.ensure(asked, { primary: 90, canary: 10, cookies });
    const { rules } = routeIn(kubernetes).spec;
    expect(rules.map(weights)).toEqual([sides(0, 100), ...(isFull ? [sides(100, 0)] : []), sides(90, 10)]);
    const offers = rules
      .at(-1)!
      .backendRefs.map(({ filters }) => JSON.stringify(filters ?? '').match(/\w+=.*Max-Age=\d+/)?.[0]);
    expect(offers).toEqual([isFull ? 'pid=klmnopqrst; Max-Age=15' : undefined, 'sid=abcdefghij; Max-Age=86400']);
    expect(await router.drift(asked)).toEqual([]);
  });

  it('_getSessionAffinityRouteRules/without primary cookie', async () => {
    const { kubernetes, router } = cluster(create);
    const asked = podinfo({}, { sessionAffinity: { cookieName: 'sid' } });
    await router.ensure(asked, { primary: 90, canary: 10, cookies: { canary: 'sid=abcdefghij' } });
    const { rules } = routeIn(kubernetes).spec;
    expect(rules.map(weights)).toEqual([sides(0, 100), sides(90, 10)]);
    expect(JSON.stringify(rules.at(-1)!.backendRefs.at(-1))).toContain('sid=abcdefghij; Max-Age=86400');
  });

  it('_makeFilters: are the same every time, whatever the order of the author', async () => {
    const filtersOf = async (headers: object) => {
      const { kubernetes, router } = cluster(create);
      const mirror = [{ backendRef: { name: 'audit', port: 90 } }];
      const rewrite = { uri: '/v2', authority: 'v2.example.com', type: 'ReplacePrefixMatch' };
      await router.ensure(podinfo({ headers, rewrite, mirror }), start);
      return routeIn(kubernetes).spec.rules[0].filters;
    };
    const filters = await filtersOf({ request: { add: { b: '2', a: '1' }, set: { c: '3' }, remove: ['z', 'y'] } });
    expect(filters).toEqual([
      {
        type: 'RequestHeaderModifier',
        requestHeaderModifier: {
          add: [
            { name: 'a', value: '1' },
            { name: 'b', value: '2' },
          ],
          set: [{ name: 'c', value: '3' }],
          remove: ['z', 'y'],
        },
      },
      {
        type: 'URLRewrite',
        urlRewrite: { hostname: 'v2.example.com', path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/v2' } },
      },
      { type: 'RequestMirror', requestMirror: { backendRef: { group: '', kind: 'Service', name: 'audit', port: 90 } } },
    ]);
    expect(await filtersOf({ request: { remove: ['z', 'y'], set: { c: '3' }, add: { a: '1', b: '2' } } })).toEqual(
      filters,
    );
  });

  it('TestGatewayAPIRouter_makeFilters_CORS: only the full version has CORS; patterns of origins are ignored', async () => {
    const { kubernetes, router } = cluster(create);
    const corsPolicy = {
      allowOrigin: ['https://example.com'],
      allowOrigins: [{ regex: '.*' }],
      allowMethods: ['GET'],
      allowCredentials: false,
      maxAge: '24h',
    };
    await router.ensure(podinfo({ corsPolicy }), start);
    const cors = { allowOrigins: ['https://example.com'], allowMethods: ['GET'], maxAge: 86_400 };
    expect(routeIn(kubernetes).spec.rules[0].filters).toEqual(isFull ? [{ type: 'CORS', cors }] : undefined);
  });
});

describe('users who are to forget a cookie', () => {
  it('are told in the one filter that modifies the headers of an answer', async () => {
    const { kubernetes, router } = cluster();
    const headers = { response: { add: { 'x-served-by': 'shop' } } };
    const asked = podinfo({ headers }, { sessionAffinity: { cookieName: 'sid' } });
    await router.ensure(asked, { ...start, cookies: { previous: 'sid=abcdefghij' } });
    const [forget] = routeIn(kubernetes).spec.rules;
    expect(forget.filters).toEqual([
      {
        type: 'ResponseHeaderModifier',
        responseHeaderModifier: {
          add: [
            { name: 'x-served-by', value: 'shop' },
            { name: 'Set-Cookie', value: 'sid=abcdefghij; Max-Age=-1' },
          ],
        },
      },
    ]);
  });
});

describe('conditions', () => {
  const matchesOf = async (match: readonly object[], analysis: Analysis = {}) => {
    const { kubernetes, router } = cluster();
    await router.ensure(podinfo({ match }, analysis), start);
    return routeIn(kubernetes).spec.rules.map(({ matches }) => matches);
  };

  it('are said in the words of the Gateway API', async () => {
    const match = [
      { uri: { regex: '/v[0-9]+' }, method: { exact: 'GET' } },
      { uri: { exact: '/cart' }, headers: { b: { exact: '2' }, a: { regex: '1.*' } } },
      { uri: { prefix: '/' }, queryParams: { page: { exact: '1' } } },
    ];
    expect(await matchesOf(match)).toEqual([
      [
        { path: { type: 'RegularExpression', value: '/v[0-9]+' }, method: 'GET' },
        {
          path: { type: 'Exact', value: '/cart' },
          headers: [
            { type: 'RegularExpression', name: 'a', value: '1.*' },
            { type: 'Exact', name: 'b', value: '2' },
          ],
        },
        { path: { type: 'PathPrefix', value: '/' }, queryParams: [{ type: 'Exact', name: 'page', value: '1' }] },
      ],
    ]);
  });

  it('that it has no words for leave the route for everybody', async () => {
    expect(await matchesOf([{ gateways: ['mesh'], port: 80 }])).toEqual([
      [{ path: { type: 'PathPrefix', value: '/' } }],
    ]);
  });

  it('of an A/B test go with each of the service, and have what both speak of', async () => {
    const match = [{ uri: { prefix: '/a' }, headers: { team: { exact: 'x' } } }, { uri: { prefix: '/b' } }];
    const asked = { iterations: 2, match: [{ headers: { 'x-user': { exact: 'test' } } }] };
    const headers = [{ type: 'Exact', name: 'x-user', value: 'test' }];
    const [matching, others] = await matchesOf(match, asked);
    expect(matching).toEqual([
      { path: { type: 'PathPrefix', value: '/a' }, headers },
      { path: { type: 'PathPrefix', value: '/b' }, headers },
    ]);
    expect(others).toEqual([
      { path: { type: 'PathPrefix', value: '/a' }, headers: [{ type: 'Exact', name: 'team', value: 'x' }] },
      { path: { type: 'PathPrefix', value: '/b' } },
    ]);
  });

  it.each<[string, object, Analysis, string]>([
    [
      'a header by its prefix',
      {},
      { iterations: 2, match: [{ headers: { agent: { prefix: 'Moz' } } }] },
      "Invalid request matching selectors: Gateway API doesn't support the specified header matching selector: " +
        '{"agent":{"prefix":"Moz"}}; in spec.analysis.match[0].headers.agent, write exact or regex',
    ],
    [
      'nothing but labels of the caller, which would be everybody',
      {},
      { iterations: 2, match: [{ sourceLabels: { app: 'shop' } }] },
      "Gateway API doesn't support the specified matching selector: ",
    ],
    ['a method by its prefix', { match: [{ method: { prefix: 'G' } }] }, {}, 'spec.service.match[0].method'],
    ['a path that is there', { match: [{ uri: {} }] }, {}, 'spec.service.match[0].uri, write exact, prefix or regex'],
    ['a parameter that is there', { match: [{ queryParams: { q: {} } }] }, {}, 'specified query matching selector'],
  ])('refuses %s, with the field', async (_, service, analysis, text) => {
    const { kubernetes, router } = cluster();
    const refusal = { type: 'InvalidSpec', message: expect.stringContaining(text) };
    await expect(router.ensure(podinfo(service, analysis), start)).rejects.toMatchObject(refusal);
    expect(kubernetes.writes).toEqual([]);
  });
});

describe('TestGatewayAPIRouter_GetRoutes/httproute generation', () => {
  const accepted = (status: string, observedGeneration: number, parent: object = {}) => ({
    parents: [
      {
        parentRef: { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'public', ...parent },
        conditions: [{ type: 'Accepted', status, observedGeneration }],
      },
    ],
  });
  const served = async (status: object, create = gatewayApiV1) => {
    const { kubernetes, router } = cluster(create);
    await router.ensure(podinfo(), { primary: 90, canary: 10 });
    kubernetes.peek('HTTPRoute', 'shop')!.status = status;
    return { kubernetes, router, more: router.setWeights(podinfo(), { primary: 80, canary: 20 }) };
  };

  it.each<[string, object]>([
    ['no status at all', {}],
    ['a parent that is not ours', accepted('False', 0, { sectionName: 'https' })],
    ['a parent that has taken the last change over', accepted('True', 1)],
    ['a parent that says nothing of being accepted', { parents: [{ parentRef: { name: 'public' }, conditions: [] }] }],
  ])('%s lets the canary have more', async (_, status) => {
    const { router, more } = await served(status);
    await more;
    expect(await router.getWeights(podinfo())).toEqual({ primary: 80, canary: 20 });
  });

  it.each<[string, object, string]>([
    ['has not taken the last change over', accepted('True', 0), 'status: True, observed generation: 0'],
    ['refuses the route', accepted('False', 1), 'status: False, observed generation: 1'],
  ])('a parent that %s holds back more of the canary, but never the way back', async (_, status, words) => {
    const { kubernetes, router, more } = await served(status);
    await expect(more).rejects.toMatchObject({
      type: 'Conflict',
      nonRetryable: false,
      message: `HTTPRoute shop.prod parent public is not ready (${words}, current generation: 1)`,
    });
    expect(await router.getWeights(podinfo())).toEqual({ primary: 90, canary: 10 });
    await router.setWeights(podinfo(), start);
    expect(weights(routeIn(kubernetes).spec.rules[0])).toEqual(sides(100, 0));
  });

  it('the older version does not ask', async () => {
    const { more } = await served(accepted('False', 0), gatewayApiV1Beta1);
    await expect(more).resolves.toBeUndefined();
  });

  it('reads weights whichever backend comes first', async () => {
    const { kubernetes, router } = cluster();
    await router.ensure(podinfo(), { primary: 90, canary: 10 });
    const route = kubernetes.peek('HTTPRoute', 'shop')!;
    const { rules } = route.spec as { rules: { backendRefs: object[] }[] };
    rules[0]!.backendRefs.reverse();
    expect(await router.getWeights(podinfo())).toEqual({ primary: 90, canary: 10 });
  });
});
