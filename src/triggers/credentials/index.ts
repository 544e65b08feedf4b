import { z } from 'zod';
import { asymmetric } from '../../clients/issuer-keys.ts';
import { failure } from '../../errors.ts';
import { capability } from './capability.ts';
import type { Credential, CredentialDeps } from './credential.ts';
import { eventBridge } from './eventbridge.ts';
import { oidc } from './oidc.ts';
import { bodySignature, timedSignature, type BodySignature } from './signatures.ts';
import { basic, bearer, nobody, wholeHeader } from './static.ts';

/** A way to prove who is calling that a kind of sender has, with what is fixed for that kind. */
export type CredentialKind =
  | { readonly scheme: 'bearer' | 'basic' | 'capability' | 'timed-signature' | 'eventbridge' }
  /**
   * @property header in lower case; receivers may name another
   * @property atSecretAddress only together with `capability`: it stands in for a signature
   */
  | { readonly scheme: 'header'; readonly header: string; readonly atSecretAddress?: true }
  | ({ readonly scheme: 'signature' } & BodySignature)
  /** Fixed parts of the rules; a receiver brings the others. */
  | {
      readonly scheme: 'oidc';
      readonly issuers?: readonly string[];
      readonly jwks?: string;
      readonly algorithms?: readonly string[];
      /** Claims that a receiver has to give values for. */
      readonly claims?: readonly string[];
      /** Claims whose value is no choice of the receiver's. */
      readonly fixed?: Readonly<Record<string, boolean>>;
    };

export const schemes = [
  ...(['bearer', 'basic', 'header', 'capability', 'signature', 'timed-signature', 'oidc', 'eventbridge'] as const),
  'none',
] as const;

/** Under `auth` of a receiver. */
export const Auth = z.strictObject({
  /** How the sender proves who it is; the usual way of its kind, if not said. */
  scheme: z.enum(schemes).optional(),
  /** header: its name. */
  header: z
    .string()
    .regex(/^[A-Za-z0-9-]+$/)
    .optional(),
  /** basic: the user's name. */
  username: z.string().min(1).optional(),
  /** The address ends in a secret, whatever else is sent. */
  capability: z.boolean().default(false),
  generation: z.int().min(1).default(1),
  acceptPrevious: z.boolean().default(false),
  /** bearer: the token may be in the query. Addresses get logged, so this is a last resort. */
  inQuery: z.boolean().default(false),
  /** oidc: whose tokens, and for whom. */
  issuer: z.url({ protocol: /^https?$/ }).optional(),
  jwks: z.url({ protocol: /^https?$/ }).optional(),
  audience: z.string().min(1).optional(),
  claims: z.record(z.string(), z.union([z.string(), z.array(z.string()).min(1)])).default({}),
  /** eventbridge: the target's address as its rule has it, and the region. */
  url: z.url({ protocol: /^https?$/ }).optional(),
  region: z
    .string()
    .regex(/^[a-z0-9-]+$/)
    .optional(),
});
export type Auth = z.output<typeof Auth>;

/**
 * How the sender of a receiver proves who it is.
 *
 * @throws `InvalidSpec` naming what is missing, or what this kind of sender cannot do
 */
export function credentialOf(kinds: readonly CredentialKind[], auth: Auth, deps: CredentialDeps): Credential {
  if (auth.scheme === 'none') return nobody;
  const kind = kinds.find(({ scheme }) => auth.scheme === undefined || scheme === auth.scheme);
  if (!kind) {
    const possible = kinds.map(({ scheme }) => scheme).join(', ');
    throw failure(
      'InvalidSpec',
      `receiver ${deps.receiver}: auth.scheme ${auth.scheme} is nothing its sender can do; use ${possible}`,
    );
  }
  const credential = open(kind, auth, deps);
  return auth.capability && kind.scheme !== 'capability' ? both(capability(deps, auth), credential) : credential;
}

/** Where the secret of a receiver is part of its address. */
export function hasSecretAddress(kinds: readonly CredentialKind[], { scheme, capability }: Auth): boolean {
  return capability || (scheme ?? kinds[0]?.scheme) === 'capability';
}

function open(kind: CredentialKind, auth: Auth, deps: CredentialDeps): Credential {
  const need = <T>(field: string, value: T | undefined): T => {
    if (value !== undefined) return value;
    throw failure('InvalidSpec', `receiver ${deps.receiver}: auth.${field} is missing; ${kind.scheme} needs it`);
  };
  switch (kind.scheme) {
    case 'bearer':
      return bearer(deps, auth.inQuery);
    case 'basic':
      return basic(deps, need('username', auth.username));
    case 'header':
      return wholeHeader(deps, (auth.header ?? kind.header).toLowerCase());
    case 'capability':
      return capability(deps, auth);
    case 'signature':
      return bodySignature(deps, kind);
    case 'timed-signature':
      return timedSignature(deps);
    case 'eventbridge':
      return eventBridge(deps, { url: need('url', auth.url), region: need('region', auth.region) });
    case 'oidc': {
      for (const claim of kind.claims ?? []) need(`claims.${claim}`, auth.claims[claim]);
      if (Object.keys(auth.claims).length === 0) need('claims', undefined);
      const claims = new Map<string, readonly (string | boolean)[]>();
      for (const [name, values] of Object.entries(auth.claims))
        claims.set(name, typeof values === 'string' ? [values] : values);
      for (const [name, value] of Object.entries(kind.fixed ?? {})) claims.set(name, [value]);
      return oidc(deps, {
        issuers: auth.issuer === undefined ? need('issuer', kind.issuers) : [auth.issuer],
        jwks: auth.jwks ?? (auth.issuer === undefined ? kind.jwks : undefined),
        audience: need('audience', auth.audience),
        algorithms: kind.algorithms ?? asymmetric,
        claims: Object.fromEntries(claims),
      });
    }
  }
}

function both(address: Credential, credential: Credential): Credential {
  return {
    ...credential,
    // Whoever does not know the address is not told that there is one.
    refusal: 404,
    async check(call) {
      const known = await address.check(call);
      return 'trust' in known ? credential.check(call) : known;
    },
  };
}
