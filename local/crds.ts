import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { resources, type Kubernetes, type KubernetesObject } from '../src/clients/kubernetes.ts';

const ours = fileURLToPath(new URL('../deploy/crds/', import.meta.url));

/**
 * Teaches a cluster our custom resources and other products', and waits until it serves them.
 *
 * @param foreign files with the definitions of Istio and others
 * @param replace whether definitions that are there already are brought to our version; someone else's cluster keeps its own
 */
export async function applyCrds(kubernetes: Kubernetes, foreign: readonly string[], replace: boolean): Promise<void> {
  const files = [
    ...foreign,
    ...readdirSync(ours)
      .filter(isYaml)
      .map((name) => join(ours, name)),
  ];
  const wanted = files.flatMap(readObjects).filter(({ kind }) => kind === resources.customResourceDefinitions.kind);
  const present = new Set(replace ? [] : await names(kubernetes, () => true));
  const missing = wanted.filter(({ metadata }) => !present.has(metadata.name));
  await Promise.all(
    missing.map((crd) => kubernetes.apply(resources.customResourceDefinitions, crd, 'serin-local', true)),
  );
  for (let waiting = missing; waiting.length > 0;) {
    const established = new Set(await names(kubernetes, isEstablished));
    waiting = waiting.filter(({ metadata }) => !established.has(metadata.name));
    if (waiting.length > 0) await sleep(100);
  }
}

/** The objects of a YAML file, empty documents left out. */
export function readObjects(path: string): KubernetesObject[] {
  return parseObjects(readFileSync(path, 'utf8'));
}

/** The objects of a YAML text, empty documents left out. */
export function parseObjects(text: string): KubernetesObject[] {
  return parseAllDocuments(text).flatMap((document) => {
    if (document.errors[0]) throw document.errors[0];
    const object = document.toJS() as KubernetesObject | null;
    return object === null ? [] : [object];
  });
}

async function names(kubernetes: Kubernetes, include: (crd: KubernetesObject) => boolean): Promise<string[]> {
  const { items } = await kubernetes.list(resources.customResourceDefinitions, undefined);
  return items.filter(include).map(({ metadata }) => metadata.name);
}

function isEstablished({ status }: KubernetesObject): boolean {
  // A definition that was just stored has `conditions: null`.
  const { conditions } = (status ?? {}) as { conditions?: readonly { type: string; status: string }[] | null };
  return (conditions ?? []).some(({ type, status }) => type === 'Established' && status === 'True');
}

const isYaml = (name: string) => /\.ya?ml$/.test(name);
