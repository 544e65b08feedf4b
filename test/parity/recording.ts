import { readFileSync, readdirSync } from 'node:fs';
import { parse, parseAllDocuments } from 'yaml';
import type {
  AnalysisSettings,
  Hook,
  HookType,
  MetricCheck,
  Settings,
} from '../../src/workflows/domain/observation.ts';

/** What Flagger did in one recorded scenario, in the words that `test/support/script.ts` uses for a play. */
export interface Recording {
  readonly scenario: string;
  readonly settings: Settings;
  /** Images that were set, and what was done during the run, in order. */
  readonly acts: readonly RecordedAct[];
  readonly events: readonly string[];
  readonly weights: readonly WeightAt[];
  readonly statuses: readonly string[];
  /** The recording ends before the Canary was at rest. */
  readonly cut: boolean;
}

/** A canary weight, and the second from which it was in force. */
export interface WeightAt {
  readonly second: number;
  readonly canary: number;
  readonly mirrored: boolean;
}

export interface RecordedAct {
  readonly what: string;
  /** Where the release stood at that moment. */
  readonly phase: string;
  readonly weight: number;
  /** Warnings told since the act before, those about readiness left out. */
  readonly warnings: number;
}

const folder = `${import.meta.dirname}/recorded`;

export const scenarios = readdirSync(folder).sort();

interface Row {
  readonly second: number;
  readonly kind: string;
  readonly what: string;
}

/** Reads a recording. The workload is renamed to the one that plays have. */
export function readRecording(scenario: string): Recording {
  const text = readFileSync(`${folder}/${scenario}/timeline.tsv`, 'utf8').replaceAll(`.s-${scenario}`, '.prod');
  const rows = text.split('\n').flatMap((line): Row[] => {
    const [second, , kind, , what] = line.split('\t');
    return kind && what !== undefined
      ? [{ second: Number(second), kind, what: what.replaceAll('podinfo', 'shop') }]
      : [];
  });
  const statuses = rows.flatMap(statusOf);
  const driver = parse(readFileSync(`${folder}/${scenario}/driver.yaml`, 'utf8')) as { during: string[] };
  const acts = recordedActs(rows);
  if (acts.length !== driver.during.length + 1) throw new Error(`${scenario}: the timeline misses acts of driver.yaml`);
  return {
    scenario,
    settings: readSettings(readFileSync(`${folder}/${scenario}/objects.yaml`, 'utf8')),
    acts,
    events: rows.flatMap(eventOf),
    weights: rows.flatMap(weightOf),
    statuses: changes(statuses).filter((status) => status !== ' 0 0'),
    cut: !/^(Succeeded|Failed|Initialized) /.test(statuses.at(-1) ?? ''),
  };
}

function eventOf({ kind, what }: Row): string[] {
  const [, type, message] = /^(\w+) Synced x\d+ (?:\(combined from similar events\): )?(.*)$/.exec(what) ?? [];
  if (kind !== 'Event' || message === undefined) return [];
  return [`${type === 'Warning' ? 'W ' : ''}${message}`];
}

function weightOf({ second, kind, what }: Row): WeightAt[] {
  // Rules that keep users where they are come before the one that divides the rest.
  const weight = [...what.matchAll(/canary=(\d+)/g)].at(-1)?.[1];
  if (kind !== 'VirtualService' || weight === undefined || what.startsWith('deleted ')) return [];
  return [{ second, canary: Number(weight), mirrored: what.includes('mirror=') }];
}

function statusOf({ kind, what }: Row): string[] {
  const [, phase, weight, failed, iterations] =
    /^phase=(\w*) weight=(\d+) failed=(\d+) iterations=(-?\d+)/.exec(what) ?? [];
  const counted = Number(iterations) > 0 ? ` iteration ${iterations}` : '';
  return kind === 'Canary' && phase !== undefined ? [`${phase} ${weight} ${failed}${counted}`] : [];
}

