import { z } from 'zod';
import { readEvents, type CloudEvent } from './cloud-event.ts';
import { pushOf, sourceId } from './push.ts';
import type { Item, Trigger } from './trigger.ts';

/** Source: Alibaba Cloud, "Container Registry events". Documented for builds; pushes are taken to be alike. */
const Data = z.object({
  InstanceName: z.string().optional(),
  RegionId: z.string().optional(),
  RepoNamespaceName: z.string().optional(),
  RepoName: z.string().optional(),
  Tag: z.string().optional(),
  ImageTag: z.string().optional(),
  Digest: z.string().optional(),
  ImageDigest: z.string().optional(),
  Status: z.string().optional(),
  BuildStatus: z.string().optional(),
});

/** What counts beside pushes, if asked for. */
const Options = z.strictObject({
  events: z.array(z.enum(['BuildCompleted', 'SynchronizationCompleted'])).default([]),
});

/** Alibaba Cloud Container Registry, Enterprise Edition, by a rule of EventBridge. */
export const aliyunEventbridge: Trigger = {
  contentTypes: ['application/json', 'application/cloudevents+json'],
  malformed: 'refuse',
  accepted: 200,
  // Where certificates cannot be fetched: the rule's token, at an address that is a secret too.
  credentials: [
    { scheme: 'eventbridge' },
    { scheme: 'header', header: 'x-eventbridge-signature-token', atSecretAddress: true },
  ],
  options: Options.prefault({}),
  parse(hook) {
    const { events } = hook.options as z.output<typeof Options>;
    return readEvents(hook, (event) => {
      if (event.type === aliyunPushed) return readAliyunPush(event, hook.receiver);
      if (!events.some((name) => event.type === `cr:Artifact:${name}`)) return undefined;
      return succeeded(event) ? readAliyunPush(event, hook.receiver) : [{ ignored: 'not-successful', event: event.id }];
    });
  },
};

/** Type of the CloudEvent that tells of a push. */
export const aliyunPushed = 'cr:Artifact:PushCompleted';

/** The push of a CloudEvent of that type. */
export function readAliyunPush(event: CloudEvent, receiver: string): readonly Item[] {
  const parsed = Data.safeParse(event.data);
  if (!parsed.success) return [{ ignored: 'malformed-event', event: event.id }];
  const { InstanceName, RegionId, RepoNamespaceName, RepoName, Tag, ImageTag, Digest, ImageDigest } = parsed.data;
  const push = pushOf({
    id: sourceId(event.id, receiver, event.source),
    host: InstanceName && RegionId ? `${InstanceName}-registry.${RegionId}.cr.aliyuncs.com` : undefined,
    repository: RepoNamespaceName && RepoName ? `${RepoNamespaceName}/${RepoName}` : undefined,
    tag: Tag ?? ImageTag,
    digest: Digest ?? ImageDigest,
    occurredAt: event.time,
    event: event.id,
  });
  return [push];
}

function succeeded({ data }: CloudEvent): boolean {
  const parsed = Data.safeParse(data);
  const status = parsed.data?.BuildStatus ?? parsed.data?.Status ?? '';
  return /^success$/i.test(status);
}
