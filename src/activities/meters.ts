import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Canary } from '../schemas/canary.ts';
import { isSkipped, strategyOf } from '../schemas/defaults.ts';
import type { Phase } from '../workflows/domain/observation.ts';
import type { Reading } from '../workflows/domain/plan.ts';
import type { CanaryRef } from './contract.ts';

/**
 * Flagger's series of what a worker does, with its names, labels and values; `name` is the name of the target. The gauges
 * of what is are the starter's.
 *
 * @see engine spec 19
 */
export interface ReleaseMeters {
  /** A status was written that leads from one phase to another: releases that are over are counted. */
  entered(canary: Canary, from: Phase, to: Phase): void;
  /** An analysis took so long, and read this. @param seconds of wall-clock time */
  analysed(canary: Canary, seconds: number, readings: readonly Reading[]): void;
  /** The Canary is gone, and the series of its last readings go with it (Q43). */
  gone(canary: CanaryRef): void;
}

export const noMeters: ReleaseMeters = {
  entered: () => undefined,
  analysed: () => undefined,
  gone: () => undefined,
};

export function releaseMeters(registry: Registry): ReleaseMeters {
  const registers = [registry];
  const result = ['name', 'namespace', 'deployment_strategy', 'analysis_status'] as const;
  const successes = new Counter({
    name: 'flagger_canary_successes_total',
    help: 'Total number of canary successes.',
    labelNames: result,
    registers,
  });
  const failures = new Counter({
    name: 'flagger_canary_failures_total',
    help: 'Total number of canary failures.',
    labelNames: result,
    registers,
  });
  const duration = new Histogram({
    name: 'flagger_canary_duration_seconds',
    help: 'Seconds spent performing canary analysis.',
    labelNames: ['name', 'namespace'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  const analysis = new Gauge({
    name: 'flagger_canary_metric_analysis',
    help: 'Last canary analysis result per metric.',
    labelNames: ['name', 'namespace', 'metric'],
    registers,
  });
  /** Metrics of each Canary that has series, by `<namespace>/<name>`. */
  const read = new Map<string, { readonly target: string; readonly metrics: Set<string> }>();

  return {
    entered(canary, from, to) {
      if (from === to) return;
      const labels = {
        ...labelsOf(canary),
        deployment_strategy: strategyOf(canary),
        analysis_status: to === 'Succeeded' && isSkipped(canary) ? 'skipped' : 'completed',
      };
      if (to === 'Failed') failures.inc(labels);
      // A release whose target went back to the promoted revision is over as well, and is no success.
      if (to === 'Succeeded' && (from === 'Promoting' || from === 'Finalising')) successes.inc(labels);
    },
    analysed(canary, seconds, readings) {
      const labels = labelsOf(canary);
      duration.observe(labels, seconds);
      const key = keyOf(canary.metadata);
      const known = read.get(key) ?? { target: labels.name, metrics: new Set() };
      for (const reading of readings) {
        if (!('value' in reading)) continue;
        analysis.set({ ...labels, metric: reading.name }, reading.value);
        known.metrics.add(reading.name);
      }
      read.set(key, known);
    },
    gone(canary) {
      const { target: name, metrics } = read.get(keyOf(canary)) ?? { target: '', metrics: [] };
      for (const metric of metrics) analysis.remove({ name, namespace: canary.namespace, metric });
      read.delete(keyOf(canary));
    },
  };
}

/** What goes wrong around releases, and holds none of them up. */
export function workerMeters(registry: Registry): { readonly undelivered: Counter<'kind'>; readonly unkept: Counter } {
  const registers = [registry];
  return {
    undelivered: new Counter({
      name: 'serin_notices_undelivered_total',
      help: 'Alerts and event webhooks that could not be delivered.',
      labelNames: ['kind'],
      registers,
    }),
    unkept: new Counter({
      name: 'serin_audit_failures_total',
      help: 'Attempts to keep what happened in a run that failed.',
      registers,
    }),
  };
}

function labelsOf({ metadata, spec }: Canary): { name: string; namespace: string } {
  return { name: spec.targetRef.name, namespace: metadata.namespace };
}

function keyOf({ namespace, name }: CanaryRef): string {
  return `${namespace}/${name}`;
}
