import { z } from 'zod';
import { readBody } from './body.ts';
import { derivedId, pathOf, pushOf } from './push.ts';
import type { Trigger } from './trigger.ts';

/** Source: quay/quay, notification events. Other kinds of notification have keys of their own, and no `updated_tags`. */
const Body = z.object({
  repository: z.string().optional(),
  namespace: z.string().optional(),
  name: z.string().optional(),
  docker_url: z.string().optional(),
  updated_tags: z.unknown().optional(),
});

const Tags = z.array(z.string()).min(1).max(100);

/**
 * Quay, by a "Push to Repository" notification without a template of its own. It switches a notification off after three
 * failures, so nothing but Temporal's absence is told to it.
 */
export const quay: Trigger = {
  contentTypes: ['application/json'],
  malformed: 'acknowledge',
  accepted: 200,
  credentials: [{ scheme: 'capability' }],
  parse({ raw, now }) {
    const read = readBody(raw, Body, 'no notification');
    if ('malformed' in read) return read;
    const { docker_url: url } = read.body;
    const tags = Tags.safeParse(read.body.updated_tags);
    if (!tags.success) return { items: [{ ignored: 'other-event' }] };
    const repository = pathOf({ ...read.body, repo_full_name: read.body.repository });
    // Nothing in the body tells one push of a tag from the next; what it tries again comes half a minute later.
    const minute = Math.floor(now / 60_000);
    const items = [...new Set(tags.data)].map((tag) =>
      pushOf({ id: derivedId('quay', url ?? repository, tag, minute), repository, tag }),
    );
    return { items };
  },
};
