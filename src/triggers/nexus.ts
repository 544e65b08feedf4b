import { z } from 'zod';
import { readBody } from './body.ts';
import { placeOf, Places } from './places.ts';
import { derivedId, pushOf, sourceId } from './push.ts';
import type { Trigger } from './trigger.ts';

/** Source: Sonatype, "Example headers and payloads". */
const Body = z.object({
  timestamp: z.string().optional(),
  initiator: z.string().optional(),
  repositoryName: z.string(),
  action: z.string(),
  component: z
    .object({ format: z.string().optional(), name: z.string().optional(), version: z.string().optional() })
    .optional(),
});

const Options = z.strictObject({
  /** By repository name: where references to it begin. Nexus gives each repository a port, a host or a path of its own. */
  repositories: Places.refine((map) => Object.keys(map).length > 0, 'needs at least one repository'),
});

/** Sonatype Nexus Repository 3, by the capability "Webhook: Repository", event type component. */
export const nexus: Trigger = {
  contentTypes: ['application/json'],
  malformed: 'refuse',
  accepted: 200,
  credentials: [{ scheme: 'signature', header: 'x-nexus-webhook-signature', algorithm: 'sha1', prefix: '' }],
  options: Options.prefault({ repositories: {} }),
  parse({ raw, headers, options }) {
    const read = readBody(raw, Body, 'no event');
    if ('malformed' in read) return read;
    const { repositories } = options as z.output<typeof Options>;
    const { timestamp, initiator, repositoryName, action, component } = read.body;
    const event = headers['x-nexus-webhook-id'];
    if (event !== undefined && event !== 'rm:repository:component') return { items: [{ ignored: 'other-event' }] };
    if (!component) return { items: [{ ignored: 'other-event' }] };
    if (action !== 'CREATED' && action !== 'UPDATED')
      return { items: [{ ignored: action === 'DELETED' ? 'delete' : 'other-action' }] };
    if (component.format !== 'docker') return { items: [{ ignored: 'not-an-image' }] };
    const place = placeOf(repositories[repositoryName]);
    if (!place) return { items: [{ ignored: 'unmapped-repository' }] };
    const { name, version: tag } = component;
    const delivery = headers['x-nexus-webhook-delivery'];
    const push = pushOf({
      id:
        typeof delivery === 'string' && delivery !== ''
          ? sourceId(delivery)
          : derivedId('nexus', repositoryName, name, tag, timestamp),
      host: place.host,
      repository: name && place.path ? `${place.path}/${name}` : name,
      tag,
      occurredAt: timestamp,
      actor: initiator?.split('/')[0],
    });
    return { items: [push] };
  },
};
