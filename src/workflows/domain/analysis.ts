import type { MetricCheck } from './observation.ts';
import type { HookAnswer, Reading } from './plan.ts';

/** What an examination at one weight says about the canary. */
export type Verdict =
  | { readonly outcome: 'pass' }
  /** Counts towards the threshold. */
  | { readonly outcome: 'fail'; readonly message: string }
  /** A check could not be made: holds the weight and counts apart (Q55). */
  | { readonly outcome: 'inconclusive'; readonly message: string };

/** Names that the event texts carry. */
export interface Names {
  /** `<canary name>.<namespace>`. */
  readonly canary: string;
  /** `<target name>.<namespace>`. */
  readonly target: string;
  /** What the built-in checks observe, such as `istio`. */
  readonly provider: string;
}

/** Judges hooks first, then metrics in their order; the first that does not pass decides. */
export function judge(
  names: Names,
  checks: readonly MetricCheck[],
  hooks: readonly HookAnswer[],
  readings: readonly Reading[],
): Verdict {
  const refused = hooks.find((answer) => answer.error !== undefined);
  if (refused) {
    const message = `Halt ${names.canary} advancement external check ${refused.name} failed ${refused.error}`;
    return { outcome: 'fail', message };
  }
  for (const [index, check] of checks.entries()) {
    const reading = readings[index] ?? { name: check.name, failure: 'unavailable', error: 'it was not read' };
    const verdict = judgeReading(names, check, reading);
    if (verdict.outcome !== 'pass') return verdict;
  }
  return { outcome: 'pass' };
}

function judgeReading(names: Names, check: MetricCheck, reading: Reading): Verdict {
  if ('failure' in reading) return judgeFailure(names, check, reading);
  const { min, max } = bounds(check);
  const { value } = reading;
  const show = shown[check.kind];
  const halt = `Halt ${names.canary} advancement`;
  // NaN and infinities pass no bound, so that a broken query cannot promote anything.
  if (!Number.isFinite(value)) return { outcome: 'fail', message: `${halt} ${check.name} ${value} is not a number` };
  if (min !== undefined && value < min) return fail(`${halt} ${show(check.name, value)} < ${show.bound(min)}`);
  if (max !== undefined && value > max) return fail(`${halt} ${show(check.name, value)} > ${show.bound(max)}`);
  return { outcome: 'pass' };
}

function judgeFailure(names: Names, check: MetricCheck, reading: Extract<Reading, { failure: string }>): Verdict {
  const { error } = reading;
  switch (reading.failure) {
    case 'unusable':
      return fail(error);
    case 'unavailable':
      return { outcome: 'inconclusive', message: unavailableText(check, error) };
    case 'no-values':
      return fail(noValuesText(names, check, error));
  }
}

function noValuesText(names: Names, check: MetricCheck, error: string): string {
  const builtIn =
    `Halt advancement no values found for ${names.provider} metric ${check.name} ` +
    `probably ${names.target} is not receiving traffic`;
  switch (check.kind) {
    case 'success-rate':
      return `${builtIn}: ${error}`;
    case 'duration':
      return builtIn;
    case 'query':
      return `Halt advancement no values found for metric: ${check.name}`;
    case 'template':
    case 'undefined':
      return `Halt advancement no values found for custom metric: ${check.name}: ${error}`;
  }
}

function unavailableText(check: MetricCheck, error: string): string {
  switch (check.kind) {
    case 'success-rate':
    case 'duration':
      return `Prometheus query failed: ${error}`;
    case 'query':
      return `Prometheus query failed for ${check.name}: ${error}`;
    case 'template':
    case 'undefined':
      return `Metric query failed for ${check.name}: ${error}`;
  }
}

/** A range rules out the deprecated threshold; without both the threshold is 0. @see metrics spec 2.1 */
function bounds({ kind, min, max, threshold, hasRange }: MetricCheck): { min?: number; max?: number } {
  if (hasRange) return { min, max };
  return kind === 'success-rate' ? { min: threshold ?? 0 } : { max: threshold ?? 0 };
}

const fail = (message: string): Verdict => ({ outcome: 'fail', message });

/** How a value and its bounds are written in an event, as Flagger writes them. */
interface Shown {
  (name: string, value: number): string;
  bound(value: number): string;
}

const plain: Shown = Object.assign((name: string, value: number) => `${name} ${value.toFixed(2)}`, {
  bound: String,
});

const shown: Readonly<Record<MetricCheck['kind'], Shown>> = {
  'success-rate': Object.assign((_: string, value: number) => `success rate ${value.toFixed(2)}%`, {
    bound: (value: number) => `${value}%`,
  }),
  duration: Object.assign((_: string, value: number) => `request duration ${goDuration(value)}`, {
    bound: goDuration,
  }),
  query: plain,
  template: plain,
  undefined: plain,
};

/** Milliseconds as Go prints a Duration: `650ms`, `1.2s`, `1m30s`, `500µs`. */
export function goDuration(ms: number): string {
  if (ms === 0) return '0s';
  const sign = ms < 0 ? '-' : '';
  const nanos = Math.round(Math.abs(ms) * 1_000_000);
  if (nanos < 1000) return `${sign}${nanos}ns`;
  const micros = Math.round(nanos / 1000);
  if (micros < 1000) return `${sign}${micros}µs`;
  if (micros < 1_000_000) return `${sign}${micros / 1000}ms`;
  const seconds = micros / 1_000_000;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const rest = Math.round((seconds - hours * 3600 - minutes * 60) * 1_000_000) / 1_000_000;
  return `${sign}${hours > 0 ? `${hours}h` : ''}${hours > 0 || minutes > 0 ? `${minutes}m` : ''}${rest}s`;
}
