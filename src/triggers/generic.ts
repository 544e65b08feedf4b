import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import { parseReference } from '../images/reference.ts';
import { readBody } from './body.ts';
import { isCloudEvent, mediaType } from './cloud-event.ts';
import { readCloudEvents } from './cloudevents.ts';
import { derivedId, pushOf, sourceId } from './push.ts';
import type { Trigger } from './trigger.ts';

const Body = z.strictObject({
  /** Reference with a tag, with or without a digest. */
  image: z.string(),
  /** The same for the same occurrence, such as the number of a pipeline. */
  id: z.string().min(1).max(256).optional(),
  actor: z.string().optional(),
});

/** A job of a pipeline, or anything else that can send JSON: `{"image": …}`, or a CloudEvent. */
export const generic: Trigger = {
  contentTypes: 'any',
  malformed: 'refuse',
  accepted: 202,
  credentials: [{ scheme: 'timed-signature' }, { scheme: 'oidc' }, { scheme: 'bearer' }],
  handshake: true,
  parse(hook) {
    const { raw, headers, now } = hook;
    if (isCloudEvent(raw, headers)) return readCloudEvents(hook);
    if (mediaType(headers) !== 'application/json') return { unsupported: 'send application/json or a CloudEvent' };
    const read = readBody(raw, Body, 'not {"image", "id", "actor"}');
    if ('malformed' in read) return read;
    const { image, id, actor } = read.body;
    const parsed = parseReference(image);
    if ('problem' in parsed) return { malformed: 'image is no reference' };
    const { host, repository, tag, digest } = parsed.reference;
    const push = pushOf({
      // An id is unique for its image: a pipeline may push several.
      id:
        id === undefined
          ? derivedId('generic', image, whenOf(headers) ?? Math.floor(now / 60_000))
          : sourceId(id, image),
      ...{ host, repository, tag, digest, actor },
    });
    return { items: [push] };
  },
};

/** When a call was signed, which does not change when it is sent again. Only bearers and tokens come without it. */
function whenOf(headers: IncomingHttpHeaders): string | undefined {
  const at = headers['x-signature-timestamp'];
  return typeof at === 'string' && /^\d{1,12}$/.test(at) ? at : undefined;
}
