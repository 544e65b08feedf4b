import { readdirSync, readFileSync } from 'node:fs';
import { parse, parseAllDocuments } from 'yaml';

/** A manifest as people write them, and what Flagger makes of it. */
export interface Manifest {
  /** `<folder>/<file>`. */
  readonly file: string;
  readonly object: Json;
  readonly verdict: 'valid' | 'warning' | 'rejected by schema' | 'rejected by controller' | 'rejected by version';
}

export type Json = Record<string, any>; // oxlint-disable-line typescript/no-explicit-any

const verdicts: readonly (readonly [RegExp, Manifest['verdict']])[] = [
  [/^valid$/, 'valid'],
  [/^valid-with-warning: ./, 'warning'],
  [/^rejected: schema, ./, 'rejected by schema'],
  [/^rejected: controller, ./, 'rejected by controller'],
  [/^rejected: API version ./, 'rejected by version'],
];

/** Every manifest in the folders of this directory. Its first line ends with `| expected: <verdict>`. */
export const corpus: readonly Manifest[] = ['canary', 'metrictemplate', 'alertprovider'].flatMap((folder) =>
  readdirSync(new URL(`${folder}/`, import.meta.url)).map((name) => {
    const file = `${folder}/${name}`;
    const text = readFileSync(new URL(file, import.meta.url), 'utf8');
    const said = /^# .* \| expected: (.*)$/m.exec(text)?.[1] ?? '';
    const verdict = verdicts.find(([pattern]) => pattern.test(said))?.[1];
    if (!verdict) throw new Error(`${file}: the first line says no verdict`);
    return { file, object: parse(text) as Json, verdict };
  }),
);

/** Manifests that every version has to accept: the twelve smallest ones with their companions, and the tutorial's. */
export const accepted: readonly Json[] = ['minimal.yaml', 'tutorial.yaml'].flatMap((file) =>
  parseAllDocuments(readFileSync(new URL(file, import.meta.url), 'utf8')).map((document) => document.toJS() as Json),
);
