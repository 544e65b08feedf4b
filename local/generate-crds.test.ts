import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { crdFiles, crdPaths } from './generate-crds.ts';
import { stale } from './generated.ts';

interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
  readonly [key: string]: unknown;
}

interface Version {
  readonly additionalPrinterColumns: readonly { readonly name: string; readonly priority?: number }[];
  readonly schema: { readonly openAPIV3Schema: Schema };
  readonly subresources: object;
}

interface Crd {
  readonly metadata: { readonly name: string; readonly annotations: object };
  readonly spec: { readonly names: { readonly kind: string }; readonly versions: readonly [Version] };
}

const crds = [...crdFiles.values()].map((text) => parse(text) as Crd);
const fields = crds.flatMap(({ spec: { names, versions } }) => [
  ...walk(versions[0].schema.openAPIV3Schema, names.kind),
]);

function* walk(schema: Schema, path: string): Generator<readonly [string, Schema]> {
  yield [path, schema];
  for (const [key, field] of Object.entries(schema.properties ?? {})) yield* walk(field, `${path}.${key}`);
  if (schema.items) yield* walk(schema.items, `${path}[]`);
  if (schema.additionalProperties) yield* walk(schema.additionalProperties, `${path}{}`);
}

const typeOf = (schema: Schema) => (schema['x-kubernetes-int-or-string'] ? 'int-or-string' : schema.type);

describe('the CRDs in deploy/crds', () => {
  it('and what the chart grants are what the code says; otherwise run `npm run crds`', async () => {
    expect([...(await stale(crdPaths())).keys()]).toEqual([]);
  });

  it('have every field that Flagger’s have, of the same type', () => {
    const listed = readFileSync(new URL('../test/corpus/flagger-fields.txt', import.meta.url), 'utf8')
      .trim()
      .split('\n');
    const ours = new Set(fields.map(([path, schema]) => `${path} ${typeOf(schema)}`));
    expect(listed.length).toBeGreaterThan(300);
    expect(listed.filter((line) => !ours.has(line))).toEqual([]);
  });

  it('store five defaults and no more', () => {
    expect(
      fields.filter(([, { default: value }]) => value !== undefined).map(([path, { default: value }]) => [path, value]),
    ).toEqual([
      ['Canary.spec.service.gatewayRefs[].group', 'gateway.networking.k8s.io'],
      ['Canary.spec.service.gatewayRefs[].kind', 'Gateway'],
      ['Canary.spec.service.mirror[].backendRef.group', ''],
      ['Canary.spec.service.mirror[].backendRef.kind', 'Service'],
      ['Canary.spec.analysis.sessionAffinity.maxAge', 86400],
    ]);
  });

  it('have a type for every field, and nothing that closes an object or that a structural schema may not hold', () => {
    for (const [path, schema] of fields) {
      expect([path, typeOf(schema)]).toEqual([path, expect.any(String)]);
      for (const key of ['$ref', 'nullable', 'definitions', 'x-kubernetes-list-type']) {
        expect([path, schema[key]]).toEqual([path, undefined]);
      }
      const isMap = schema.additionalProperties !== undefined;
      expect([path, isMap && schema.properties !== undefined]).toEqual([path, false]);
    }
  });

  it('bound no number that Flagger leaves unbounded', () => {
    const bounded = fields.filter(([, { minimum, maximum }]) => minimum !== undefined || maximum !== undefined);
    expect(bounded.map(([path]) => path)).toEqual([
      'Canary.spec.autoscalerRef.primaryScalerReplicas.minReplicas',
      'Canary.spec.autoscalerRef.primaryScalerReplicas.maxReplicas',
      'Canary.spec.service.gatewayRefs[].port',
      'Canary.spec.service.mirror[].backendRef.port',
      // Flagger has no such field.
      'Canary.spec.analysis.approvals[].quorum',
    ]);
  });

  it('enforce no format but that of a time', () => {
    const formats = fields.filter(([, { format }]) => format !== undefined && format !== 'int32');
    expect(formats.map(([path, { format }]) => [path, format])).toEqual([
      ['Canary.status.lastTransitionTime', 'date-time'],
      ['Canary.status.conditions[].lastUpdateTime', 'date-time'],
      ['Canary.status.conditions[].lastTransitionTime', 'date-time'],
    ]);
  });

  it('do not know canaryAnalysis', () => {
    expect(fields.filter(([path]) => path.includes('canaryAnalysis'))).toEqual([]);
  });

  it('print the columns that scripts look for, in Flagger’s order', () => {
    const columns = (name: string) =>
      crds
        .find(({ metadata }) => metadata.name === `${name}.flagger.app`)!
        .spec.versions[0].additionalPrinterColumns.map((column) => [column.name, column.priority ?? 0]);
    expect(columns('canaries')).toEqual([
      ['Status', 0],
      ['Weight', 0],
      ['Suspended', 1],
      ['FailedChecks', 1],
      ['Interval', 1],
      ['Mirror', 1],
      ['StepWeight', 1],
      ['StepWeights', 1],
      ['MaxWeight', 1],
      ['LastTransitionTime', 0],
    ]);
    expect(columns('metrictemplates')).toEqual([['Provider', 0]]);
    expect(columns('alertproviders')).toEqual([['Type', 0]]);
  });

  it.each(crds)('keep $metadata.name when the chart goes, in category all, with a status of its own', (crd) => {
    expect(crd.metadata.annotations).toEqual({ 'helm.sh/resource-policy': 'keep' });
    const [group, version] = crd.metadata.name.endsWith('.serin.dev')
      ? ['serin.dev', 'v1alpha1']
      : ['flagger.app', 'v1beta1'];
    expect(crd.spec).toMatchObject({ group, scope: 'Namespaced', names: { categories: ['all'] } });
    expect(crd.spec.versions).toMatchObject([{ name: version, subresources: { status: {} } }]);
  });
});
