import { sprintf } from './template-printf.ts';
import { isTrue, print, typeName, type Value } from './template-values.ts';

type Function = (...args: Value[]) => Value;

/** The functions every Go template may call, but `call` and `js`. @see Go, text/template/funcs.go */
export const builtins: Readonly<Record<string, Function>> = {
  // With operands of their own these two are evaluated where they stand, operand by operand.
  and: (...values) => values.find((value) => !isTrue(value)) ?? last('and', values),
  or: (...values) => values.find(isTrue) ?? last('or', values),
  not: (...values) => !isTrue(only('not', values)),
  eq: (first, ...others) => {
    if (first === undefined || others.length === 0)
      throw new Error('error calling eq: missing argument for comparison');
    return others.some((other) => isEqual('eq', first, other));
  },
  ne: (...values) => !isEqual('ne', ...pair('ne', values)),
  lt: (...values) => compare('lt', values) < 0,
  le: (...values) => compare('le', values) <= 0,
  gt: (...values) => compare('gt', values) > 0,
  ge: (...values) => compare('ge', values) >= 0,
  len: (...values) => lengthOf(only('len', values)),
  index: (...values) => (values.length === 0 ? missing('index') : values.slice(1).reduce(item, values[0]!)),
  slice: (...values) => (values.length === 0 ? missing('slice') : sliceOf(values[0]!, values.slice(1))),
  print: (...values) => sprint(values),
  println: (...values) => `${values.map(print).join(' ')}\n`,
  printf: (format, ...values) => {
    if (format === undefined) return missing('printf');
    if (typeof format !== 'string') throw new Error(`wrong type for value; expected string; got ${typeName(format)}`);
    return sprintf(format, values);
  },
  html: (...values) => sprint(values).replace(/[<>&'"\0]/g, (character) => htmlCodes[character]!),
  urlquery: (...values) =>
    encodeURIComponent(sprint(values))
      .replaceAll('%20', '+')
      .replace(/[!'()*]/g, percent),
};

const htmlCodes: Readonly<Record<string, string>> = {
  '<': '&lt;',
  '>': '&gt;',
  '&': '&amp;',
  "'": '&#39;',
  '"': '&#34;',
  '\0': '\uFFFD',
};

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

function missing(name: string): never {
  throw new Error(`wrong number of args for ${name}: want at least 1 got 0`);
}

function last(name: string, values: readonly Value[]): Value {
  return values.at(-1) ?? missing(name);
}

function only(name: string, values: readonly Value[]): Value {
  if (values.length !== 1) throw new Error(`wrong number of args for ${name}: want 1 got ${values.length}`);
  return values[0]!;
}

function pair(name: string, values: readonly Value[]): [Value, Value] {
  if (values.length !== 2) throw new Error(`wrong number of args for ${name}: want 2 got ${values.length}`);
  return [values[0]!, values[1]!];
}

function isEqual(name: string, a: Value, b: Value): boolean {
  if (a === null || b === null) return a === b;
  if (typeof a === 'object' || typeof b === 'object')
    throw new Error(`error calling ${name}: non-comparable type map[string]string`);
  if (typeof a !== typeof b) throw incompatible(name, a, b);
  return a === b;
}

function incompatible(name: string, a: Value, b: Value): Error {
  return new Error(`error calling ${name}: incompatible types for comparison: ${typeName(a)} and ${typeName(b)}`);
}

function compare(name: string, values: readonly Value[]): number {
  const [a, b] = pair(name, values);
  if (a === null || b === null || typeof a === 'object' || typeof a === 'boolean')
    throw new Error(`error calling ${name}: invalid type for comparison`);
  if (typeof a !== typeof b) throw incompatible(name, a, b);
  if (typeof a === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b as string));
  return a < (b as typeof a) ? -1 : a > (b as typeof a) ? 1 : 0;
}

function lengthOf(value: Value): bigint {
  if (typeof value === 'string') return BigInt(Buffer.byteLength(value));
  if (value !== null && typeof value === 'object') return BigInt(Object.keys(value).length);
  throw new Error(`error calling len: ${value === null ? 'len of nil pointer' : `len of type ${typeName(value)}`}`);
}

function item(collection: Value, key: Value): Value {
  if (collection === null) throw new Error('error calling index: index of untyped nil');
  if (typeof collection === 'object') {
    if (typeof key !== 'string')
      throw new Error(`error calling index: value has type ${typeName(key)}; should be string`);
    return Object.hasOwn(collection, key) ? collection[key]! : '';
  }
  if (typeof collection !== 'string')
    throw new Error(`error calling index: can't index item of type ${typeName(collection)}`);
  const bytes = Buffer.from(collection);
  return BigInt(bytes[position('index', key, bytes.length - 1)]!);
}

function sliceOf(text: Value, bounds: readonly Value[]): Value {
  if (typeof text !== 'string') throw new Error(`error calling slice: can't slice item of type ${typeName(text)}`);
  if (bounds.length > 2) throw new Error('error calling slice: cannot 3-index slice a string');
  const bytes = Buffer.from(text);
  const [from = 0, to = bytes.length] = bounds.map((bound) => position('slice', bound, bytes.length));
  if (from > to) throw new Error(`error calling slice: invalid slice index: ${from} > ${to}`);
  return bytes.subarray(from, to).toString();
}

function position(name: string, value: Value, highest: number): number {
  if (typeof value !== 'bigint')
    throw new Error(`error calling ${name}: cannot index slice/array with type ${typeName(value)}`);
  if (value < 0n || value > BigInt(highest)) throw new Error(`error calling ${name}: index out of range: ${value}`);
  return Number(value);
}

/** Blanks go between operands of which neither is a string. */
function sprint(values: readonly Value[]): string {
  return values
    .map((value, index) => {
      const before = values[index - 1];
      const isApart = index > 0 && typeof value !== 'string' && typeof before !== 'string';
      return `${isApart ? ' ' : ''}${value === null ? '<nil>' : print(value)}`;
    })
    .join('');
}
