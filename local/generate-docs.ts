import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chart } from './chart.ts';
import { writeOrCheck, type Files } from './generated.ts';
import { fieldsPage } from './reference/fields.ts';
import { metricsPage } from './reference/metrics.ts';
import { permissionsPage } from './reference/permissions.ts';
import { settingsPage } from './reference/settings.ts';
import { valuesPage } from './reference/values.ts';

/** Writes what the code says of itself to `docs/reference`, and what the chart says to its README: `npm run docs`. */
export function pages(): Files {
  const page = (name: string) => fileURLToPath(new URL(`../docs/reference/${name}.md`, import.meta.url));
  return new Map([
    [page('settings'), settingsPage()],
    [page('metrics'), metricsPage()],
    [page('fields'), fieldsPage()],
    [page('permissions'), permissionsPage()],
    [join(chart, 'README.md'), valuesPage()],
  ]);
}

if (import.meta.main) await writeOrCheck(pages(), 'npm run docs', process.argv.slice(2));
