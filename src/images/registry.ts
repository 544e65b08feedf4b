import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, fetch, type Response } from 'undici';
import { z } from 'zod';
import { assertPublic, publicLookup } from '../clients/public-network.ts';
import { failure, failureType, messageOf } from '../errors.ts';
import { tokenBucket, type Bucket } from '../pace.ts';
import { createQuestion, type Question } from './question.ts';
import { isDigest, isTag } from './reference.ts';
import { checked, discard, json } from './registry-answers.ts';
import { meetChallenge } from './registry-token.ts';

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
  /** It may have an address in a private network. */
  readonly private?: boolean;
  /** Most requests a second. */
  readonly perSecond?: number;
}

export type Credentials = { readonly username: string; readonly password: string } | { readonly token: string };

/** What a tag points to now. `missing` says why there is no answer yet, which right after a push may pass by itself. */
export type Resolution =
  | { readonly digest: string; readonly mediaType?: string }
  /** @property denied the registry says nothing to these credentials; many do so for what is not there as well */
  | { readonly missing: string; readonly denied?: true };

/** All four, or a multi-architecture image resolves to the digest of one platform. */
export const manifestTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
] as const;

const TagList = z.object({ tags: z.array(z.string()).nullish() });

/** Most tags of a repository that are looked at, and pages they may come in: some registries give a hundred at a time. */
const maxTags = 50_000;
const maxPages = 1_000;
/** Longest wait for a turn; after that the activity is tried again later. */
const maxWaitMs = 15_000;

/** Registries, as one worker asks them. */
export interface Registries {
  /**
   * What `repository:tag` points to, with one HEAD, and one more after a token was fetched. Those who ask for the same
   * tag within `settleMs` of each other share an answer that is newer than each of their questions.
   *
   * @param tag or a digest, to see whether it is still there
   * @throws `Unavailable` when the registry does not answer, or not as documented
   * @throws `Unauthorized` when its challenge names a host that is not allowed to see the credentials
   * @throws `InvalidSpec` when its name leads into a private network, and nobody said that it does
   */
  resolve(access: RegistryAccess, repository: string, tag: string, settleMs?: number): Promise<Resolution>;
  /**
   * All tags of a repository. Undefined when the registry does not tell them to these credentials.
   *
   * @throws as `resolve` does
   */
  tags(access: RegistryAccess, repository: string): Promise<readonly string[] | undefined>;
}

