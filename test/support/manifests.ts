import { readdirSync, readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import type { KubernetesObject } from '../../src/clients/kubernetes.ts';

/** The text of a file of the project, by its path from the top. */
export function read(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
}

/** The objects in a YAML file of the project. */
export function objectsIn(path: string): KubernetesObject[] {
  return parseAllDocuments(read(path), { merge: true }).map((document) => {
    if (document.errors[0]) throw document.errors[0];
    return document.toJS() as KubernetesObject;
  });
}

/** Everything `kubectl apply -k deploy/install` applies; the namespace first. */
export function install(): KubernetesObject[] {
  const files = readdirSync(new URL('../../deploy/install', import.meta.url))
    .filter((file) => file !== 'kustomization.yaml')
    .sort();
  return files.flatMap((file) => objectsIn(`deploy/install/${file}`));
}

/** Environment variables that the tables of docs/reference/settings.md explain. */
export function documentedVariables(): ReadonlySet<string> {
  const cells = read('docs/reference/settings.md')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|')[1]!);
  return new Set(cells.flatMap((cell) => [...cell.matchAll(/`([A-Z][A-Z0-9_]{3,})`/g)].map(([, name]) => name!)));
}
