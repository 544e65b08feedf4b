import { Counter, Gauge, type Registry } from 'prom-client';
import type { Phase } from '../workflows/domain/observation.ts';
import type { CanaryView } from './hints.ts';
import { weightInForce } from './weights.ts';

export interface ReflectorMeters {
  readonly lastEvent: Gauge<'resource'>;
  readonly relists: Counter<'resource'>;
  readonly errors: Counter<'resource'>;
}

export function reflectorMeters(registry: Registry): ReflectorMeters {
  const labelNames = ['resource'] as const;
  const registers = [registry];
  return {
    lastEvent: new Gauge({
      name: 'serin_watch_last_event_timestamp_seconds',
      help: 'When the API server was last heard from: a list, a change or a bookmark.',
      labelNames,
      registers,
    }),
    relists: new Counter({ name: 'serin_watch_lists_total', help: 'Full lists.', labelNames, registers }),
    errors: new Counter({ name: 'serin_watch_errors_total', help: 'Failed lists and watches.', labelNames, registers }),
  };
}

export interface HintMeters {
  readonly waiting: Gauge;
  readonly sent: Counter<'source'>;
  readonly failed: Counter<string>;
}

export function hintMeters(registry: Registry): HintMeters {
  const registers = [registry];
  return {
    waiting: new Gauge({
      name: 'serin_hints_waiting',
      help: 'Canaries whose hint Temporal has not accepted yet.',
      registers,
    }),
    sent: new Counter({
      name: 'serin_hints_sent_total',
      help: 'Hints that Temporal accepted.',
      labelNames: ['source'],
      registers,
    }),
    failed: new Counter({
      name: 'serin_hint_failures_total',
      help: 'Attempts that Temporal did not accept.',
      registers,
    }),
  };
}

const phases: Readonly<Record<Exclude<Phase, ''>, true>> = {
  Initializing: true,
  Initialized: true,
  Waiting: true,
  Progressing: true,
  WaitingPromotion: true,
  Promoting: true,
  Finalising: true,
  Succeeded: true,
  Failed: true,
  Terminating: true,
  Terminated: true,
};

/** A status can be written by anybody; the label has the phases there are. */
function phaseOf(text: string): string {
  return Object.hasOwn(phases, text) ? text : 'other';
}

/**
 * Flagger's gauges, and ours of the same kind, read from `Canary.status` at every scrape, so that the series of a deleted Canary is gone with it.
 * `name` and `workload` are names of the target, as in Flagger.
 */
export function canaryMeters(
  registry: Registry,
  canaries: () => Iterable<CanaryView>,
  info: { readonly version: string; readonly meshProvider: string },
): void {
  const registers = [registry];
  new Gauge({
    name: 'flagger_info',
    help: 'Version and mesh provider.',
    labelNames: ['version', 'mesh_provider'],
    registers,
  }).set({ version: info.version, mesh_provider: info.meshProvider }, 1);
  new Gauge({
    name: 'flagger_canary_total',
    help: 'Total number of canaries known.',
    labelNames: ['namespace'],
    registers,
    collect() {
      this.reset();
      for (const { canary } of canaries()) this.inc({ namespace: canary.namespace });
    },
  });
  new Gauge({
    name: 'flagger_canary_status',
    help: 'Last canary analysis result: 0 running, 1 successful, 2 failed.',
    labelNames: ['name', 'namespace'],
    registers,
    collect() {
      this.reset();
      for (const { canary, target, phase } of canaries())
        this.set(
          { name: target, namespace: canary.namespace },
          phase === 'Progressing' ? 0 : phase === 'Failed' ? 2 : 1,
        );
    },
  });
  new Gauge({
    name: 'serin_canary_phase',
    help: 'The phase that a Canary is in: 1, and no series for the others.',
    labelNames: ['name', 'namespace', 'phase'],
    registers,
    collect() {
      this.reset();
      for (const { canary, phase } of canaries()) if (phase !== '') this.set({ ...canary, phase: phaseOf(phase) }, 1);
    },
  });
  new Gauge({
    name: 'serin_canary_last_transition_timestamp_seconds',
    help: 'When the status of a Canary was written last: at each change of phase, weight or failed checks.',
    labelNames: ['name', 'namespace'],
    registers,
    collect() {
      this.reset();
      for (const { canary, transitionedAt } of canaries())
        if (transitionedAt !== undefined) this.set({ ...canary }, transitionedAt / 1000);
    },
  });
  new Gauge({
    name: 'serin_canary_interval_seconds',
    help: 'The analysis interval of a Canary.',
    labelNames: ['name', 'namespace'],
    registers,
    collect() {
      this.reset();
      for (const { canary, intervalMs } of canaries()) this.set({ ...canary }, intervalMs / 1000);
    },
  });
  new Gauge({
    name: 'serin_canary_progress_deadline_seconds',
    help: 'How long pods of a Canary may take to become ready.',
    labelNames: ['name', 'namespace'],
    registers,
    collect() {
      this.reset();
      for (const { canary, progressDeadlineSeconds } of canaries()) this.set({ ...canary }, progressDeadlineSeconds);
    },
  });
  new Gauge({
    name: 'serin_canary_suspended',
    help: 'A Canary that is suspended: 1, and no series for the others.',
    labelNames: ['name', 'namespace'],
    registers,
    collect() {
      this.reset();
      for (const { canary, suspended } of canaries()) if (suspended) this.set({ ...canary }, 1);
    },
  });
  new Gauge({
    name: 'flagger_canary_weight',
    help: 'The traffic weight of a workload, in percent.',
    labelNames: ['workload', 'namespace'],
    registers,
    collect() {
      this.reset();
      for (const { canary, target, phase, weighing } of canaries()) {
        const canaryWeight = weightInForce(phase, weighing, info.meshProvider);
        this.set({ workload: `${target}-primary`, namespace: canary.namespace }, 100 - canaryWeight);
        this.set({ workload: target, namespace: canary.namespace }, canaryWeight);
      }
    },
  });
}
