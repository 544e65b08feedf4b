import { entriesOf, print, scientific, shortest, typeName, type Value } from './template-values.ts';

interface Directive {
  readonly flags: string;
  readonly width: number;
  /** Undefined when the directive names none. */
  readonly precision?: number;
  readonly verb: string;
}

/**
 * Formats like Go's `Sprintf`, for the verbs `v s q d f F e E g G x X o b c t` with flags, width and precision.
 * A mistake shows in the text, as in Go: `%!d(string=x)`, `%!s(MISSING)`, `%!(EXTRA …)`.
 */
export function sprintf(format: string, values: readonly Value[]): string {
  let next = 0;
  const text = format.replace(
    /%([-+# 0]*)(\d{0,4})(?:\.(\d{0,2}))?([\s\S])?/gu,
    (_, flags: string, width: string, precision: string | undefined, verb: string | undefined) => {
      if (verb === undefined) return '%!(NOVERB)';
      if (verb === '%') return '%';
      if (next >= values.length) return `%!${verb}(MISSING)`;
      const directive = {
        flags,
        width: Number(width || 0),
        precision: precision === undefined ? undefined : Number(precision || 0),
        verb,
      };
      return pad(directive, values[next++]!);
    },
  );
  const extra = values.slice(next).map((value) => `${typeOf(value)}=${show(value)}`);
  return extra.length > 0 ? `${text}%!(EXTRA ${extra.join(', ')})` : text;
}

function pad(directive: Directive, value: Value): string {
  const text = convert(directive, value);
  if (text === undefined) return `%!${directive.verb}(${value === null ? '<nil>' : `${typeOf(value)}=${show(value)}`})`;
  const missing = directive.width - [...text].length;
  if (missing <= 0) return text;
  if (directive.flags.includes('-')) return text + ' '.repeat(missing);
  const isNumber = typeof value === 'number' ? Number.isFinite(value) : typeof value === 'bigint';
  if (!directive.flags.includes('0') || !isNumber) return ' '.repeat(missing) + text;
  const sign = /^[+\- ]/.exec(text)?.[0] ?? '';
  return sign + '0'.repeat(missing) + text.slice(sign.length);
}

/** The text of a value, or undefined when the verb does not fit its type. */
function convert(directive: Directive, value: Value): string | undefined {
  const { verb } = directive;
  if (value === null) return verb === 'v' ? '<nil>' : undefined;
  if (typeof value === 'string') return ofString(directive, value);
  if (typeof value === 'bigint') return ofInteger(directive, value);
  if (typeof value === 'number') return ofFloat(directive, value);
  if (typeof value === 'object') return ofMap(directive, value);
  return verb === 'v' || verb === 't' ? String(value) : undefined;
}

function ofString({ verb, precision, flags }: Directive, value: string): string | undefined {
  const text = precision === undefined ? value : [...value].slice(0, precision).join('');
  if (verb === 'v' || verb === 's') return text;
  if (verb === 'q') return flags.includes('#') && !/[`\n]/.test(text) ? `\`${text}\`` : JSON.stringify(text);
  const hex = Buffer.from(text).toString('hex');
  if (verb === 'x') return hex;
  return verb === 'X' ? hex.toUpperCase() : undefined;
}

function ofInteger({ verb, flags }: Directive, value: bigint): string | undefined {
  const radix = radixes[verb.toLowerCase()];
  if (verb === 'c') return String.fromCodePoint(Number(value));
  if (verb === 'q') return `'${String.fromCodePoint(Number(value))}'`;
  if (radix === undefined || (verb !== 'X' && verb !== verb.toLowerCase())) return undefined;
  const digits = (value < 0n ? -value : value).toString(radix);
  const prefix = flags.includes('#') && radix === 16 ? '0x' : '';
  const text = verb === 'X' ? (prefix + digits).toUpperCase() : prefix + digits;
  return signOf(flags, value < 0n) + text;
}

const radixes: Readonly<Record<string, number>> = { v: 10, d: 10, x: 16, o: 8, b: 2 };

function ofFloat({ verb, flags, precision }: Directive, value: number): string | undefined {
  if (!'vfFeEgG'.includes(verb)) return undefined;
  if (!Number.isFinite(value)) return shortest(value);
  const size = Math.abs(value);
  const sign = signOf(flags, value < 0 || Object.is(value, -0));
  switch (verb) {
    case 'f':
    case 'F':
      return sign + size.toFixed(precision ?? 6);
    case 'e':
    case 'E':
      return sign + inCase(verb, scientific(size, precision ?? 6));
    default:
      return sign + inCase(verb, precision === undefined ? shortest(size) : general(size, precision || 1));
  }
}

/** `%.3g`: so many significant digits, without the zeros at their end. */
function general(size: number, digits: number): string {
  const power = Number(size.toExponential(digits - 1).split('e')[1]);
  const text =
    power < -4 || power >= digits ? scientific(size, digits - 1) : size.toFixed(Math.max(0, digits - 1 - power));
  return text.replace(/(\.\d*?)0+(?=e|$)/, '$1').replace(/\.(?=e|$)/, '');
}

function ofMap(directive: Directive, value: Readonly<Record<string, string>>): string | undefined {
  if (ofString(directive, '') === undefined) return undefined;
  const entries = entriesOf(value).map(([key, item]) => `${ofString(directive, key)}:${ofString(directive, item)}`);
  return `map[${entries.join(' ')}]`;
}

function inCase(verb: string, text: string): string {
  return verb === verb.toUpperCase() ? text.toUpperCase() : text;
}

function signOf(flags: string, isNegative: boolean): string {
  if (isNegative) return '-';
  return flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '';
}

function typeOf(value: Value): string {
  return value === null ? '<nil>' : typeName(value);
}

function show(value: Value): string {
  return value === null ? '<nil>' : print(value);
}
