import { isCancellation, log, proxyActivities, sleep } from '@temporalio/workflow';
import { messageOf, nonRetryableTypes } from '../errors.ts';
import type { CanaryRef } from '../activities/contract.ts';
import type { ImageActivities, ImageWritten } from '../activities/images-contract.ts';

/** A pushed tag, as the receiver accepted it. A hint: the registry is asked what the tag means now. */
export interface ImagePush {
  /** Name of the receiver; its configuration says how the registry is reached and which namespaces it may change. */
  readonly receiver: string;
  /** Kind of trigger, such as `distribution`. */
  readonly source: string;
  /** Stable across redeliveries of one occurrence. */
  readonly eventId: string;
  /** Canonical registry host, from the receiver's configuration. */
  readonly host: string;
  readonly repository: string;
  readonly tag: string;
  readonly digest?: string;
  /** RFC 3339. */
  readonly occurredAt?: string;
  /** Display only. */
  readonly actor?: string;
}

export interface ImagePushOptions {
  /** Time to let the other tags and images of one build arrive, in milliseconds. */
  readonly settleMs?: number;
  /** How long the registry may not know the tag yet, or say something else than the event did, in milliseconds. */
  readonly patienceMs?: number;
}

export interface ImagePushResult {
  /** `host/repository:tag`. */
  readonly image: string;
  /** What the tag pointed to. Absent when the registry never knew it. */
  readonly digest?: string;
  /** Why nothing was written anywhere. */
  readonly reason?: string;
  readonly targets: readonly (ImageWritten & { readonly canary: string })[];
}

const { resolveImage, findTargets } = proxyActivities<ImageActivities>({
  startToCloseTimeout: '1m',
  // A registry that is down decides nothing: the payload's digest is never taken instead.
  scheduleToCloseTimeout: '1d',
  retry: { initialInterval: '1s', maximumInterval: '1m', nonRetryableErrorTypes: [...nonRetryableTypes] },
});

const { writeImage } = proxyActivities<ImageActivities>({
  startToCloseTimeout: '30s',
  scheduleToCloseTimeout: '1d',
  retry: { initialInterval: '500ms', maximumInterval: '1m', nonRetryableErrorTypes: [...nonRetryableTypes] },
});

/**
 * From a push to changed pod templates. Starts no release: whoever watches the cluster sees the template change, as it
 * would see one made by hand. Running it again changes nothing.
 */
export async function imagePush(push: ImagePush, options: ImagePushOptions = {}): Promise<ImagePushResult> {
  const { settleMs = 5_000, patienceMs = 120_000 } = options;
  const image = `${push.host}/${push.repository}:${push.tag}`;
  if (settleMs > 0) await sleep(settleMs, { summary: 'other tags of the same build may follow' });

  const resolution = await resolve(push, patienceMs);
  if ('missing' in resolution) return { image, reason: resolution.missing, targets: [] };
  const { digest } = resolution;

  const canaries = await findTargets.executeWithOptions({ summary: `Canaries that follow ${image}` }, [push]);
  const targets: ImagePushResult['targets'][number][] = [];
  // A few at a time: a base image may be everywhere.
  for (let next = 0; next < canaries.length; next += 10)
    targets.push(...(await Promise.all(canaries.slice(next, next + 10).map((canary) => write(canary, push, digest)))));
  return { image, digest, ...(targets.length === 0 ? { reason: 'no Canary follows this repository' } : {}), targets };
}

/**
 * What the tag means now. A webhook may be faster than the registry's replicas: a tag that is not there, or is not what
 * the event said, is asked for again for a while. In the end the registry is right.
 */
async function resolve(
  push: ImagePush,
  patienceMs: number,
): Promise<Awaited<ReturnType<ImageActivities['resolveImage']>>> {
  const summary = `what does ${push.repository}:${push.tag} point to?`;
  const deadline = Date.now() + patienceMs;
  for (let delayMs = 1_000; ; delayMs = Math.min(delayMs * 2, 15_000)) {
    const resolution = await resolveImage.executeWithOptions({ summary }, [push]);
    const expected = 'digest' in resolution && (push.digest === undefined || push.digest === resolution.digest);
    if (expected || Date.now() >= deadline) return resolution;
    await sleep(delayMs, { summary: 'the registry does not show this push yet' });
  }
}

/** One target that cannot be written must not keep the others from their image. */
async function write(canary: CanaryRef, push: ImagePush, digest: string): Promise<ImagePushResult['targets'][number]> {
  const name = `${canary.namespace}/${canary.name}`;
  try {
    const summary = `${push.repository}:${push.tag} for ${name}`;
    return { canary: name, ...(await writeImage.executeWithOptions({ summary }, [canary, { push, digest }])) };
  } catch (error) {
    if (isCancellation(error)) throw error;
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    log.warn('image not written', { canary: name, error: messageOf(cause) });
    return { canary: name, outcome: 'failed', reason: messageOf(cause) };
  }
}
