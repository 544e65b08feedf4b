import { stringify } from 'yaml';
import type { Api, ApiUse } from '../src/activities/api.ts';

/** What one process may do to some resources of one group, as a Role says it. */
interface Rule {
  readonly group: string;
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/** What the chart grants for each API of another product: its template cannot read the code. */
export function chartApis(apis: readonly Api[]): string {
  const mesh = apis.filter(({ cluster }) => cluster === 'mesh');
  const workloads = apis.filter(({ cluster }) => cluster === 'workloads');
  const ordered = [...mesh, ...workloads.sort((one, other) => one.name.localeCompare(other.name, 'en'))];
  const listed = ordered.map(({ name, product, uses }) => ({
    ...{ name, product },
    starter: rules(
      uses.filter(({ watched }) => watched !== undefined).map((use) => ({ ...use, verbs: ['list', 'watch'] })),
    ),
    worker: rules(uses),
  }));
  const header = '# Generated from src/apis.ts by `npm run crds`; edits here are lost.\n';
  return header + stringify(listed, { aliasDuplicateObjects: false, lineWidth: 0, singleQuote: true });
}

/** Resources of one group that ask for the same, in one rule. */
function rules(uses: readonly (Pick<ApiUse, 'resource'> & { readonly verbs: readonly string[] })[]): readonly Rule[] {
  const found = new Map<string, Rule>();
  for (const { resource, verbs } of uses) {
    const group = resource.apiVersion.split('/')[0]!;
    const key = [group, ...verbs].join(' ');
    const resources = [...(found.get(key)?.resources ?? []), resource.plural];
    found.set(key, { group, resources, verbs });
  }
  return [...found.values()];
}
