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

export const dashboardFile = 'deploy/charts/serin/files/dashboard.json';

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number };
  readonly datasource?: { readonly type: string; readonly uid: string };
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string }; readonly overrides: readonly object[] };
  readonly targets?: readonly {
    readonly expr: string;
    readonly datasource: { readonly type: string; readonly uid: string };
  }[];
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly schemaVersion: number;
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string; readonly definition?: string }[];
  };
  readonly panels: readonly Panel[];
}

export function dashboard(): Dashboard {
  return JSON.parse(read(dashboardFile)) as Dashboard;
}

/** Queries of the dashboard as Grafana would send them, each with the title of its panel. */
export function dashboardQueries(
  variables: Readonly<Record<string, string>>,
): readonly { readonly title: string; readonly expr: string }[] {
  const filled = (expr: string) =>
    // A variable without a value stays, and Prometheus refuses it.
    expr.replaceAll(/\$(\w+)/g, (text, name: string) => variables[name] ?? text);
  return dashboard().panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({ title, expr: filled(expr) })),
  );
}
