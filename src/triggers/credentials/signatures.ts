import { createHmac } from 'node:crypto';
import { headerOf, matchesOne, type Credential, type CredentialDeps } from './credential.ts';

/** Where a sender puts the HMAC of its body, and how it writes it. */
export interface BodySignature {
  /** In lower case. */
  readonly header: string;
  readonly algorithm: 'sha256' | 'sha1';
  readonly prefix: string;
}

/** An HMAC over the body, in hex. */
export function bodySignature({ secrets }: CredentialDeps, how: BodySignature): Credential {
  return {
    refusal: 401,
    async check(call) {
      const given = headerOf(call, how.header);
      const expected = (secret: string) => how.prefix + hmac(how.algorithm, secret, call.raw);
      const matches = matchesOne(given ?? '', await secrets(), expected);
      return matches ? { trust: 'signed' } : { refused: given === undefined ? 'no-signature' : 'signature' };
    },
  };
}

/** Longest that a signed call may be under way, either way, in milliseconds. */
const windowMs = 300_000;

/** `X-Signature-256: sha256=<hex>` over `<timestamp>.<body>`, with `X-Signature-Timestamp: <unix seconds>`. */
export function timedSignature({ secrets, now }: CredentialDeps): Credential {
  return {
    refusal: 401,
    async check(call) {
      const given = headerOf(call, 'x-signature-256') ?? '';
      const timestamp = headerOf(call, 'x-signature-timestamp') ?? '';
      const signed = Buffer.concat([Buffer.from(`${timestamp}.`), call.raw]);
      const expected = (secret: string) => `sha256=${hmac('sha256', secret, signed)}`;
      if (!matchesOne(given, await secrets(), expected)) return { refused: 'signature' };
      const isNow = /^\d{1,12}$/.test(timestamp) && Math.abs(now() - Number(timestamp) * 1000) <= windowMs;
      return isNow ? { trust: 'signed' } : { refused: 'stale' };
    },
  };
}

function hmac(algorithm: string, secret: string, bytes: Uint8Array): string {
  return createHmac(algorithm, secret).update(bytes).digest('hex');
}
