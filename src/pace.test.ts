import { describe, expect, it } from '@jest/globals';
import { backoffMs, pause, tokenBucket } from './pace.ts';

describe('pace', () => {
  it('a bucket gives its burst at once, then its rate', () => {
    let now = 0;
    const bucket = tokenBucket(10, 2, () => now);
    expect([bucket.take(), bucket.take(), bucket.take()]).toEqual([true, true, false]);
    expect(bucket.waitMs()).toBe(100);
    now = 100;
    expect([bucket.take(), bucket.take()]).toEqual([true, false]);
    now = 60_000;
    expect([bucket.take(), bucket.take(), bucket.take()]).toEqual([true, true, false]);
  });

  it.each([
    [1, 0, 250],
    [1, 1, 500],
    [3, 1, 2_000],
    [20, 0, 15_000],
    [20, 1, 30_000],
    [5_000, 1, 30_000],
  ])('after %i failures, with luck %d, it waits %i ms', (failures, luck, ms) => {
    expect(backoffMs(failures, 500, 30_000, () => luck)).toBe(ms);
  });

  it('a pause ends early when it is cut short', async () => {
    const life = new AbortController();
    const started = Date.now();
    const pausing = pause(10_000, life.signal);
    life.abort();
    await pausing;
    await pause(10_000, life.signal);
    expect(Date.now() - started).toBeLessThan(1_000);
  });
});
