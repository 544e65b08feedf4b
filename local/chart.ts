import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import type { KubernetesObject } from '../src/clients/kubernetes.ts';
import { findTool } from './tools.ts';

/** Where the chart is. */
export const chart = fileURLToPath(new URL('../deploy/charts/serin', import.meta.url));

export interface Rendering {
  /** Name of the release. */
  readonly release?: string;
  readonly namespace?: string;
  /** Paths of values files. */
  readonly values?: readonly string[];
  /** Values that win over those of files, as `--set-json` takes them. */
  readonly set?: Readonly<Record<string, unknown>>;
  /** The definitions, too. */
  readonly crds?: boolean;
}

/** What `helm template` prints. @throws Error with what helm says when values are refused or a template is wrong */
export function renderChart({ release = 'serin', namespace = 'serin-system', ...more }: Rendering = {}): string {
  const args = [
    ...['template', release, chart, '--namespace', namespace],
    ...(more.values ?? []).flatMap((path) => ['--values', path]),
    ...Object.entries(more.set ?? {}).flatMap(([path, value]) => ['--set-json', `${path}=${JSON.stringify(value)}`]),
    ...(more.crds ? ['--include-crds'] : []),
  ];
  return helm(args);
}

/** The objects in a rendered chart, in its order. */
export function objectsOf(text: string): KubernetesObject[] {
  return parseAllDocuments(text, { uniqueKeys: true }).flatMap((document) => {
    if (document.errors[0]) throw document.errors[0];
    const object = document.toJS() as KubernetesObject | null;
    return object ? [object] : [];
  });
}

/** Runs helm. @throws Error with what it says, when it does not succeed */
export function helm(args: readonly string[]): string {
  const program = findTool('helm');
  if (program === undefined) throw new Error('helm is not there yet: run `node local/setup.ts helm`');
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: 'pipe', maxBuffer: 64 * 1024 * 1024 });
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    throw new Error(stderr || message, { cause: error });
  }
}
