import { expect, it } from '@jest/globals';
import { maskUrl } from './url.ts';

it.each([
  ['http://host:80/gate/check', 'http://host:80/gate/check'],
  ['http://host', 'http://host'],
  ['http://user:pass@host/x', 'http://user:xxxxx@host/x'],
  ['http://user:@host/x', 'http://user:xxxxx@host/x'],
  ['https://t0ken@host/x', 'https://xxxxx@host/x'],
  ['https://host/x?token=abc#part', 'https://host/x?xxxxx'],
  ['https://host/@scope/x', 'https://host/@scope/x'],
  ['http:\\\\user:pass@host/x', 'http://user:xxxxx@host/x'],
  [' http://user:pass@host/x', 'http://user:xxxxx@host/x'],
  ['http://user:pa/ss@host:99999/x', 'http://xxxxx@host:99999/x'],
  ['${ADDRESS}', '${ADDRESS}'],
  ['host/path?key=abc', 'host/path?xxxxx'],
] as const)('shows %s as %s', (url, shown) => {
  expect(maskUrl(url)).toBe(shown);
});
