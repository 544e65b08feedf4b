import { describe, expect, it } from '@jest/globals';
import { shopWith as canary } from '../../../test/contracts/router-worlds.ts';
import type { Cookies } from '../../workflows/domain/observation.ts';
import { routesOf, type Destination, type Route } from './istio-routes.ts';
import { destinationRuleSpec, virtualServiceSpec, weightsIn, withoutTraffic } from './istio-spec.ts';

const start = { primary: 100, canary: 0 };

/** The mesh Canary of Flagger's own tests (routers spec, 22). */
const meshService = {
  port: 9898,
  portDiscovery: true,
  appProtocol: 'http',
  headers: {
    request: { add: { 'x-envoy-upstream-rq-timeout-ms': '15000' }, remove: ['test'] },
    response: { remove: ['token'] },
  },
  corsPolicy: { allowMethods: ['GET', 'POST'] },
  match: [{ name: 'podinfo', uri: { prefix: '/podinfo' }, method: { exact: 'GET' }, ignoreUriCase: true }],
  retries: { attempts: 10, perTryTimeout: '30s', retryOn: 'connect-failure,gateway-error' },
  gateways: ['istio/public-gateway', 'mesh'],
};

function httpOf(spec: object): Route {
  return (spec as { http: [Route] }).http[0];
}

describe('the VirtualService of a Canary', () => {
  it.each([
    ['none', [], ['shop']],
    ['some', ['shop.example.com'], ['shop.example.com', 'shop']],
    ['the apex among others', ['shop', 'shop.example.com'], ['shop', 'shop.example.com']],
    ['every host', ['*'], ['*']],
  ])('answers on the apex as well as on the hosts it names: %s', (_, hosts, expected) => {
    expect(virtualServiceSpec(canary({ hosts }), start).hosts).toEqual(expected);
  });

  it.each([
    ['the mesh when it names none', [], ['mesh']],
    ['exactly those it names', ['ingress/public'], ['ingress/public']],
    ['those it names, in its order', ['ingress/public', 'mesh'], ['ingress/public', 'mesh']],
  ])('listens on %s', (_, gateways, expected) => {
    expect(virtualServiceSpec(canary({ gateways }), start).gateways).toEqual(expected);
  });

  it('sends traffic by weight and leaves out what is not asked for', () => {
    expect(virtualServiceSpec(canary(), { primary: 60, canary: 40 })).toEqual({
      hosts: ['shop'],
      gateways: ['mesh'],
      http: [
        {
          route: [
            { destination: { host: 'shop-primary' }, weight: 60 },
            { destination: { host: 'shop-canary' }, weight: 40 },
          ],
        },
      ],
    });
  });

  it('leaves out what is empty', () => {
    const empty = { match: [], rewrite: {}, timeout: '', retries: {}, corsPolicy: {}, headers: {} };
    expect(Object.keys(httpOf(routesOf(canary(empty), start)))).toEqual(['route']);
  });

  it('names its hosts after service.name when there is one', () => {
    const spec = virtualServiceSpec(canary({ name: 'store' }), start);
    expect(spec.hosts).toEqual(['store']);
    expect(httpOf(spec).route.map(({ destination }) => destination.host)).toEqual(['store-primary', 'store-canary']);
  });

  it('TestIstioRouter_HTTPRequestHeaders: carries header operations as they are', () => {
    expect(httpOf(routesOf(canary(meshService), start)).headers).toEqual(meshService.headers);
  });

  it('TestIstioRouter_CORS: carries the CORS policy as it is', () => {
    expect(httpOf(routesOf(canary(meshService), start)).corsPolicy).toEqual({ allowMethods: ['GET', 'POST'] });
  });

  it('carries retries, timeout and match as they are, and a rewrite without the type Istio does not have', () => {
    const rewrite = { uri: '/v2', authority: 'x.y', type: 'ReplacePrefixMatch' };
    const route = httpOf(routesOf(canary({ ...meshService, timeout: '15s', rewrite }), start));
    expect(route).toMatchObject({ retries: meshService.retries, timeout: '15s', match: meshService.match });
    expect(route.rewrite).toEqual({ uri: '/v2', authority: 'x.y' });
  });

  it.each([
    ['the first gateway is an ingress', { gateways: ['istio/public-gateway', 'mesh'], portDiscovery: true }, 9898],
    ['delegation is on', { delegation: true, portDiscovery: true }, 9898],
    ['the first gateway is the mesh', { gateways: ['mesh', 'istio/public-gateway'], portDiscovery: true }, undefined],
    ['no gateway is named', { portDiscovery: true }, undefined],
    ['ports are not discovered', { gateways: ['istio/public-gateway'], portDiscovery: false }, undefined],
  ])('TestIstioRouter_GatewayPort: when %s, the port of the destinations is right', (_, service, number) => {
    const { route } = httpOf(virtualServiceSpec(canary({ port: 9898, ...service }), start));
    expect(route.map(({ destination }) => destination.port?.number)).toEqual([number, number]);
  });

  it('TestIstioRouter_Delegate/ok: has neither hosts nor gateways, as a delegate must', () => {
    const spec = virtualServiceSpec(canary({ delegation: true }), start);
    expect(spec.hosts).toEqual([]);
    expect(spec).not.toHaveProperty('gateways');
  });

  it.each([
    ['gateways', { gateways: ['istio/public-gateway'] }],
    ['hosts', { hosts: ['shop.example.com'] }],
  ])('TestIstioRouter_Delegate/invalid: refuses delegation together with %s', (_, service) => {
    expect(() => virtualServiceSpec(canary({ ...service, delegation: true }), start)).toThrow(
      expect.objectContaining({
        type: 'InvalidSpec',
        message: 'VirtualService shop.prod cannot have hosts and gateways when delegation enabled',
      }),
    );
  });
});

