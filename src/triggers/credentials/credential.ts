import { createHash, timingSafeEqual } from 'node:crypto';
import type { Http } from '../../clients/http.ts';
import type { Trust } from '../../workflows/image-push.ts';

/** A request whose sender is to be found out. */
export interface Call {
  /** The bytes as they came: signatures cover bytes. */
  readonly raw: Uint8Array;
  /** Names and values as sent, in turns. */
  readonly rawHeaders: readonly string[];
  /** What follows the receiver's name in the path. */
  readonly pathToken?: string;
  readonly query: URLSearchParams;
}

export type Verdict =
  | { readonly trust: Trust }
  | {
      /** Constant words for log and metrics. The sender hears none of them. */
      readonly refused: string;
    }
  | {
      /** It could not be found out: a key server is away. The sender is to come again. */
      readonly unavailable: string;
    };

/** One way to prove who is calling, with the secrets of one receiver. */
export interface Credential {
  /** Answer to a call without it: 401, or 404 where the address is the secret and nobody else is to learn of it. */
  readonly refusal: 401 | 404;
  /** What to say in `WWW-Authenticate`. */
  readonly challenge?: string;
  /** @throws when the receiver has no usable secret */
  check(call: Call): Promise<Verdict>;
}

/** What credentials are made of. */
export interface CredentialDeps {
  /** Name of the receiver. */
  readonly receiver: string;
  /** Secrets that count now. @throws `Unauthorized` when there is none, or one is too short to be a secret */
  readonly secrets: () => Promise<readonly string[]>;
  /** For keys of token issuers. */
  readonly http: Http;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * The value of a header that was sent once. Node joins or drops further ones; whoever sends two is up to something.
 */
export function headerOf(call: Pick<Call, 'rawHeaders'>, name: string): string | undefined {
  const values = call.rawHeaders.filter(
    (_, index) => index % 2 === 1 && call.rawHeaders[index - 1]?.toLowerCase() === name,
  );
  return values.length === 1 ? values[0] : undefined;
}

/** Compares in a time that tells nothing. Digests first: `timingSafeEqual` throws on unequal lengths. */
export function sameText(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** Whether a text is what one of the secrets makes it; all are tried, so that the time does not tell which. */
export function matchesOne(given: string, secrets: readonly string[], expected = (secret: string) => secret): boolean {
  return secrets.filter((secret) => sameText(given, expected(secret))).length > 0;
}
