import { describe, expect, it } from '@jest/globals';
import { declaredBy, processes } from '../../local/reference/metrics.ts';
import { dashboard, knownSeries, seriesIn, type Panel } from '../support/monitoring.ts';

const { uid, title, schemaVersion, templating, panels } = dashboard();
const graphs = panels.filter(({ targets }) => targets !== undefined);
const datasource = { type: 'prometheus', uid: '${datasource}' };

describe('the dashboard', () => {
  it('can be found, and is of a Grafana that people have', () => {
    expect({ uid, title }).toEqual({ uid: 'serin', title: 'Serin' });
    expect(schemaVersion).toBe(39);
  });

  it('asks the Prometheus that was chosen, and for a namespace and a target that there are', () => {
    expect(templating.list.map(({ name, type }) => [name, type])).toEqual([
      ['datasource', 'datasource'],
      ['namespace', 'query'],
      ['canary', 'query'],
    ]);
    const asked = templating.list.flatMap(({ definition = '' }) => seriesIn(definition));
    expect(new Set(asked)).toEqual(new Set(['flagger_canary_status']));
    for (const panel of graphs)
      expect([panel.datasource, ...panel.targets!.map((target) => target.datasource)]).toEqual(
        Array(panel.targets!.length + 1).fill(datasource),
      );
  });

  it('goes from releases to the engine, to pushes and to logs', () => {
    expect(panels.filter(({ type }) => type === 'row').map((row) => row.title)).toEqual([
      'Releases now',
      'One Canary: $canary',
      'Engine',
      'Pushes',
      'Logs',
    ]);
  });

  it('has panels beside each other, and none above another', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    for (const [index, panel] of panels.entries()) {
      expect(panel.gridPos.x + panel.gridPos.w).toBeLessThanOrEqual(24);
      expect(
        panels
          .slice(index + 1)
          .filter((other) => overlap(panel, other))
          .map((other) => other.title),
      ).toEqual([]);
    }
  });

  it.each(graphs.map((panel) => [panel.title, panel] as const))(
    '%s says what it shows, and in what unit',
    (_, panel) => {
      expect(panel.description).toMatch(/\.$/);
      expect(JSON.stringify(panel.fieldConfig)).toMatch(/"unit"/);
      for (const { expr } of panel.targets!) {
        expect(seriesIn(expr)).not.toEqual([]);
        expect(seriesIn(expr).filter((name) => !knownSeries().has(name))).toEqual([]);
      }
    },
  );
});

describe('what several starters export, each the same', () => {
  const gauges = declaredBy(processes.starter()).filter(({ type }) => type === 'gauge');
  const exprs = graphs.flatMap(({ targets }) => targets!.map(({ expr }) => expr));

  it.each(gauges.map(({ name }) => name))('%s is nowhere added up', (name) => {
    const aggregated = new RegExp(`(?:(?:max|min) by \\([\\w, ]+\\) |max|min|count)\\(${name}\\b`, 'g');
    const bare = exprs.map((expr) => expr.replaceAll(aggregated, '')).filter((expr) => expr.includes(name));
    // Only asks which processes are ours.
    expect(bare.filter((expr) => !expr.includes('and on (instance)'))).toEqual([]);
  });
});

function overlap({ gridPos: a }: Panel, { gridPos: b }: Panel): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}
