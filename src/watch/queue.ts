import { setTimeout as sleep } from 'node:timers/promises';
import type { CanaryRef } from '../activities/contract.ts';
import { messageOf } from '../errors.ts';
import { canaryField, type Log } from '../log.ts';
import { backoffMs, pause, tokenBucket } from '../pace.ts';
import type { Hint } from '../workflows/messages.ts';
import type { HintMeters } from './meters.ts';

/** Hints on their way to Temporal: at most one waits for each Canary, and none is given up. */
export interface HintQueue {
  /** A newer hint takes the place of one that waits: both only say "look". */
  push(canary: CanaryRef, hint: Hint, trace?: string): void;
  /** Canaries with a hint that Temporal has not accepted yet. */
  readonly waiting: number;
  /** Sends until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves once nothing waits any more, or after `timeoutMs`. */
  drained(timeoutMs: number): Promise<void>;
}

export interface HintQueueOptions {
  /** Resolves once Temporal has the hint. */
  readonly send: (canary: CanaryRef, hint: Hint, trace?: string) => Promise<void>;
  readonly log: Log;
  readonly meters?: HintMeters;
  readonly perSecond?: number;
  readonly concurrency?: number;
  readonly minBackoffMs?: number;
  readonly maxBackoffMs?: number;
}

interface Entry {
  readonly canary: CanaryRef;
  hint: Hint;
  /** Of what made the change, as a header has it. */
  trace?: string;
  failures: number;
  /** Not to be sent before, in milliseconds since the epoch. */
  notBefore: number;
}

export function createHintQueue(options: HintQueueOptions): HintQueue {
  const { send, log, perSecond = 50, concurrency = 8, minBackoffMs = 500, maxBackoffMs = 10_000 } = options;
  const waiting = new Map<string, Entry>();
  const sending = new Map<string, Entry>();
  const bucket = tokenBucket(perSecond, Math.max(1, Math.ceil(perSecond / 10)));
  let wake: () => void = () => undefined;

  function push(canary: CanaryRef, hint: Hint, trace?: string): void {
    const key = `${canary.namespace}/${canary.name}`;
    const entry = waiting.get(key);
    if (entry) Object.assign(entry, { hint, trace: trace ?? entry.trace });
    else waiting.set(key, { canary, hint, trace, failures: 0, notBefore: 0 });
    wake();
  }

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const idle = new AbortController();
      const stop = () => idle.abort();
      wake = stop;
      signal.addEventListener('abort', stop, { once: true });
      const waitMs = sendDue();
      options.meters?.waiting.set(waiting.size + sending.size);
      if (!signal.aborted) await pause(waitMs, idle.signal);
      signal.removeEventListener('abort', stop);
    }
  }

  /** Sends what is due and allowed. Returns how long nothing more can be done, unless woken. */
  function sendDue(): number {
    const now = Date.now();
    let next = 60_000;
    for (const [key, entry] of waiting) {
      if (sending.size >= concurrency) return next;
      // One at a time for each Canary, so that its hints arrive in order.
      if (sending.has(key)) continue;
      if (entry.notBefore > now) {
        next = Math.min(next, entry.notBefore - now);
        continue;
      }
      if (!bucket.take()) return Math.min(next, bucket.waitMs());
      waiting.delete(key);
      sending.set(key, entry);
      void deliver(key, entry);
    }
    return next;
  }

  async function deliver(key: string, entry: Entry): Promise<void> {
    try {
      await send(entry.canary, entry.hint, entry.trace);
      options.meters?.sent.inc({ source: entry.hint.source });
      log.debug('hint sent', { canary: canaryField(entry.canary), ...entry.hint });
      // Temporal is back: whatever waits for it need not wait longer.
      if (entry.failures > 0) for (const other of waiting.values()) other.notBefore = 0;
    } catch (error) {
      options.meters?.failed.inc();
      const failures = entry.failures + 1;
      log.warn('hint not accepted, trying again', {
        canary: canaryField(entry.canary),
        source: entry.hint.source,
        failures,
        error: messageOf(error),
      });
      const newer = waiting.get(key);
      const hint = newer?.hint ?? entry.hint;
      const trace = newer?.trace ?? entry.trace;
      const notBefore = Date.now() + backoffMs(failures, minBackoffMs, maxBackoffMs);
      waiting.set(key, { canary: entry.canary, hint, trace, failures, notBefore });
    } finally {
      sending.delete(key);
      wake();
    }
  }

  return {
    push,
    get waiting() {
      return new Set([...waiting.keys(), ...sending.keys()]).size;
    },
    run,
    async drained(timeoutMs) {
      const deadline = Date.now() + timeoutMs;
      while (waiting.size + sending.size > 0 && Date.now() < deadline) await sleep(20);
    },
  };
}
