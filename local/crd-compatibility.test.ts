import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { takenAway, type Definition, type Schema } from './crd-compatibility.ts';

/*
 * The definitions of every version that was given out are in test/upgrade/crds. A new one has to accept all that they
 * accept: stored objects are read by it, and so are the manifests that people have.
 */
const recorded = new URL('../test/upgrade/crds/', import.meta.url);
const current = new URL('../deploy/crds/', import.meta.url);
const definition = (url: URL) => parse(readFileSync(url, 'utf8')) as Definition;

describe.each(readdirSync(recorded))('the definitions of %s', (version) => {
  const folder = new URL(`${version}/`, recorded);
  it.each(readdirSync(folder))('%s: all that it accepted is accepted', (name) => {
    expect(takenAway(definition(new URL(name, folder)), definition(new URL(name, current)))).toEqual([]);
  });
});

describe('what a definition takes away', () => {
  const before: Schema = {
    type: 'object',
    required: ['name'],
    properties: {
      name: { type: 'string', maxLength: 63 },
      weight: { type: 'integer', minimum: 0, maximum: 100 },
      mode: { type: 'string', enum: ['a', 'b'] },
      port: { 'x-kubernetes-int-or-string': true },
      list: { type: 'array', items: { type: 'object', properties: { key: { type: 'string' } } } },
      map: { type: 'object', additionalProperties: { type: 'string' } },
      free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    },
  };
  const of = (schema: Schema): Definition => ({
    metadata: { name: 'things.example.com' },
    spec: {
      scope: 'Namespaced',
      names: { kind: 'Thing', plural: 'things' },
      versions: [
        { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema }, subresources: { status: {} } },
      ],
    },
  });
  const changed = (field: string, change: Schema | undefined): Schema => {
    const { [field]: was, ...others } = before.properties!;
    return { ...before, properties: change ? { ...others, [field]: { ...was, ...change } } : others };
  };

  it.each<[string, Schema, string]>([
    ['a field that is gone', changed('weight', undefined), 'Thing.weight is gone: it would be dropped'],
    ['another type', changed('name', { type: 'integer' }), 'Thing.name was string, is integer'],
    ['a field that has to be there', { ...before, required: ['name', 'mode'] }, 'Thing.mode is required now'],
    ['a choice less', changed('mode', { enum: ['a'] }), 'Thing.mode may not be "b" any more'],
    ['choices where there was none', changed('name', { enum: ['x'] }), 'Thing.name has to be one of ["x"] now'],
    ['a tighter bound', changed('weight', { maximum: 50 }), 'Thing.weight has maximum 50 now, it was 100'],
    ['a bound where there was none', changed('name', { minLength: 1 }), 'Thing.name has minLength 1 now'],
    ['a pattern', changed('name', { pattern: '^a' }), 'Thing.name has another pattern: "^a"'],
    [
      'a rule',
      changed('map', { 'x-kubernetes-validations': [{ rule: 'x' }] }),
      'Thing.map has another x-kubernetes-validations: [{"rule":"x"}]',
    ],
    ['another default', changed('weight', { default: 5 }), 'Thing.weight has another default: 5'],
    [
      'a field less in a list',
      changed('list', { items: { type: 'object', properties: {} } }),
      'Thing.list[].key is gone: it would be dropped',
    ],
    [
      'a map of something else',
      changed('map', { additionalProperties: { type: 'integer' } }),
      'Thing.map.* was string, is integer',
    ],
    [
      'a field that is closed',
      changed('free', { 'x-kubernetes-preserve-unknown-fields': false }),
      'Thing.free loses fields that are not declared',
    ],
    [
      'integers alone',
      changed('port', { type: 'integer', 'x-kubernetes-int-or-string': false }),
      'Thing.port was integer or string, is integer',
    ],
  ])('%s', (_, after, told) => {
    expect(takenAway(of(before), of(after))).toEqual([told]);
  });

  it('a version, a subresource, a scope', () => {
    const { spec } = of(before);
    const [version] = spec.versions;
    const after = (more: Partial<Definition['spec']>): Definition => ({ ...of(before), spec: { ...spec, ...more } });
    expect(takenAway(of(before), after({ versions: [{ ...version!, name: 'v2' }] }))).toEqual([
      'version v1 is not served any more',
    ]);
    expect(takenAway(of(before), after({ versions: [{ ...version!, subresources: {} }] }))).toEqual([
      'subresource status is gone',
    ]);
    expect(takenAway(of(before), after({ scope: 'Cluster' }))).toEqual(['scope was Namespaced, is Cluster']);
  });

  it('is nothing where more is allowed than before', () => {
    const wider: Schema = {
      type: 'object',
      properties: {
        ...before.properties,
        name: { type: 'string', maxLength: 253 },
        weight: { type: 'integer', minimum: -1, maximum: 1_000 },
        mode: { type: 'string', enum: ['a', 'b', 'c'] },
        more: { type: 'string', pattern: '^x' },
      },
    };
    expect(takenAway(of(before), of(wider))).toEqual([]);
  });
});
