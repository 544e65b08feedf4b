import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { apis } from '../src/apis.ts';
import { crds } from '../src/schemas/crds.ts';
import { chartApis } from './chart-apis.ts';
import { writeOrCheck, type Files } from './generated.ts';

/** Writes the CRDs to `deploy/crds`, and for Helm into the chart, with what it grants for the APIs of others: `npm run crds`. */

/** The files, by name, as the schemas want them. */
export const crdFiles: Files = new Map(crds.map((crd) => [`${crd.metadata.name}.yaml`, toYaml(crd)]));

/** The same by all the paths that they are at. */
export function crdPaths(): Files {
  const folders = ['../deploy/crds/', '../deploy/charts/serin/crds/'];
  const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
  return new Map([
    ...folders.flatMap((folder) => [...crdFiles].map(([name, text]) => [path(folder + name), text] as const)),
    [path('../deploy/charts/serin/files/apis.yaml'), chartApis(apis)],
  ]);
}

function toYaml(crd: object): string {
  const header = '# Generated from src/schemas by `npm run crds`; edits here are lost.\n';
  // Kubernetes reads aliases, but people and diff tools do not.
  return header + stringify(crd, { aliasDuplicateObjects: false, lineWidth: 0, singleQuote: true });
}

if (import.meta.main) await writeOrCheck(crdPaths(), 'npm run crds', process.argv.slice(2));