function recordedActs(rows: readonly Row[]): RecordedAct[] {
  const acts: RecordedAct[] = [];
  let since = 0;
  for (const [index, { kind, what }] of rows.entries()) {
    // The recorder's note that the controller is back is nobody's act.
    if (kind !== 'DRIVER' || what === 'controller answers again') continue;
    const before = rows.slice(0, index);
    acts.push({
      what,
      phase: before.flatMap(statusOf).at(-1)?.split(' ')[0] ?? '',
      weight: before.flatMap(weightOf).at(-1)?.canary ?? 0,
      warnings: rows.slice(since, index).flatMap(eventOf).filter(isCounted).length,
    });
    since = index;
  }
  return acts;
}

const isCounted = (event: string) => event.startsWith('W ') && !isReadiness(event);

/** Warnings whose number depends on when ticks happen to fall. */
export function isReadiness(event: string): boolean {
  return /^W (canary deployment )?\S+ not ready: waiting for rollout/.test(event);
}

/** Drops what repeats the entry before it. */
export function changes<Entry>(entries: readonly Entry[]): Entry[] {
  return entries.filter((entry, index) => index === 0 || entry !== entries[index - 1]);
}

interface RecordedCanary {
  readonly kind: string;
  readonly spec: {
    readonly progressDeadlineSeconds: number;
    readonly skipAnalysis?: boolean;
    readonly revertOnDeletion?: boolean;
    readonly autoscalerRef?: unknown;
    readonly analysis: Partial<AnalysisSettings> & {
      readonly interval: string;
      readonly match?: readonly object[];
      readonly metrics: readonly { readonly name: string; readonly thresholdRange: { min?: number; max?: number } }[];
      readonly webhooks: readonly { readonly name: string; readonly type?: HookType }[];
    };
  };
}

function readSettings(yaml: string): Settings {
  const documents = parseAllDocuments(yaml).map((document) => document.toJS() as RecordedCanary);
  const canary = documents.find(({ kind }) => kind === 'Canary');
  if (!canary) throw new Error('objects.yaml has no Canary');
  const {
    progressDeadlineSeconds,
    skipAnalysis = false,
    revertOnDeletion = false,
    autoscalerRef,
    analysis,
  } = canary.spec;
  const [, count, unit] = /^(\d+)([sm])$/.exec(analysis.interval) ?? [];
  return {
    target: { kind: 'Deployment', name: 'shop' },
    provider: 'istio',
    suspend: false,
    skipAnalysis,
    hasAutoscaler: autoscalerRef !== undefined,
    revertOnDeletion,
    splitsTraffic: true,
    parks: true,
    progressDeadlineSeconds,
    listeners: { alerts: false, events: false },
    drainMs: 1_000,
    analysis: {
      strategy: strategyOf(analysis),
      intervalMs: Number(count) * (unit === 'm' ? 60_000 : 1_000),
      threshold: analysis.threshold ?? 1,
      maxWeight: analysis.maxWeight ?? 100,
      stepWeight: analysis.stepWeight ?? 0,
      stepWeights: analysis.stepWeights ?? [],
      stepWeightPromotion: analysis.stepWeightPromotion ?? 0,
      iterations: analysis.iterations ?? 0,
      mirror: analysis.mirror ?? false,
      ...(analysis.sessionAffinity ? { sessionAffinity: analysis.sessionAffinity } : {}),
      remarks: [],
      metrics: analysis.metrics.map(check),
      hooks: analysis.webhooks.map(hook),
    },
  };
}

function strategyOf({ iterations = 0, match = [] }: RecordedCanary['spec']['analysis']): AnalysisSettings['strategy'] {
  if (iterations === 0) return 'canary';
  return match.length > 0 ? 'ab-testing' : 'blue-green';
}

function check({
  name,
  thresholdRange,
}: {
  name: string;
  thresholdRange: { min?: number; max?: number };
}): MetricCheck {
  const kind = name === 'request-success-rate' ? 'success-rate' : 'duration';
  return { name, kind, hasRange: true, ...thresholdRange };
}

function hook({ name, type = 'rollout' }: { name: string; type?: HookType }): Hook {
  return { name, type, muteAlert: false, budgetMs: 30_000 };
}
