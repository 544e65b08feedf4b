import { createHash } from 'node:crypto';
import { z } from 'zod';
import { manifestTypes } from '../images/registry.ts';
import { isAttachmentTag, isDigest, isRepository, isTag } from '../images/reference.ts';
import { parseStrictJson } from './json.ts';
import type { Push, Trigger } from './trigger.ts';

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
type Event = z.infer<typeof Event>;

/**
 * CNCF distribution ("Docker Registry" 2 and 3), also self-managed GitLab and everything else built on it.
 * Its sink repeats whatever is not answered with 2xx or 3xx for ever, one event after another.
 */
export const distribution: Trigger = {
  contentTypes: [
    'application/vnd.docker.distribution.events.v2+json',
    'application/vnd.docker.distribution.events.v1+json',
    'application/json',
  ],
  malformed: 'acknowledge',
  parse(raw) {
    const json = parseStrictJson(raw);
    if ('problem' in json) return { malformed: json.problem };
    const envelope = Envelope.safeParse(json.value);
    if (!envelope.success) return { malformed: 'no array of at most 100 events' };
    const pushes: Push[] = [];
    const ignored: string[] = [];
    for (const item of envelope.data.events) {
      const event = Event.safeParse(item);
      const read = event.success ? readEvent(event.data) : 'malformed-event';
      if (typeof read === 'string') ignored.push(read);
      else pushes.push(read);
    }
    // One bad event must not take the good ones of its envelope along.
    if (pushes.length === 0 && ignored.length > 0 && ignored.every((reason) => reason === 'malformed-event'))
      return { malformed: 'no event with an action and a target' };
    return { pushes, ignored };
  },
};

function readEvent(event: Event): Push | string {
  const { mediaType, repository, tag, digest } = event.target;
  if (event.action !== 'push')
    return ['pull', 'mount', 'delete'].includes(event.action) ? event.action : 'other-action';
  if (mediaType !== undefined && !(manifestTypes as readonly string[]).includes(mediaType)) return 'not-an-image';
  if (!tag) return 'no-tag';
  if (isDigest(tag) || isAttachmentTag(tag)) return 'digest-as-tag';
  if (!isTag(tag)) return 'bad-tag';
  if (!repository || !isRepository(repository)) return 'bad-repository';
  return {
    eventId: eventId(event),
    repository,
    tag,
    ...(digest !== undefined && isDigest(digest) ? { digest } : {}),
    ...(event.timestamp !== undefined && !Number.isNaN(Date.parse(event.timestamp))
      ? { occurredAt: event.timestamp }
      : {}),
    ...(event.actor?.name ? { actor: event.actor.name } : {}),
  };
}

/**
 * The registry's id, which stays the same when it tries again. As 32 characters: a UUID without its hyphens, so that a
 * workflow id can hold all of it. Without a usable one, a hash of what happened.
 */
function eventId({ id, timestamp, target }: Event): string {
  const plain = id?.replaceAll('-', '');
  if (plain !== undefined && /^[A-Za-z0-9._]{8,32}$/.test(plain)) return plain;
  const facts = ['distribution', id, target.repository, target.tag, target.digest, timestamp];
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex');
}
