import type { Canary } from './canary.ts';
import { analysisOf, intervalMs, isBuiltIn, isSkipped, metricInterval, strategyOf } from './defaults.ts';
import { durationProblem, formatDuration, parseDuration } from './duration.ts';
import { stuckAt } from './ladder.ts';
import { capabilitiesOf, routerOf, type ProviderSettings } from './providers.ts';
import type { Finding } from './validate.ts';

type Note = readonly [id: string, field: string, text: string];

/** The only version of HorizontalPodAutoscalers that is used. @see canary-crd spec 1.10 */
const version = 'autoscaling/v2';

/** Findings on what is asked for and not in force: also told in the cluster, as a release begins and for as long as it is so. */
export const unheeded: ReadonlySet<string> = new Set([
  'duration-unreadable',
  'session-affinity-ignored',
  'mirror-ignored',
  'primary-cookie-ignored',
]);

/** Findings on what is ignored without anything being different for it: told in the cluster, and no reason to worry. */
export const harmless: ReadonlySet<string> = new Set(['autoscaler-version-ignored']);

/** What Flagger runs, and what its author probably did not mean. Nothing here keeps a Canary from being acted on. */
export function warnings(canary: Canary, settings: ProviderSettings): Finding[] {
  const notes = [
    ...notesOnWeights(canary),
    ...notesOnStrategy(canary, settings),
    ...notesOnTime(canary),
    ...notesOnMetrics(canary),
    ...notesOnWebhooks(canary),
    ...notesOnAlerts(canary),
  ];
  return notes.map(([id, field, text]) => ({ id, level: 'warning', field, message: `${field}: ${text}` }));
}

function* notesOnWeights(canary: Canary): Generator<Note> {
  const analysis = analysisOf(canary);
  const { stepWeight, stepWeights = [], maxWeight, primaryReadyThreshold, canaryReadyThreshold } = analysis;
  const at = (field: string) => `spec.analysis.${field}`;
  const percents = {
    ...{ stepWeight, maxWeight, primaryReadyThreshold, canaryReadyThreshold },
    stepWeightPromotion: analysis.stepWeightPromotion,
    mirrorWeight: analysis.mirrorWeight,
    ...Object.fromEntries(stepWeights.map((weight, index) => [`stepWeights[${index}]`, weight])),
  };
  for (const [field, value] of Object.entries(percents)) {
    if (value !== undefined && (value < 0 || value > 100)) {
      yield ['weight-out-of-range', at(field), `${value} is no percentage; write a number from 0 to 100`];
    }
  }
  for (const [field, value] of Object.entries({ primaryReadyThreshold, canaryReadyThreshold })) {
    // Small ones are meant as a number of pods.
    if (value !== undefined && value > 0 && value < 10) {
      yield ['ready-threshold-small', at(field), `is a percentage: ${value} means ${value} percent of the pods`];
    }
  }
  if (strategyOf(canary) !== 'canary') return;

  if (stepWeights.length === 0 && stuckAt(canary) !== undefined && !isSkipped(canary)) {
    const field = stepWeight !== undefined ? 'stepWeight' : analysis.stepWeights ? 'stepWeights' : 'iterations';
    yield ['no-step', at(field), 'the weight never grows, so a release never ends; give stepWeight a number above 0'];
  }
  if (stepWeights.some((weight, index) => index > 0 && weight <= stepWeights[index - 1]!)) {
    yield ['steps-not-ascending', at('stepWeights'), 'weights do not grow from step to step; sort them, each once'];
  }
  if (maxWeight === undefined) return;
  if (stepWeights.length > 0) {
    const last = stepWeights.at(-1)!;
    if (maxWeight !== last) {
      yield [
        'max-weight-ignored',
        at('maxWeight'),
        `is ignored beside stepWeights: weights run up to ${last}; remove it`,
      ];
    }
  } else if (maxWeight === 0) {
    yield ['max-weight-zero', at('maxWeight'), '0 means 100; write 100, or leave it out'];
  } else if (stepWeight !== undefined && stepWeight > 0 && maxWeight > 0 && maxWeight <= 100) {
    const last = Math.min(100, Math.ceil(maxWeight / stepWeight) * stepWeight);
    if (maxWeight < stepWeight) {
      yield ['max-weight-below-step', at('maxWeight'), `is below the first step, which goes to ${stepWeight} at once`];
    } else if (last !== maxWeight) {
      yield ['max-weight-passed', at('maxWeight'), `is no multiple of stepWeight: the last step goes to ${last}`];
    }
  }
}

function* notesOnStrategy(canary: Canary, settings: ProviderSettings): Generator<Note> {
  const { match = [], iterations = 0, mirror, sessionAffinity } = analysisOf(canary);
  const router = routerOf(canary, settings);
  const can = capabilitiesOf(canary, settings);
  const { autoscalerRef, service } = canary.spec;
  const { hosts = [], gateways = [], delegation } = service ?? {};
  if (match.length > 0 && iterations <= 0) {
    yield ['match-without-iterations', 'spec.analysis.match', 'needs iterations beside it to make an A/B test'];
  }
  if (sessionAffinity?.primaryCookieName && router === 'gatewayapi:v1beta1') {
    const field = 'spec.analysis.sessionAffinity.primaryCookieName';
    yield ['primary-cookie-ignored', field, `is ignored by the provider ${router}; use gatewayapi:v1`];
  }
  // What the provider cannot do at all is refused elsewhere.
  if (sessionAffinity && match.length > 0 && can?.sessionAffinity === 'ignored-with-match') {
    const text = 'is ignored beside spec.analysis.match, and users get no cookies; remove it, or spec.analysis.match';
    yield ['session-affinity-ignored', 'spec.analysis.sessionAffinity', text];
  }
  if (mirror && match.length > 0 && can?.match && (can.mirror === true || (can.mirror && iterations > 0))) {
    const text = 'is ignored beside spec.analysis.match, and no requests are copied; remove it, or spec.analysis.match';
    yield ['mirror-ignored', 'spec.analysis.mirror', text];
  }
  if (autoscalerRef?.kind === 'HorizontalPodAutoscaler' && (autoscalerRef.apiVersion ?? version) !== version) {
    const text = `${autoscalerRef.apiVersion} is ignored: ${version} is read and written; write that`;
    yield ['autoscaler-version-ignored', 'spec.autoscalerRef.apiVersion', text];
  }
  if (delegation && router === 'istio' && hosts.length + gateways.length > 0) {
    const field = 'spec.service.delegation';
    yield ['delegation-with-hosts', field, 'goes without hosts and gateways; remove either it or them'];
  }
}

