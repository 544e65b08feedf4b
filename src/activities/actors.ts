import { createHash } from 'node:crypto';
import { decodeJwt, errors, jwtVerify, type JWTPayload } from 'jose';
import { z } from 'zod';
import type { Http } from '../clients/http.ts';
import { asymmetric, createIssuerKeys } from '../clients/issuer-keys.ts';
import { failure, messageOf } from '../errors.ts';
import { readJsonFile } from '../json-file.ts';
import type { Verified } from '../workflows/domain/plan.ts';
import type { CanaryRef } from './contract.ts';

const Issuer = z.strictObject({
  /** As tokens name it in `iss`. */
  issuer: z.url({ protocol: /^https?$/ }),
  /** Tokens are for Serin, and no other service's: what they say in `aud`. */
  audience: z.string().min(1),
  /** Where its keys are, when OpenID discovery does not say so. */
  jwks: z.url({ protocol: /^https?$/ }).optional(),
  /** Claim that names the person. */
  claim: z.string().min(1).default('email'),
  /** Oldest token that is taken, in seconds from `iat`. */
  maxAgeSeconds: z.number().int().min(1).max(86_400).default(900),
});

/** Someone whose signature tells who a person is. */
export type TokenIssuer = z.infer<typeof Issuer>;

/** Claim that, where a token has it, names the one Canary it is good for, as `<namespace>/<name>`. */
export const canaryClaim = 'serin.dev/canary';

/**
 * Reads an issuers file: a JSON array.
 *
 * @throws `InvalidSpec` naming the entry and field
 */
export function loadIssuers(path: string): Promise<readonly TokenIssuer[]> {
  return readJsonFile('token issuers file', path, z.array(Issuer).min(1));
}

/** Finds out whose tokens these are. Keys are fetched when they are first needed, and again when an unknown one turns up. */
export function createVerifyActors(http: Http, issuers: readonly TokenIssuer[]) {
  const keysOf = createIssuerKeys(http);

  return (canary: CanaryRef, tokens: readonly string[]): Promise<readonly Verified[]> =>
    Promise.all(tokens.map((token) => verify(canary, token)));

  async function verify(canary: CanaryRef, token: string): Promise<Verified> {
    if (issuers.length === 0) return { refused: 'the worker trusts no issuer of tokens; set SERIN_TOKEN_ISSUERS' };
    const claimed = read(token)?.iss;
    if (claimed === undefined) return { refused: 'the token is no signed JWT with an issuer' };
    const issuer = issuers.find((one) => one.issuer === claimed);
    if (!issuer) {
      return { refused: `the worker does not trust ${claimed}, but ${issuers.map((one) => one.issuer).join(', ')}` };
    }
    try {
      const { payload } = await jwtVerify(token, await keysOf(issuer), {
        issuer: issuer.issuer,
        audience: issuer.audience,
        algorithms: [...asymmetric],
        requiredClaims: ['exp', 'iat', issuer.claim],
        maxTokenAge: issuer.maxAgeSeconds,
        clockTolerance: 5,
      });
      return accept(payload, issuer, canary, token);
    } catch (error) {
      const refused = reasonOf(error);
      if (refused !== undefined) return { refused };
      throw failure('Unavailable', `keys of ${issuer.issuer} could not be read: ${messageOf(error)}`);
    }
  }
}

function accept(payload: JWTPayload, { claim }: TokenIssuer, canary: CanaryRef, token: string): Verified {
  const name = payload[claim];
  if (typeof name !== 'string' || name.trim() === '') return { refused: `the claim ${claim} of the token is no name` };
  if (claim === 'email' && payload.email_verified === false) return { refused: `${name} is not a verified address` };
  const only = payload[canaryClaim];
  if (only !== undefined && only !== `${canary.namespace}/${canary.name}`) {
    return { refused: `the token is for another Canary, ${JSON.stringify(only)}` };
  }
  return { subject: name, id: createHash('sha256').update(token).digest('hex').slice(0, 32) };
}

/** Without believing anything of it. */
function read(token: string): JWTPayload | undefined {
  try {
    return decodeJwt(token);
  } catch {
    return undefined;
  }
}

/** Why a token proves nothing; undefined when it could not be looked at. */
function reasonOf(error: unknown): string | undefined {
  if (error instanceof errors.JWKSTimeout) return undefined;
  if (error instanceof errors.JWTExpired) {
    const { exp } = error.payload;
    const isOld = error.claim === 'iat' || exp === undefined;
    return isOld ? 'the token is too old' : `the token expired at ${new Date(exp * 1000).toISOString()}`;
  }
  if (error instanceof errors.JWTClaimValidationFailed) return `the token does not count: ${error.message}`;
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'the signature of the token is forged';
  if (error instanceof errors.JWKSNoMatchingKey) return 'the issuer does not have the key that signed the token';
  const isAbout =
    error instanceof errors.JOSEAlgNotAllowed ||
    error instanceof errors.JOSENotSupported ||
    error instanceof errors.JWSInvalid ||
    error instanceof errors.JWTInvalid;
  return isAbout ? `the token is not usable: ${error.message}` : undefined;
}
