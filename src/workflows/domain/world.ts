import { carryOut, record, warning } from './plans.ts';
import type { Observation, ObservedCanary, ObservedWorkload, Weights } from './observation.ts';
import type { Action, Release } from './state.ts';

/** A Canary whose target could be read: what decisions about phases build on. */
export interface World {
  readonly canary: ObservedCanary;
  readonly settings: ObservedCanary['settings'];
  readonly target: ObservedWorkload;
  readonly primary: Observation['primary'];
  readonly routes: Observation['routes'];
  readonly drift: readonly string[];
  readonly metricsProviders: Observation['metricsProviders'];
}

/** The world, unless something has to be mended before anything can be decided. */
export function known(observation: Observation): World | undefined {
  const { canary, target, primary, routes, drift, metricsProviders, problem } = observation;
  if (problem || !canary || !target) return undefined;
  return { canary, settings: canary.settings, target, primary, routes, drift, metricsProviders };
}

/** Tells what this tick found, or waits for the next one. It may do so for ever: people are told after a while (Q49). */
export function halt(release: Release, message: string): Action {
  return { ...standBy(release, message), isHeldUp: true };
}

/** The same, for what has a deadline of its own. */
export function standBy(release: Release, message: string): Extract<Action, { type: 'wait' | 'carry-out' }> {
  if (!release.ticked) return { type: 'wait', until: release.dueAt, why: message };
  return carryOut('tell', message, 'halted', record(release, warning(message)));
}

/** Why a workload cannot be relied on. */
export function whyNotReady(workload: ObservedWorkload | undefined, missing: string): string {
  if (!workload) return missing;
  return workload.readiness.ready ? '' : workload.readiness.message;
}

export const onPrimary: Weights = { primary: 100, canary: 0 };

export function sameWeights(one: Weights, other: Weights): boolean {
  return one.canary === other.canary && Boolean(one.mirrored) === Boolean(other.mirrored);
}

/** Where traffic goes now, whoever sent it there. */
export function weightsNow({ observation, weights }: Release): Weights {
  return observation?.routes ?? weights;
}

/** Whether these weights would take traffic from pods that serve and give it to a workload without any. */
export function strandsTraffic(release: Release, to: Weights): boolean {
  const { observation } = release;
  const from = weightsNow(release);
  const primaryServes = (observation?.primary?.available ?? 0) > 0;
  const canaryServes = (observation?.target?.available ?? 0) > 0;
  if (to.canary > from.canary) return primaryServes && !canaryServes;
  return to.canary < from.canary && canaryServes && !primaryServes;
}