describe('the VirtualService of a TCP service', () => {
  const tcp = { port: 9898, portDiscovery: true, appProtocol: 'TCP', gateways: ['istio/public-gateway', 'mesh'] };

  it('TestIstioRouter_SetRoutesTCP: has TCP routes alone, matched by port', () => {
    const spec = virtualServiceSpec(canary({ ...tcp, match: [{ port: 9898, uri: { prefix: '/' } }] }), {
      primary: 60,
      canary: 40,
    });
    expect(spec).not.toHaveProperty('http');
    expect(spec).toMatchObject({
      tcp: [
        {
          match: [{ port: 9898 }],
          route: [
            { destination: { host: 'shop-primary', port: { number: 9898 } }, weight: 60 },
            { destination: { host: 'shop-canary', port: { number: 9898 } }, weight: 40 },
          ],
        },
      ],
    });
    expect(JSON.stringify(spec)).not.toContain('uri');
  });

  it('keeps one entry for each match, also for one without a port', () => {
    const spec = virtualServiceSpec(canary({ ...tcp, match: [{ port: 0 }, { port: 9898 }, {}] }), start);
    expect((spec as unknown as { tcp: [Route] }).tcp[0].match).toEqual([{}, { port: 9898 }, {}]);
  });

  it('ignores settings that only HTTP can carry, as Flagger does', () => {
    const analysis = {
      mirror: true,
      match: [{ headers: { x: { exact: '1' } } }],
      sessionAffinity: { cookieName: 'sid' },
    };
    const spec = virtualServiceSpec(canary(tcp, analysis), {
      ...start,
      mirrored: true,
      cookies: { previous: 'sid=a' },
    });
    expect(spec).toEqual(virtualServiceSpec(canary(tcp), start));
  });
});

const toPrimary = (weight: number) => ({ destination: { host: 'shop-primary' }, weight });
const toCanary = (weight: number) => ({ destination: { host: 'shop-canary' }, weight });
const routes = (spec: object) => (spec as { http: readonly Route[] }).http;

describe('the routes of an A/B test', () => {
  const match = [{ headers: { 'x-user': { exact: 'a' } } }, { headers: { 'x-user': { exact: 'b' } } }];
  const own = [{ uri: { prefix: '/podinfo' }, headers: { host: { exact: 'h' } } }];

  it('TestIstioRouter_ABTest: the canary is no destination of requests that do not match', () => {
    const asked = canary({}, { iterations: 5, match });
    expect(routesOf(asked, { primary: 0, canary: 100 })).toEqual({
      http: [{ match, route: [toPrimary(0), toCanary(100)] }, { route: [toPrimary(0)] }],
    });
    expect(routes(routesOf(asked, start))[1]).toEqual({ route: [toPrimary(100)] });
  });

  it('TestIstioRouter_Match: every condition goes with every match of the service, whose headers it replaces', () => {
    const [matching, others] = routes(routesOf(canary({ match: own }, { iterations: 5, match }), start));
    expect(matching!.match).toEqual([
      { uri: { prefix: '/podinfo' }, headers: { 'x-user': { exact: 'a' } } },
      { uri: { prefix: '/podinfo' }, headers: { 'x-user': { exact: 'b' } } },
    ]);
    expect(others!.match).toEqual(own);
  });

  it('carry everything else that the service asks for', () => {
    for (const route of routes(routesOf(canary(meshService, { iterations: 5, match }), start))) {
      expect(route).toMatchObject({ retries: meshService.retries, headers: meshService.headers });
    }
  });
});

