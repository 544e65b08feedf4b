import type { z } from 'zod';
import { parseStrictJson } from './json.ts';

/** A body as JSON of one shape. @param shape what it should be, for the log */
export function readBody<T extends z.ZodType>(
  raw: Uint8Array,
  schema: T,
  shape: string,
): { readonly body: z.output<T> } | { readonly malformed: string } {
  const json = parseStrictJson(raw);
  if ('problem' in json) return { malformed: json.problem };
  const parsed = schema.safeParse(json.value);
  return parsed.success ? { body: parsed.data } : { malformed: shape };
}
