import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Canary } from '../schemas/canary.ts';
import { isSkipped, strategyOf } from '../schemas/defaults.ts';
import type { Phase } from '../workflows/domain/observation.ts';
import type { Notice, Reading } from '../workflows/domain/plan.ts';
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
  /** Gates of a release were asked, or other hooks called: it is held, and not forgotten. */
  asked(canary: CanaryRef): void;
  /**
   * The Canary is gone, and its series go with it (Q43): those that this worker has. No other one hears of it; there they
   * stay until it restarts.
   */
  gone(canary: CanaryRef): void;
}

export const noMeters: ReleaseMeters = {
  entered: () => undefined,
  analysed: () => undefined,
  asked: () => undefined,
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
  /** Targets under whose names a Canary has series, by `<namespace>/<name>`; more than one where `targetRef` was changed. */
  const targets = new Map<string, Set<string>>();
  /** A series that is there before the release is over lets `increase()` see the first one. */
  const announce = (canary: Canary) => {
    const key = keyOf(canary.metadata);
    targets.set(key, (targets.get(key) ?? new Set()).add(canary.spec.targetRef.name));
    const labels = { ...labelsOf(canary), deployment_strategy: strategyOf(canary) };
    successes.inc({ ...labels, analysis_status: isSkipped(canary) ? 'skipped' : 'completed' }, 0);
    failures.inc({ ...labels, analysis_status: 'completed' }, 0);
  };
  const readings = new Counter({
    name: 'serin_check_readings_total',
    help: 'What came of asking for metrics: value, no-values, unavailable (no answer could be had) or unusable (the check is wrong).',
    labelNames: ['outcome'],
    registers,
  });
  for (const outcome of ['value', 'no-values', 'unavailable', 'unusable']) readings.inc({ outcome }, 0);
  const analysis = new Gauge({
    name: 'flagger_canary_metric_analysis',
    help: 'Last canary analysis result per metric.',
    labelNames: ['name', 'namespace', 'metric'],
    registers,
  });
  const lastCheck = new Gauge({
    name: 'serin_canary_last_check_timestamp_seconds',
    help: 'When this worker last made the checks of a release, or asked its gates: that goes on while a release is held, and not while it is stuck.',
    labelNames: ['name', 'namespace'],
    registers,
  });
  const asked = ({ namespace, name }: CanaryRef) => lastCheck.set({ name, namespace }, Date.now() / 1000);
  /** Metrics of each Canary that has series, by `<namespace>/<name>`. */
  const read = new Map<string, Set<string>>();

  return {
    entered(canary, from, to) {
      if (from === to) return;
      announce(canary);
      const labels = {
        ...labelsOf(canary),
        deployment_strategy: strategyOf(canary),
        analysis_status: to === 'Succeeded' && isSkipped(canary) ? 'skipped' : 'completed',
      };
      if (to === 'Failed') failures.inc(labels);
      // A release whose target went back to the promoted revision is over as well, and is no success.
      if (to === 'Succeeded' && (from === 'Promoting' || from === 'Finalising')) successes.inc(labels);
    },
    asked,
    analysed(canary, seconds, found) {
      asked(canary.metadata);
      announce(canary);
      const labels = labelsOf(canary);
      duration.observe(labels, seconds);
      const key = keyOf(canary.metadata);
      const known = read.get(key) ?? new Set();
      for (const reading of found) {
        readings.inc({ outcome: 'value' in reading ? 'value' : reading.failure });
        if (!('value' in reading)) continue;
        analysis.set({ ...labels, metric: reading.name }, reading.value);
        known.add(reading.name);
      }
      read.set(key, known);
    },
    gone(canary) {
      const { namespace } = canary;
      const key = keyOf(canary);
      for (const name of targets.get(key) ?? []) {
        for (const metric of read.get(key) ?? []) analysis.remove({ name, namespace, metric });
        duration.remove({ name, namespace });
        for (const deployment_strategy of ['canary', 'blue-green', 'ab-testing'] satisfies Strategy[]) {
          for (const analysis_status of ['completed', 'skipped']) {
            const labels = { name, namespace, deployment_strategy, analysis_status };
            successes.remove(labels);
            failures.remove(labels);
          }
        }
      }
      targets.delete(key);
      read.delete(key);
      lastCheck.remove({ name: canary.name, namespace });
    },
  };
}

/** What every activity is measured by. */
export interface ActivityMeters {
  readonly waited: Histogram<'activity'>;
  readonly took: Histogram<'activity'>;
  readonly failed: Counter<'activity' | 'failure'>;
}

export interface WorkerMeters extends ActivityMeters {
  readonly undelivered: Counter<'kind'>;
  readonly unkept: Counter;
  readonly polling: Gauge;
}

/** What a worker does, and what goes wrong around releases and holds none of them up. */
export function workerMeters(registry: Registry): WorkerMeters {
  const registers = [registry];
  const undelivered = new Counter({
    name: 'serin_notices_undelivered_total',
    help: 'Alerts and event webhooks that could not be delivered.',
    labelNames: ['kind'],
    registers,
  });
  // A series that is there from the start lets `increase()` see the first one.
  for (const kind of ['alert', 'event'] satisfies Notice['kind'][]) undelivered.inc({ kind }, 0);
  return {
    undelivered,
    polling: new Gauge({
      name: 'serin_worker_polling',
      help: 'Whether this worker asks Temporal for work: 1, or 0 while it waits for something.',
      registers,
    }),
    waited: new Histogram({
      name: 'serin_activity_wait_seconds',
      help: 'Time that steps of releases and pushes waited for a worker.',
      labelNames: ['activity'],
      buckets: [0.05, 0.25, 1, 5, 15, 60, 300],
      registers,
    }),
    took: new Histogram({
      name: 'serin_activity_seconds',
      help: 'Time that steps took, each attempt by itself.',
      labelNames: ['activity'],
      buckets: [0.05, 0.25, 1, 5, 15, 60, 300],
      registers,
    }),
    failed: new Counter({
      name: 'serin_activity_failures_total',
      help: 'Attempts of steps that failed; most are tried again.',
      labelNames: ['activity', 'failure'],
      registers,
    }),
    unkept: new Counter({
      name: 'serin_audit_failures_total',
      help: 'Attempts to keep what happened in a run that failed.',
      registers,
    }),
  };
}

type Strategy = ReturnType<typeof strategyOf>;

function labelsOf({ metadata, spec }: Canary): { name: string; namespace: string } {
  return { name: spec.targetRef.name, namespace: metadata.namespace };
}

function keyOf({ namespace, name }: CanaryRef): string {
  return `${namespace}/${name}`;
}
