import type { Releases } from './releases.ts';

/** What the last release of a Canary does now, in words; what came of it once it is over. */
export function nowOf({ status, phase, outcome, progress, unanswered }: Awaited<ReturnType<Releases['get']>>): string {
  if (status === 'RUNNING') return `${progress?.paused ? 'paused; ' : ''}${progress?.doing ?? unanswered ?? ''}`;
  const rest = `at rest${outcome ? `: ${outcome}` : ''}`;
  // The same revision applied again changes nothing, and so nobody hears of it (BC-10).
  const isFailed = (progress?.phase ?? phase) === 'Failed';
  return isFailed ? `${rest}; this revision failed and is not tried again by itself: serin retry` : rest;
}
