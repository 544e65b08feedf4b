import { setTimeout as wait } from 'node:timers/promises';
import { resources } from '../../clients/kubernetes.ts';
import { maskUrl } from '../../clients/url.ts';
import { failureType, messageOf } from '../../errors.ts';
import type { Canary, CanaryMetric } from '../../schemas/canary.ts';
import { providerOf } from '../../schemas/defaults.ts';
import type { MetricCheck } from '../../workflows/domain/observation.ts';
import type { Reading } from '../../workflows/domain/plan.ts';
import { observedProvider, observerFor } from './observers.ts';
import { prometheus } from './prometheus.ts';
import type { Answer, MetricsProvider, ProviderSettings } from './provider.ts';
import { renderQuery, type QueryModel } from './template.ts';
import { loadTemplate, type TemplateDeps } from './templates.ts';

/** One check that a metric of the Canary stands for. A built-in name with a query or a template is two. */
export interface Check {
  readonly kind: MetricCheck['kind'];
  readonly metric: CanaryMetric;
}

export type Request = Pick<ProviderSettings, 'timeoutMs' | 'signal'>;

/** A reading that failed. */
type Failure = Extract<Reading, { failure: string }>;

/** Reads one check. @see metrics-providers specification 2, whose event texts the failures carry */
export async function readCheck(deps: TemplateDeps, canary: Canary, check: Check, request: Request): Promise<Reading> {
  const question = await questionOf(deps, canary, check, request);
  if ('failure' in question) return question;
  const model = await modelOf(deps, canary, check);
  if ('failure' in model) return model;
  const query = render(check, question, model);
  if (typeof query !== 'string') return query;
  const answer = await ask(question.provider, query, request);
  const reading =
    'failure' in answer
      ? failed(check, answer.failure, question.wrap(answer.error))
      : valued(canary, check, answer.value * question.scale);
  return { ...reading, query: onOneLine(query) };
}

/** As much of a query as tells what was asked: it is kept with every reading. */
function onOneLine(query: string): string {
  const line = query.replace(/\s+/g, ' ').trim();
  return line.length > 600 ? `${line.slice(0, 599)}…` : line;
}

/** What to ask of whom. */
interface Question {
  readonly provider: MetricsProvider;
  readonly template: string;
  readonly adapt?: (model: QueryModel) => QueryModel;
  /** Words around an error of the query. */
  readonly wrap: (error: string) => string;
  /** The whole text of an error in rendering. */
  readonly renderError: (error: string) => string;
  /** From the unit of the answer to that of the check. */
  readonly scale: number;
}

async function questionOf(
  deps: TemplateDeps,
  canary: Canary,
  { kind, metric }: Check,
  request: Request,
): Promise<Question | Failure> {
  const { name } = metric;
  if (kind === 'undefined') {
    const why = `metric ${name} has neither a template nor a query`;
    return unusable(name, `Metric query failed for no usable metrics template and query were configured: ${why}`);
  }
  if (kind === 'template') {
    const template = await loadTemplate(deps, canary, metric, request);
    if ('failure' in template) {
      if (template.failure === 'unusable') return unusable(name, `Metric ${template.error}`);
      return { name, failure: 'unavailable', error: `metric ${template.error}` };
    }
    return {
      provider: template.provider,
      template: template.query,
      wrap: (error) => error,
      renderError: (error) => `Metric template ${template.name} query render error: ${error}`,
      scale: 1,
    };
  }
  const provider = metricsServer(deps, canary, request);
  if ('problem' in provider) return unusable(name, provider.problem);
  if (kind === 'query') {
    return {
      provider,
      template: metric.query ?? '',
      wrap: (error) => error,
      renderError: (error) => `Prometheus query failed for ${name}: ${error}`,
      scale: 1,
    };
  }
  const { adapt, ...observer } = observerFor(observedProvider(canary, deps.settings.meshProvider));
  const isRate = kind === 'success-rate';
  const isWrapped = !isRate || observer.wrapsSuccessRate;
  return {
    provider,
    template: isRate ? observer.successRate : observer.duration,
    adapt,
    wrap: (error) => (isWrapped ? `running query failed: ${error}` : error),
    renderError: (error) => `Prometheus query failed: rendering query failed: ${error}`,
    scale: isRate || observer.durationUnit === 'ms' ? 1 : 1000,
  };
}