describe('a mirror', () => {
  it.each([
    [0, {}],
    [10, { mirrorPercentage: { value: 10 } }],
    [50, { mirrorPercentage: { value: 50 } }],
  ])('TestIstioRouter_SetRoutes/mirror: of weight %i says its share when it is not all', (mirrorWeight, share) => {
    const asked = canary({}, { mirror: true, mirrorWeight });
    expect(routesOf(asked, { ...start, mirrored: true })).toEqual({
      http: [{ route: [toPrimary(100), toCanary(0)], mirror: { host: 'shop-canary' }, ...share }],
    });
    expect(httpOf(routesOf(asked, start))).not.toHaveProperty('mirror');
  });

  it('is on the route for everybody, not on the one for users with a cookie', () => {
    const asked = canary({}, { mirror: true, sessionAffinity: { cookieName: 'sid' } });
    const [sticky, weighted] = routes(routesOf(asked, { ...start, mirrored: true, cookies: { previous: 'sid=abc' } }));
    expect(sticky).not.toHaveProperty('mirror');
    expect(weighted!.mirror).toEqual({ host: 'shop-canary' });
  });
});

describe('the routes of session affinity', () => {
  const attributes = {
    cookieName: 'sid',
    maxAge: 300,
    domain: 'example.com',
    httpOnly: true,
    partitioned: true,
    path: '/app',
    sameSite: 'Strict' as const,
    secure: true,
  };
  const cookies: Cookies = { canary: 'sid=AbCdEfGhIj', primary: 'pid=KlMnOpQrSt' };
  const offered = ({ headers = {} }: Destination) =>
    (headers as { response?: { add?: Record<string, string> } }).response?.add?.['Set-Cookie'];
  const regexOf = ({ match: [match = {}] = [] }: Route) =>
    (match as { headers?: { Cookie?: { regex?: string } } }).headers?.Cookie?.regex;

  it('TestIstioRouter_SetRoutes/session affinity: the cookie says all that the Canary asks of it', () => {
    const asked = canary({}, { sessionAffinity: attributes });
    const [sticky, weighted, ...more] = routes(routesOf(asked, { primary: 90, canary: 10, cookies }));
    expect(more).toEqual([]);
    expect(regexOf(sticky!)).toBe('.*sid.*AbCdEfGhIj.*');
    expect(sticky!.route).toEqual([toPrimary(0), toCanary(100)]);
    expect(weighted!.route[0]).toEqual(toPrimary(90));
    expect(offered(weighted!.route[1]!)).toBe(
      'sid=AbCdEfGhIj; Max-Age=300; Domain=example.com; HttpOnly; Partitioned; Path=/app; SameSite=Strict; Secure',
    );
  });

  it('TestIstioRouter_getSessionAffinityRoutes/without primary cookie: two rules, and one to forget with', () => {
    const asked = canary({}, { sessionAffinity: { cookieName: 'sid', maxAge: 300 } });
    const rules = routes(routesOf(asked, { primary: 90, canary: 10, cookies }));
    expect(rules).toHaveLength(2);
    expect(offered(rules[1]!.route[1]!)).toBe('sid=AbCdEfGhIj; Max-Age=300');
    const [forget, everybody] = routes(routesOf(asked, { ...start, cookies: { previous: 'sid=AbCdEfGhIj' } }));
    expect(forget!.headers).toEqual({ response: { add: { 'Set-Cookie': 'sid=AbCdEfGhIj; Max-Age=-1' } } });
    expect(forget!.route).toEqual(everybody!.route);
    expect(everybody).not.toHaveProperty('headers');
  });

  it('TestIstioRouter_getSessionAffinityRoutes/with primary cookie: three rules, the canary’s first', () => {
    const asked = canary({}, { interval: '15s', sessionAffinity: { cookieName: 'sid', primaryCookieName: 'pid' } });
    const rules = routes(routesOf(asked, { primary: 90, canary: 10, cookies }));
    expect(rules.map(regexOf)).toEqual(['.*sid.*AbCdEfGhIj.*', '.*pid.*KlMnOpQrSt.*', undefined]);
    expect(rules[1]!.route).toEqual([toPrimary(100), toCanary(0)]);
    expect(rules[2]!.route.map(offered)).toEqual(['pid=KlMnOpQrSt; Max-Age=15', 'sid=AbCdEfGhIj; Max-Age=86400']);
  });

  it('a cookie to forget does not get into the headers that the service asks for', () => {
    const headers = { response: { add: { 'x-served-by': 'mesh' } } };
    const asked = canary({ headers }, { sessionAffinity: { cookieName: 'sid' } });
    const [forget, everybody] = routes(routesOf(asked, { ...start, cookies: { previous: 'sid=A' } }));
    expect(everybody!.headers).toEqual(headers);
    expect(forget!.headers).toEqual({
      response: { add: { 'x-served-by': 'mesh', 'Set-Cookie': 'sid=A; Max-Age=-1' } },
    });
  });

  it('a primary cookie needs an interval that can be read, from the first day on', () => {
    const asked = canary({}, { sessionAffinity: { cookieName: 'sid', primaryCookieName: 'pid' } });
    // Older objects may hold what the schema refuses by now.
    const stored = { ...asked, spec: { ...asked.spec, analysis: { ...asked.spec.analysis, interval: 'soon' } } };
    expect(() => virtualServiceSpec(stored, start)).toThrow(
      expect.objectContaining({
        type: 'InvalidSpec',
        message: expect.stringMatching(/^failed to parse canary interval: .*spec\.analysis\.interval/),
      }),
    );
  });

  it('signs in the name of a cookie mean themselves', () => {
    const asked = canary({}, { sessionAffinity: { cookieName: 's+id' } });
    const [sticky] = routes(routesOf(asked, { primary: 90, canary: 10, cookies: { canary: 's+id=AbC' } }));
    expect(new RegExp(`^${regexOf(sticky!)!}$`).test('a=b; s+id=AbC')).toBe(true);
    expect(new RegExp(`^${regexOf(sticky!)!}$`).test('a=b; ssid=AbC')).toBe(false);
  });
});

