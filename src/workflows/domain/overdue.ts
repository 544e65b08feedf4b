import type { World } from './world.ts';
import type { Observation } from './observation.ts';
import type { Release } from './state.ts';

/** Since when a workload has not been ready, as far as this run has seen: milliseconds since the epoch. */
export interface UnreadySince {
  readonly target?: number;
  readonly primary?: number;
}

const roles = ['target', 'primary'] as const;

export function unreadySince({ unreadySince: before }: Release, observation: Observation, now: number): UnreadySince {
  return Object.fromEntries(
    roles.flatMap((role) => {
      const ready = observation[role]?.readiness.ready ?? true;
      return ready ? [] : [[role, before?.[role] ?? now]];
    }),
  );
}

/**
 * Whether a workload has had all the time it gets to become ready. A Deployment says so itself. A DaemonSet does not say
 * since when its pods are missing, only when its spec was written: one that was ready since then, and loses a pod or gets
 * a node, has its time from there, and a release that was suspended has it from where it goes on (Q15).
 *
 * @see engine spec 10.5 and 11
 */
export function isOverdue(release: Release, role: keyof UnreadySince, { settings }: World, now: number): boolean {
  const { readiness } = release.observation?.[role] ?? {};
  if (!readiness || readiness.ready || readiness.retriable) return false;
  if (release.rules < 4 || settings.target.kind !== 'DaemonSet') return true;
  return now >= (release.unreadySince?.[role] ?? now) + settings.progressDeadlineSeconds * 1_000;
}
