import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chart, renderChart } from './chart.ts';

/**
 * Writes what the chart makes of `ci/install.yaml` to `deploy/install`, for those who install with kubectl or kustomize:
 * `node local/generate-install.ts`. With `--check` it writes nothing, and exits with 1 when a file is not what the chart says.
 */

const folder = new URL('../deploy/install/', import.meta.url);

const header =
  '# Rendered from deploy/charts/serin by `npm run manifests`; edits here are lost. Change an overlay over deploy/.\n';

/** The files by name: one for each template of the chart that renders something. */
export function installFiles(): ReadonlyMap<string, string> {
  const text = renderChart({ values: [join(chart, 'ci/install.yaml')] });
  const files = new Map<string, string[]>();
  for (const document of text.split(/^---\n/m).filter((part) => part.trim() !== '')) {
    const name = /^# Source: serin\/templates\/(.*)$/m.exec(document)?.[1];
    if (name === undefined) throw new Error(`a document of the chart has no source:\n${document}`);
    files.set(name, [...(files.get(name) ?? []), plain(document)]);
  }
  return new Map([...files].map(([name, documents]) => [name, header + documents.join('---\n')]));
}

/** Without what only Helm needs. */
function plain(document: string): string {
  return document
    .replace(/^# Source: .*\n/m, '')
    .replace(/^ +(helm\.sh\/chart|app\.kubernetes\.io\/managed-by): .*\n/gm, '')
    .replace(/^\n+/, '');
}

export async function staleInstall(): Promise<ReadonlyMap<string, string>> {
  const stale = new Map<string, string>();
  for (const [name, text] of installFiles()) {
    const found = await readFile(new URL(name, folder), 'utf8').catch(() => undefined);
    if (found !== text) stale.set(name, text);
  }
  return stale;
}

async function main(args: readonly string[]): Promise<void> {
  const stale = await staleInstall();
  const names = [...stale.keys()].join(', ');
  if (!args.includes('--check')) {
    for (const [name, text] of stale) await writeFile(new URL(name, folder), text);
    console.log(`${fileURLToPath(folder)}: ${stale.size === 0 ? 'nothing to do' : `wrote ${names}`}`);
    return;
  }
  if (stale.size === 0) return;
  console.error(`out of date: ${names}; run \`npm run manifests\` and commit the result`);
  process.exitCode = 1;
}

if (import.meta.main) await main(process.argv.slice(2));