describe('the DestinationRules of a Canary', () => {
  it('BC-33: carry the traffic policy whole, fields that Flagger does not know included', () => {
    const trafficPolicy = {
      loadBalancer: { consistentHash: { httpQueryParameterName: 'user' }, localityLbSetting: { enabled: true } },
      connectionPool: { tcp: { maxConnections: 5, connectTimeout: '2s' } },
    };
    for (const host of ['shop-primary', 'shop-canary']) {
      expect(destinationRuleSpec(canary({ trafficPolicy }), host)).toEqual({ host, trafficPolicy });
    }
  });

  it('have no traffic policy when none is given', () => {
    expect(destinationRuleSpec(canary(), 'shop-canary')).toEqual({ host: 'shop-canary' });
  });
});

describe('reading weights', () => {
  const to = (host: string, weight?: number) => ({ destination: { host }, weight });
  const both = (primary?: number, canaryWeight?: number) => ({
    route: [to('shop-primary', primary), to('shop-canary', canaryWeight)],
  });

  it.each([
    ['what was written', { http: [both(70, 30)] }, { primary: 70, canary: 30 }],
    [
      'the last route to the canary',
      { http: [both(0, 100), both(90, 10), { route: [to('other', 100)] }] },
      { primary: 90, canary: 10 },
    ],
    ['a missing weight as zero', { http: [both(100)] }, { primary: 100, canary: 0 }],
    [
      'a lone destination as everything, as Istio does',
      { http: [{ route: [to('shop-canary', 0)] }] },
      { primary: 0, canary: 100 },
    ],
    ['weights set to nothing by hand', { http: [both(0, 0)] }, { primary: 0, canary: 0 }],
    ['TCP routes that a switch to HTTP has not replaced yet', { tcp: [both(80, 20)] }, { primary: 80, canary: 20 }],
  ])('reads %s', (_, spec, weights) => {
    expect(weightsIn(canary(), spec)).toEqual(weights);
  });

  it.each([
    ['no routes', {}],
    ['no spec', undefined],
    ['routes of someone else', { http: [{ route: [to('shop')] }, { redirect: { uri: '/' } }] }],
    ['nonsense', { http: { route: 'x' }, tcp: [null, 'x', { route: [null, { destination: 'x' }] }] }],
  ])('finds none in %s', (_, spec) => {
    expect(weightsIn(canary(), spec)).toBeUndefined();
  });

  it('TestUnmarshalVirtualService, TestIstioRouter_GetRoutesTCP: reads TCP routes for a TCP service', () => {
    const tcp = canary({ appProtocol: 'tcp' });
    expect(weightsIn(tcp, { tcp: [{ route: [to('shop')] }, both(100, 0)] })).toEqual({ primary: 100, canary: 0 });
  });
});

describe('what a release changes in a route', () => {
  it('is weights and mirrors, of every route and protocol, and nothing else', () => {
    const route = routesOf(canary(meshService), { primary: 90, canary: 10 }) as { http: [Route] };
    const mirrored = { http: [{ ...route.http[0], mirror: { host: 'shop-canary' }, mirrorPercentage: { value: 25 } }] };
    const still = withoutTraffic(canary(meshService), mirrored);
    expect(still).toEqual(withoutTraffic(canary(meshService), routesOf(canary(meshService), start)));
    expect(JSON.stringify(still)).not.toMatch(/weight|mirror/);
    expect(httpOf(still).retries).toEqual(meshService.retries);
  });
});
