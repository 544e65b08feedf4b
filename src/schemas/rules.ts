import * as z from 'zod';

/**
 * Building blocks of schemas that are read twice: by the parser, and by the generator of the CRDs. A rule that only
 * code can check says so; every other rule reaches both readers from one place.
 */

const INT32 = 2 ** 31;

/**
 * A whole number that the CRD calls `number`, as Flagger's does: the API server lets a fraction through, and no
 * controller can use it. It is refused here, never rounded.
 */
export function whole() {
  return z.number().refine(Number.isInteger, {
    error: ({ input }) => {
      const value = Number(input);
      return `${value} is not a whole number; write ${Math.floor(value)} or ${Math.ceil(value)}`;
    },
  });
}

/** As `whole`, within 32 bits. */
export function wholeInt32() {
  return whole().refine((value) => value >= -INT32 && value < INT32, {
    error: ({ input }) => `${String(input)} does not fit into 32 bits`,
  });
}

/** An integer of a Kubernetes or Istio type, checked by the API server too. */
export function int32() {
  return z.int32().meta({ format: 'int32' });
}

/** A number or the name of something, such as a port. */
export function intOrString() {
  return z.union([z.int(), z.string()]).meta({ 'x-kubernetes-int-or-string': true });
}

/**
 * Minutes or seconds, as Flagger's CRD has it: not anchored at the end, so that `1m30s` passes, and `10sfoo` as well.
 * An anchor here would lock people out of objects that are stored already.
 */
export function duration() {
  return z.string().regex(/^[0-9]+(m|s)/, {
    error: ({ input }) => `"${String(input)}" is not a duration in minutes or seconds such as 30s, 5m or 1m30s`,
  });
}

/** A time that the API server checks. */
export function time() {
  return z.string().meta({ format: 'date-time' });
}

export function stringMap() {
  return z.record(z.string(), z.string());
}

/** Values of a fixed list, in the order in which people read them. */
export function choice<const T extends readonly string[]>(values: T) {
  return z.enum(values);
}

/** Exactly one of these sets of fields is there. Presence counts, not the value. */
export function oneOfSets<T extends z.ZodType<object>>(schema: T, sets: readonly (readonly string[])[]): T {
  return schema
    .refine((value) => sets.filter((set) => has(value, set)).length === 1, {
      error: ({ input }) => {
        const found = sets.filter((set) => has(input as object, set));
        const names = listed(sets.map((set) => set.at(-1)!));
        return found.length > 1 ? `has more than one of ${names}; keep one` : `needs one of ${names}`;
      },
    })
    .meta({ oneOf: sets.map((set) => ({ required: [...set] })) });
}

/** Exactly one of these fields is there. */
export function exactlyOne<T extends z.ZodType<object>>(schema: T, fields: readonly string[]): T {
  return oneOfSets(
    schema,
    fields.map((field) => [field]),
  );
}

/** One of these fields is there, or none. */
export function atMostOne<T extends z.ZodType<object>>(schema: T, fields: readonly string[]): T {
  const required = fields.map((field) => ({ required: [field] }));
  return schema
    .refine((value) => fields.filter((field) => has(value, [field])).length <= 1, {
      error: () => `has more than one of ${listed(fields)}; keep one`,
    })
    .meta({ oneOf: [{ not: { anyOf: required } }, ...required] });
}

function has(value: object, fields: readonly string[]): boolean {
  return fields.every((field) => (value as Record<string, unknown>)[field] !== undefined);
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}
