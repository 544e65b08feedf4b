import type * as z from 'zod';

/**
 * Parses without throwing. A `problem` is one sentence for each thing that is wrong, with the dotted path of the field.
 * Values are told only where they are numbers or words of a fixed list: an address or a header may hold a secret.
 */
export function parseWith<T extends z.ZodType>(
  schema: T,
  object: unknown,
): { readonly value: z.infer<T> } | { readonly problem: string } {
  const parsed = schema.safeParse(object, { reportInput: true });
  if (parsed.success) return { value: parsed.data };
  return { problem: parsed.error.issues.map(sentence).join('; ') };
}

/** The object without fields that are null: the API server drops them before it looks at anything else. */
export function dropNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(dropNulls);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).filter(([, field]) => field !== null);
  return Object.fromEntries(fields.map(([key, field]) => [key, dropNulls(field)]));
}

/**
 * Paths under `spec` that the author wrote and the schema does not know. The API server drops them with a warning that
 * few people see, so an object that comes from it has none.
 */
export function unknownFields(object: unknown, parsed: { readonly spec: unknown }): readonly string[] {
  return [...missing((dropNulls(object) as { spec?: unknown } | undefined)?.spec, parsed.spec, 'spec')];
}

function* missing(written: unknown, kept: unknown, path: string): Generator<string> {
  if (typeof written !== 'object' || written === null) return;
  for (const [key, value] of Object.entries(written)) {
    const at = Array.isArray(written) ? `${path}[${key}]` : `${path}.${key}`;
    const found = (kept as Record<string, unknown> | undefined)?.[key];
    if (found === undefined) yield at;
    else yield* missing(value, found, at);
  }
}

function sentence(issue: z.core.$ZodIssue): string {
  const path = dotted(issue.path) || 'the object';
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? `${path} is missing` : `${path}: ${wrongType(issue.expected, issue.input)}`;
    case 'invalid_value':
      return issue.input === undefined ? `${path} is missing` : `${path}: ${notOneOf(issue.values, issue.input)}`;
    case 'invalid_union':
      return `${path}: must be a whole number or a text`;
    case 'too_small':
      return `${path}: is below the minimum${issue.origin === 'string' ? ' length' : ''} of ${issue.minimum}`;
    case 'too_big':
      return `${path}: is above the maximum${issue.origin === 'number' ? '' : ' length'} of ${issue.maximum}`;
    case 'custom':
    case 'invalid_format':
    case 'not_multiple_of':
    case 'unrecognized_keys':
    case 'invalid_key':
    case 'invalid_element':
      return `${path}: ${issue.message}`;
  }
}

function notOneOf(values: readonly unknown[], input: unknown): string {
  const words = values.map((value) => (value === '' ? '""' : String(value)));
  const list = words.length === 1 ? words[0]! : `one of ${words.join(', ')}`;
  return `${JSON.stringify(input)} is not ${list}`;
}

function wrongType(expected: string, input: unknown): string {
  const problem = `must be ${nouns[expected] ?? expected} and is ${typeName(input)}`;
  const isQuotedNumber = typeof input === 'string' && input.trim() !== '' && Number.isFinite(Number(input));
  if (isQuotedNumber && (expected === 'number' || expected === 'int')) return `${problem}; remove the quotes`;
  const isBare = typeof input === 'number' || typeof input === 'boolean';
  return isBare && expected === 'string' ? `${problem}; put it in quotes` : problem;
}

const nouns: Record<string, string> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
};

function typeName(input: unknown): string {
  if (input === null) return 'null';
  if (Array.isArray(input)) return 'a list';
  if (typeof input === 'number') return Number.isInteger(input) ? 'a number' : 'a fraction';
  return { string: 'a text', boolean: 'a truth value', object: 'an object' }[typeof input as string] ?? typeof input;
}

function dotted(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : text === '' ? String(key) : `${text}.${String(key)}`),
    '',
  );
}
