import { errors, jwtVerify, type JWTPayload } from 'jose';
import { createIssuerKeys } from '../../clients/issuer-keys.ts';
import { messageOf } from '../../errors.ts';
import type { Credential, CredentialDeps, Verdict } from './credential.ts';
import { bearerToken } from './static.ts';

/** Whose token, for whom, and about whom. */
export interface TokenRules {
  /** Spellings of one issuer. The first is where its keys are looked up. */
  readonly issuers: readonly string[];
  readonly jwks?: string | undefined;
  readonly audience: string;
  readonly algorithms: readonly string[];
  /**
   * Claims that a token must have, each with one of these values. A signature alone proves nothing: public issuers sign
   * for everybody.
   */
  readonly claims: Readonly<Record<string, readonly (string | boolean)[]>>;
}

/** Longest that clocks may differ, in seconds. */
const tolerance = 60;

/** A signed token as `Authorization: Bearer <JWT>`. */
export function oidc({ http, now }: CredentialDeps, rules: TokenRules): Credential {
  const keysOf = createIssuerKeys(http, now);
  const [issuer = ''] = rules.issuers;
  return {
    refusal: 401,
    challenge: 'Bearer',
    async check(call): Promise<Verdict> {
      const token = bearerToken(call);
      if (token === undefined) return { refused: 'credential' };
      try {
        const { payload } = await jwtVerify(token, await keysOf({ issuer, jwks: rules.jwks }), {
          issuer: [...rules.issuers],
          audience: rules.audience,
          algorithms: [...rules.algorithms],
          requiredClaims: ['exp', 'iat'],
          maxTokenAge: '1 day',
          clockTolerance: tolerance,
          currentDate: new Date(now()),
        });
        const wrong = Object.entries(rules.claims).find(([name, values]) => !holds(payload, name, values));
        return wrong ? { refused: 'claims' } : { trust: 'oidc' };
      } catch (error) {
        // Its own errors are about the token; a key server that is away is not, and the sender is not to blame for it.
        if (!(error instanceof errors.JOSEError) || error instanceof errors.JWKSTimeout)
          return { unavailable: `keys of ${issuer} could not be read: ${messageOf(error)}` };
        return { refused: 'token' };
      }
    },
  };
}

function holds(payload: JWTPayload, name: string, values: readonly (string | boolean)[]): boolean {
  const claim = payload[name];
  return (typeof claim === 'string' || typeof claim === 'boolean') && values.includes(claim);
}