function* notesOnTime(canary: Canary): Generator<Note> {
  const { interval, metrics = [], webhooks = [] } = analysisOf(canary);
  const durations = [
    { field: 'spec.analysis.interval', text: interval, outcome: 'a minute is used' },
    ...metrics.map((metric, index) => ({
      field: `spec.analysis.metrics[${index}].interval`,
      text: metric.interval,
      outcome: 'the query will be refused',
    })),
    ...webhooks.map((webhook, index) => ({
      field: `spec.analysis.webhooks[${index}].timeout`,
      text: webhook.timeout,
      outcome: 'every call fails',
    })),
  ];
  for (const { field, text, outcome } of durations) {
    const problem = text === undefined ? undefined : durationProblem(text);
    if (problem) yield ['duration-unreadable', field, `${problem}; ${outcome}; write one such as 30s or 1m30s`];
  }
  const own = intervalMs(canary, 0);
  for (const [index, metric] of metrics.entries()) {
    const window = parseDuration(metricInterval(metric)) ?? 0;
    if (window <= own) continue;
    const text = `${formatDuration(window)} reaches back before the last change of weight, with an analysis interval of ${formatDuration(own)}`;
    yield ['window-above-interval', `spec.analysis.metrics[${index}].interval`, text];
  }
}

function* notesOnMetrics(canary: Canary): Generator<Note> {
  const { metrics = [] } = analysisOf(canary);
  for (const [index, metric] of metrics.entries()) {
    const at = `spec.analysis.metrics[${index}]`;
    const { name, thresholdRange, threshold, query, templateRef } = metric;
    if (isRepeated(metrics, index))
      yield ['metric-repeated', `${at}.name`, `"${name}" is in the list before; rename it`];
    if (!isBuiltIn(name) && !query && !templateRef) {
      const text = `"${name}" has neither a template nor a query, so it always fails; add a templateRef`;
      yield ['metric-undefined', at, text];
    }
    if (isBuiltIn(name) && (query || templateRef)) {
      const text = `"${name}" is built in and is checked beside the ${query ? 'query' : 'template'}; rename it`;
      yield ['metric-twice', `${at}.name`, text];
    }
    if (query) yield ['metric-query-deprecated', `${at}.query`, 'is deprecated; use a templateRef'];
    if (thresholdRange && thresholdRange.min === undefined && thresholdRange.max === undefined) {
      yield ['range-empty', `${at}.thresholdRange`, 'has neither min nor max, so every value passes; add one'];
    }
    if (!thresholdRange && threshold !== undefined) {
      const meaning = name === 'request-success-rate' ? 'a minimum' : 'a maximum';
      yield [
        'metric-threshold-deprecated',
        `${at}.threshold`,
        `is deprecated, and ${meaning} here; use thresholdRange`,
      ];
    }
    if (!thresholdRange && threshold === undefined) {
      const meaning = name === 'request-success-rate' ? 'every value passes' : 'every value above 0 fails';
      yield ['metric-unbounded', at, `has no thresholdRange, so ${meaning}; add one`];
    }
  }
}

function* notesOnWebhooks(canary: Canary): Generator<Note> {
  const { webhooks = [] } = analysisOf(canary);
  const told = webhooks.filter(({ type }) => type === 'event' || type === 'post-rollout').map(({ url }) => url);
  for (const [index, { name, type, url }] of webhooks.entries()) {
    const at = `spec.analysis.webhooks[${index}]`;
    if (isRepeated(webhooks, index))
      yield ['webhook-repeated', `${at}.name`, `"${name}" is in the list before; rename it`];
    if (url.includes('${') || !URL.canParse(url)) {
      // The address itself may hold a secret.
      yield [
        'webhook-url-unusable',
        `${at}.url`,
        'is no address, so every call fails; write one such as http://host/path',
      ];
    }
    if (type === 'rollback' && told.includes(url)) {
      const text = 'asks whether to roll back, and any answer up to 202 says yes; the same address is told of events';
      yield ['rollback-hook-notifies', `${at}.type`, `${text}; use type event for a notification`];
    }
  }
}

function* notesOnAlerts(canary: Canary): Generator<Note> {
  for (const [index, { severity }] of (analysisOf(canary).alerts ?? []).entries()) {
    if (severity) continue;
    const field = `spec.analysis.alerts[${index}].severity`;
    yield ['alert-severity-missing', field, 'is missing and counts as info; write info, warn or error'];
  }
}

function isRepeated(list: readonly { readonly name: string }[], index: number): boolean {
  return list.findIndex(({ name }) => name === list[index]!.name) < index;
}
