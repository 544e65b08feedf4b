import { setTimeout as sleep } from 'node:timers/promises';

/** How often something may happen: `perSecond` on average, `burst` at once. */
export interface Bucket {
  /** Takes one turn if there is one. */
  take(): boolean;
  /** Milliseconds until the next turn; 0 when there is one now. */
  waitMs(): number;
}

/** A token bucket, full at first. `now` is in milliseconds and only compared with itself. */
export function tokenBucket(perSecond: number, burst: number, now: () => number = () => performance.now()): Bucket {
  let tokens = burst;
  let at = now();
  const refill = () => {
    const time = now();
    tokens = Math.min(burst, tokens + ((time - at) / 1000) * perSecond);
    at = time;
  };
  return {
    take() {
      refill();
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
    waitMs() {
      refill();
      return tokens >= 1 ? 0 : Math.ceil(((1 - tokens) / perSecond) * 1000);
    },
  };
}

/** Milliseconds to wait after the `failures`-th failure in a row: doubling from `minMs` to `maxMs`, with half of it random. */
export function backoffMs(failures: number, minMs: number, maxMs: number, random: () => number = Math.random): number {
  const whole = Math.min(maxMs, minMs * 2 ** Math.min(failures - 1, 30));
  return whole / 2 + (whole / 2) * random();
}

/** Waits, or returns early when `signal` aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
