import { createHash } from 'node:crypto';
import { isAttachmentTag, isDigest, isRepository, isTag } from '../images/reference.ts';
import { manifestTypes } from '../images/registry.ts';
import type { Item, Push } from './trigger.ts';

/** What a sender says of a push, before anything of it is believed. */
export interface Told {
  readonly id: Pick<Push, 'eventId' | 'eventIdKind'>;
  readonly repository: string | undefined;
  readonly tag: string | undefined;
  readonly digest?: string | undefined;
  readonly mediaType?: string | undefined;
  readonly host?: string | undefined;
  /** RFC 3339. */
  readonly occurredAt?: string | undefined;
  readonly actor?: string | undefined;
  readonly oneOfMany?: boolean;
  /** The sender's id, for the answer to a batch. */
  readonly event?: string;
}

/** A push, if what was told is one: an image, a tag that is no digest and no attachment, and a path that is one. */
export function pushOf(told: Told): Item {
  const { id, repository, tag, digest, mediaType, host, occurredAt, actor, oneOfMany, event } = told;
  const ignored = (reason: string): Item => ({ ignored: reason, ...(event === undefined ? {} : { event }) });
  if (mediaType && !(manifestTypes as readonly string[]).includes(mediaType)) return ignored('not-an-image');
  if (!tag) return ignored('no-tag');
  if (isDigest(tag) || isAttachmentTag(tag)) return ignored('digest-as-tag');
  if (!isTag(tag)) return ignored('bad-tag');
  if (!repository || !isRepository(repository)) return ignored('bad-repository');
  const push = {
    ...id,
    ...(host === undefined ? {} : { host }),
    repository,
    tag,
    ...(digest !== undefined && isDigest(digest) ? { digest } : {}),
    ...(occurredAt !== undefined && !Number.isNaN(Date.parse(occurredAt)) ? { occurredAt } : {}),
    ...(actor ? { actor } : {}),
    ...(oneOfMany ? { oneOfMany } : {}),
  };
  return { push, ...(event === undefined ? {} : { event }) };
}

/**
 * The sender's id, which stays the same when it tries again. As 32 characters: a UUID without its hyphens, so that a
 * workflow id can hold all of it. One that is no such thing is hashed, together with what it may need to be unique.
 */
export function sourceId(id: string, ...scope: readonly string[]): Told['id'] {
  const plain = id.replaceAll('-', '');
  if (scope.length === 0 && /^[A-Za-z0-9._]{8,32}$/.test(plain)) return { eventId: plain, eventIdKind: 'source' };
  return { eventId: sha256([...scope, id].join('|')), eventIdKind: 'source' };
}

/** An id for a sender that gives none: a hash of what happened. */
export function derivedId(...facts: readonly (string | number | undefined)[]): Told['id'] {
  return { eventId: sha256(facts.map((fact) => fact ?? '').join('|')), eventIdKind: 'derived' };
}

/** The path of a repository that senders name whole, in parts, or both. */
export function pathOf(told: {
  readonly repo_full_name?: string | undefined;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
}): string | undefined {
  const { repo_full_name: whole, namespace, name } = told;
  return whole ?? (namespace && name ? `${namespace}/${name}` : undefined);
}

/** RFC 3339 for seconds since 1970. */
export function timeOf(seconds: number | undefined): string | undefined {
  if (seconds === undefined || !Number.isFinite(seconds) || Math.abs(seconds) > 8.64e12) return undefined;
  return new Date(seconds * 1000).toISOString();
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
