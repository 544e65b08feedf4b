import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { crds } from '../src/schemas/crds.ts';

/**
 * Writes the CRDs to `deploy/crds`, and for Helm into the chart: `node local/generate-crds.ts`. With `--check` it writes nothing, and exits with 1
 * when a file is not what the schemas say.
 */

const folders = [
  new URL('../deploy/crds/', import.meta.url),
  new URL('../deploy/charts/serin/crds/', import.meta.url),
] as const;

/** The files, by name, as the schemas want them. */
export const crdFiles: ReadonlyMap<string, string> = new Map(
  crds.map((crd) => [`${crd.metadata.name}.yaml`, toYaml(crd)]),
);

/** Paths of files that are missing or differ from what the schemas say. */
export async function staleCrds(): Promise<readonly string[]> {
  const stale: string[] = [];
  for (const [name, text] of crdFiles) {
    for (const path of folders.map((folder) => fileURLToPath(new URL(name, folder)))) {
      const found = await readFile(path, 'utf8').catch(() => undefined);
      if (found !== text) stale.push(path);
    }
  }
  return stale;
}

function toYaml(crd: object): string {
  const header = '# Generated from src/schemas by `npm run crds`; edits here are lost.\n';
  // Kubernetes reads aliases, but people and diff tools do not.
  return header + stringify(crd, { aliasDuplicateObjects: false, lineWidth: 0, singleQuote: true });
}

async function main(args: readonly string[]): Promise<void> {
  const stale = await staleCrds();
  if (!args.includes('--check')) {
    for (const folder of folders) await mkdir(folder, { recursive: true });
    for (const path of stale) await writeFile(path, crdFiles.get(basename(path))!);
    console.log(stale.length === 0 ? 'nothing to do' : `wrote ${stale.join(', ')}`);
    return;
  }
  if (stale.length === 0) return;
  console.error(`out of date: ${stale.join(', ')}; run \`npm run crds\` and commit the result`);
  process.exitCode = 1;
}

if (import.meta.main) await main(process.argv.slice(2));
