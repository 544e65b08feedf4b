import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chart, renderChart } from './chart.ts';
import { writeOrCheck, type Files } from './generated.ts';

/** Writes what the chart makes of `ci/install.yaml` to `deploy/install`, for kubectl and kustomize: `npm run manifests`. */

const folder = fileURLToPath(new URL('../deploy/install/', import.meta.url));

const header =
  '# Rendered from deploy/charts/serin by `npm run manifests`; edits here are lost. Change an overlay over deploy/.\n';

/** The files by path: one for each template of the chart that renders something. */
export function installFiles(): Files {
  const text = renderChart({ values: [join(chart, 'ci/install.yaml')] });
  const files = new Map<string, string[]>();
  for (const document of text.split(/^---\n/m).filter((part) => part.trim() !== '')) {
    const name = /^# Source: serin\/templates\/(.*)$/m.exec(document)?.[1];
    if (name === undefined) throw new Error(`a document of the chart has no source:\n${document}`);
    files.set(name, [...(files.get(name) ?? []), plain(document)]);
  }
  return new Map([...files].map(([name, documents]) => [join(folder, name), header + documents.join('---\n')]));
}

/** Without what only Helm needs. */
function plain(document: string): string {
  return document
    .replace(/^# Source: .*\n/m, '')
    .replace(/^ +(helm\.sh\/chart|app\.kubernetes\.io\/managed-by): .*\n/gm, '')
    .replace(/^\n+/, '');
}

if (import.meta.main) await writeOrCheck(installFiles(), 'npm run manifests', process.argv.slice(2));
