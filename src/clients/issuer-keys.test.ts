import { expect, it } from '@jest/globals';
import { errors, exportJWK, generateKeyPair, jwtVerify, SignJWT, type JWK } from 'jose';
import type { Http, HttpRequest } from './http.ts';
import { createIssuerKeys } from './issuer-keys.ts';

const issuer = 'https://issuer.example.com';

async function pair(kid: string) {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const token = await new SignJWT({}).setProtectedHeader({ alg: 'ES256', kid }).setIssuer(issuer).sign(privateKey);
  return { token, jwk: { ...(await exportJWK(publicKey)), kid } };
}

/** An issuer, its clock, and what it was asked. */
function anIssuer(keys: JWK[], cacheControl?: string) {
  const asked: HttpRequest[] = [];
  const state = { now: 1_000_000, keys, status: 200, text: undefined as string | undefined };
  const http: Http = {
    send: (request) => {
      asked.push(request);
      const body = request.url.endsWith('/jwks') ? { keys: state.keys } : { issuer, jwks_uri: `${issuer}/jwks` };
      const headers: Record<string, string> = cacheControl === undefined ? {} : { 'cache-control': cacheControl };
      return Promise.resolve({ status: state.status, headers, body: state.text ?? JSON.stringify(body) });
    },
  };
  const keysOf = createIssuerKeys(http, () => state.now);
  const check = async (token: string) => jwtVerify(token, await keysOf({ issuer }));
  const fetches = () => asked.filter(({ url }) => url.endsWith('/jwks')).length;
  return { asked, state, check, fetches };
}

it('is asked within limits: no redirect, 1 MiB, five seconds', async () => {
  const { token, jwk } = await pair('one');
  const { asked, check } = anIssuer([jwk]);
  await check(token);
  expect(asked.map(({ url }) => url)).toEqual([`${issuer}/.well-known/openid-configuration`, `${issuer}/jwks`]);
  for (const request of asked)
    expect(request).toMatchObject({ maxRedirects: 0, maxBytes: 1_048_576, timeoutMs: 5_000 });
});

it.each`
  cacheControl                             | fresh     | stale
  ${'public, max-age=19000, no-transform'} | ${18_999} | ${19_000}
  ${'max-age=60'}                          | ${59}     | ${60}
  ${undefined}                             | ${599}    | ${600}
  ${'max-age=99999999'}                    | ${86_399} | ${86_400}
  ${'no-store'}                            | ${29}     | ${30}
  ${'max-age=0'}                           | ${29}     | ${30}
`('with cache-control $cacheControl is asked again after $stale s', async ({ cacheControl, fresh, stale }) => {
  const { token, jwk } = await pair('one');
  const { state, check, fetches } = anIssuer([jwk], cacheControl as string | undefined);
  const begin = state.now;
  await check(token);
  state.now = begin + (fresh as number) * 1_000;
  await check(token);
  expect(fetches()).toBe(1);
  state.now = begin + (stale as number) * 1_000;
  await check(token);
  expect(fetches()).toBe(2);
});

it('is asked for a key that is not known, once in half a minute, however many tokens name one', async () => {
  const [one, two] = [await pair('one'), await pair('two')];
  const { state, check, fetches } = anIssuer([one.jwk]);
  await check(one.token);
  for (let n = 0; n < 5; n += 1) await expect(check(two.token)).rejects.toThrow(errors.JWKSNoMatchingKey);
  expect(fetches()).toBe(1);
  state.now += 30_000;
  state.keys = [one.jwk, two.jwk];
  await check(two.token);
  expect(fetches()).toBe(2);
});

it('that sends no keys is away, and no judge of tokens', async () => {
  const { token, jwk } = await pair('one');
  const { state, check } = anIssuer([{ kid: 'one' }]);
  const refused = await check(token).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(Error);
  expect(refused).not.toBeInstanceOf(errors.JOSEError);
  state.text = '\u001bhush';
  await expect(check(token)).rejects.toThrow(
    /^https:\/\/issuer\.example\.com\/jwks answered something that is not JSON$/,
  );
  state.text = undefined;
  state.status = 302;
  await expect(check(token)).rejects.toThrow('https://issuer.example.com/jwks answered 302');
  state.status = 200;
  state.keys = [jwk];
  await expect(check(token)).resolves.toMatchObject({ payload: { iss: issuer } });
});
