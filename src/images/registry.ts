import { Agent, fetch, type Dispatcher, type Response } from 'undici';
import { z } from 'zod';
import { failure, failureType, messageOf } from '../errors.ts';
import { isDigest } from './reference.ts';

/** How a container registry is reached. */
export interface RegistryAccess {
  /** Base URL, such as `https://registry.example.com:5000`. */
  readonly url: string;
  /** Read on every use, so that a rotated secret takes effect. */
  readonly credentials?: () => Promise<Credentials>;
  /** Hosts that may hand out tokens; nobody else is asked, whatever the registry's challenge says. */
  readonly authHosts: readonly string[];
  /** PEM of the authority that signed the registry's certificate. */
  readonly ca?: string;
}

export type Credentials = { readonly username: string; readonly password: string } | { readonly token: string };

/** What a tag points to now. `missing` says why there is no answer yet, which right after a push may pass by itself. */
export type Resolution = { readonly digest: string; readonly mediaType?: string } | { readonly missing: string };

/** All four, or a multi-architecture image resolves to the digest of one platform. */
export const manifestTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
] as const;

const Token = z.object({ token: z.string().optional(), access_token: z.string().optional() });

/**
 * Asks a registry what `repository:tag` points to, with one HEAD, and one more after a token was fetched.
 * Redirects are not followed. Source: OCI distribution specification; the token protocol of CNCF distribution.
 *
 * @throws `Unavailable` when the registry does not answer, or not as documented
 * @throws `Unauthorized` when its challenge names a host that is not allowed to see the credentials
 */
export async function resolveTag(access: RegistryAccess, repository: string, tag: string): Promise<Resolution> {
  const url = `${access.url.replace(/\/+$/, '')}/v2/${repository}/manifests/${encodeURIComponent(tag)}`;
  const dispatcher = access.ca === undefined ? undefined : new Agent({ connect: { ca: access.ca } });
  try {
    const credentials = await access.credentials?.();
    const given = credentials && 'token' in credentials ? `Bearer ${credentials.token}` : undefined;
    let response = await head(url, given, dispatcher);
    if (response.status === 401 && given === undefined) {
      const answer = await meetChallenge(access, response, repository, credentials, dispatcher);
      if (answer !== undefined) response = await head(url, answer, dispatcher);
    }
    return resolution(response, `HEAD ${url}`);
  } catch (error) {
    if (failureType(error)) throw error;
    throw failure('Unavailable', `HEAD ${url}: ${causeOf(error)}`, error);
  } finally {
    await dispatcher?.close();
  }
}

function head(url: string, authorization: string | undefined, dispatcher: Dispatcher | undefined): Promise<Response> {
  return fetch(url, {
    method: 'HEAD',
    headers: { accept: manifestTypes.join(', '), ...(authorization === undefined ? {} : { authorization }) },
    redirect: 'manual',
    signal: AbortSignal.timeout(10_000),
    dispatcher,
  });
}

function resolution(response: Response, what: string): Resolution {
  // Many registries say 401 or 403 for what is not there, so that nobody can find out what is.
  if ([401, 403, 404].includes(response.status)) return { missing: `${what}: HTTP ${response.status}` };
  if (response.status !== 200) throw failure('Unavailable', `${what}: HTTP ${response.status}`);
  const digest = response.headers.get('docker-content-digest') ?? '';
  if (!isDigest(digest)) throw failure('Unavailable', `${what}: the answer has no Docker-Content-Digest`);
  const mediaType = response.headers.get('content-type')?.split(';')[0]?.trim();
  return { digest, ...(mediaType ? { mediaType } : {}) };
}

/** What to send as `Authorization` after a 401, or undefined when the challenge cannot be met. */
async function meetChallenge(
  access: RegistryAccess,
  response: Response,
  repository: string,
  credentials: Credentials | undefined,
  dispatcher: Dispatcher | undefined,
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
  const answer = await fetch(realm, {
    headers: basic === undefined ? {} : { authorization: basic },
    redirect: 'manual',
    signal: AbortSignal.timeout(10_000),
    dispatcher,
  });
  const where = `GET ${realm.origin}${realm.pathname}`;
  if ([401, 403].includes(answer.status)) return undefined;
  if (answer.status !== 200) throw failure('Unavailable', `${where}: HTTP ${answer.status}`);
  const token = Token.safeParse(JSON.parse(await limited(answer, where)));
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

async function limited(response: Response, what: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk as Uint8Array);
    size += (chunk as Uint8Array).length;
    if (size > 1024 * 1024) throw failure('Unavailable', `${what}: the answer is longer than 1 MiB`);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function causeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error ? `${messageOf(error)}: ${messageOf(cause)}` : messageOf(error);
}
