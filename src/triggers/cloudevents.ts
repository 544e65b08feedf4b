import { z } from 'zod';
import { parseReference } from '../images/reference.ts';
import { aliyunPushed, readAliyunPush } from './aliyun-eventbridge.ts';
import { azurePushed, readAzurePush } from './azure.ts';
import { readEvents, type CloudEvent } from './cloud-event.ts';
import { ecrPushed, readEcrPush } from './ecr.ts';
import { harborPushed, readHarborPush } from './harbor.ts';
import { pushOf, sourceId } from './push.ts';
import type { Hook, Item, Parsed, Trigger } from './trigger.ts';
import { readZotPush, zotUpdated } from './zot.ts';

type Read = (event: CloudEvent, receiver: string) => readonly Item[];

/** The type of an event made for Serin. */
export const imagePushed = 'dev.serin.image.pushed.v1';

/** How events of a type are read. */
const readers: ReadonlyMap<string, Read> = new Map<string, Read>([
  [imagePushed, readOwn],
  [harborPushed, readHarborPush],
  [zotUpdated, readZotPush],
  [aliyunPushed, readAliyunPush],
  [ecrPushed, readEcrPush],
  [azurePushed, readAzurePush],
]);

/** Beginnings of types whose end is a version. */
const families: ReadonlyMap<string, Read> = new Map([['dev.cdevents.artifact.published.', readCdEvent]]);

/** CloudEvents 1.0 of any sender, in every mode of its HTTP binding. */
export const cloudevents: Trigger = {
  contentTypes: 'any',
  malformed: 'refuse',
  accepted: 202,
  credentials: [
    { scheme: 'bearer' },
    { scheme: 'timed-signature' },
    { scheme: 'oidc' },
    { scheme: 'basic' },
    { scheme: 'header', header: 'x-api-key' },
  ],
  handshake: true,
  parse: readCloudEvents,
};

/** The pushes of whatever events a request has. */
export function readCloudEvents(hook: Hook): Parsed {
  const readerOf = (type: string) =>
    readers.get(type) ?? [...families].find(([prefix]) => type.startsWith(prefix))?.[1];
  return readEvents(hook, (event) => readerOf(event.type)?.(event, hook.receiver), 'unknown-type');
}

const Own = z.object({
  /** Registry and repository. */
  image: z.string(),
  tag: z.string(),
  digest: z.string().optional(),
  mediaType: z.string().optional(),
  actor: z.string().optional(),
});

function readOwn(event: CloudEvent, receiver: string): readonly Item[] {
  const data = Own.safeParse(event.data);
  const parsed = data.success ? parseReference(data.data.image) : undefined;
  if (!data.success || !parsed || 'problem' in parsed) return [{ ignored: 'malformed-event', event: event.id }];
  const { host, repository } = parsed.reference;
  const { tag, digest, mediaType, actor } = data.data;
  const id = sourceId(event.id, receiver, event.source);
  return [pushOf({ id, host, repository, tag, digest, mediaType, actor, occurredAt: event.time, event: event.id })];
}

const Cd = z.object({ subject: z.object({ id: z.string().max(2_048) }) });

/** The subject of a CDEvent is a package URL: `pkg:oci/cart@sha256:…?repository_url=host/shop/cart&tag=1.4.2`. */
function readCdEvent(event: CloudEvent, receiver: string): readonly Item[] {
  const data = Cd.safeParse(event.data);
  const malformed = [{ ignored: 'malformed-event', event: event.id }];
  const [, version = '', query = ''] =
    /^pkg:oci\/[^@?]+(?:@([^?]+))?(?:\?(.*))?$/.exec(data.data?.subject.id ?? '') ?? [];
  const qualifiers = new URLSearchParams(query);
  const parsed = parseReference(qualifiers.get('repository_url') ?? '');
  if ('problem' in parsed) return malformed;
  const { host, repository } = parsed.reference;
  const id = sourceId(event.id, receiver, event.source);
  const digest = version.replace('%3A', ':');
  const tag = qualifiers.get('tag') ?? undefined;
  return [pushOf({ id, host, repository, tag, digest, occurredAt: event.time, event: event.id })];
}
