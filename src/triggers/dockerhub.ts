import { z } from 'zod';
import { readBody } from './body.ts';
import { derivedId, pathOf, pushOf, timeOf } from './push.ts';
import type { Trigger } from './trigger.ts';

/** Source: Docker documentation, "Webhooks". `callback_url` is not read: it answers nobody, and is an address of others. */
const Body = z.object({
  push_data: z.object({
    tag: z.string().optional(),
    pushed_at: z.number().optional(),
    pusher: z.string().optional(),
    media_type: z.string().optional(),
  }),
  repository: z.object({
    repo_name: z.string().optional(),
    namespace: z.string().optional(),
    name: z.string().optional(),
  }),
});

/**
 * What is surely no image. What `media_type` says of images is not documented, and has been the type of a manifest and of a
 * configuration; so anything else may be one, and the registry is asked.
 */
const nonImage = /^application\/vnd\.(?:cncf\.helm|docker\.plugin|dev\.cosign|in-toto|wasm)\b/;

/** Docker Hub. It can send nothing but a body, without a digest; every call is a push. */
export const dockerhub: Trigger = {
  contentTypes: ['application/json'],
  malformed: 'refuse',
  accepted: 200,
  credentials: [{ scheme: 'capability' }],
  host: 'docker.io',
  parse({ raw }) {
    const read = readBody(raw, Body, 'no push_data and repository');
    if ('malformed' in read) return read;
    const { push_data: push, repository: told } = read.body;
    const repository = pathOf({ ...told, repo_full_name: told.repo_name });
    const item = pushOf({
      id: derivedId('dockerhub', repository, push.tag, push.pushed_at),
      repository,
      tag: push.tag,
      mediaType: nonImage.test(push.media_type ?? '') ? push.media_type : undefined,
      occurredAt: timeOf(push.pushed_at),
      actor: push.pusher,
    });
    return { items: [item] };
  },
};
