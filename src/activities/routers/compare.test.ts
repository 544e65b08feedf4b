import { describe, expect, it } from '@jest/globals';
import { difference, omit, pick } from './compare.ts';

const maps = new Set(['headers']);

describe('comparing what is wanted with what is there', () => {
  it.each([
    ['an absent field and null', {}, { timeout: null }],
    ['an absent field and an empty list', { match: [] }, {}],
    ['an absent field and an empty object', {}, { rewrite: {} }],
    ['an absent field and an object of empty fields', {}, { headers: { request: {}, response: { remove: [] } } }],
    ['fields in another order', { a: 1, b: [{ c: 2, d: 3 }] }, { b: [{ d: 3, c: 2 }], a: 1 }],
    ['nothing and nothing', undefined, {}],
  ])('finds no difference between %s', (_, wanted, found) => {
    expect(difference(wanted, found, 'spec')).toBeUndefined();
    expect(difference(found, wanted, 'spec')).toBeUndefined();
  });

  it.each([
    ['a value', { retries: { attempts: 3 } }, { retries: { attempts: 2 } }, 'spec.retries.attempts'],
    ['zero, which is not absent', { weight: 0 }, {}, 'spec.weight'],
    ['false, which is not absent', { enabled: false }, {}, 'spec.enabled'],
    ['an empty text, which is not absent', { sni: '' }, {}, 'spec.sni'],
    ['a number and a text', { port: 80 }, { port: '80' }, 'spec.port'],
    ['a section that one side lacks', {}, { tls: { mode: 'SIMPLE' } }, 'spec.tls.mode'],
    ['an item that one side lacks', { hosts: ['a'] }, { hosts: ['a', 'b'] }, 'spec.hosts[1]'],
    ['an empty item that one side lacks', { match: [{}] }, {}, 'spec.match'],
    ['items in another order', { hosts: ['a', 'b'] }, { hosts: ['b', 'a'] }, 'spec.hosts[0]'],
    ['an object and a text', { uri: { exact: '/' } }, { uri: '/' }, 'spec.uri.exact'],
    ['an empty item and a text', { match: [{}] }, { match: ['a'] }, 'spec.match[0]'],
    ['a list and an object', { match: ['a'] }, { match: { a: 1 } }, 'spec.match.a'],
    [
      'a field deep in a list',
      { http: [{ route: [{ weight: 1 }] }] },
      { http: [{ route: [{ weight: 2 }] }] },
      'spec.http[0].route[0].weight',
    ],
  ])('names the place of %s', (_, wanted, found, path) => {
    expect(difference(wanted, found, 'spec')).toBe(path);
    expect(difference(found, wanted, 'spec')).toBe(path);
  });

  it('counts the keys of a map even when they hold nothing', () => {
    expect(difference({ headers: { 'x-user': {} } }, {}, 'match', maps)).toBe('match.headers.x-user');
    expect(difference({ headers: { 'x-user': {} } }, { headers: { 'x-user': null } }, 'match', maps)).toBeUndefined();
    expect(difference({ headers: {} }, {}, 'match', maps)).toBeUndefined();
  });
});

describe('taking some fields of an object', () => {
  it('takes from anything that may come off the wire', () => {
    expect(pick({ a: 1, b: 2 }, ['a', 'c'])).toEqual({ a: 1 });
    expect(omit({ a: 1, b: 2 }, ['a'])).toEqual({ b: 2 });
    expect([pick(undefined, ['a']), omit(null, ['a']), pick('text', ['a'])]).toEqual([{}, {}, {}]);
  });
});
