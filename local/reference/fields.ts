import { crds } from '../../src/schemas/crds.ts';
import { code, heading, markdownTable } from './page.ts';

/** As far as it is read here. */
interface Crd {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly names: { readonly kind: string };
    readonly versions: readonly [{ readonly name: string; readonly schema: { readonly openAPIV3Schema: Schema } }];
  };
}

const definitions = crds as unknown as readonly Crd[];

interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly [more: string]: unknown;
}

/** A field of a resource, by its path, such as `spec.service.port`. */
export interface Field {
  readonly path: string;
  readonly schema: Schema;
  readonly required: boolean;
}

/** All fields of a resource below `spec` and `status`. */
export function fieldsOf(kind: string): readonly Field[] {
  const crd = definitions.find((definition) => definition.spec.names.kind === kind)!;
  const { spec, status } = crd.spec.versions[0].schema.openAPIV3Schema.properties ?? {};
  return [...(spec ? walk(spec, 'spec') : []), ...(status ? walk(status, 'status') : [])];
}

function* walk(schema: Schema, path: string): Generator<Field> {
  for (const [key, field] of Object.entries(schema.properties ?? {})) {
    const at = `${path}.${key}`;
    yield { path: at, schema: field, required: schema.required?.includes(key) ?? false };
    yield* walk(field, at);
  }
  if (schema.items) yield* walk(schema.items, `${path}[]`);
  if (typeof schema.additionalProperties === 'object') yield* walk(schema.additionalProperties, `${path}.*`);
}

export function fieldsPage(): string {
  const sections = definitions.map(({ spec, metadata }) => {
    const { kind } = spec.names;
    const rows = fieldsOf(kind).map(({ path, schema, required }) => [
      code(path),
      typeOf(schema) + (required ? ', required' : ''),
      schema.default === undefined ? '' : code(JSON.stringify(schema.default)),
      meaningOf({ path, schema }),
    ]);
    const group = metadata.name.slice(metadata.name.indexOf('.') + 1);
    const [{ name: version }] = spec.versions;
    return `## ${kind}\n\n\`apiVersion: ${group}/${version}\`\n\n${markdownTable(['field', 'type', 'stored default', 'meaning'], rows)}`;
  });
  return `${heading('Fields', 'src/schemas')}
Everything that the four resources can say. “Stored default” is what the API server writes into an object that leaves the field out; other defaults are
in the text. What a field means for a release is told in [concepts.md](../concepts.md); \`serin lint\` says what is wrong with one.

${sections.join('\n\n')}
`;
}

function typeOf(schema: Schema): string {
  if (schema['x-kubernetes-int-or-string']) return 'integer or text';
  if (schema.enum) return schema.enum.map((value) => code(String(value))).join(', ');
  if (schema.type === 'array') return `list of ${schema.items ? plural(typeOf(schema.items)) : 'anything'}`;
  if (typeof schema.additionalProperties === 'object') return `map of ${plural(typeOf(schema.additionalProperties))}`;
  return schema.type === 'string' ? 'text' : (schema.type ?? 'anything');
}

function plural(type: string): string {
  return (
    { text: 'texts', object: 'objects', integer: 'integers', number: 'numbers', boolean: 'booleans' }[type] ?? type
  );
}

/** What is the same wherever it stands; the schemas say the rest. First match wins. */
const common: readonly (readonly [RegExp, string])[] = [
  [/^spec\.(analysis|canaryAnalysis)\.match\[\]/, 'as in an HTTPMatchRequest of Istio'],
  [/\.(corsPolicy)\b/, 'as in a CorsPolicy of Istio'],
  [/\.trafficPolicy\b/, 'as in a TrafficPolicy of Istio'],
  [/\.headers\b/, 'as in Headers of Istio: what is set, added and removed in requests and answers'],
  [/\.match\b/, 'as in an HTTPMatchRequest of Istio'],
  [/\.delegation\b/, 'routes are referred to by another VirtualService'],
  [/\.rewrite\b/, 'as in an HTTPRewrite of Istio'],
  [/\.retries\b/, 'as in an HTTPRetry of Istio'],
  [/\.mirror\b/, 'as in a mirror filter of the Gateway API'],
  [/\.gatewayRefs\[\]/, 'as in a ParentReference of the Gateway API'],
  [/\.conditions\[\]\.lastUpdateTime$/, 'when it was written last'],
  [/\.conditions\[\]\.lastTransitionTime$/, 'when its status changed last'],
  [/\.conditions\[\]\.(type|status|reason|message)$/, 'as in conditions of Kubernetes'],
  [/\.conditions$/, 'what can be waited for with `kubectl wait`'],
  [/\.sessionAffinity\.\w+$/, 'attribute of the cookie, as browsers know it'],
  [/\.sessionAffinity$/, 'keeps users on one side by a cookie'],
  [/[sS]essionAffinityCookie$/, 'cookie that users of the release have'],
  [
    /\.primaryScalerReplicas\.(min|max)Replicas$/,
    'bound of the primary’s autoscaler, instead of a copy of the target’s',
  ],
  [/\.thresholdRange\.min$/, 'the reading must not be below'],
  [/\.thresholdRange\.max$/, 'the reading must not be above'],
  [/\.(labels|annotations)$/, 'written onto the generated object'],
  [/^status\.phase$/, 'where the release is'],
  [/^status\.failedChecks$/, 'checks that failed so far, of `spec.analysis.threshold`'],
  [/^status\.iterations$/, 'rounds that are done, where rounds are counted'],
  [/^status\.lastTransitionTime$/, 'when the status was written last'],
  [/\.apiVersion$/, 'API version of the object'],
  [/\.kind$/, 'kind of the object'],
  [/\.namespace$/, 'namespace of the object; that of this one if left out'],
  [/\.name$/, 'name, as it stands in events and in references'],
  [/\.url$/, 'who is called'],
  [/\.metrics$/, 'what is read at each interval'],
  [/\.webhooks$/, 'who is asked or told, and when'],
  [/\.trafficDistribution$/, 'as in a Service of Kubernetes'],
  [/\.type$/, 'which of the kinds listed in the providers’ pages'],
  [/\.provider$/, 'where the answer comes from'],
  [/\.(mode|tag)$/, 'see [Triggers](../providers/triggers.md)'],
];

/** @returns '' for a field that nobody has explained */
export function meaningOf({ path, schema }: Pick<Field, 'path' | 'schema'>): string {
  return schema.description ?? common.find(([pattern]) => pattern.test(path))?.[1] ?? '';
}
