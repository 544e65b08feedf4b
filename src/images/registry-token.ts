import type { Response } from 'undici';
import { z } from 'zod';
import { failure } from '../errors.ts';
import { checked, discard, json } from './registry-answers.ts';
import type { Credentials, RegistryAccess } from './registry.ts';

const Token = z.object({ token: z.string().optional(), access_token: z.string().optional() });
export type Send = (
  access: RegistryAccess,
  method: 'GET',
  url: URL,
  headers: Record<string, string>,
) => Promise<Response>;

/** What to send as `Authorization` after a 401, or undefined when the challenge cannot be met. */
export async function meetChallenge(
  access: RegistryAccess,
  response: Response,
  repository: string,
  credentials: Credentials | undefined,
  send: Send,
): Promise<string | undefined> {
  const challenge = response.headers.get('www-authenticate') ?? '';
  const basic =
    credentials && 'username' in credentials
      ? `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`
      : undefined;
  if (/^basic\b/i.test(challenge)) return basic;
  if (!/^bearer\b/i.test(challenge)) return undefined;

  const realm = tokenUrl(access, /realm="([^"]*)"/i.exec(challenge)?.[1] ?? '');
  const service = /service="([^"]*)"/i.exec(challenge)?.[1];
  if (service) realm.searchParams.set('service', service);
  realm.searchParams.set('scope', `repository:${repository}:pull`);
  const answer = await send(access, 'GET', realm, basic === undefined ? {} : { authorization: basic });
  const where = `GET ${realm.origin}${realm.pathname}`;
  if ([401, 403].includes(answer.status)) {
    await discard(answer);
    return undefined;
  }
  if (checked(answer, where).status !== 200) throw failure('Unavailable', `${where}: HTTP ${answer.status}`);
  const token = Token.safeParse(await json(answer, where));
  const text = token.data?.token ?? token.data?.access_token;
  if (!text) throw failure('Unavailable', `${where}: the answer has no token`);
  return `Bearer ${text}`;
}

/** The token service, provided it is one that may see the credentials: the challenge comes from outside. */
function tokenUrl(access: RegistryAccess, realm: string): URL {
  const registry = new URL(access.url);
  const url = URL.parse(realm);
  const allowed = [registry.host, ...access.authHosts];
  if (url && allowed.includes(url.host) && (url.protocol === 'https:' || url.protocol === registry.protocol))
    return url;
  const named = url ? url.host : 'no URL';
  throw failure(
    'Unauthorized',
    `${registry.host} wants a token from ${named}; allow it with registry.authHosts, or check the registry`,
  );
}
