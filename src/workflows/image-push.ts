import { ApplicationFailure, isCancellation, log, proxyActivities, sleep } from '@temporalio/workflow';
import { messageOf, nonRetryableTypes } from '../errors.ts';
import type { CanaryRef } from '../activities/contract.ts';
import type { ImageActivities, ImageChange, ImageWritten } from '../activities/images/contract.ts';

/** How far the sender of a push is believed, from a signature down to anybody's word. */
export type Trust = 'signed' | 'oidc' | 'shared-secret' | 'capability-url' | 'none';

/** A pushed tag, as the receiver accepted it. A hint: the registry is asked what the tag means now. */
export interface ImagePush {
  /** Name of the receiver; its configuration says how the registry is reached and which namespaces it may change. */
  readonly receiver: string;
  /** Kind of trigger, such as `distribution`; `poll` for what was found without one. */
  readonly source: string;
  /** Absent in pushes of earlier versions. */
  readonly trust?: Trust;
  /** Stable across redeliveries of one occurrence. */
  readonly eventId: string;
  /** Where the id is from: the sender, or a hash of what happened. */
  readonly eventIdKind?: 'source' | 'derived';
  /** Canonical registry host, from the receiver's configuration. */
  readonly host: string;
  readonly repository: string;
  readonly tag: string;
  readonly digest?: string;
  /** RFC 3339. */
  readonly occurredAt?: string;
  /** Display only. */
  readonly actor?: string;
  /** The sender names one tag of a push that may have set several. */
  readonly oneOfMany?: boolean;
  /** The sender signs what it says, and its digest may be taken when the registry does not answer. */
  readonly digestIsSigned?: boolean;
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

const { resolveImage, findTargets, seekImages } = proxyActivities<ImageActivities>({
  startToCloseTimeout: '1m',
  // A registry that is down decides nothing: the payload's digest is not taken instead.
  scheduleToCloseTimeout: '1d',
  retry: { initialInterval: '1s', maximumInterval: '1m', nonRetryableErrorTypes: [...nonRetryableTypes] },
});

/** For senders that sign what they say, if their receiver allows it: they are believed when the registry stays silent. */
const impatient = proxyActivities<ImageActivities>({
  startToCloseTimeout: '1m',
  scheduleToCloseTimeout: '2m',
  retry: { initialInterval: '1s', maximumInterval: '15s', nonRetryableErrorTypes: [...nonRetryableTypes] },
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

  // Nobody's word names a tag: such a call is worth a look at the registry, and no more.
  const isHint = push.trust === 'none';
  const resolution = isHint ? undefined : await resolve(push, patienceMs);
  // What an event does not name may have been pushed along with what it does.
  const looksFurther = isHint || push.oneOfMany === true;
  if (resolution && 'missing' in resolution && !looksFurther) return { image, reason: resolution.missing, targets: [] };
  const digest = resolution && 'digest' in resolution ? resolution.digest : undefined;

  const canaries = await findTargets.executeWithOptions({ summary: `Canaries that follow ${image}` }, [push]);
  const results: Written[] = [];
  const bring = async (canary: CanaryRef) => {
    const first = digest === undefined ? undefined : await write(canary, { push, digest });
    if (first !== undefined && (!looksFurther || first.result.outcome !== 'unchanged')) return [first];
    const others = looksFurther ? await lookFurther(canary, push) : [];
    return others.length > 0 || first === undefined ? others : [first];
  };
  // A few at a time: a base image may be everywhere.
  for (let next = 0; next < canaries.length; next += 10)
    results.push(...(await Promise.all(canaries.slice(next, next + 10).map(bring))).flat());
  const targets = await settled(results);
  return {
    image,
    ...(digest === undefined ? {} : { digest }),
    ...(targets.length === 0 ? { reason: 'no Canary follows this repository' } : {}),
    targets,
  };
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
    const resolution = await askRegistry(push, summary);
    const expected = 'digest' in resolution && (push.digest === undefined || push.digest === resolution.digest);
    if (expected || Date.now() >= deadline) return resolution;
    await sleep(delayMs, { summary: 'the registry does not show this push yet' });
  }
}

async function askRegistry(push: ImagePush, summary: string): ReturnType<ImageActivities['resolveImage']> {
  const { digest, digestIsSigned, trust } = push;
  const isBelieved = digestIsSigned === true && (trust === 'signed' || trust === 'oidc');
  if (!isBelieved || digest === undefined) return resolveImage.executeWithOptions({ summary }, [push]);
  try {
    return await impatient.resolveImage.executeWithOptions({ summary }, [push]);
  } catch (error) {
    if (isCancellation(error) || causeTypeOf(error) === 'InvalidSpec') throw error;
    log.warn('the registry does not answer; the digest of the signed message is taken', { digest });
    return { digest };
  }
}

/** What else of a repository the policies of a Canary would take. */
async function lookFurther(canary: CanaryRef, push: ImagePush): Promise<Written[]> {
  const summary = `other tags of ${push.repository} for ${canary.namespace}/${canary.name}`;
  const results: Written[] = [];
  try {
    const { changes } = await seekImages.executeWithOptions({ summary }, [canary, { push }]);
    for (const change of changes) results.push(await write(canary, change));
  } catch (error) {
    results.push(failed(canary, { push, digest: push.digest ?? '' }, error));
  }
  return results;
}

/** What became of a change so far. */
interface Written {
  readonly canary: CanaryRef;
  readonly change: ImageChange;
  readonly result: ImageWritten;
}

/** One target that cannot be written must not keep the others from their image. */
export async function write(canary: CanaryRef, change: ImageChange): Promise<Written> {
  const name = `${canary.namespace}/${canary.name}`;
  const { push } = change;
  try {
    const summary = `${push.repository}:${push.tag} for ${name}`;
    return { canary, change, result: await writeImage.executeWithOptions({ summary }, [canary, change]) };
  } catch (error) {
    return failed(canary, change, error);
  }
}

/** What could not be tried. A cancellation is no such thing, and goes on. */
function failed(canary: CanaryRef, change: ImageChange, error: unknown): Written {
  if (isCancellation(error)) throw error;
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  log.warn('image not written', { canary: `${canary.namespace}/${canary.name}`, error: messageOf(cause) });
  return { canary, change, result: { outcome: 'failed', reason: messageOf(cause) } };
}

/** Times between two looks whether what an image waits for is over, such as a release, in milliseconds. */
const waits = [5_000, 15_000, 30_000, 60_000];

/** Longer than any release takes, and shorter than a history may get; what then still waits is found by a poll. */
const maxLooks = 2_000;

/** The outcomes, once what waits, for the end of a release or for events of other tags, has had its turn. */
export function settled(results: readonly Written[]): Promise<ImagePushResult['targets']> {
  return Promise.all(
    results.map(async ({ canary, change, result: first }) => {
      let result = first;
      for (let look = 0; result.outcome === 'queued' && look < maxLooks; look += 1) {
        const summary = (result.reason ?? 'it waits').slice(0, 200);
        await sleep(waits[Math.min(look, waits.length - 1)]!, { summary });
        ({ result } = await write(canary, { ...change, queued: true }));
      }
      return { canary: `${canary.namespace}/${canary.name}`, ...result };
    }),
  );
}

function causeTypeOf(error: unknown): string | undefined {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof ApplicationFailure ? (cause.type ?? undefined) : undefined;
}
