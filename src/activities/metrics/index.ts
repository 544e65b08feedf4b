import { prometheus } from './prometheus.ts';
import type { CreateMetricsProvider } from './provider.ts';

/** Metrics providers by the name a MetricTemplate gives them. */
export const metricsProviders: ReadonlyMap<string, CreateMetricsProvider> = new Map([['prometheus', prometheus]]);
