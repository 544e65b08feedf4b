/** Go's durations, which is what Flagger reads: `30s`, `1m30s`, `1.5h`. */

/** Nanoseconds in each unit. Both signs for micro are in use. */
const units: ReadonlyMap<string, bigint> = new Map([
  ['ns', 1n],
  ['us', 1_000n],
  ['µs', 1_000n],
  ['μs', 1_000n],
  ['ms', 1_000_000n],
  ['s', 1_000_000_000n],
  ['m', 60_000_000_000n],
  ['h', 3_600_000_000_000n],
]);

const MS = 1_000_000n;
const LONGEST = 2n ** 63n - 1n;

/**
 * Milliseconds of a Go duration, with a fraction where it is finer; undefined where Go refuses it.
 *
 * @see Go, `time.ParseDuration`
 */
export function parseDuration(text: string): number | undefined {
  const parsed = nanoseconds(text);
  if (typeof parsed !== 'bigint') return undefined;
  // In two parts, or long durations would lose their milliseconds.
  return Number(parsed / MS) + Number(parsed % MS) / 1e6;
}

/** Why Go refuses this duration, in its words; undefined when it does not. */
export function durationProblem(text: string): string | undefined {
  const parsed = nanoseconds(text);
  return typeof parsed === 'bigint' ? undefined : parsed.problem;
}

/**
 * A duration the way Go prints it: `1m30s`, `1h0m0s`, `1.5s`, `250ms`, `0s`.
 *
 * @see Go, `time.Duration.String`
 */
export function formatDuration(ms: number): string {
  const whole = Math.trunc(ms);
  const total = BigInt(whole) * MS + BigInt(Math.round((ms - whole) * 1e6));
  if (total === 0n) return '0s';
  const sign = total < 0n ? '-' : '';
  const size = total < 0n ? -total : total;
  for (const unit of ['s', 'ms', 'µs'] as const) {
    if (size >= units.get(unit)!) return sign + (unit === 's' ? clock(size) : decimal(size, unit));
  }
  return `${sign}${size}ns`;
}

function nanoseconds(text: string): bigint | { readonly problem: string } {
  const quoted = `"${text}"`;
  const invalid = { problem: `time: invalid duration ${quoted}` };
  const [, sign = '', body = ''] = /^([+-]?)(.*)$/s.exec(text)!;
  if (body === '0') return 0n;
  if (body === '') return invalid;
  let total = 0n;
  for (let rest = body; rest !== '';) {
    const [part, whole = '', fraction = '', unit = ''] = /^(\d*)(?:\.(\d*))?([^.\d]*)/.exec(rest)!;
    if (whole === '' && fraction === '') return invalid;
    if (unit === '') return { problem: `time: missing unit in duration ${quoted}` };
    const size = units.get(unit);
    if (size === undefined) return { problem: `time: unknown unit "${unit}" in duration ${quoted}` };
    total += BigInt(whole || '0') * size + (BigInt(fraction || '0') * size) / 10n ** BigInt(fraction.length);
    rest = rest.slice(part.length);
  }
  if (total > LONGEST) return invalid;
  return sign === '-' ? -total : total;
}

function clock(size: bigint): string {
  const minute = units.get('m')!;
  const minutes = size / minute;
  const seconds = decimal(size % minute, 's');
  if (minutes === 0n) return seconds;
  return minutes < 60n ? `${minutes}m${seconds}` : `${minutes / 60n}h${minutes % 60n}m${seconds}`;
}

function decimal(size: bigint, unit: string): string {
  const one = units.get(unit)!;
  const digits = (size % one)
    .toString()
    .padStart(one.toString().length - 1, '0')
    .replace(/0+$/, '');
  return `${size / one}${digits && `.${digits}`}${unit}`;
}
