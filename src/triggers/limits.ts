import { tokenBucket, type Bucket } from '../pace.ts';
import type { Receiver } from './receivers.ts';
import type { Answer } from './wire.ts';

/** What one caller, or one receiver, may ask of us; an answer is a refusal. */
export interface Limits {
  /** Takes a turn of an address that calls, whatever it wants. */
  called(caller: string): Answer | undefined;
  /** Takes a turn of a receiver. For calls whose sender is known: others are not to use up what is the sender's. */
  taken(receiver: Receiver): Answer | undefined;
  /** Reads a body within what one address may have under way: slow senders cannot fill all places. */
  reading<T>(caller: string, read: () => Promise<T>): Promise<T | Answer>;
}

export interface LimitOptions {
  readonly receivers: readonly Receiver[];
  /** Requests a second from one address. */
  readonly perSecondAndCaller?: number;
  /** Bodies from one address that are on their way at the same time. */
  readonly maxBodiesPerCaller?: number;
}

export function createLimits(options: LimitOptions): Limits {
  const { receivers, perSecondAndCaller = 100, maxBodiesPerCaller = 32 } = options;
  const buckets = new Map(receivers.map(({ name, perSecond }) => [name, tokenBucket(perSecond, perSecond * 4)]));
  const callers = createCallers(perSecondAndCaller);
  const bodies = new Map<string, number>();
  return {
    called: (caller) => turnOf(callers(caller)),
    taken: ({ name }) => turnOf(buckets.get(name)!),
    async reading(caller, read) {
      const before = bodies.get(caller) ?? 0;
      if (before >= maxBodiesPerCaller) return tooMany(5);
      bodies.set(caller, before + 1);
      try {
        return await read();
      } finally {
        const left = bodies.get(caller)! - 1;
        if (left > 0) bodies.set(caller, left);
        else bodies.delete(caller);
      }
    },
  };
}

function turnOf(bucket: Bucket): Answer | undefined {
  return bucket.take() ? undefined : tooMany(Math.max(1, Math.ceil(bucket.waitMs() / 1000)));
}

function tooMany(seconds: number): Answer {
  return { status: 429, outcome: 'error', reason: 'rate', headers: { 'retry-after': String(seconds) } };
}

/** Buckets of the addresses that called lately; the longest silent ones are forgotten. */
function createCallers(perSecond: number): (caller: string) => Bucket {
  const known = new Map<string, Bucket>();
  return (caller) => {
    const bucket = known.get(caller) ?? tokenBucket(perSecond, perSecond * 4);
    known.delete(caller);
    known.set(caller, bucket);
    const [oldest] = known.keys();
    if (known.size > 10_000 && oldest !== undefined) known.delete(oldest);
    return bucket;
  };
}
