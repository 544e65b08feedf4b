import { z } from 'zod';
import { parseReference, type ImageReference } from '../images/reference.ts';
import { readBody } from './body.ts';
import { pushOf, sourceId } from './push.ts';
import type { Trigger } from './trigger.ts';

/** Source: Google Cloud, "Push subscriptions" (wrapped). */
const Envelope = z.object({
  message: z.object({
    data: z.string(),
    messageId: z.string().optional(),
    message_id: z.string().optional(),
    publishTime: z.string().optional(),
  }),
});

/** Source: Google Cloud, "Configure Pub/Sub notifications" of Artifact Registry. */
const Data = z.object({ action: z.string(), tag: z.string().optional(), digest: z.string().optional() });

/**
 * Google Artifact Registry and gcr.io, by a push subscription of Pub/Sub. What is not acknowledged comes again for days,
 * so what makes no sense is acknowledged.
 */
export const gar: Trigger = {
  contentTypes: ['application/json'],
  malformed: 'acknowledge',
  accepted: 200,
  credentials: [
    {
      scheme: 'oidc',
      issuers: ['https://accounts.google.com', 'accounts.google.com'],
      jwks: 'https://www.googleapis.com/oauth2/v3/certs',
      algorithms: ['RS256'],
      // Anybody can have Google sign a token for a service account of their own.
      claims: ['email'],
      fixed: { email_verified: true },
    },
  ],
  parse({ raw }) {
    const envelope = readBody(raw, Envelope, 'no wrapped message');
    if ('malformed' in envelope) return envelope;
    const { data: encoded, messageId, message_id: alias, publishTime } = envelope.body.message;
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(encoded) || encoded.length % 4 !== 0) return { malformed: 'data is not base64' };
    const read = readBody(Buffer.from(encoded, 'base64'), Data, 'no action');
    if ('malformed' in read) return read;
    const { action, tag, digest } = read.body;
    if (action !== 'INSERT') return { items: [{ ignored: action === 'DELETE' ? 'delete' : 'other-action' }] };
    if (tag === undefined) return { items: [{ ignored: 'no-tag' }] };
    const id = messageId ?? alias;
    if (!id) return { malformed: 'no message id' };
    const tagged = reference(tag);
    if (!tagged) return { items: [{ ignored: 'bad-repository' }] };
    const push = pushOf({
      id: sourceId(id, 'gar'),
      host: tagged.host,
      repository: tagged.repository,
      tag: tagged.tag,
      digest: digest === undefined ? undefined : reference(digest)?.digest,
      occurredAt: publishTime,
    });
    return { items: [push] };
  },
};

function reference(text: string): ImageReference | undefined {
  const parsed = parseReference(text);
  return 'reference' in parsed ? parsed.reference : undefined;
}
