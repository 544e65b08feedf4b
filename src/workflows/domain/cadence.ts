/**
 * The first tick strictly after `now` on the grid `anchor + n × interval`. Missed ticks are skipped, never replayed in
 * a burst, and a late one does not move the grid.
 */
export function nextTick(anchor: number, intervalMs: number, now: number): number {
  const elapsed = Math.max(0, now - anchor);
  return anchor + (Math.floor(elapsed / intervalMs) + 1) * intervalMs;
}
