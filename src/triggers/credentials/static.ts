import { headerOf, matchesOne, type Call, type Credential, type CredentialDeps, type Verdict } from './credential.ts';

const refused = { refused: 'credential' } as const;
const known = { trust: 'shared-secret' } as const;

/** `Authorization: Bearer <secret>`; in the query too, as the CloudEvents webhook specification wants, if asked for. */
export function bearer({ secrets }: CredentialDeps, inQuery = false): Credential {
  return {
    refusal: 401,
    challenge: 'Bearer',
    async check(call) {
      const given = bearerToken(call) ?? (inQuery ? (call.query.get('access_token') ?? '') : '');
      return verdict(matchesOne(given, await secrets()));
    },
  };
}

/** The token of `Authorization: Bearer <token>`. */
export function bearerToken(call: Call): string | undefined {
  return /^bearer ([^ ]+)$/i.exec(headerOf(call, 'authorization') ?? '')?.[1];
}

/** `Authorization: Basic <user:secret>`. */
export function basic({ secrets }: CredentialDeps, username: string): Credential {
  return {
    refusal: 401,
    challenge: 'Basic realm="hooks"',
    async check(call) {
      const given = /^basic ([A-Za-z0-9+/=]+)$/i.exec(headerOf(call, 'authorization') ?? '')?.[1] ?? '';
      const encoded = (secret: string) => Buffer.from(`${username}:${secret}`).toString('base64');
      return verdict(matchesOne(given, await secrets(), encoded));
    },
  };
}

/** A header whose whole value is the secret. */
export function wholeHeader({ secrets }: CredentialDeps, name: string): Credential {
  return {
    refusal: 401,
    check: async (call) => verdict(matchesOne(headerOf(call, name) ?? '', await secrets())),
  };
}

/** Nothing. Such a call may only cause a look at the registry. */
export const nobody: Credential = { refusal: 401, check: () => Promise.resolve({ trust: 'none' }) };

function verdict(matches: boolean): Verdict {
  return matches ? known : refused;
}
