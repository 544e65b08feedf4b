import { z } from 'zod';
import { readBody } from './body.ts';
import { isCloudEvent, readEvents, type CloudEvent } from './cloud-event.ts';
import { pushOf, sourceId } from './push.ts';
import type { Hook, Item, Parsed, Trigger } from './trigger.ts';

/** Source: AWS, "Amazon ECR events and EventBridge". */
const Body = z.object({
  id: z.string().min(1).max(256),
  'detail-type': z.string(),
  account: z.string(),
  region: z.string(),
  time: z.string().optional(),
  detail: z.object({
    result: z.string().optional(),
    'action-type': z.string().optional(),
    'repository-name': z.string().optional(),
    'image-digest': z.string().optional(),
    'image-tag': z.string().optional(),
    'manifest-media-type': z.string().optional(),
    'artifact-media-type': z.string().optional(),
  }),
});

/** The shape that an input transformer of EventBridge makes of it. */
const Transformed = z.object({
  repositoryName: z.string().optional(),
  imageDigest: z.string().optional(),
  imageTag: z.string().optional(),
});

/** Amazon ECR, by an API destination of EventBridge: its own event, or a CloudEvent that a transformer made of it. */
export const ecr: Trigger = {
  contentTypes: ['application/json', 'application/cloudevents+json'],
  malformed: 'refuse',
  accepted: 200,
  credentials: [{ scheme: 'header', header: 'x-api-key' }, { scheme: 'bearer' }, { scheme: 'basic' }],
  parse: (hook) =>
    isCloudEvent(hook.raw, hook.headers)
      ? readEvents(hook, (event) => (event.type === ecrPushed ? readEcrPush(event, hook.receiver) : undefined))
      : readEvent(hook),
};

/** Type of the CloudEvent that tells of a push. */
export const ecrPushed = 'com.amazon.ecr.image.push';

/** The push of a CloudEvent of that type. */
export function readEcrPush(event: CloudEvent, receiver: string): readonly Item[] {
  const data = Transformed.safeParse(event.data);
  const [, region = '', account = ''] = /^urn:aws:ecr:([^:]*):([^:]*):/.exec(event.source) ?? [];
  if (!data.success || account === '') return [{ ignored: 'malformed-event', event: event.id }];
  const { repositoryName: repository, imageTag: tag, imageDigest: digest } = data.data;
  const id = sourceId(event.id, receiver, event.source);
  const occurredAt = event.time;
  return [pushOf({ id, host: hostOf(account, region), repository, tag, digest, occurredAt, event: event.id })];
}

function readEvent({ raw }: Hook): Parsed {
  const read = readBody(raw, Body, 'no event of EventBridge');
  if ('malformed' in read) return read;
  const { id, account, region, time, detail } = read.body;
  if (read.body['detail-type'] !== 'ECR Image Action') return { items: [{ ignored: 'other-event' }] };
  const action = detail['action-type'];
  if (action !== 'PUSH') return { items: [{ ignored: action === 'DELETE' ? 'delete' : 'other-action' }] };
  if (detail.result !== undefined && detail.result !== 'SUCCESS') return { items: [{ ignored: 'failed-push' }] };
  if (detail['artifact-media-type']?.includes('helm')) return { items: [{ ignored: 'not-an-image' }] };
  const push = pushOf({
    id: sourceId(id),
    host: hostOf(account, region),
    repository: detail['repository-name'],
    tag: detail['image-tag'],
    digest: detail['image-digest'],
    mediaType: detail['manifest-media-type'],
    occurredAt: time,
  });
  return { items: [push] };
}

function hostOf(account: string, region: string): string {
  return `${account}.dkr.ecr.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;
}
