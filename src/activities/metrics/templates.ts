import { resources } from '../../clients/kubernetes.ts';
import { failure, failureType, messageOf } from '../../errors.ts';
import type { Canary, CanaryMetric } from '../../schemas/canary.ts';
import { parseMetricTemplate, type MetricTemplate } from '../../schemas/metric-template.ts';
import type { Deps } from '../deps.ts';
import { readSecret } from '../secrets.ts';
import { metricsProviders } from './index.ts';
import type { MetricsProvider, ProviderSettings } from './provider.ts';

export type TemplateDeps = Pick<Deps, 'kubernetes' | 'http' | 'settings'>;

/** A MetricTemplate, ready to be asked. */
export interface LoadedTemplate {
  /** `<name>.<namespace>`. */
  readonly name: string;
  readonly type: string;
  readonly query: string;
  readonly provider: MetricsProvider;
}

/** Why a template cannot be asked: `unusable` until someone mends it, `unavailable` while the cluster does not answer. */
export interface TemplateProblem {
  readonly failure: 'unusable' | 'unavailable';
  /** Begins with `template <name>.<namespace> `. */
  readonly error: string;
}

/**
 * Reads the template that a metric refers to, and its Secret, and makes the provider they describe. Read afresh at
 * every check, so that an edit or a rotated credential counts at once.
 *
 * @see Flagger, `runMetricChecks` in pkg/controller/scheduler_metrics.go
 */
export async function loadTemplate(
  deps: TemplateDeps,
  canary: Canary,
  metric: CanaryMetric,
  request: Pick<ProviderSettings, 'timeoutMs' | 'signal'>,
): Promise<LoadedTemplate | TemplateProblem> {
  const { templateRef } = metric;
  const namespace = templateRef?.namespace || canary.metadata.namespace;
  const name = `${templateRef?.name}.${namespace}`;
  let doing = '';
  try {
    const { spec } = await readTemplate(deps, canary, templateRef?.name ?? '', namespace);
    const { provider: wanted } = spec;
    doing = `secret ${wanted.secretRef?.name} `;
    const credentials = wanted.secretRef && (await readSecret(deps.kubernetes, namespace, wanted.secretRef.name));
    doing = `provider ${wanted.type} `;
    const settings = { ...wanted, credentials, interval: metric.interval ?? '', ...request };
    return { name, type: wanted.type, query: spec.query, provider: createProvider(settings, deps) };
  } catch (error) {
    const type = failureType(error);
    if (type === undefined) throw error; // a bug, which must not be mistaken for a wrong template
    const isOutage = type === 'Unavailable' || type === 'Unauthorized';
    return {
      failure: isOutage ? 'unavailable' : 'unusable',
      error: `template ${name} ${doing}error: ${messageOf(error)}`,
    };
  }
}

async function readTemplate(
  { kubernetes, settings }: TemplateDeps,
  canary: Canary,
  name: string,
  namespace: string,
): Promise<MetricTemplate> {
  if (settings.noCrossNamespaceRefs && namespace !== canary.metadata.namespace)
    throw failure(
      'InvalidSpec',
      `can't access metric template ${name}.${namespace}, cross-namespace references are blocked`,
    );
  const isVisible = settings.namespace === '' || settings.namespace === namespace;
  const object = isVisible ? await kubernetes.get(resources.metricTemplates, namespace, name) : undefined;
  if (!object) throw failure('NotFound', `metrictemplate.flagger.app "${name}" not found`);
  const parsed = parseMetricTemplate(object);
  if ('problem' in parsed) throw failure('InvalidSpec', parsed.problem);
  return parsed.template;
}

/** Unlike in Flagger a type without a provider is an error and not a Prometheus. */
function createProvider(settings: ProviderSettings, { http }: TemplateDeps): MetricsProvider {
  const create = metricsProviders.get(settings.type);
  if (create) return create(settings, http);
  const known = [...metricsProviders.keys()].join(', ');
  throw failure('InvalidSpec', `metrics provider '${settings.type}' is not supported; supported are ${known}`);
}