/** Redirects are not followed. Source: OCI distribution specification; the token protocol of CNCF distribution. */
export function createRegistries(): Registries {
  const agents = new Map<string, Agent>();
  const buckets = new Map<string, Bucket>();
  const questions = new Map<string, Question<Resolution>>();

  /** Connections of a registry; one whose certificate authority changed gets new ones. */
  function agentOf({ url, ca, private: isPrivate = false }: RegistryAccess): Agent {
    const key = JSON.stringify([url, ca, isPrivate]);
    const known = agents.get(key);
    if (known) return known;
    const connect = { ...(ca === undefined ? {} : { ca }), ...(isPrivate ? {} : { lookup: publicLookup(cure) }) };
    const agent = new Agent({ connect, connections: 4, keepAliveTimeout: 10_000 });
    agents.set(key, agent);
    return agent;
  }

  async function turn({ url, perSecond = 10 }: RegistryAccess): Promise<void> {
    const { host } = new URL(url);
    const bucket = buckets.get(host) ?? tokenBucket(perSecond, perSecond * 2);
    buckets.set(host, bucket);
    const deadline = performance.now() + maxWaitMs;
    while (!bucket.take()) {
      const wait = bucket.waitMs();
      if (performance.now() + wait > deadline)
        throw failure('Unavailable', `${host} is asked as often as it may be (registry.perSecond)`);
      await sleep(wait);
    }
  }

  async function send(access: RegistryAccess, method: 'GET' | 'HEAD', url: URL, headers: Record<string, string>) {
    if (!access.private) assertPublic(url, cure);
    await turn(access);
    return fetch(url, {
      method,
      headers,
      redirect: 'manual',
      signal: AbortSignal.timeout(10_000),
      dispatcher: agentOf(access),
    });
  }

  /** Asks, and asks again with a token when the registry wants one. */
  async function ask(access: RegistryAccess, repository: string, method: 'GET' | 'HEAD', path: string) {
    const url = new URL(`${access.url.replace(/\/+$/, '')}/v2/${path}`);
    const what = `${method} ${url.origin}${url.pathname}`;
    const accept = manifestTypes.join(', ');
    try {
      const credentials = await access.credentials?.();
      const given = credentials && 'token' in credentials ? `Bearer ${credentials.token}` : undefined;
      const response = await send(access, method, url, { accept, ...(given ? { authorization: given } : {}) });
      if (response.status !== 401 || given !== undefined) return { response: checked(response, what), what };
      await discard(response);
      const authorization = await meetChallenge(access, response, repository, credentials, send);
      if (authorization === undefined) return { response, what };
      return { response: checked(await send(access, method, url, { accept, authorization }), what), what };
    } catch (error) {
      throw explained(error, what);
    }
  }

  async function head(access: RegistryAccess, repository: string, tag: string): Promise<Resolution> {
    // A digest's colon stands as it is: zot does not find what is asked for with `%3A`.
    const path = `${repository}/manifests/${encodeURIComponent(tag).replaceAll('%3A', ':')}`;
    const { response, what } = await ask(access, repository, 'HEAD', path);
    return resolution(response, what);
  }

  return {
    async resolve(access, repository, tag, settleMs = 0) {
      // Whoever shows other credentials may be told something else.
      const shown = createHash('sha256').update(JSON.stringify((await access.credentials?.()) ?? ''));
      const key = `${access.url} ${repository} ${tag} ${shown.digest('hex')}`;
      if (questions.size > 1_000) for (const [old, { isOver }] of questions) if (isOver()) questions.delete(old);
      const question = questions.get(key) ?? createQuestion<Resolution>();
      questions.set(key, question);
      return question.ask(() => head(access, repository, tag), settleMs);
    },
    async tags(access, repository) {
      const tags: string[] = [];
      let path: string | undefined = `${repository}/tags/list?n=1000`;
      for (let page = 0; path !== undefined; page += 1) {
        const asked: Awaited<ReturnType<typeof ask>> = await ask(access, repository, 'GET', path);
        const { response, what } = asked;
        if ([401, 403, 404].includes(response.status)) {
          await discard(response);
          return undefined;
        }
        if (response.status !== 200) throw failure('Unavailable', `${what}: HTTP ${response.status}`);
        const list = TagList.safeParse(await json(response, what));
        if (!list.success) throw failure('Unavailable', `${what}: the answer is no list of tags`);
        tags.push(...(list.data.tags ?? []).filter(isTag));
        path = nextPage(response, new URL(access.url));
        const isTooLong = tags.length > maxTags || page >= maxPages;
        if (path !== undefined && isTooLong)
          throw failure(
            'Unavailable',
            `${what}: more than ${maxTags} tags; delete old ones, or follow one by name with exact:<tag>`,
          );
      }
      return tags;
    },
  };
}

const cure = 'if the registry really is there, set registry.private of its receiver';

function resolution(response: Response, what: string): Resolution {
  // Many registries say 401 or 403 for what is not there, so that nobody can find out what is.
  const missing = `${what}: HTTP ${response.status}`;
  if ([401, 403].includes(response.status)) return { missing, denied: true };
  if (response.status === 404) return { missing };
  if (response.status !== 200) throw failure('Unavailable', missing);
  const digest = response.headers.get('docker-content-digest') ?? '';
  if (!isDigest(digest)) throw failure('Unavailable', `${what}: the answer has no Docker-Content-Digest`);
  const mediaType = response.headers.get('content-type')?.split(';')[0]?.trim();
  return { digest, ...(mediaType ? { mediaType } : {}) };
}

/** The path, below `/v2/`, of the next page, if there is one and it is on the same server. */
function nextPage(response: Response, registry: URL): string | undefined {
  const link = /<([^>]+)>\s*;\s*rel="?next"?/i.exec(response.headers.get('link') ?? '')?.[1];
  const url = link === undefined ? null : URL.parse(link, registry.href);
  if (!url || url.host !== registry.host) return undefined;
  const path = url.pathname.split('/v2/').slice(1).join('/v2/');
  return path === '' ? undefined : path + url.search;
}

/** What went wrong, as a failure of ours; one from underneath, such as a refused address, is told as it is. */
function explained(error: unknown, what: string): unknown {
  if (failureType(error)) return error;
  const cause = error instanceof Error ? error.cause : undefined;
  if (failureType(cause)) return cause;
  const reason = cause instanceof Error ? `${messageOf(error)}: ${messageOf(cause)}` : messageOf(error);
  return failure('Unavailable', `${what}: ${reason}`, error);
}
