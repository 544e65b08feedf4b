import { proxyActivities, sleep } from '@temporalio/workflow';
import type { CanaryRef } from '../activities/contract.ts';
import type { Found, ImageActivities } from '../activities/images/contract.ts';
import { nonRetryableTypes } from '../errors.ts';
import { settled, write, type ImagePushResult } from './image-push.ts';

/** An image of a pod whose registry is looked into now and then. */
export interface ImagePoll {
  readonly canary: CanaryRef;
  /** The container that has it, or `volume/<name>`. */
  readonly container: string;
}

export interface ImagePollOptions {
  /** Time in which an event may still bring what was found, in milliseconds. */
  readonly graceMs?: number;
}

export interface ImagePollResult {
  readonly targets: ImagePushResult['targets'];
  /** Why nothing was written. */
  readonly reason?: string;
}

const { seekImages } = proxyActivities<ImageActivities>({
  startToCloseTimeout: '2m',
  // The next poll comes anyway.
  scheduleToCloseTimeout: '5m',
  retry: { initialInterval: '2s', maximumInterval: '1m', nonRetryableErrorTypes: [...nonRetryableTypes] },
});

/**
 * Finds what no event told of: senders that try once, give up, or were never set up. Decides by the same function as a
 * push. What an event brings while it waits is left to that, so that what it writes was really missed.
 */
export async function imagePoll(poll: ImagePoll, options: ImagePollOptions = {}): Promise<ImagePollResult> {
  const { graceMs = 30_000 } = options;
  const { canary, container } = poll;
  const look = () =>
    seekImages.executeWithOptions({ summary: `what does ${container} of ${canary.namespace}/${canary.name} follow?` }, [
      canary,
      { container },
    ]);
  const first = await look();
  if (first.changes.length === 0) return nothing(first);
  if (graceMs > 0) await sleep(graceMs, { summary: 'an event may be on its way' });
  const found = graceMs > 0 ? await look() : first;
  if (found.changes.length === 0) return { targets: [], reason: 'an event has brought it meanwhile' };
  const results = [];
  for (const change of found.changes) results.push(await write(canary, change));
  return { targets: await settled(results) };
}

function nothing({ reason }: Found): ImagePollResult {
  return { targets: [], ...(reason === undefined ? {} : { reason }) };
}
