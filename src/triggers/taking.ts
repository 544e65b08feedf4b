import { messageOf } from '../errors.ts';
import { isHostOf } from '../images/aliases.ts';
import { allows } from '../images/binding.ts';
import { canonicalRepository } from '../images/reference.ts';
import type { Log } from '../log.ts';
import type { ImagePush, ImagePushOptions, Trust } from '../workflows/image-push.ts';
import type { Meters } from './meters.ts';
import type { Receiver } from './receivers.ts';
import type { Item, Push, Trigger } from './trigger.ts';
import { unavailable, type Answer } from './wire.ts';

/** Hands a push to Temporal, and says whether that had it already. Rejects when Temporal cannot be reached. */
export type StartPush = (
  push: ImagePush,
  workflowId: string,
  options: ImagePushOptions,
) => Promise<'started' | 'duplicate'>;

/** Who told of pushes, and how far they are believed. */
export interface Teller {
  readonly receiver: Receiver;
  readonly trigger: Trigger;
  readonly trust: Trust;
  /** The events came as a batch, and the answer goes through them. */
  readonly batch: boolean;
}

export interface Taking {
  readonly start: StartPush;
  readonly log: Log;
  readonly meters: Meters;
}

interface Told {
  readonly id?: string;
  readonly outcome: 'accepted' | 'duplicate' | 'ignored';
  readonly reason?: string;
}

/** Hands over what a receiver may cause, one push after the other. The sender is answered once Temporal has them all. */
export async function accept(items: readonly Item[], teller: Teller, taking: Taking): Promise<Answer> {
  const { receiver, trigger } = teller;
  const { meters, log } = taking;
  const results: Told[] = [];
  for (const item of items) {
    const reason = 'ignored' in item ? item.ignored : unwanted(item.push, receiver);
    const id = item.event === undefined ? {} : { id: item.event };
    if (reason !== undefined) {
      meters.count(receiver, 'ignored', reason);
      results.push({ ...id, outcome: 'ignored', reason });
      continue;
    }
    const { push } = item as { readonly push: Push };
    try {
      results.push({ ...id, outcome: await take(push, teller, taking) });
    } catch (error) {
      // What was accepted before is a duplicate when the sender comes again.
      log.error('push not accepted: Temporal did not take it', {
        receiver: receiver.name,
        error: messageOf(error),
      });
      return { ...unavailable, reason: 'temporal' };
    }
  }
  const ignored = results.filter(({ outcome }) => outcome === 'ignored').length;
  return {
    status: trigger.accepted,
    body: { accepted: results.length - ignored, ignored, ...(teller.batch ? { results } : {}) },
  };
}

/** Why a push is nothing that this receiver may cause. */
function unwanted(push: Push, receiver: Receiver): string | undefined {
  if (push.host !== undefined && !isHostOf(receiver, push.host)) return 'other-registry';
  const repository = canonicalRepository(receiver.host, push.repository);
  return allows(receiver.repositories, repository) ? undefined : 'repository-not-allowed';
}

async function take(push: Push, { receiver, trust }: Teller, taking: Taking): Promise<'accepted' | 'duplicate'> {
  const { start, log, meters } = taking;
  const image = imagePush(push, receiver, trust);
  const workflowId = `img/${receiver.name}/${push.eventId.slice(0, 32)}`;
  const result = await start(image, workflowId, {
    settleMs: receiver.settleMs,
    patienceMs: receiver.patienceMs,
  });
  const outcome = result === 'started' ? 'accepted' : 'duplicate';
  meters.count(receiver, outcome);
  meters.age(receiver, push);
  const { repository, tag } = image;
  log.info('push accepted', { receiver: receiver.name, workflowId, repository, tag, result });
  return outcome;
}

function imagePush(push: Push, receiver: Receiver, trust: Trust): ImagePush {
  const actor = push.actor?.replace(/[^ -~]/g, '').slice(0, 128);
  const { eventId, eventIdKind, tag, digest, occurredAt, oneOfMany } = push;
  return {
    receiver: receiver.name,
    source: receiver.type,
    trust,
    eventId,
    eventIdKind,
    host: receiver.host,
    repository: canonicalRepository(receiver.host, push.repository),
    tag,
    ...(digest === undefined ? {} : { digest }),
    ...(occurredAt === undefined ? {} : { occurredAt }),
    ...(actor ? { actor } : {}),
    ...(oneOfMany ? { oneOfMany } : {}),
    ...(receiver.allowPayloadDigest && digest !== undefined ? { digestIsSigned: true } : {}),
  };
}
