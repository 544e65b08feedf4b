import type { Settings } from './observation.ts';
import type { Step } from './plan.ts';
import type { Release } from './state.ts';

/** How large a primary with an autoscaler has to be for the traffic that it is about to take. */

/** As long as the canary has traffic, the primary keeps the replicas to take it back: it must not be scaled in meanwhile. */
export function holdCapacity(release: Release, settings: Settings): Step[] {
  const { replicas = 0 } = release.observation?.primary ?? {};
  if (!settings.hasAutoscaler || release.weights.canary > 0 || replicas === 0) return [];
  return [{ do: 'ensure-autoscaler', mode: 'update', floor: replicas }];
}

/** What either side has been scaled to for its share is needed for the whole. */
export function neededReplicas({ observation, weights }: Release, { analysis }: Settings): number {
  const primary = observation?.primary?.replicas ?? 0;
  const canary = observation?.target?.available ?? 0;
  if (weights.canary === 0) return primary;
  // In A/B testing the primary still serves every request that does not match.
  const alone = weights.canary === 100 && analysis.strategy !== 'ab-testing';
  return alone ? Math.max(primary, canary) : primary + canary;
}
