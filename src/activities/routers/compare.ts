/**
 * Where `wanted` and `found` differ, as a path such as `spec.http[0].retries.attempts`, or undefined when they mean the
 * same. Absent, null, an empty list and an empty object mean the same. `maps` names fields whose entries count even when
 * they are empty: in Istio's `headers: {x-user: {}}` the bare key is the condition.
 */
export function difference(
  wanted: unknown,
  found: unknown,
  path: string,
  maps?: ReadonlySet<string>,
): string | undefined {
  return firstDifference(compact(wanted, maps), compact(found, maps), path);
}

export type JsonObject = Record<string, unknown>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A copy with these fields only. */
export function pick(object: unknown, fields: readonly string[]): JsonObject {
  return filterFields(object, (field) => fields.includes(field));
}

/** A copy without these fields. */
export function omit(object: unknown, fields: readonly string[]): JsonObject {
  return filterFields(object, (field) => !fields.includes(field));
}

function filterFields(object: unknown, keep: (field: string) => boolean): JsonObject {
  return Object.fromEntries(Object.entries(isObject(object) ? object : {}).filter(([field]) => keep(field)));
}

/** Leaves out what might as well be absent. Items of a list stay, be they empty: their number speaks. */
function compact(value: unknown, maps: ReadonlySet<string> = new Set(), isMap = false): unknown {
  if (value === null) return undefined;
  if (Array.isArray(value)) return value.length > 0 ? value.map((item) => compact(item, maps) ?? {}) : undefined;
  if (!isObject(value)) return value;
  const fields: JsonObject = {};
  for (const [field, inner] of Object.entries(value)) {
    const compacted = compact(inner, maps, maps.has(field)) ?? (isMap ? {} : undefined);
    if (compacted !== undefined) fields[field] = compacted;
  }
  return Object.keys(fields).length > 0 ? fields : undefined;
}

function firstDifference(wanted: unknown, found: unknown, path: string): string | undefined {
  if (Array.isArray(wanted) && Array.isArray(found)) {
    for (let index = 0; index < Math.max(wanted.length, found.length); index++) {
      const deeper = firstDifference(wanted[index], found[index], `${path}[${index}]`);
      if (deeper) return deeper;
    }
    return undefined;
  }
  if (isObject(wanted) || isObject(found)) {
    // One side may lack the whole section: going on into it names a field, which says more than the section's name.
    const [left, right] = [isObject(wanted) ? wanted : {}, isObject(found) ? found : {}];
    const fields = [...new Set([...Object.keys(left), ...Object.keys(right)])];
    for (const field of fields) {
      const deeper = firstDifference(left[field], right[field], `${path}.${field}`);
      if (deeper) return deeper;
    }
    return fields.length > 0 || (isObject(wanted) && isObject(found)) ? undefined : path;
  }
  return wanted === found ? undefined : path;
}
