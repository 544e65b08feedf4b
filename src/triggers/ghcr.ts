import { z } from 'zod';
import { readBody } from './body.ts';
import { mediaType } from './cloud-event.ts';
import { derivedId, pushOf, sourceId } from './push.ts';
import type { Hook, Item, Trigger } from './trigger.ts';

const text = z.string().nullish();

/** Source: GitHub documentation, webhook events `package` and `registry_package`. */
const Package = z.object({
  name: text,
  namespace: text,
  ecosystem: text,
  package_type: text,
  owner: z.object({ login: text }).nullish(),
  package_version: z
    .object({
      package_url: text,
      updated_at: text,
      container_metadata: z
        .object({
          tag: z.object({ name: text, digest: text }).nullish(),
          manifest: z.object({ digest: text, media_type: text }).nullish(),
        })
        .nullish(),
    })
    .nullish(),
});
type Package = z.infer<typeof Package>;

const Body = z.object({
  action: text,
  package: z.unknown().optional(),
  registry_package: z.unknown().optional(),
  sender: z.object({ login: text }).nullish(),
});

/**
 * GitHub Container Registry, by a webhook of a repository, an organisation or an app. GitHub never tries again, and names
 * one tag of a push that may have set several.
 */
export const ghcr: Trigger = {
  contentTypes: 'any',
  malformed: 'refuse',
  accepted: 200,
  // GitHub waits ten seconds, and what it was refused is lost until the next poll.
  answerMs: 8_000,
  credentials: [{ scheme: 'signature', header: 'x-hub-signature-256', algorithm: 'sha256', prefix: 'sha256=' }],
  host: 'ghcr.io',
  parse(hook) {
    if (mediaType(hook.headers) !== 'application/json')
      return { unsupported: 'set the content type of the webhook to application/json' };
    const event = String(hook.headers['x-github-event'] ?? '');
    const read = readBody(hook.raw, Body, 'no webhook payload');
    if ('malformed' in read) return read;
    if (event === 'ping') return { items: [{ ignored: 'ping' }] };
    if (event !== 'package' && event !== 'registry_package') return { items: [{ ignored: 'other-event' }] };
    const action = read.body.action ?? '';
    if (action !== 'published' && action !== 'updated')
      return { items: [{ ignored: action === 'deleted' ? 'delete' : 'other-action' }] };
    const parsed = Package.safeParse(read.body[event]);
    return parsed.success
      ? { items: [readPackage(parsed.data, read.body.sender?.login ?? undefined, hook)] }
      : { malformed: 'no package' };
  },
};

function readPackage(told: Package, actor: string | undefined, { headers, receiver }: Hook): Item {
  const kind = (told.package_type ?? told.ecosystem ?? '').toLowerCase();
  if (kind !== 'container' && kind !== 'docker') return { ignored: 'not-a-container' };
  const version = told.package_version;
  // Never the version's own name: for a child of an index that is its digest.
  const tag = version?.container_metadata?.tag;
  const manifest = version?.container_metadata?.manifest;
  const digest = tag?.digest || manifest?.digest || undefined;
  const delivery = headers['x-github-delivery'];
  const repository = repositoryOf(told);
  return pushOf({
    id:
      typeof delivery === 'string' && delivery !== ''
        ? sourceId(delivery)
        : derivedId('ghcr', receiver, repository, tag?.name ?? '', digest, version?.updated_at ?? ''),
    repository,
    tag: tag?.name ?? undefined,
    digest,
    mediaType: manifest?.media_type ?? undefined,
    occurredAt: version?.updated_at ?? undefined,
    actor,
    oneOfMany: true,
  });
}

/** GitHub keeps the case of owners; references have none. */
function repositoryOf({ name, namespace, owner, package_version: version }: Package): string | undefined {
  const space = namespace || owner?.login;
  if (space && name) return `${space}/${name}`.toLowerCase();
  return /^ghcr\.io\/([^:@]+)/i.exec(version?.package_url ?? '')?.[1]?.toLowerCase();
}
