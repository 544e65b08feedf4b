/** A structural schema, as far as it can refuse something. */
export interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly enum?: readonly unknown[];
  readonly [constraint: string]: unknown;
}

interface Version {
  readonly name: string;
  readonly served: boolean;
  readonly storage: boolean;
  readonly schema: { readonly openAPIV3Schema: Schema };
  readonly subresources?: Readonly<Record<string, unknown>>;
}

export interface Definition {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly scope: string;
    readonly names: { readonly kind: string; readonly plural: string };
    readonly versions: readonly Version[];
  };
}

/** Bounds, and which way they may move: what is allowed may only become more. */
const bounds: readonly (readonly [string, 'up' | 'down'])[] = [
  ['maximum', 'up'],
  ['maxLength', 'up'],
  ['maxItems', 'up'],
  ['maxProperties', 'up'],
  ['minimum', 'down'],
  ['minLength', 'down'],
  ['minItems', 'down'],
  ['minProperties', 'down'],
];

/** Constraints of which it cannot be told here whether another one allows less. */
const opaque = ['pattern', 'format', 'x-kubernetes-validations', 'not', 'allOf', 'anyOf', 'oneOf', 'multipleOf'];

/**
 * What a newer definition takes away from an older one: objects that are stored and manifests that people have, which
 * were accepted and would be refused, lose a field, or read otherwise by default. Empty when it only allows more.
 */
export function takenAway(before: Definition, after: Definition): readonly string[] {
  const { scope, names, versions } = before.spec;
  const found: string[] = [];
  if (scope !== after.spec.scope) found.push(`scope was ${scope}, is ${after.spec.scope}`);
  if (names.kind !== after.spec.names.kind || names.plural !== after.spec.names.plural)
    found.push('it has another name');
  for (const version of versions.filter(({ served }) => served)) {
    const now = after.spec.versions.find(({ name }) => name === version.name);
    if (!now?.served) {
      found.push(`version ${version.name} is not served any more`);
      continue;
    }
    for (const subresource of Object.keys(version.subresources ?? {}))
      if (!(subresource in (now.subresources ?? {}))) found.push(`subresource ${subresource} is gone`);
    const [older, newer] = [version, now].map(({ schema }) => schema.openAPIV3Schema) as [Schema, Schema];
    found.push(...narrowed(older, newer, names.kind));
  }
  return found;
}

function* narrowed(before: Schema, after: Schema, path: string): Generator<string> {
  if (typeOf(before) !== typeOf(after)) {
    yield `${path} was ${typeOf(before)}, is ${typeOf(after)}`;
    return;
  }
  for (const key of after.required ?? []) if (!before.required?.includes(key)) yield `${path}.${key} is required now`;
  if (after.enum) {
    const allowed = JSON.stringify(after.enum);
    const lost = before.enum?.filter((value) => !after.enum!.includes(value));
    if (lost === undefined) yield `${path} has to be one of ${allowed} now`;
    else if (lost.length > 0)
      yield `${path} may not be ${lost.map((value) => JSON.stringify(value)).join(', ')} any more`;
  }
  for (const [bound, way] of bounds) {
    const [was, is] = [before[bound], after[bound]] as [number | undefined, number | undefined];
    if (is !== undefined && (was === undefined || (way === 'up' ? is < was : is > was)))
      yield `${path} has ${bound} ${is} now${was === undefined ? '' : `, it was ${was}`}`;
  }
  for (const constraint of opaque) {
    const [was, is] = [before[constraint], after[constraint]].map((value) => JSON.stringify(value));
    if (is !== undefined && was !== is) yield `${path} has another ${constraint}: ${is}`;
  }
  if (JSON.stringify(before.default) !== JSON.stringify(after.default))
    yield `${path} has another default: ${JSON.stringify(after.default) ?? 'none'}`;
  if (before['x-kubernetes-preserve-unknown-fields'] === true && after['x-kubernetes-preserve-unknown-fields'] !== true)
    yield `${path} loses fields that are not declared`;

  for (const [key, field] of Object.entries(before.properties ?? {})) {
    const now = after.properties?.[key];
    if (now) yield* narrowed(field, now, `${path}.${key}`);
    else if (after['x-kubernetes-preserve-unknown-fields'] !== true)
      yield `${path}.${key} is gone: it would be dropped`;
  }
  if (before.items) {
    if (after.items) yield* narrowed(before.items, after.items, `${path}[]`);
    else yield `${path}[] is gone`;
  }
  if (typeof before.additionalProperties === 'object') {
    if (typeof after.additionalProperties === 'object')
      yield* narrowed(before.additionalProperties, after.additionalProperties, `${path}.*`);
    else if (after.additionalProperties !== true) yield `${path}.* is gone`;
  }
}

function typeOf(schema: Schema): string {
  if (schema['x-kubernetes-int-or-string'] === true) return 'integer or string';
  return schema.type ?? 'anything';
}
