import { messageOf } from '../errors.ts';
import { isHostOf } from '../images/aliases.ts';
import { allows } from '../images/binding.ts';
import { canonicalRepository } from '../images/reference.ts';
import type { Log } from '../log.ts';
import type { ImagePush, ImagePushOptions, Trust } from '../workflows/image-push.ts';
import { before } from './deadline.ts';
import type { Meters } from './meters.ts';
import type { Receiver } from './receivers.ts';
import type { Item, Push, Trigger } from './trigger.ts';
import { unavailable, type Answer } from './wire.ts';

/**
 * Hands a push to Temporal, and says whether that had it already. Rejects when Temporal cannot be reached by the
 * deadline, in milliseconds since 1970.
 */
export type StartPush = (
  push: ImagePush,
  workflowId: string,
  options: ImagePushOptions,
  deadline: number,
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
  /** When the sender has to have its answer, in milliseconds since 1970. */
  readonly deadline: number;
}

interface Told {
  readonly id?: string;
  readonly outcome: 'accepted' | 'duplicate' | 'ignored';
  readonly reason?: string | undefined;
}

/** Pushes of one request that are handed over at the same time: a batch has as long as a single one. */
const atOnce = 16;

/** Hands over what a receiver may cause. The sender is answered once Temporal has all of it, or by the deadline. */
export async function accept(items: readonly Item[], teller: Teller, taking: Taking): Promise<Answer> {
  const { receiver, trigger } = teller;
  const results: Told[] = [];
  const left = items.entries();
  let problem: string | undefined;
  const lane = async () => {
    for (const [index, item] of left) {
      try {
        results[index] = await told(item, teller, taking);
      } catch (error) {
        problem ??= messageOf(error);
      }
      if (problem !== undefined) return;
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, lane));
  if (problem !== undefined) {
    // What was accepted before is a duplicate when the sender comes again.
    taking.log.error('push not accepted: Temporal did not take it', { receiver: receiver.name, error: problem });
    return { ...unavailable, reason: 'temporal' };
  }
  const ignored = results.filter(({ outcome }) => outcome === 'ignored').length;
  return {
    status: trigger.accepted,
    body: { accepted: results.length - ignored, ignored, ...(teller.batch ? { results } : {}) },
  };
}

async function told(item: Item, teller: Teller, taking: Taking): Promise<Told> {
  const id = item.event === undefined ? {} : { id: item.event };
  const reason = 'ignored' in item ? item.ignored : unwanted(item.push, teller.receiver);
  if ('push' in item && reason === undefined) return { ...id, outcome: await take(item.push, teller, taking) };
  taking.meters.count(teller.receiver, 'ignored', reason);
  return { ...id, outcome: 'ignored', reason };
}

/** Why a push is nothing that this receiver may cause. */
function unwanted(push: Push, receiver: Receiver): string | undefined {
  if (push.host !== undefined && !isHostOf(receiver, push.host)) return 'other-registry';
  const repository = canonicalRepository(receiver.host, push.repository);
  return allows(receiver.repositories, repository) ? undefined : 'repository-not-allowed';
}

async function take(push: Push, { receiver, trust }: Teller, taking: Taking): Promise<'accepted' | 'duplicate'> {
  const { start, log, meters, deadline } = taking;
  const image = imagePush(push, receiver, trust);
  const workflowId = `img/${receiver.name}/${push.eventId.slice(0, 32)}`;
  const { settleMs, patienceMs } = receiver;
  const result = await before(deadline, start(image, workflowId, { settleMs, patienceMs }, deadline));
  if (result === 'late') throw new Error('it did not answer in time');
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
