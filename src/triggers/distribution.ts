import { z } from 'zod';
import { readBody } from './body.ts';
import { derivedId, pushOf, sourceId } from './push.ts';
import type { Hook, Item, Parsed, Trigger } from './trigger.ts';

/** The part of a notification we read. Source: CNCF distribution, "Work with notifications". */
const Envelope = z.object({ events: z.array(z.unknown()).max(100) });

const Event = z.object({
  id: z.string().max(256).optional(),
  timestamp: z.string().max(64).optional(),
  action: z.string(),
  target: z.object({
    mediaType: z.string().optional(),
    digest: z.string().optional(),
    repository: z.string().optional(),
    tag: z.string().optional(),
  }),
  actor: z.object({ name: z.string().optional() }).optional(),
});

/**
 * CNCF distribution ("Docker Registry" 2 and 3), and everything else built on it.
 * Its sink repeats whatever is not answered with 2xx or 3xx for ever, one event after another.
 */
export const distribution: Trigger = {
  contentTypes: [
    'application/vnd.docker.distribution.events.v2+json',
    'application/vnd.docker.distribution.events.v1+json',
    'application/json',
  ],
  malformed: 'acknowledge',
  accepted: 200,
  credentials: [{ scheme: 'bearer' }, { scheme: 'basic' }, { scheme: 'header', header: 'authorization' }],
  parse: readNotifications,
};

/** The events of an envelope. One bad event must not take the good ones along. */
export function readNotifications({ raw }: Hook): Parsed {
  const read = readBody(raw, Envelope, 'no array of at most 100 events');
  if ('malformed' in read) return read;
  const items = read.body.events.map(readEvent);
  const isMalformed = (item: Item) => 'ignored' in item && item.ignored === 'malformed-event';
  return items.length > 0 && items.every(isMalformed)
    ? { malformed: 'no event with an action and a target' }
    : { items };
}

function readEvent(value: unknown): Item {
  const parsed = Event.safeParse(value);
  if (!parsed.success) return { ignored: 'malformed-event' };
  const { id, timestamp, action, target, actor } = parsed.data;
  if (action !== 'push') return { ignored: ['pull', 'mount', 'delete'].includes(action) ? action : 'other-action' };
  const { repository, tag, digest, mediaType } = target;
  return pushOf({
    id: id ? sourceId(id) : derivedId('distribution', repository, tag, digest, timestamp),
    repository,
    tag,
    digest,
    mediaType,
    occurredAt: timestamp,
    actor: actor?.name,
  });
}