/** The Prometheus that answers built-in and inline checks: the Canary's own, or the one in the settings. */
export function metricsServer(
  { http, settings }: TemplateDeps,
  canary: Canary,
  request: Request,
): MetricsProvider | { readonly problem: string } {
  const address = canary.spec.metricsServer || settings.metricsServer;
  try {
    return prometheus({ type: 'prometheus', address, interval: '', ...request }, http);
  } catch (error) {
    return { problem: `Error building Prometheus client for ${maskUrl(address)} ${messageOf(error)}` };
  }
}

async function modelOf(deps: TemplateDeps, canary: Canary, { kind, metric }: Check): Promise<QueryModel | Failure> {
  const { metadata, spec } = canary;
  const target = spec.targetRef.name;
  const route = await routeOf(deps, canary);
  if (typeof route !== 'string') return { name: metric.name, ...route };
  return {
    name: metadata.name,
    namespace: metadata.namespace,
    target,
    service: spec.service?.name || target,
    ingress: spec.ingressRef?.name || target,
    route,
    // Only checks of the metrics server have a default window; a template's own query says what it needs.
    interval: metric.interval || (kind === 'template' ? '' : '1m'),
    variables: metric.templateVariables ?? {},
  };
}

/** What `route` means in a query: with Knative the revision that was created last. */
async function routeOf(deps: TemplateDeps, canary: Canary): Promise<string | Omit<Failure, 'name'>> {
  const { metadata, spec } = canary;
  const target = spec.targetRef.name;
  if (providerOf(canary, deps.settings.meshProvider) !== 'knative') return spec.routeRef?.name || target;
  const refuse = (failure: 'unusable' | 'unavailable', why: string) => {
    return { failure, error: `Error fetching Knative service ${metadata.namespace}/${target} ${why}` };
  };
  try {
    const service = await deps.kubernetes.get(resources.knativeServices, metadata.namespace, target);
    if (!service) return refuse('unusable', `services.serving.knative.dev "${target}" not found`);
    const status = service['status'] as { latestCreatedRevisionName?: string } | undefined;
    return status?.latestCreatedRevisionName ?? '';
  } catch (error) {
    return refuse('unavailable', messageOf(error));
  }
}

function render({ metric }: Check, { template, adapt, renderError }: Question, model: QueryModel): string | Failure {
  try {
    return renderQuery(template, adapt?.(model) ?? model);
  } catch (error) {
    if (failureType(error) === undefined) throw error; // a bug, which must not be mistaken for a wrong template
    return unusable(metric.name, renderError(messageOf(error)));
  }
}

/** Asks, and asks once more when no answer could be had. */
async function ask(provider: MetricsProvider, query: string, { timeoutMs, signal }: Request): Promise<Answer> {
  const first = await provider.read(query);
  if (!('failure' in first) || first.failure !== 'unavailable' || signal?.aborted) return first;
  await wait(Math.min(500, timeoutMs / 4), undefined, { signal }).catch(() => undefined);
  return signal?.aborted ? first : provider.read(query);
}

function failed({ kind, metric: { name } }: Check, failure: Failure['failure'], error: string): Failure {
  if (failure !== 'unusable') return { name, failure, error };
  switch (kind) {
    case 'success-rate':
    case 'duration':
      return unusable(name, `Prometheus query failed: ${error}`);
    case 'query':
      return unusable(name, `Prometheus query failed for ${name}: ${error}`);
    case 'template':
    case 'undefined':
      return unusable(name, `Metric query failed for ${name}: ${error}`);
  }
}

/** @param error the whole text to tell */
function unusable(name: string, error: string): Failure {
  return { name, failure: 'unusable', error };
}

/** JSON knows no infinity, and no bound should be met by one: a ratio with nothing below the line is no proof. */
function valued({ metadata }: Canary, { kind, metric }: Check, value: number): Reading {
  const { name } = metric;
  if (!Number.isFinite(value)) {
    const shown = Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
    return unusable(name, `Halt ${metadata.name}.${metadata.namespace} advancement ${name} ${shown} is not a number`);
  }
  return { name, value: kind === 'duration' ? asPrecise(metric, value) : value };
}

/** Flagger compares whole milliseconds, and so do we unless a bound is finer (D-04): then microseconds. */
function asPrecise({ threshold, thresholdRange: range }: CanaryMetric, ms: number): number {
  const bounds = range ? [range.min, range.max] : [threshold];
  const isFine = bounds.some((bound) => bound !== undefined && !Number.isInteger(bound));
  return isFine ? Math.trunc(ms * 1000) / 1000 : Math.trunc(ms);
}
