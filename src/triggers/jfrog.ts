import { z } from 'zod';
import { canonicalHost } from '../images/reference.ts';
import { readBody } from './body.ts';
import { derivedId, pushOf } from './push.ts';
import { placeOf, Places } from './places.ts';
import type { Trigger } from './trigger.ts';

/** Source: JFrog, "Webhooks", Docker events. */
const Body = z.object({
  domain: z.string().optional(),
  event_type: z.string(),
  data: z.object({
    repo_key: z.string().optional(),
    sha256: z.string().optional(),
    image_name: z.string().optional(),
    image_type: z.string().optional(),
    tag: z.string().optional(),
  }),
  source: z.string().optional(),
});

const Options = z.strictObject({
  /** By repository key: how references begin, where that is not `<host>/<repository key>`. */
  repoKeyMap: Places.default({}),
  /** A promotion copies a tag to another repository. */
  promotions: z.boolean().default(false),
});

/** JFrog Artifactory, event "Docker and OCI: Tag was pushed". */
export const jfrog: Trigger = {
  contentTypes: ['application/json'],
  malformed: 'refuse',
  accepted: 200,
  credentials: [
    { scheme: 'signature', header: 'x-jfrog-event-auth', algorithm: 'sha256', prefix: '' },
    { scheme: 'header', header: 'x-jfrog-event-auth' },
  ],
  options: Options.prefault({}),
  parse({ raw, options, host, now }) {
    const read = readBody(raw, Body, 'no event');
    if ('malformed' in read) return read;
    const { repoKeyMap, promotions } = options as z.output<typeof Options>;
    const { domain, event_type: event, data, source } = read.body;
    if (domain !== undefined && domain !== 'docker') return { items: [{ ignored: 'other-event' }] };
    if (event !== 'pushed' && !(promotions && event === 'promoted'))
      return { items: [{ ignored: event === 'deleted' ? 'delete' : 'other-event' }] };
    if (data.image_type !== undefined && !['docker', 'oci'].includes(data.image_type))
      return { items: [{ ignored: 'not-an-image' }] };
    const { repo_key: key = '', image_name: name = '', tag, sha256 } = data;
    const place = placeOf(repoKeyMap[key] ?? (key === '' ? undefined : `${canonicalHost(host) ?? host}/${key}`));
    const repository = place && name !== '' ? [place.path, name].filter((part) => part !== '').join('/') : undefined;
    const push = pushOf({
      // It has no id and no time, and the digest alone would take a tag that moves back for one that is known. So within
      // a minute the same push is the same push, and one that is tried again later changes nothing.
      id: derivedId('jfrog', key, name, tag, sha256, Math.floor(now / 60_000)),
      host: place?.host,
      repository,
      tag,
      digest: sha256 === undefined ? undefined : `sha256:${sha256}`,
      actor: source,
    });
    return { items: [push] };
  },
};
