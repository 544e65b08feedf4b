import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { provideTool } from '../../local/tools.ts';
import { alertRules, alertsFile, knownSeries, seriesIn } from '../support/monitoring.ts';
import { read } from '../support/manifests.ts';
import { say } from '../support/teardown.ts';

const run = promisify(execFile);
const top = new URL('../..', import.meta.url).pathname;
const fixtures = globSync('test/fixtures/alerts/*.yaml', { cwd: top }).sort();
const rules = alertRules();
const names = rules.map(({ alert }) => alert);

interface Fixture {
  readonly tests: readonly {
    readonly alert_rule_test: readonly { readonly alertname: string; readonly exp_alerts: readonly object[] }[];
  }[];
}

const expectations = fixtures
  .flatMap((path) => (parse(read(path)) as Fixture).tests)
  .flatMap((test) => test.alert_rule_test);

describe('the alert rules', () => {
  let promtool: string;
  beforeAll(async () => {
    promtool = await provideTool('promtool', say);
  }, 60_000);

  it('are ones that Prometheus takes', async () => {
    const { stdout } = await run(promtool, ['check', 'rules', alertsFile], { cwd: top });
    expect(stdout).toContain(`SUCCESS: ${rules.length} rules found`);
  });

  it.each(fixtures)('say of the series in %s what stands there', async (path) => {
    const { stdout } = await run(promtool, ['test', 'rules', path], { cwd: top }).catch((error: unknown) => {
      // What was expected and what came is in the output, and not in the message.
      throw new Error((error as { readonly stdout: string }).stdout, { cause: error });
    });
    expect(stdout).toContain('SUCCESS');
  });

  it.each(names)('%s is shown to fire, and not to where it nearly would', (name) => {
    const of = expectations.filter(({ alertname }) => alertname === name);
    expect(of.some(({ exp_alerts: alerts }) => alerts.length > 0)).toBe(true);
    expect(of.some(({ exp_alerts: alerts }) => alerts.length === 0)).toBe(true);
  });

  it.each(rules.map((rule) => [rule.alert, rule] as const))('%s says how bad it is and what to do', (name, rule) => {
    expect(rule.for).toMatch(/^\d+m$/);
    expect(rule.labels).toEqual({ severity: expect.stringMatching(/^(critical|warning|info)$/) });
    expect(rule.annotations).toEqual({
      summary: expect.stringMatching(/[^.]$/),
      description: expect.stringMatching(/\.$/),
      runbook: `docs/runbook.md#${name.toLowerCase()}`,
    });
  });

  it.each(rules.map(({ alert, expr }) => [alert, expr]))('%s looks at series that there are', (_, expr) => {
    const used = seriesIn(expr);
    expect(used).not.toEqual([]);
    expect(used.filter((name) => !knownSeries().has(name))).toEqual([]);
  });
});

describe('docs/runbook.md', () => {
  const runbook = read('docs/runbook.md');

  it('has a page for each alert, and none for others', () => {
    const pages = [...runbook.matchAll(/^### (Serin[A-Z]\w+)$/gm)].map(([, name]) => name!);
    expect(pages.sort()).toEqual([...names].sort());
  });

  it('names each alert in its table of contents', () => {
    const [, contents = ''] = /\| page \| \|\n((?:\|.*\n)+)/.exec(runbook) ?? [];
    expect(names.filter((name) => !contents.includes(name))).toEqual([]);
  });

  it('names no series that nobody exports', () => {
    const known = knownSeries();
    const isKnown = (name: string) => ['', '_count'].some((end) => known.has(name + end));
    expect(seriesIn(runbook).filter((name) => !isKnown(name))).toEqual([]);
  });
});
