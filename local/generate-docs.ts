import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { fieldsPage } from './reference/fields.ts';
import { metricsPage } from './reference/metrics.ts';
import { permissionsPage } from './reference/permissions.ts';
import { settingsPage } from './reference/settings.ts';
import { valuesPage } from './reference/values.ts';

/**
 * Writes what the code says of itself to `docs/reference`: `node local/generate-docs.ts`. With `--check` it writes
 * nothing, and exits with 1 when a page is not what the code says.
 */

const folder = new URL('../docs/reference/', import.meta.url);

/** The pages, by name. */
export const pages: ReadonlyMap<string, () => string | Promise<string>> = new Map([
  ['settings.md', settingsPage],
  ['metrics.md', metricsPage],
  ['fields.md', fieldsPage],
  ['permissions.md', permissionsPage],
  ['../../deploy/charts/serin/README.md', valuesPage],
]);

/** Names and texts of pages that are missing or differ from what the code says. */
export async function stalePages(): Promise<ReadonlyMap<string, string>> {
  const stale = new Map<string, string>();
  for (const [name, write] of pages) {
    const text = await write();
    const found = await readFile(new URL(name, folder), 'utf8').catch(() => undefined);
    if (found !== text) stale.set(name, text);
  }
  return stale;
}

async function main(args: readonly string[]): Promise<void> {
  const stale = await stalePages();
  const names = [...stale.keys()].join(', ');
  if (!args.includes('--check')) {
    await mkdir(folder, { recursive: true });
    for (const [name, text] of stale) await writeFile(new URL(name, folder), text);
    console.log(`${fileURLToPath(folder)}: ${stale.size === 0 ? 'nothing to do' : `wrote ${names}`}`);
    return;
  }
  if (stale.size === 0) return;
  console.error(`out of date: ${names}; run \`npm run docs\` and commit the result`);
  process.exitCode = 1;
}

if (import.meta.main) await main(process.argv.slice(2));
