import { Registry, type MetricObject } from 'prom-client';
import { releaseMeters, workerMeters } from '../../src/activities/meters.ts';
import { imageMeters } from '../../src/activities/images/meters.ts';
import { createMetrics as loadTesterMeters } from '../../src/loadtester/metrics.ts';
import { createMeters as receiverMeters } from '../../src/triggers/meters.ts';
import { canaryMeters, hintMeters, reflectorMeters } from '../../src/watch/meters.ts';
import { code, heading, markdownTable } from './page.ts';

/** What each process exports of its own, without what Node and Temporal's library add. */
export const processes = {
  starter: () => {
    const registry = new Registry();
    canaryMeters(registry, () => [], { version: '', meshProvider: '' });
    reflectorMeters(registry);
    hintMeters(registry);
    receiverMeters(registry);
    return registry;
  },
  worker: () => {
    const registry = new Registry();
    releaseMeters(registry);
    workerMeters(registry);
    imageMeters(registry);
    return registry;
  },
  'load tester': () => loadTesterMeters(() => 0).registry,
} as const satisfies Record<string, () => Registry>;

/** A series as its process declares it. */
export interface Declared {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly help: string;
}

/** All series of a process, by name. */
export function declaredBy(registry: Registry): readonly Declared[] {
  return registry
    .getMetricsAsArray()
    .map((metric) => {
      const { name, help, labelNames } = metric as unknown as MetricObject & { readonly labelNames: readonly string[] };
      return { name, help, labels: labelNames, type: metric.constructor.name.toLowerCase() };
    })
    .sort((a, b) => a.name.localeCompare(b.name));
}

/** What the labels can be. A label that is not here is one that nobody has thought about. */
export const labelValues: Readonly<Record<string, string>> = {
  namespace: 'namespace of the Canary',
  name: 'name of the target, as in Flagger; of the Canary in series of ours',
  workload: 'the target, and `<target>-primary`',
  metric: 'names of the checks of a Canary',
  deployment_strategy: '`canary`, `blue-green`, `ab-testing`',
  analysis_status: '`completed`, `skipped`',
  version: 'version of Serin',
  mesh_provider: 'the setting',
  resource: 'the kinds that are watched, 15 at most',
  source: 'what saw the change or sent the event: 12 kinds of watches, 16 of senders',
  receiver: 'names in the receivers file',
  outcome: 'a few words of ours',
  reason: 'a few words of ours',
  kind: '`alert`, `event`',
  type: 'types of tasks',
  phase: 'phases of a Canary',
  activity: 'steps of releases and pushes, 18 at most',
  failure: 'the failure types of [errors.md](../errors.md), and `other`',
};

export function metricsPage(): string {
  const sections = Object.entries(processes).map(([name, registryOf]) => {
    const rows = declaredBy(registryOf()).map(({ name: series, type, labels, help }) => [
      code(series),
      type,
      labels.map(code).join(', '),
      help,
    ]);
    return `## ${name[0]!.toUpperCase()}${name.slice(1)}\n\n${markdownTable(['series', 'type', 'labels', 'is'], rows)}`;
  });
  const labels = Object.entries(labelValues).map(([name, values]) => [code(name), values]);
  return `${heading('Metrics', 'the code that exports them')}
Every process answers \`/metrics\` on its health port. What begins with \`flagger_\` has Flagger's names, labels and values. A starter exports what is,
read from the status of the Canaries: with two starters each series is there twice, with the same value, so take the \`max\`. A worker
exports what it did: \`sum\` over workers. All processes also export what Node says of itself (\`process_…\`, \`nodejs_…\`).

${sections.join('\n\n')}

## Temporal’s library

A worker with \`SERIN_TEMPORAL_METRICS\` has a second endpoint there. Worth knowing:

${markdownTable(['series', 'is'], [...temporals])}

## Labels

No label holds a text of a stranger's. Gauges of Canaries go with them; counters stay, as in Flagger, until the process ends.

${markdownTable(['label', 'values'], labels)}
`;
}

/** Of many; these are what the dashboard and the alert rules look at. */
export const temporals = [
  [
    '`temporal_workflow_task_execution_failed`',
    'steps of decisions that failed: a bug, or a version that does not fit',
  ],
  ['`temporal_workflow_task_schedule_to_start_latency_seconds`', 'how long decisions wait for a worker'],
  ['`temporal_activity_schedule_to_start_latency_seconds`', 'how long steps wait for a worker'],
  ['`temporal_sticky_cache_size`', 'releases in memory'],
  ['`temporal_sticky_cache_total_forced_eviction`', 'releases that had to make room: raise `SERIN_CACHED_RELEASES`'],
  ['`temporal_worker_task_slots_available`', 'how much more a worker could do at once'],
  [
    '`temporal_long_request`',
    'questions for work that Temporal answered, with work or without: one that is idle answers about once a minute',
  ],
  [
    '`temporal_long_request_failure`, `temporal_request_failure`',
    'calls that Temporal refused or did not answer; a refused `RespondWorkflowTaskCompleted` now and then is ordinary: a message met a run that was ending',
  ],
] as const;
