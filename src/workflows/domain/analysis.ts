import type { MetricCheck } from './observation.ts';
import type { FailedCheck, HookAnswer, Reading } from './plan.ts';

/** What an examination at one weight says about the canary. */
export type Verdict =
  | { readonly outcome: 'pass' }
  /** Counts towards the threshold. */
  | ({ readonly outcome: 'fail' } & NotPassed)
  /** A check could not be made: holds the weight and counts apart (Q55). */
  | ({ readonly outcome: 'inconclusive' } & NotPassed);

interface NotPassed {
  /** The whole text of the event. */
  readonly message: string;
  readonly check: FailedCheck;
  /** A failure type of `errors.ts`, where something has to be mended before the check can say anything about the canary. */
  readonly trouble?: 'InvalidSpec' | 'Unavailable';
}

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
  if (refused) return hookFailed(names, 'external', refused);
  for (const [index, check] of checks.entries()) {
    const reading = readings[index] ?? { name: check.name, failure: 'unavailable', error: 'it was not read' };
    const verdict = judgeReading(names, check, reading);
    if (verdict.outcome !== 'pass') return verdict;
  }
  return { outcome: 'pass' };
}

/** A hook that judges and says no, or cannot be asked: its own server knows which. */
export function hookFailed(names: Names, what: 'external' | 'pre-rollout', { name, error }: HookAnswer): Verdict {
  const message = `Halt ${names.canary} advancement ${what} check ${name} failed ${error}`;
  return { outcome: 'fail', message, check: { name, error }, trouble: 'Unavailable' };
}

function judgeReading(names: Names, check: MetricCheck, reading: Reading): Verdict {
  if ('failure' in reading) return judgeFailure(names, check, reading);
  const { min, max } = bounds(check);
  const { value, query } = reading;
  const show = shown[check.kind];
  const halt = `Halt ${names.canary} advancement`;
  const number = Number.isFinite(value) ? show.value(value) : String(value);
  const failed: FailedCheck = {
    name: check.name,
    value: number,
    ...(min === undefined ? {} : { min: show.bound(min) }),
    ...(max === undefined ? {} : { max: show.bound(max) }),
    ...(query === undefined ? {} : { query }),
  };
  const fail = (message: string): Verdict => ({ outcome: 'fail', message: `${halt} ${message}`, check: failed });
  // NaN and infinities pass no bound, so that a broken query cannot promote anything.
  if (!Number.isFinite(value)) return fail(`${check.name} ${value} is not a number`);
  if (min !== undefined && value < min) return fail(`${show.label(check.name)} ${number} < ${show.bound(min)}`);
  if (max !== undefined && value > max) return fail(`${show.label(check.name)} ${number} > ${show.bound(max)}`);
  return { outcome: 'pass' };
}

function judgeFailure(names: Names, check: MetricCheck, reading: Extract<Reading, { failure: string }>): Verdict {
  const { error, query } = reading;
  const failed: FailedCheck = { name: check.name, error, ...(query === undefined ? {} : { query }) };
  switch (reading.failure) {
    case 'unusable':
      return { outcome: 'fail', message: error, check: failed, trouble: 'InvalidSpec' };
    case 'unavailable':
      return {
        outcome: 'inconclusive',
        message: unavailableText(check, error),
        check: failed,
        trouble: 'Unavailable',
      };
    // The provider did answer: a canary may well be what nobody sends any requests to.
    case 'no-values':
      return { outcome: 'fail', message: noValuesText(names, check, error), check: failed };
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

/** How a value and its bounds are written in an event, as Flagger writes them. */
interface Shown {
  label(name: string): string;
  value(value: number): string;
  bound(value: number): string;
}

const plain: Shown = { label: (name) => name, value: (value) => value.toFixed(2), bound: String };

const shown: Readonly<Record<MetricCheck['kind'], Shown>> = {
  'success-rate': {
    label: () => 'success rate',
    value: (value) => `${value.toFixed(2)}%`,
    bound: (value) => `${value}%`,
  },
  duration: { label: () => 'request duration', value: goDuration, bound: goDuration },
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
