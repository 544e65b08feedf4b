import { setTimeout as sleep } from 'node:timers/promises';

/**
 * One tag that several may ask for. A question is put at most once in a while; whoever comes meanwhile waits for the
 * next time, and never gets an answer that is older than their question.
 */
export interface Question<T> {
  /** @param settleMs least time between two times that it is put */
  ask(put: () => Promise<T>, settleMs: number): Promise<T>;
  readonly isOver: () => boolean;
}

export function createQuestion<T>(): Question<T> {
  let putAt = -Infinity;
  let next: Promise<T> | undefined;
  return {
    isOver: () => next === undefined && performance.now() - putAt > 600_000,
    ask(put, settleMs) {
      if (next) return next;
      const waitMs = Math.min(settleMs, 10_000) - (performance.now() - putAt);
      const now = () => {
        putAt = performance.now();
        next = undefined;
        return put();
      };
      if (waitMs <= 0) return now();
      next = sleep(waitMs).then(now);
      return next;
    },
  };
}
