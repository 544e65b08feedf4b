import type { CanaryStatus, ObservedWorkload } from './observation.ts';

/** What the status says of a revision that a release takes up: its hash, and the configuration that is part of it. */
export function taken({ revision, configs }: ObservedWorkload): Partial<CanaryStatus> {
  return { lastAppliedSpec: revision, ...(configs ? { trackedConfigs: configs } : {}) };
}
