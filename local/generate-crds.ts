import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { crds } from '../src/schemas/crds.ts';
import { writeOrCheck, type Files } from './generated.ts';

/** Writes the CRDs to `deploy/crds`, and for Helm into the chart: `npm run crds`. */

/** The files, by name, as the schemas want them. */
export const crdFiles: Files = new Map(crds.map((crd) => [`${crd.metadata.name}.yaml`, toYaml(crd)]));

/** The same by all the paths that they are at. */
export function crdPaths(): Files {
  const folders = ['../deploy/crds/', '../deploy/charts/serin/crds/'];
  return new Map(
    folders.flatMap((folder) =>
      [...crdFiles].map(([name, text]) => [fileURLToPath(new URL(folder + name, import.meta.url)), text] as const),
    ),
  );
}

function toYaml(crd: object): string {
  const header = '# Generated from src/schemas by `npm run crds`; edits here are lost.\n';
  // Kubernetes reads aliases, but people and diff tools do not.
  return header + stringify(crd, { aliasDuplicateObjects: false, lineWidth: 0, singleQuote: true });
}

if (import.meta.main) await writeOrCheck(crdPaths(), 'npm run crds', process.argv.slice(2));
