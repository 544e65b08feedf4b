import { describe, expect, it } from '@jest/globals';
import { serviceOf, shares, type HttpRoute } from './shares.ts';

const to = (host: string, weight?: number) => ({ destination: { host }, weight });
const beta = [{ headers: { 'x-beta': { exact: '1' } } }];

describe('the requests of a VirtualService', () => {
  it.each<[string, HttpRoute[], Record<string, number>]>([
    [
      'go by weight',
      [{ route: [to('shop-primary', 80), to('shop-canary', 20)] }],
      { 'shop-primary': 0.8, 'shop-canary': 0.2 },
    ],
    ['all go to a lone destination, whatever its weight', [{ route: [to('shop', 30)] }], { shop: 1 }],
    ['do not go where the weight is 0', [{ route: [to('a', 100), to('b', 0)] }], { a: 1, b: 0 }],
    [
      'that meet the conditions take the first route, the others the last',
      [
        { match: beta, route: [to('shop-primary', 0), to('shop-canary', 100)] },
        { route: [to('shop-primary', 100), to('shop-canary', 0)] },
      ],
      { 'shop-primary': 0.7, 'shop-canary': 0.3 },
    ],
    [
      'are not split by a condition that has only a name',
      [{ match: [{ name: 'all' }], route: [to('a')] }, { route: [to('b')] }],
      { a: 1, b: 0 },
    ],
    ['are copied to a mirror', [{ route: [to('a')], mirror: { host: 'b' } }], { a: 1, b: 1 }],
    [
      'are copied to a mirror in the part that it asks for',
      [{ route: [to('a')], mirror: { host: 'b' }, mirrorPercentage: { value: 25 } }],
      { a: 1, b: 0.25 },
    ],
    ['go nowhere without a route', [], {}],
  ])('%s', (_name, routes, expected) => {
    const parts = Object.fromEntries(shares(routes, 0.3));
    expect(Object.keys(parts)).toEqual(Object.keys(expected));
    for (const [host, part] of Object.entries(expected)) expect(parts[host]).toBeCloseTo(part, 9);
  });
});

describe('a host', () => {
  it.each([
    ['shop', 'prod', 'shop'],
    ['shop.team', 'team', 'shop'],
    ['shop.team.svc.cluster.local', 'team', 'shop'],
  ])('%s seen from prod is a Service of %s', (host, namespace, name) => {
    expect(serviceOf(host, 'prod')).toEqual({ namespace, name });
  });
});
