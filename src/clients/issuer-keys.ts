import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import type { Http, HttpResponse } from './http.ts';

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

/** What an issuer may take and send, at most. A redirect would be another address than the configuration's. */
const limits = { timeoutMs: 5_000, maxRedirects: 0, maxBytes: 1024 * 1024 };

const second = 1_000;
/** How long keys count when the issuer does not say so, and how long at most. */
const usualAge = 600 * second;
const greatestAge = 24 * 3600 * second;
/** Shortest time between two questions for keys, whatever an issuer or a token says: anybody can send tokens. */
const cooldown = 30 * second;

const Discovery = z.object({ issuer: z.string(), jwks_uri: z.url({ protocol: /^https?$/ }) });
const KeySet = z.object({ keys: z.array(z.looseObject({ kty: z.string() })) });

/** Keys as they were at some time. */
interface Fetched {
  readonly find: JWTVerifyGetKey;
  readonly at: number;
  readonly until: number;
}

/**
 * Public keys of token issuers, fetched when they are first needed, again when the issuer's `max-age` has gone by (ten
 * minutes without one), and when an unknown one turns up. Only what the configuration names is asked: a token's own word
 * for where its keys are is not read.
 *
 * @param now milliseconds since 1970
 */
export function createIssuerKeys(
  http: Http,
  now: () => number = Date.now,
): (source: KeySource) => Promise<JWTVerifyGetKey> {
  const issuers = new Map<string, Promise<JWTVerifyGetKey>>();

  /** A failure is not remembered: the issuer may be back. */
  return (source) => {
    const known = issuers.get(source.issuer);
    if (known) return known;
    const found = jwksOf(source).then(keysAt);
    issuers.set(source.issuer, found);
    found.catch(() => issuers.delete(source.issuer));
    return found;
  };

  function keysAt(url: string): JWTVerifyGetKey {
    let known: Fetched | undefined;
    let asking: Promise<Fetched> | undefined;
    const ask = async (): Promise<Fetched> => {
      asking ??= fetchKeys(url).finally(() => (asking = undefined));
      return (known = await asking);
    };
    return async (header, token) => {
      const current = known && now() < known.until ? known : await ask();
      try {
        return await current.find(header, token);
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey) || now() - current.at < cooldown) throw error;
        return (await ask()).find(header, token);
      }
    };
  }

  async function fetchKeys(url: string): Promise<Fetched> {
    const { body, headers } = await get(url);
    const at = now();
    const keys = KeySet.parse(json(url, body)) as JSONWebKeySet;
    return { find: createLocalJWKSet(keys), at, until: at + ageOf(headers['cache-control']) };
  }

  /** @see OpenID Connect Discovery 1.0, section 4 */
  async function jwksOf({ issuer, jwks }: KeySource): Promise<string> {
    if (jwks !== undefined) return jwks;
    const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const { issuer: named, jwks_uri } = Discovery.parse(json(url, (await get(url)).body));
    if (named !== issuer) throw new Error(`${url} is the configuration of another issuer, ${named}`);
    return jwks_uri;
  }

  async function get(url: string): Promise<HttpResponse> {
    const response = await http.send({ method: 'GET', url, ...limits });
    if (response.status !== 200) throw new Error(`${url} answered ${response.status}`);
    return response;
  }
}

function json(url: string, body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    // The reason quotes what somebody else said.
    throw new Error(`${url} answered something that is not JSON`);
  }
}

/** How long an answer counts, in milliseconds. @see RFC 9111, section 5.2.2 */
function ageOf(cacheControl = ''): number {
  if (/\bno-(?:store|cache)\b/i.test(cacheControl)) return cooldown;
  const seconds = /\bmax-age="?(\d{1,9})/i.exec(cacheControl)?.[1];
  if (seconds === undefined) return usualAge;
  return Math.min(Math.max(Number(seconds) * second, cooldown), greatestAge);
}
