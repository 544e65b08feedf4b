/** What a template computes with: Go's string, int (a bigint here), float64, bool, nil and `map[string]string`. */
export type Value = string | bigint | number | boolean | null | Readonly<Record<string, string>>;

/** Go's notion of truth: anything but false, zero, nil and what is empty. */
export function isTrue(value: Value): boolean {
  if (value !== null && typeof value === 'object') return Object.keys(value).length > 0;
  return Boolean(value);
}

export function typeName(value: Value): string {
  if (value === null) return 'nil';
  if (typeof value === 'object') return 'map[string]string';
  if (typeof value === 'bigint') return 'int';
  if (typeof value === 'boolean') return 'bool';
  return typeof value === 'number' ? 'float64' : 'string';
}

/** A value as an action prints it. */
export function print(value: Value): string {
  if (value === null) return '<no value>';
  if (typeof value === 'number') return shortest(value);
  if (typeof value === 'object')
    return `map[${entriesOf(value)
      .map(([key, item]) => `${key}:${item}`)
      .join(' ')}]`;
  return String(value);
}

/** Entries in the order of their keys, in which Go prints and ranges over a map. */
export function entriesOf(map: Readonly<Record<string, string>>): (readonly [string, string])[] {
  return Object.entries(map).sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

/** A float as Go's `%g` writes it: the fewest digits that name it, with an exponent below -4 and from 6 up. */
export function shortest(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
  const power = Number(value.toExponential().split('e')[1]);
  if (power < -4 || power >= 6) return scientific(value);
  return Object.is(value, -0) ? '-0' : String(value);
}

/** With an exponent of a sign and at least two digits. */
export function scientific(value: number, digits?: number): string {
  const [mantissa, exponent] = value.toExponential(digits).split('e');
  return `${mantissa}e${exponent![0]}${exponent!.slice(1).padStart(2, '0')}`;
}
