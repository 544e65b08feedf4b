import { createRemoteJWKSet, customFetch, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import type { Http } from './http.ts';

/** Someone whose signatures are believed. */
export interface KeySource {
  /** As tokens name it in `iss`. */
  readonly issuer: string;
  /** Where its keys are, when OpenID discovery does not say so. */
  readonly jwks?: string | undefined;
}

/** Signatures that can be checked without knowing how to make them. */
export const asymmetric: readonly string[] = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
];

/** Longest that an issuer may take, in milliseconds. */
const patienceMs = 5_000;

const Discovery = z.object({ issuer: z.string(), jwks_uri: z.url({ protocol: /^https?$/ }) });

/**
 * Public keys of token issuers, fetched when they are first needed, and again when an unknown one turns up. Only what
 * the configuration names is asked: a token's own word for where its keys are is not read.
 */
export function createIssuerKeys(http: Http): (source: KeySource) => Promise<JWTVerifyGetKey> {
  const keys = new Map<string, Promise<JWTVerifyGetKey>>();

  /** A failure is not remembered: the issuer may be back. */
  return (source) => {
    const known = keys.get(source.issuer);
    if (known) return known;
    const found = jwksOf(source).then((url) =>
      createRemoteJWKSet(new URL(url), { [customFetch]: async (url) => new Response(await get(url)) }),
    );
    keys.set(source.issuer, found);
    found.catch(() => keys.delete(source.issuer));
    return found;
  };

  /** @see OpenID Connect Discovery 1.0, section 4 */
  async function jwksOf({ issuer, jwks }: KeySource): Promise<string> {
    if (jwks !== undefined) return jwks;
    const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const { issuer: named, jwks_uri } = Discovery.parse(JSON.parse(await get(url)));
    if (named !== issuer) throw new Error(`${url} is the configuration of another issuer, ${named}`);
    return jwks_uri;
  }

  async function get(url: string): Promise<string> {
    const { status, body } = await http.send({ method: 'GET', url, timeoutMs: patienceMs });
    if (status !== 200) throw new Error(`${url} answered ${status}`);
    return body;
  }
}
