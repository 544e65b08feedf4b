import { z } from 'zod';
import { readBody } from './body.ts';
import { mediaType, readEvents, type CloudEvent } from './cloud-event.ts';
import { derivedId, pushOf, sourceId } from './push.ts';
import type { Hook, Item, Parsed, Trigger } from './trigger.ts';

const Target = z.object({
  mediaType: z.string().optional(),
  digest: z.string().optional(),
  repository: z.string().optional(),
  tag: z.string().optional(),
});

/** Source: Microsoft, "Azure Container Registry webhook reference". */
const Body = z.object({
  id: z.string().max(256).optional(),
  timestamp: z.string().optional(),
  action: z.string(),
  target: Target.optional(),
});

const others = ['delete', 'chart_push', 'chart_delete', 'quarantine', 'ping'];

/** Azure Container Registry, by its own webhooks or by Event Grid with the CloudEvents schema. */
export const azure: Trigger = {
  contentTypes: ['application/json', 'application/cloudevents+json', 'application/cloudevents-batch+json'],
  malformed: 'refuse',
  accepted: 200,
  credentials: [{ scheme: 'bearer' }, { scheme: 'basic' }, { scheme: 'header', header: 'authorization' }],
  handshake: true,
  parse(hook) {
    if (mediaType(hook.headers) === 'application/json') return readWebhook(hook);
    return readEvents(hook, (event) => (event.type === azurePushed ? readAzurePush(event, hook.receiver) : undefined));
  },
};

/** Type of the CloudEvent that tells of a push. */
export const azurePushed = 'Microsoft.ContainerRegistry.ImagePushed';

/** The push of a CloudEvent of that type. */
export function readAzurePush(event: CloudEvent, receiver: string): readonly Item[] {
  const data = z.object({ target: Target }).safeParse(event.data);
  if (!data.success) return [{ ignored: 'malformed-event', event: event.id }];
  const { repository, tag, digest, mediaType: type } = data.data.target;
  const id = sourceId(event.id, receiver, event.source);
  return [pushOf({ id, repository, tag, digest, mediaType: type, occurredAt: event.time, event: event.id })];
}

function readWebhook({ raw }: Hook): Parsed {
  const read = readBody(raw, Body, 'no action');
  if ('malformed' in read) return read;
  const { id, timestamp, action, target } = read.body;
  // A delete may carry a tag as well.
  if (action !== 'push') return { items: [{ ignored: others.includes(action) ? action : 'other-action' }] };
  if (!target) return { malformed: 'a push without target' };
  const { repository, tag, digest, mediaType: type } = target;
  const push = pushOf({
    id: id ? sourceId(id) : derivedId('azure', repository, tag, digest, timestamp),
    ...{ repository, tag, digest, mediaType: type, occurredAt: timestamp },
  });
  return { items: [push] };
}
