import { expect, it } from '@jest/globals';
import { proxyFor } from './proxy.ts';

const env = (NO_PROXY: string) => ({ HTTP_PROXY: 'http://plain:3128', https_proxy: 'http://tls:3128', NO_PROXY });

it.each([
  ['http://a.example', '', 'http://plain:3128'],
  ['https://a.example', '', 'http://tls:3128'],
  ['https://a.example', '*', undefined],
  ['https://a.example', 'b.example, example', undefined],
  ['https://a.example', 'A.Example', undefined],
  ['https://ba.example', 'a.example', 'http://tls:3128'],
  ['https://a.example', '.a.example', 'http://tls:3128'],
  ['https://x.a.example', '.a.example', undefined],
  ['https://x.a.example', '*.a.example', undefined],
  ['https://prom.shop.svc', '.svc', undefined],
  ['https://a.example:8443', 'a.example:8443', undefined],
  ['https://a.example', 'a.example:8443', 'http://tls:3128'],
  ['https://a.example', 'a.example:443', undefined],
  ['http://10.1.2.3:9090', '10.0.0.0/8', undefined],
  ['http://11.1.2.3:9090', '10.0.0.0/8', 'http://plain:3128'],
  ['http://10.1.2.3:9090', '10.1.2.3', undefined],
  ['http://[fd00::1]:9090', 'fd00::/8', undefined],
  ['http://[fd00::1]:9090', '[fd00::1]:9090', undefined],
  ['http://[fd00::1]:9090', 'fd00::1', undefined],
  ['http://a.example', '10.0.0.0/99, x/8', 'http://plain:3128'],
  ['http://localhost:9090', '', undefined],
  ['http://127.0.0.9:9090', '', undefined],
  ['http://[::1]:9090', '', undefined],
] as const)('%s with NO_PROXY=%s goes through %s', (url, noProxy, proxy) => {
  expect(proxyFor(new URL(url), env(noProxy))).toBe(proxy);
});
