import type { Canary } from '../../schemas/canary.ts';
import type { ObservedTarget } from '../../schemas/canary-status.ts';
import { revisionOf, sameJson } from '../revision.ts';
import type { PodController, PodKind } from './pod-kind.ts';

/**
 * The name of the revision that a target is at. A newer API server gives old objects the defaults of fields that are new:
 * that is another template, which nobody wrote. As long as the target's generation is the one of `status.observedTarget`,
 * its author has changed nothing, and its revision keeps its name.
 *
 * @param configs checksums of the configuration that belongs to it now
 * @see event sources spec 6.3
 */
export function revisionOfTarget(
  kind: PodKind,
  { status }: Canary,
  target: PodController,
  configs: Readonly<Record<string, string>> | undefined,
): string {
  const { observedTarget: seen, lastAppliedSpec, trackedConfigs } = status ?? {};
  const { uid, generation } = target.metadata;
  const untouched = seen !== undefined && seen.uid === uid && seen.generation === generation;
  if (untouched && seen.revision === lastAppliedSpec && sameJson(configs, trackedConfigs)) return seen.revision;
  return revisionOf(kind.template(target), configs);
}

/** What to remember of a target for later, if it is at the revision that the status names. */
export function observedTarget(kind: PodKind, { status }: Canary, target: PodController): ObservedTarget | undefined {
  const { uid, generation } = target.metadata;
  const { lastAppliedSpec: revision, trackedConfigs = {} } = status ?? {};
  if (uid === undefined || generation === undefined || revision === undefined) return undefined;
  const configs = Object.keys(trackedConfigs).length > 0 ? trackedConfigs : undefined;
  const isApplied = revisionOf(kind.template(target), configs) === revision;
  return isApplied ? { uid, generation, revision } : undefined;
}
