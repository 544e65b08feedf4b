import { createHash } from 'node:crypto';

/**
 * Names a pod template, and the configuration that is released with it: `v1:` and the SHA-256 of their canonical JSON. The same template as another API server, client or
 * version of Kubernetes writes it down gets the same name. Left out are a creation timestamp and `serin.dev/*`
 * annotations; any other annotation counts, so `kubectl rollout restart` makes a new revision, as in Flagger.
 *
 * @param configs checksums of what is tracked; a template without any has the name that it had before there was tracking
 * @see engine spec 14.2
 */
export function revisionOf(template: unknown, configs?: Readonly<Record<string, string>>): string {
  const written = asWritten(template);
  return `v1:${sha256(canonicalJson(configs ? { template: written, configs } : written))}`;
}

/** Whether two pod templates are one revision. */
export function sameTemplate(one: unknown, other: unknown): boolean {
  return revisionOf(one) === revisionOf(other);
}

/** Whether two values say the same, where null, an empty list, an empty map and nothing at all say the same. */
export function sameJson(one: unknown, other: unknown): boolean {
  return canonicalJson(one) === canonicalJson(other);
}

/** JSON with sorted keys and without null, empty lists and empty maps; items of a list stay, be they empty. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(canonical(value) ?? null);
}

/** In lower-case hex. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function canonical(value: unknown): unknown {
  if (value === null || value === undefined) return undefined;
  if (Array.isArray(value)) return value.length > 0 ? value.map((item) => canonical(item) ?? null) : undefined;
  if (typeof value !== 'object') return value;
  const fields = Object.entries(value)
    .map(([key, field]) => [key, canonical(field)] as const)
    .filter(([, field]) => field !== undefined)
    .sort(([one], [other]) => (one < other ? -1 : 1));
  return fields.length > 0 ? Object.fromEntries(fields) : undefined;
}

/** The template without what servers and Serin add to it. */
function asWritten(template: unknown): unknown {
  const { metadata, ...rest } = (template ?? {}) as { metadata?: Record<string, unknown> };
  const { creationTimestamp: _, annotations, ...kept } = metadata ?? {};
  const authored = Object.entries(annotations ?? {}).filter(([key]) => !key.startsWith('serin.dev/'));
  return { ...rest, metadata: { ...kept, annotations: Object.fromEntries(authored) } };
}
