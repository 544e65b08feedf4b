import type { Settings as WorkerSettings } from '../config.ts';
import type { Canary, CanaryWebhook } from '../schemas/canary.ts';
import {
  analysisOf,
  approvalsOf,
  canaryDefaults,
  hookTimeoutMs,
  intervalMs,
  isSkipped,
  maxWeightOf,
  progressDeadlineSeconds,
  revertsOnDeletion,
  thresholdOf,
} from '../schemas/defaults.ts';
import { observedProvider } from './metrics/observers.ts';
import { providers } from './routers/index.ts';
import type { SessionAffinity } from '../schemas/canary-analysis.ts';
import { parseDuration } from '../schemas/duration.ts';
import { effectiveStrategy, keepsUsers, mirrors, splitsTraffic } from '../schemas/providers.ts';
import type { AnalysisSettings, Approval, MetricCheck, Settings } from '../workflows/domain/observation.ts';

interface Sources {
  metricChecks(canary: Canary): readonly MetricCheck[];
  readonly hasGlobalNotifier: boolean;
}

/** The settings of a Canary that decisions depend on. @see engine spec 4 */
export function settingsOf(canary: Canary, worker: WorkerSettings, sources: Sources): Settings {
  const { targetRef, suspend, autoscalerRef } = canary.spec;
  const { alerts = [], webhooks = [] } = analysisOf(canary);
  return {
    target: { kind: targetRef.kind, name: targetRef.name },
    provider: observedProvider(canary, worker.meshProvider),
    suspend: suspend ?? false,
    skipAnalysis: isSkipped(canary),
    hasAutoscaler: autoscalerRef !== undefined,
    revertOnDeletion: revertsOnDeletion(canary),
    splitsTraffic: splitsTraffic(canary, { ...worker, providers }),
    parks: hasPodsOfItsOwn(targetRef.kind),
    progressDeadlineSeconds: progressDeadlineSeconds(canary),
    analysis: analysisSettings(canary, worker, sources.metricChecks(canary)),
    listeners: {
      alerts: alerts.length > 0 || sources.hasGlobalNotifier,
      events: webhooks.some(({ type }) => type === 'event') || worker.eventWebhook !== '',
    },
    drainMs: worker.drainMs,
    ...ofWorker(worker),
  };
}

/**
 * The settings of a Canary that cannot be read. Nothing is done about it until it is mended; this is as much as
 * keeping still takes.
 */
export function settingsOfUnreadable(spec: unknown, worker: WorkerSettings): Settings {
  const { targetRef, suspend, analysis, canaryAnalysis } = (spec ?? {}) as {
    targetRef?: { kind?: unknown; name?: unknown };
    suspend?: unknown;
    analysis?: { interval?: unknown };
    canaryAnalysis?: { interval?: unknown };
  };
  // The step clock goes on by it, so that a release does not wait longer after the cure than it would have without.
  const interval = parseDuration(textOr((analysis ?? canaryAnalysis)?.interval, '')) ?? canaryDefaults.intervalMs;
  return {
    target: { kind: textOr(targetRef?.kind, 'Deployment'), name: textOr(targetRef?.name, '') },
    provider: worker.meshProvider,
    suspend: suspend === true,
    skipAnalysis: false,
    hasAutoscaler: false,
    revertOnDeletion: false,
    splitsTraffic: true,
    parks: hasPodsOfItsOwn(textOr(targetRef?.kind, '')),
    progressDeadlineSeconds: canaryDefaults.progressDeadlineSeconds,
    analysis: {
      strategy: 'canary',
      intervalMs: Math.max(worker.minimumIntervalMs, interval),
      threshold: 1,
      maxWeight: 100,
      stepWeight: 0,
      stepWeights: [],
      stepWeightPromotion: 0,
      iterations: 0,
      mirror: false,
      metrics: [],
      hooks: [],
      remarks: [],
    },
    listeners: { alerts: false, events: worker.eventWebhook !== '' },
    drainMs: worker.drainMs,
    ...ofWorker(worker),
  };
}

function analysisSettings(canary: Canary, worker: WorkerSettings, metrics: readonly MetricCheck[]): AnalysisSettings {
  const analysis = analysisOf(canary);
  const stepWeight = Math.max(0, analysis.stepWeight ?? 0);
  const strategy = effectiveStrategy(canary, { ...worker, providers });
  const { sessionAffinity } = analysis;
  return {
    strategy: strategy.name,
    intervalMs: intervalMs(canary, worker.minimumIntervalMs),
    threshold: thresholdOf(canary),
    maxWeight: maxWeightOf(canary),
    stepWeight,
    // An increment, where one is given, rules out the ladder; only the maximum is read from it (canary-crd spec 3.3).
    stepWeights: stepWeight > 0 ? [] : (analysis.stepWeights ?? []),
    stepWeightPromotion: Math.max(0, analysis.stepWeightPromotion ?? 0),
    iterations: strategy.iterations,
    mirror: mirrors(canary),
    ...(sessionAffinity && keepsUsers(canary, { ...worker, providers })
      ? { sessionAffinity: cookieNames(sessionAffinity) }
      : {}),
    remarks: strategy.remarks,
    metrics,
    hooks: (analysis.webhooks ?? []).map((webhook) => ({
      name: webhook.name,
      type: webhook.type || 'rollout',
      muteAlert: webhook.muteAlert ?? false,
      budgetMs: hookBudgetMs(webhook),
    })),
    ...askedOf(canary),
  };
}

/** Nothing where nobody is asked: most Canaries ask nobody, and each look is kept in a history. */
function askedOf(canary: Canary): { readonly approvals?: readonly Approval[] } {
  const approvals = approvalsOf(canary).map(
    ({ excludeAuthor: excludesAuthor, defaultOutcome: otherwise, deadline, ...approval }): Approval => ({
      ...approval,
      ...{ excludesAuthor, otherwise },
      ...(deadline ? { deadline: { ms: parseDuration(deadline) ?? 0, text: deadline } } : {}),
    }),
  );
  return approvals.length === 0 ? {} : { approvals };
}

/** What the worker says for every Canary. */
function ofWorker(worker: WorkerSettings): Partial<Settings> {
  return {
    ...(worker.clusterName ? { cluster: worker.clusterName } : {}),
    ...(worker.auditSink ? { archives: true } : {}),
    ...(worker.verifiedActors ? { verifiesActors: true } : {}),
  };
}

function hasPodsOfItsOwn(kind: string): boolean {
  return kind !== 'Service';
}

function cookieNames({ cookieName, primaryCookieName }: SessionAffinity) {
  return { cookieName, ...(primaryCookieName ? { primaryCookieName } : {}) };
}

/** All attempts, and between them the longest pauses there are; a receiver may ask for as much (`Retry-After`). */
function hookBudgetMs(webhook: CanaryWebhook): number {
  const timeoutMs = hookTimeoutMs(webhook);
  // A timeout that is no duration fails the hook before it is called.
  if (typeof timeoutMs !== 'number') return 0;
  const retries = Math.max(0, webhook.retries ?? 0);
  return Math.ceil((1 + retries) * timeoutMs + retries * 30_000);
}

function textOr(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value : otherwise;
}
