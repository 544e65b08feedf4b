import { z } from 'zod';

/** Go leaves a field alone that is absent or null. */
const text = z
  .string()
  .nullish()
  .transform((value) => value ?? '');

/** A Canary webhook's body. Other fields are ignored. Source: Flagger, docs, "Webhooks". */
export const Payload = z.object({
  name: text,
  namespace: text,
  phase: text,
  checksum: text,
  metadata: z
    .record(z.string(), text)
    .nullish()
    .transform((value) => value ?? {}),
});
export type Payload = z.infer<typeof Payload>;

/** The payload in a request's body, or undefined when it is not JSON of that shape. */
export function parsePayload(body: string): Payload | undefined {
  try {
    return Payload.safeParse(lowerKeys(JSON.parse(body))).data;
  } catch {
    return undefined;
  }
}

/** Go reads field names in any case, and people open gates by hand. */
function lowerKeys(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name.toLowerCase(), field as unknown]));
}
