import { z } from 'zod';
import { readBody } from './body.ts';
import { mediaType, readEvents, type CloudEvent } from './cloud-event.ts';
import { derivedId, pathOf, pushOf, sourceId, timeOf } from './push.ts';
import type { Hook, Item, Parsed, Trigger } from './trigger.ts';

/** What both formats carry. Source: goharbor/harbor, webhook artifact handler. */
const Data = z.object({
  resources: z
    .array(z.object({ digest: z.string().optional(), tag: z.string().optional() }))
    .min(1)
    .max(100),
  repository: z.object({
    repo_full_name: z.string().optional(),
    namespace: z.string().optional(),
    name: z.string().optional(),
  }),
});
type Data = z.infer<typeof Data>;

const Body = z.object({
  type: z.string().optional(),
  occur_at: z.number().optional(),
  operator: z.string().optional(),
  event_data: z.unknown().optional(),
});

/** Harbor 2, in its own format or as CloudEvents. It reports the first tag of a push, and tries three times. */
export const harbor: Trigger = {
  contentTypes: ['application/json', 'application/cloudevents+json'],
  malformed: 'refuse',
  accepted: 200,
  credentials: [{ scheme: 'header', header: 'authorization' }, { scheme: 'bearer' }, { scheme: 'basic' }],
  parse(hook) {
    return mediaType(hook.headers) === 'application/json' ? readDefault(hook) : readCloudEvents(hook);
  },
};

/** Type of the CloudEvent that tells of a push. */
export const harborPushed = 'harbor.artifact.pushed';

/** The pushes of a CloudEvent of that type. */
export function readHarborPush(event: CloudEvent, receiver: string): readonly Item[] {
  const data = Data.safeParse(event.data);
  if (!data.success) return [{ ignored: 'malformed-event', event: event.id }];
  const many = data.data.resources.length > 1;
  return data.data.resources.map((resource) =>
    pushOf({
      id: sourceId(many ? `${event.id}|${resource.tag ?? ''}` : event.id, receiver, event.source),
      ...factsOf(data.data, resource),
      occurredAt: event.time,
      actor: event.extensions.operator,
      event: event.id,
    }),
  );
}

function readCloudEvents(hook: Hook): Parsed {
  const parsed = readEvents(hook, (event) =>
    event.type === harborPushed ? readHarborPush(event, hook.receiver) : undefined,
  );
  const isMalformed =
    'items' in parsed && parsed.items.some((item) => 'ignored' in item && item.ignored === 'malformed-event');
  return isMalformed ? { malformed: 'a push without resources or repository' } : parsed;
}

function readDefault({ raw, receiver }: Hook): Parsed {
  const read = readBody(raw, Body, 'no event');
  if ('malformed' in read) return read;
  const { type, occur_at: at, operator } = read.body;
  // Version 1 had another word for it.
  if (type !== 'PUSH_ARTIFACT' && type !== 'pushImage') return { items: [{ ignored: 'other-event' }] };
  const data = Data.safeParse(read.body.event_data);
  if (!data.success) return { malformed: 'a push without resources or repository' };
  const items = data.data.resources.map((resource) => {
    const facts = factsOf(data.data, resource);
    return pushOf({
      id: derivedId('harbor', receiver, facts.repository, facts.tag, facts.digest, at),
      ...facts,
      occurredAt: timeOf(at),
      actor: operator,
    });
  });
  return { items };
}

function factsOf({ repository }: Data, { tag, digest }: Data['resources'][number]) {
  return { repository: pathOf(repository), tag, digest, oneOfMany: true };
}
