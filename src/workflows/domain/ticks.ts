import { nextTick } from './cadence.ts';
import type { Release } from './state.ts';

/** A paused release goes on being judged at its weight, one tick after the other. */
export function passOver(release: Release, now: number): Release {
  const intervalMs = release.observation?.canary?.settings.analysis.intervalMs ?? 0;
  return {
    ...release,
    verdict: undefined,
    dueAt: intervalMs > 0 ? nextTick(release.dueAt, intervalMs, now) : now,
  };
}
