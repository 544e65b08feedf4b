import type { Canary, CanaryMetric } from '../../schemas/canary.ts';
import { analysisOf, intervalMs } from '../../schemas/defaults.ts';
import type { MetricCheck } from '../../workflows/domain/observation.ts';
import type { Reading } from '../../workflows/domain/plan.ts';
import { metricsServer, readCheck, type Check, type Request } from './read-check.ts';
import { loadTemplate, type TemplateDeps } from './templates.ts';

/** The checks of a Canary as decisions need them, in the order in which `createReadMetrics` reads them. */
export function metricChecks(canary: Canary): MetricCheck[] {
  return checksOf(canary).map(({ kind, metric: { name, threshold, thresholdRange } }) => ({
    name,
    kind,
    hasRange: thresholdRange !== undefined,
    ...(thresholdRange?.min === undefined ? {} : { min: thresholdRange.min }),
    ...(thresholdRange?.max === undefined ? {} : { max: thresholdRange.max }),
    ...(threshold === undefined ? {} : { threshold }),
  }));
}

/**
 * Reads every check, all at the same time. Results are in the order of `metricChecks`. Nothing is thrown: what could
 * not be read is a reading that says why. A query is tried twice at most, within 10 s or a third of the interval each.
 */
export type ReadMetrics = (canary: Canary, signal?: AbortSignal) => Promise<Reading[]>;

export function createReadMetrics(deps: TemplateDeps): ReadMetrics {
  return (canary, signal) => {
    const third = intervalMs(canary, deps.settings.minimumIntervalMs) / 3;
    const request = { timeoutMs: Math.max(1, Math.min(10_000, Math.round(third))), signal };
    return Promise.all(checksOf(canary).map((check) => readCheck(deps, canary, check, request)));
  };
}

/**
 * Why a metrics provider that the Canary relies on cannot be used, as the event says it after
 * `Error checking metric providers: `; undefined when all can.
 *
 * @see Flagger, `checkMetricProviderAvailability` in pkg/controller/scheduler_metrics.go
 */
export function createMetricsProvidersError(deps: TemplateDeps): (canary: Canary) => Promise<string | undefined> {
  return async (canary) => {
    const request = { timeoutMs: 5000 };
    const checks = checksOf(canary);
    const isServerAsked = checks.some(({ kind }) => kind !== 'template' && kind !== 'undefined');
    const errors = await Promise.all([
      ...(isServerAsked ? [metricsServerError(deps, canary, request)] : []),
      ...checks
        .filter(({ kind }) => kind === 'template')
        .map(({ metric }) => templateError(deps, canary, metric, request)),
    ]);
    return errors.find((error) => error !== undefined);
  };
}

/** What the metrics server answers comes first, in list order; the rest follows likewise. */
function checksOf(canary: Canary): readonly Check[] {
  const metrics = analysisOf(canary)?.metrics ?? [];
  const served = metrics.flatMap((metric): Check[] => {
    const kinds = [builtInKinds[metric.name], metric.query ? ('query' as const) : undefined];
    return kinds.flatMap((kind) => (kind ? [{ kind, metric }] : []));
  });
  const others = metrics.flatMap((metric): Check[] => {
    if (metric.templateRef) return [{ kind: 'template', metric }];
    return served.some((check) => check.metric === metric) ? [] : [{ kind: 'undefined', metric }];
  });
  return [...served, ...others];
}

const builtInKinds: Readonly<Record<string, 'success-rate' | 'duration' | undefined>> = {
  'request-success-rate': 'success-rate',
  'request-duration': 'duration',
};

async function metricsServerError(deps: TemplateDeps, canary: Canary, request: Request): Promise<string | undefined> {
  const server = metricsServer(deps, canary, request);
  if ('problem' in server) return server.problem.replace(/^E/, 'e');
  const error = await server.offline();
  return error === undefined ? undefined : `prometheus not avaiable: ${error}`;
}

async function templateError(
  deps: TemplateDeps,
  canary: Canary,
  metric: CanaryMetric,
  request: Request,
): Promise<string | undefined> {
  const template = await loadTemplate(deps, canary, metric, request);
  if ('failure' in template) return `metric ${template.error}`;
  const error = await template.provider.offline();
  const where = `${template.type} in metric template ${template.name}`;
  return error === undefined ? undefined : `${where} not avaiable: ${error}`;
}
