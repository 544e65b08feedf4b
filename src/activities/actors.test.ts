import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT, type CryptoKey, type JWK, type JWTPayload } from 'jose';
import { closeServers, deadUrl, startServer } from '../../test/support/fake-server.ts';
import { createHttp } from '../clients/http.ts';
import { canaryClaim, createVerifyActors, loadIssuers, type TokenIssuer } from './actors.ts';

afterEach(closeServers);

const canary = { namespace: 'prod', name: 'shop' };
let key: CryptoKey;
let foreign: CryptoKey;
let jwk: JWK;

beforeAll(async () => {
  const pair = await generateKeyPair('ES256', { extractable: true });
  key = pair.privateKey;
  jwk = { ...(await exportJWK(pair.publicKey)), kid: 'one', alg: 'ES256' };
  foreign = (await generateKeyPair('ES256')).privateKey;
});

/** An identity provider with one key. */
async function provider(more: Partial<TokenIssuer> = {}) {
  const server = await startServer(({ url }) => {
    if (url === '/.well-known/openid-configuration') {
      return { status: 200, body: JSON.stringify({ issuer: server.url, jwks_uri: `${server.url}/keys` }) };
    }
    return url === '/keys' ? { status: 200, body: JSON.stringify({ keys: [jwk] }) } : { status: 404 };
  });
  const issuer = { issuer: server.url, audience: 'serin', claim: 'email', maxAgeSeconds: 900, ...more };
  return { server, issuer, verify: createVerifyActors(createHttp({}), [issuer]) };
}

/** A token of this minute. */
function token(issuer: string, claims: JWTPayload = {}, options: { key?: CryptoKey; age?: number; kid?: string } = {}) {
  const now = Math.floor(Date.now() / 1000) - (options.age ?? 0);
  return new SignJWT({ email: 'ada@example.com', iss: issuer, aud: 'serin', iat: now, exp: now + 300, ...claims })
    .setProtectedHeader({ alg: 'ES256', kid: options.kid ?? 'one' })
    .sign(options.key ?? key);
}

it('says whose token it is, and asks for the keys once', async () => {
  const { server, issuer, verify } = await provider();
  const tokens = [await token(issuer.issuer), await token(issuer.issuer, { email: 'bob@example.com' })];
  const found = await verify(canary, tokens);
  expect(found).toEqual([
    { subject: 'ada@example.com', id: expect.stringMatching(/^[0-9a-f]{32}$/) },
    { subject: 'bob@example.com', id: expect.stringMatching(/^[0-9a-f]{32}$/) },
  ]);
  expect(await verify(canary, tokens)).toEqual(found);
  expect(server.requests.map(({ url }) => url)).toEqual(['/.well-known/openid-configuration', '/keys']);
});

it('finds the keys where the file says, and the name in the claim that it says', async () => {
  const { server, issuer, verify } = await provider({ claim: 'sub' });
  expect(await verify(canary, [await token(issuer.issuer, { sub: 'ci/42' })])).toMatchObject([{ subject: 'ci/42' }]);
  const direct = createVerifyActors(createHttp({}), [{ ...issuer, jwks: `${server.url}/keys` }]);
  server.requests.length = 0;
  expect(await direct(canary, [await token(issuer.issuer, { sub: 'ci/42' })])).toMatchObject([{ subject: 'ci/42' }]);
  expect(server.requests.map(({ url }) => url)).toEqual(['/keys']);
});

