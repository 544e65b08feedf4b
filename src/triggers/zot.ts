import { z } from 'zod';
import { decodeCloudEvents, type CloudEvent } from './cloud-event.ts';
import { pushOf, sourceId } from './push.ts';
import type { Item, Trigger } from './trigger.ts';

/** Source: project-zot/zot, extension `events`. The manifest, which is in it too, is not read. */
const Data = z.object({
  name: z.string().optional(),
  reference: z.string().optional(),
  digest: z.string().optional(),
  mediaType: z.string().optional(),
  actor: z.object({ name: z.string().optional() }).nullish(),
});

const ignored: Readonly<Record<string, string>> = {
  'zotregistry.image.deleted': 'delete',
  'zotregistry.image.scanned': 'scan',
  'zotregistry.image.lint_failed': 'lint-failed',
  'zotregistry.repository.created': 'repository-created',
};

/** zot with the extension `events`: CloudEvents in binary mode, sent once. */
export const zot: Trigger = {
  contentTypes: ['application/json', 'application/cloudevents+json'],
  malformed: 'refuse',
  accepted: 200,
  credentials: [{ scheme: 'bearer' }, { scheme: 'basic' }],
  parse({ raw, headers, receiver }) {
    const decoded = decodeCloudEvents(raw, headers);
    if (!('events' in decoded)) return decoded;
    const items = decoded.events.flatMap((event): readonly Item[] =>
      event.type === zotUpdated
        ? readZotPush(event, receiver)
        : [{ ignored: ignored[event.type] ?? 'other-event', event: event.id }],
    );
    return { items };
  },
};

/** Type of the CloudEvent that tells of a push. */
export const zotUpdated = 'zotregistry.image.updated';

/** The push of a CloudEvent of that type. Its `source` is the same everywhere, so the id counts within a receiver. */
export function readZotPush(event: CloudEvent, receiver: string): readonly Item[] {
  const data = Data.safeParse(event.data);
  if (!data.success) return [{ ignored: 'malformed-event', event: event.id }];
  const { name: repository, reference: tag, digest, mediaType, actor } = data.data;
  const id = sourceId(event.id, receiver, event.source);
  const told = { repository, tag, digest, mediaType, actor: actor?.name };
  return [pushOf({ id, ...told, occurredAt: event.time, event: event.id })];
}
