import { z } from 'zod';
import { readEvents, type CloudEvent } from './cloud-event.ts';
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

const ignored: ReadonlyMap<string, string> = new Map([
  ['zotregistry.image.deleted', 'delete'],
  ['zotregistry.image.scanned', 'scan'],
  ['zotregistry.image.lint_failed', 'lint-failed'],
  ['zotregistry.repository.created', 'repository-created'],
]);

/** zot with the extension `events`: CloudEvents in binary mode, sent once. */
export const zot: Trigger = {
  contentTypes: ['application/json', 'application/cloudevents+json'],
  malformed: 'refuse',
  accepted: 200,
  // A sink waits thirty seconds unless it is told otherwise, and sends once.
  answerMs: 4_000,
  credentials: [{ scheme: 'bearer' }, { scheme: 'basic' }],
  parse: (hook) =>
    readEvents(hook, ({ type, ...event }) => {
      if (type === zotUpdated) return readZotPush({ type, ...event }, hook.receiver);
      const reason = ignored.get(type);
      return reason === undefined ? undefined : [{ ignored: reason, event: event.id }];
    }),
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
