import type { Canary, CanaryAnalysis, CanaryMetric, CanaryWebhook } from './canary.ts';
import type { CanaryApproval, SessionAffinity } from './canary-analysis.ts';
import { durationProblem, parseDuration } from './duration.ts';

/** Defaults that are computed and never stored. @see canary-crd spec 3.3 */

/** The analysis of a Canary, whichever of its two names the author gave it. */
export function analysisOf(canary: Canary): CanaryAnalysis {
  return canary.spec.analysis;
}

/** Names of the three Services. */
export function serviceNames(canary: Canary): {
  readonly apex: string;
  readonly primary: string;
  readonly canary: string;
} {
  const apex = canary.spec.service?.name || canary.spec.targetRef.name;
  return { apex, primary: `${apex}-primary`, canary: `${apex}-canary` };
}

export function primaryTargetName(canary: Canary): string {
  return `${canary.spec.targetRef.name}-primary`;
}

/** What holds of a Canary that says nothing, also where it cannot be read as a whole. */
export const canaryDefaults = { intervalMs: 60_000, progressDeadlineSeconds: 600 } as const;

/**
 * Milliseconds between a change of weight and its judgment. What is no duration counts as a minute.
 *
 * @param minimumMs the shortest there is
 */
export function intervalMs(canary: Canary, minimumMs: number): number {
  return Math.max(minimumMs, parseDuration(analysisOf(canary).interval) ?? canaryDefaults.intervalMs);
}

/** Failed checks that end a release. */
export function thresholdOf(canary: Canary): number {
  const { threshold } = analysisOf(canary);
  return threshold > 0 ? threshold : 1;
}

/**
 * Weight, in percent, that earns promotion: the last of a list of steps, else `maxWeight`. Never above 100, where
 * Flagger would go on for ever (Q20).
 */
export function maxWeightOf(canary: Canary): number {
  const { stepWeights, maxWeight = 0 } = analysisOf(canary);
  const last = stepWeights?.at(-1);
  const max = last ?? (maxWeight > 0 ? maxWeight : 100);
  return Math.min(100, Math.max(0, max));
}

export function strategyOf(canary: Canary): 'canary' | 'blue-green' | 'ab-testing' {
  const { iterations = 0, match = [] } = analysisOf(canary);
  if (iterations <= 0) return 'canary';
  return match.length > 0 ? 'ab-testing' : 'blue-green';
}

export function progressDeadlineSeconds(canary: Canary): number {
  return canary.spec.progressDeadlineSeconds ?? canaryDefaults.progressDeadlineSeconds;
}

/** Percent of pods that have to be available. A 0 is meant. */
export function readyThreshold(canary: Canary, which: 'primary' | 'canary'): number {
  const { primaryReadyThreshold, canaryReadyThreshold } = analysisOf(canary);
  return (which === 'primary' ? primaryReadyThreshold : canaryReadyThreshold) ?? 100;
}

/** @param meshProvider the one for Canaries that name none */
export function providerOf(canary: Canary, meshProvider: string): string {
  return canary.spec.provider ?? meshProvider;
}

/** Milliseconds that one attempt of a hook may take; a `problem` in Go's words when it says something that is no duration. */
export function hookTimeoutMs(webhook: Pick<CanaryWebhook, 'timeout' | 'type'>): number | { readonly problem: string } {
  const { timeout = '', type } = webhook;
  if (timeout.length < (type === 'event' ? 1 : 2)) return 10_000;
  return parseDuration(timeout) ?? { problem: durationProblem(timeout) ?? '' };
}

/** Seconds for which a user stays with the canary that served them: a day, unless the author says otherwise. */
export function cookieMaxAgeSeconds({ maxAge }: SessionAffinity): number {
  return maxAge || 86_400;
}

/** Whether the target gets its traffic and its replicas back before its Canary goes. */
export function revertsOnDeletion(canary: Canary): boolean {
  return canary.spec.revertOnDeletion ?? false;
}

/** Window of a check: a minute by default, but none for a template, whose query may not need one. */
export function metricInterval({ name, interval, query }: Pick<CanaryMetric, 'name' | 'interval' | 'query'>): string {
  return interval || (isBuiltIn(name) || query ? '1m' : '');
}

/** Whether a check of this name has a query of its own, made for the provider. */
export function isBuiltIn(name: string): boolean {
  return name === 'request-success-rate' || name === 'request-duration';
}

/** Whether a release goes without checks. */
export function isSkipped(canary: Canary): boolean {
  return canary.spec.skipAnalysis ?? false;
}

/** What people are asked, with what is meant where nothing is written. */
export function approvalsOf(
  canary: Canary,
): readonly (Required<Omit<CanaryApproval, 'deadline'>> & Pick<CanaryApproval, 'deadline'>)[] {
  return (analysisOf(canary).approvals ?? []).map((approval) => ({
    ...approval,
    quorum: approval.quorum ?? 1,
    approvers: approval.approvers ?? [],
    excludeAuthor: approval.excludeAuthor ?? false,
    defaultOutcome: approval.defaultOutcome ?? 'keep-waiting',
    muteAlert: approval.muteAlert ?? false,
  }));
}
