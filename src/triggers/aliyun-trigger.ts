import { z } from 'zod';
import { readBody } from './body.ts';
import { derivedId, pathOf, pushOf } from './push.ts';
import type { Trigger } from './trigger.ts';

/** Source: Alibaba Cloud, "Manage triggers". `pushed_at` has no time zone, so it dates nothing. */
const Body = z.object({
  push_data: z.object({ digest: z.string().optional(), tag: z.string().optional(), pushed_at: z.string().optional() }),
  repository: z.object({
    repo_full_name: z.string().optional(),
    namespace: z.string().optional(),
    name: z.string().optional(),
  }),
});

/**
 * Alibaba Cloud Container Registry, by a trigger of a repository. It can send nothing but a body to an address, and the
 * body names neither instance nor host.
 */
export const aliyunTrigger: Trigger = {
  contentTypes: ['application/json'],
  malformed: 'refuse',
  accepted: 200,
  credentials: [{ scheme: 'capability' }],
  parse({ raw, host }) {
    const read = readBody(raw, Body, 'no push_data and repository');
    if ('malformed' in read) return read;
    const { push_data: push, repository: told } = read.body;
    const repository = pathOf(told);
    const { tag, digest, pushed_at: at } = push;
    return { items: [pushOf({ id: derivedId('aliyun', host, repository, tag, digest, at), repository, tag, digest })] };
  },
};
