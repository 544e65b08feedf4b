import { globSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { crds } from '../../src/schemas/crds.ts';
import { stale } from '../../local/generated.ts';
import { pages } from '../../local/generate-docs.ts';
import { fieldsOf, meaningOf } from '../../local/reference/fields.ts';
import { declaredBy, labelValues, processes } from '../../local/reference/metrics.ts';
import { documentedVariables, read } from '../support/manifests.ts';

const top = new URL('../..', import.meta.url).pathname;
const sources = globSync('src/**/*.ts', { cwd: top, exclude: (path) => path.endsWith('.test.ts') });

describe('docs/reference', () => {
  it('is what the code says; otherwise run `npm run docs`', async () => {
    expect([...(await stale(pages())).keys()]).toEqual([]);
  });

  it('explains every variable of ours that the code reads, and no other', () => {
    const used = new Set(
      sources.flatMap((path) => [...read(path).matchAll(/\bSERIN_[A-Z_]*[A-Z]\b/g)].map(([name]) => name)),
    );
    const explained = [...documentedVariables()].filter((name) => name.startsWith('SERIN_'));
    expect(explained.sort()).toEqual([...used].filter((name) => name !== 'SERIN_TEST_').sort());
  });

  it.each(crds.map(({ metadata }) => metadata.name))('explains every field of %s', (name) => {
    const kind = crds.find(({ metadata }) => metadata.name === name)!.spec as { names: { kind: string } };
    const unexplained = fieldsOf(kind.names.kind).filter((field) => meaningOf(field) === '');
    expect(unexplained.map(({ path }) => path)).toEqual([]);
  });

  it('lists every series that the code declares', () => {
    const declared = Object.values(processes).flatMap((registryOf) => declaredBy(registryOf()).map(({ name }) => name));
    const inCode = sources.flatMap((path) =>
      [...read(path).matchAll(/name: '((?:serin|flagger)_[a-z_]+)'/g)].map(([, name]) => name!),
    );
    expect([...new Set(inCode)].sort()).toEqual(declared.sort());
  });

  it.each(Object.entries(processes))('knows what the labels of a %s can be', (_, registryOf) => {
    const labels = new Set(declaredBy(registryOf()).flatMap((series) => series.labels));
    expect([...labels].filter((label) => labelValues[label] === undefined)).toEqual([]);
  });
});
