import { parse } from 'yaml';
import { declaredBy, processes, temporals } from '../../local/reference/metrics.ts';
import { read } from './manifests.ts';

/** What the chart brings for Prometheus and Grafana, and which series it may speak of. */

export const alertsFile = 'deploy/charts/serin/files/alerts.yaml';

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export function alertRules(): readonly AlertRule[] {
  const { groups } = parse(read(alertsFile)) as {
    readonly groups: readonly { readonly rules: readonly AlertRule[] }[];
  };
  return groups.flatMap(({ rules }) => rules);
}

/** Names of the series that a reader of docs/reference/metrics.md knows. */
export function knownSeries(): ReadonlySet<string> {
  const ours = Object.values(processes).flatMap((registryOf) =>
    declaredBy(registryOf()).flatMap(({ name, type }) =>
      type === 'histogram' ? ['_bucket', '_sum', '_count'].map((end) => `${name}${end}`) : [name],
    ),
  );
  const ofTemporal = temporals.flatMap(([names]) =>
    [...names.matchAll(/`(\w+)`/g)].flatMap(([, name]) =>
      name!.endsWith('_seconds') ? ['_bucket', '_sum', '_count'].map((end) => `${name}${end}`) : [name!],
    ),
  );
  return new Set([...ours, ...ofTemporal]);
}

/** Names of series in a PromQL expression; each alternative of a pattern such as `a_(b|c)_d`. */
export function seriesIn(expr: string): readonly string[] {
  const written = expr.replaceAll(
    /(\w*)\((\w+(?:\|\w+)+)\)(\w*)/g,
    (_, before: string, choice: string, after: string) =>
      choice
        .split('|')
        .map((one) => `${before}${one}${after}`)
        .join(' '),
  );
  return [...new Set([...written.matchAll(/\b(?:serin|flagger|temporal)_\w+/g)].map(([name]) => name))];
}