describe('a token that proves nothing is refused', () => {
  type Forge = (issuer: string) => Promise<string> | string;
  const unsecured: Forge = (issuer) =>
    new UnsecuredJWT({ email: 'ada@example.com', iss: issuer, aud: 'serin' }).encode();
  const tampered: Forge = async (issuer) => {
    const [head, , signature] = (await token(issuer)).split('.');
    const now = Math.floor(Date.now() / 1000);
    const claims = { email: 'eve@example.com', iss: issuer, aud: 'serin', iat: now, exp: now + 300 };
    return [head, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.');
  };

  it.each<[string, Forge, string | RegExp]>([
    [
      'signed by somebody else',
      (issuer) => token(issuer, {}, { key: foreign }),
      'the signature of the token is forged',
    ],
    ['changed after it was signed', tampered, 'the signature of the token is forged'],
    [
      'signed with a key that the issuer does not have',
      (issuer) => token(issuer, {}, { kid: 'two' }),
      /does not have the key/,
    ],
    ['not signed at all', unsecured, /^the token is not usable: /],
    ['expired', (issuer) => token(issuer, {}, { age: 600 }), /^the token expired at 2/],
    ['older than is taken', (issuer) => token(issuer, { exp: Date.now() }, { age: 1_000 }), 'the token is too old'],
    [
      'of the future',
      (issuer) => token(issuer, { iat: Math.floor(Date.now() / 1000) + 600 }),
      /^the token does not count: /,
    ],
    [
      'without an end',
      (issuer) => token(issuer, { exp: undefined }),
      'the token does not count: missing required "exp" claim',
    ],
    [
      'for another service',
      (issuer) => token(issuer, { aud: 'git' }),
      'the token does not count: unexpected "aud" claim value',
    ],
    ['without a name', (issuer) => token(issuer, { email: undefined }), /missing required "email" claim/],
    ['with a name that is none', (issuer) => token(issuer, { email: ' ' }), 'the claim email of the token is no name'],
    [
      'with an address that nobody checked',
      (issuer) => token(issuer, { email_verified: false }),
      'ada@example.com is not a verified address',
    ],
    [
      'for another Canary',
      (issuer) => token(issuer, { [canaryClaim]: 'prod/cart' }),
      'the token is for another Canary, "prod/cart"',
    ],
    ['no token', () => 'open sesame', 'the token is no signed JWT with an issuer'],
    [
      'of an issuer that nobody trusts',
      () => token('https://elsewhere.example.com'),
      /does not trust https:\/\/elsewhere.example.com, but http/,
    ],
  ])('%s', async (_, forge, refused) => {
    const { issuer, verify } = await provider();
    const [answer] = await verify(canary, [await forge(issuer.issuer)]);
    expect(answer).toEqual({ refused: typeof refused === 'string' ? refused : expect.stringMatching(refused) });
  });

  it('and one for this very Canary is taken', async () => {
    const { issuer, verify } = await provider();
    expect(await verify(canary, [await token(issuer.issuer, { [canaryClaim]: 'prod/shop' })])).toMatchObject([
      { subject: 'ada@example.com' },
    ]);
  });

  it('and where nobody is trusted, the refusal says how to change that', async () => {
    const verify = createVerifyActors(createHttp({}), []);
    expect(await verify(canary, ['x'])).toEqual([
      { refused: 'the worker trusts no issuer of tokens; set SERIN_TOKEN_ISSUERS' },
    ]);
  });
});

it('an issuer that does not answer is no refusal, and is asked again the next time', async () => {
  const { server, issuer } = await provider();
  const gone = await deadUrl();
  const mine = await token(issuer.issuer);
  const verify = createVerifyActors(createHttp({}), [{ ...issuer, jwks: `${gone}/keys` }]);
  await expect(verify(canary, [mine])).rejects.toMatchObject({
    type: 'Unavailable',
    message: expect.stringContaining('keys of'),
  });
  let isUp = false;
  const flaky = await startServer(() =>
    isUp ? { status: 200, body: JSON.stringify({ keys: [jwk] }) } : { status: 503 },
  );
  const again = createVerifyActors(createHttp({}), [{ ...issuer, jwks: `${flaky.url}/keys` }]);
  await expect(again(canary, [mine])).rejects.toMatchObject({ type: 'Unavailable' });
  isUp = true;
  expect(await again(canary, [mine])).toMatchObject([{ subject: 'ada@example.com' }]);
  expect(server.requests).toEqual([]);
});

it('gives nothing of a token away when it fails', async () => {
  const { issuer } = await provider();
  const mine = await token(issuer.issuer);
  const verify = createVerifyActors(createHttp({}), [{ ...issuer, jwks: `${await deadUrl()}/keys` }]);
  const error = await verify(canary, [mine]).catch((one: unknown) => one);
  expect(JSON.stringify(error) + String(error)).not.toContain(mine.split('.')[2]);
});

describe('the issuers file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'serin-issuers-'));
  const file = (content: unknown) => {
    const path = join(folder, 'issuers.json');
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    return path;
  };

  it('is read, with what is usual where it says nothing', async () => {
    expect(await loadIssuers(file([{ issuer: 'https://login.example.com', audience: 'serin' }]))).toEqual([
      { issuer: 'https://login.example.com', audience: 'serin', claim: 'email', maxAgeSeconds: 900 },
    ]);
  });

  it.each<[unknown, RegExp]>([
    ['{', /^token issuers file .*issuers.json: /],
    [[], /not usable/],
    [[{ issuer: 'login', audience: 'serin' }], /\[0\]\.issuer/],
    [[{ issuer: 'https://login.example.com' }], /\[0\]\.audience/],
    [[{ issuer: 'https://login.example.com', audience: 'serin', maxAge: 5 }], /maxAge/],
  ])('%j is refused with the field', async (content, message) => {
    await expect(loadIssuers(file(content))).rejects.toMatchObject({
      type: 'InvalidSpec',
      message: expect.stringMatching(message),
    });
  });
});
