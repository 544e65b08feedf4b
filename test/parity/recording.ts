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
  /** Tick by tick. */
  readonly story: readonly (readonly Fact[])[];
  readonly weights: readonly WeightAt[];
  /** The recording ends before the Canary was at rest. */
  readonly cut: boolean;
}

/** Something that was told, came into force or was written. */
export type Fact =
  | { readonly kind: 'event'; readonly text: string }
  | { readonly kind: 'weight'; readonly canary: number; readonly mirrored: boolean }
  | { readonly kind: 'status'; readonly status: RecordedStatus };

export interface RecordedStatus {
  readonly phase: string;
  readonly weight: number;
  readonly failed: number;
  readonly iterations: number;
  /** Hashes, or whatever names a revision. */
  readonly applied: string;
  readonly promoted: string;
  /** The `Promoted` condition, `<status>/<reason>`. */
  readonly condition: string;
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
  const driver = parse(readFileSync(`${folder}/${scenario}/driver.yaml`, 'utf8')) as { during: string[] };
  const acts = recordedActs(rows);
  if (acts.length !== driver.during.length + 1) throw new Error(`${scenario}: the timeline misses acts of driver.yaml`);
  return {
    scenario,
    settings: readSettings(readFileSync(`${folder}/${scenario}/objects.yaml`, 'utf8')),
    acts,
    story: ticksOf(rows),
    weights: rows.flatMap(weightOf),
    cut: !/^(Succeeded|Failed|Initialized)$/.test(rows.flatMap(statusOf).at(-1)?.phase ?? ''),
  };
}

/** Seconds of silence that tell one tick of Flagger's from the next; within a tick they are never as many. */
const silence = 3;

/** What was recorded, a list for each tick. Watches of different kinds ran side by side: within a tick their order is chance. */
function ticksOf(rows: readonly Row[]): Fact[][] {
  const ticks: Fact[][] = [];
  let last = -Infinity;
  for (const row of rows) {
    const facts = [
      ...eventOf(row).map((text): Fact => ({ kind: 'event', text })),
      ...weightOf(row).map(({ canary, mirrored }): Fact => ({ kind: 'weight', canary, mirrored })),
      ...statusOf(row).map((status): Fact => ({ kind: 'status', status })),
    ];
    if (facts.length === 0) continue;
    if (row.second - last > silence) ticks.push([]);
    ticks.at(-1)!.push(...facts);
    last = row.second;
  }
  return ticks;
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

const statusText =
  /^phase=(\w*) weight=(\d+) failed=(\d+) iterations=(-?\d+) applied=(\S*) promoted=(\S*) condition=(?:Promoted)?\/(\S*)$/;

function statusOf({ kind, what }: Row): RecordedStatus[] {
  const found = kind === 'Canary' ? statusText.exec(what) : null;
  if (!found) return [];
  const [, phase = '', weight, failed, iterations, applied = '', promoted = '', condition = ''] = found;
  const counts = { weight: Number(weight), failed: Number(failed), iterations: Number(iterations) };
  return [{ phase, ...counts, applied, promoted, condition }];
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
      phase: before.flatMap(statusOf).at(-1)?.phase ?? '',
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
