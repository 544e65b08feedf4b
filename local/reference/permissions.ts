import { join } from 'node:path';
import { apis } from '../../src/apis.ts';
import { apiNames } from '../../src/config.ts';
import { chart, objectsOf, renderChart, type Rendering } from '../chart.ts';
import { code, heading, markdownTable } from './page.ts';

/** What one process may do with one resource. */
export interface Grant {
  /** `''` is the core group. */
  readonly group: string;
  readonly resource: string;
  readonly verbs: readonly string[];
}

interface Role {
  readonly rules: readonly {
    readonly apiGroups: readonly string[];
    readonly resources: readonly string[];
    readonly verbs: readonly string[];
  }[];
}

/** What the chart grants to each process, with some values. */
export function grants(rendering: Rendering): Readonly<Record<'worker' | 'starter', readonly Grant[]>> {
  const objects = objectsOf(renderChart(rendering));
  const of = (component: string) => {
    const roles = objects.filter(
      ({ kind, metadata }) =>
        (kind === 'ClusterRole' || kind === 'Role') && metadata.labels?.['app.kubernetes.io/component'] === component,
    ) as unknown as readonly Role[];
    const all = new Map<string, Grant>();
    for (const { apiGroups, resources, verbs } of roles.flatMap(({ rules }) => rules)) {
      for (const group of apiGroups) {
        for (const resource of resources) {
          const key = `${group}/${resource}`;
          all.set(key, { group, resource, verbs: [...new Set([...(all.get(key)?.verbs ?? []), ...verbs])] });
        }
      }
    }
    return [...all.values()];
  };
  return { worker: of('worker'), starter: of('starter') };
}

/** What asks for a grant beyond what every installation has, by the values that leave it out. */
const options: readonly (readonly [text: string, set: Readonly<Record<string, unknown>>])[] = [
  ...apiNames.map((api) => [`\`providers\`: ${api}`, { providers: apiNames.filter((name) => name !== api) }] as const),
  ['`configTracking.enabled`', { 'configTracking.enabled': false }],
  ['`gitops.enabled`', { 'gitops.enabled': false }],
  ['`images.enabled`', { 'images.enabled': false }],
];

const meshGroups = [
  ...new Set(
    apis
      .filter(({ cluster }) => cluster === 'mesh')
      .flatMap(({ uses }) => uses.map(({ resource }) => resource.apiVersion.split('/')[0]!)),
  ),
];

/** The values that a grant goes away with; the part of its verbs, where not all go. */
function neededFor(grant: Grant, without: ReadonlyMap<string, readonly Grant[]>) {
  return [...without].flatMap(([text, left]) => {
    const verbs = left.find(({ group, resource }) => group === grant.group && resource === grant.resource)?.verbs ?? [];
    const lost = grant.verbs.filter((verb) => !verbs.includes(verb));
    if (lost.length === 0) return [];
    return [lost.length === grant.verbs.length ? text : `${text} (${lost.join(', ')})`];
  });
}

export function permissionsPage(): string {
  const values = [join(chart, 'ci/defaults.yaml')];
  const all = grants({ values });
  const without = options.map(([text, set]) => [text, grants({ values, set })] as const);
  const section = (component: 'worker' | 'starter') =>
    markdownTable(
      ['API group', 'resource', 'verbs', 'only with'],
      all[component].map((grant) => [
        grant.group === '' ? 'core' : grant.group,
        code(grant.resource),
        grant.verbs.join(', '),
        neededFor(grant, new Map(without.map(([text, left]) => [text, left[component]]))).join(', '),
      ]),
    );
  return `${heading('Permissions', 'deploy/charts/serin')}
What each process may do to the API server, as the chart grants it. With \`namespace\` all of it is in a Role of that namespace; otherwise in a
ClusterRole. Whatever is not here is refused, and tests try it. The load tester has no account at all.

## Starter

It listens to strangers, and so it has no verb that writes, and gets no object by its name.

${section('starter')}

## Worker

The only process that writes.

${section('worker')}

In the cluster of a mesh's control plane, if that is another one, the user of the kubeconfig needs what stands in both tables for
${meshGroups.map(code).join(' and ')}, \`delete\` on the same, and nothing else.
`;
}
