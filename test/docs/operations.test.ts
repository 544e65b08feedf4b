import { globSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { settingsTable } from '../../src/config.ts';
import { taskTypes } from '../../src/loadtester/tasks.ts';
import { usage } from '../../src/loadtester/flags.ts';
import { documentedVariables, read } from '../support/manifests.ts';

const top = new URL('../..', import.meta.url).pathname;
const sources = globSync('src/**/*.ts', { cwd: top, exclude: (path) => path.endsWith('.test.ts') });

describe('docs/operations.md', () => {
  it('explains every setting, with its default where it has one, and the flag of Flagger', () => {
    const rows = read('docs/operations.md').split('\n');
    for (const { env, flag, fallback } of Object.values(settingsTable)) {
      const row = rows.find((line) => line.startsWith('| `') && line.split('|')[1]!.includes(`\`${env[0]}\``));
      expect([env[0], row]).toEqual([env[0], expect.any(String)]);
      const isNothing = fallback === '' || (Array.isArray(fallback) && fallback.length === 0);
      if (!isNothing) expect(row).toContain(`\`${String(fallback)}\``);
      expect(row!.trimEnd().endsWith(flag === undefined ? '| – |' : `| \`-${flag}\` |`)).toBe(true);
    }
  });

  it('explains every variable of ours that the code reads, and no other', () => {
    const read_ = new Set(
      sources.flatMap((path) => [...read(path).matchAll(/\bSERIN_[A-Z_]*[A-Z]\b/g)].map(([name]) => name)),
    );
    const explained = [...documentedVariables()].filter((name) => name.startsWith('SERIN_'));
    expect(explained.sort()).toEqual([...read_].sort());
  });

  it('names no metric that the code does not export', () => {
    const code = sources.map(read).join('\n');
    const named = [...read('docs/operations.md').matchAll(/\b(?:serin|flagger)_[a-z_]+/g)].map(([name]) => name);
    expect(named.filter((name) => !code.includes(`'${name}'`))).toEqual([]);
  });
});

describe('docs/load-tester.md', () => {
  const text = read('docs/load-tester.md');

  it.each([...taskTypes.keys()])('explains the task type %s', (type) => {
    expect(text).toMatch(new RegExp(`^\\| .*\`${type}\`.* \\| `, 'm'));
  });

  it('explains every flag', () => {
    const flags = [...usage.matchAll(/^ {2}(-[a-z-]+)/gm)].map(([, flag]) => flag!);
    expect(flags).toHaveLength(6);
    for (const flag of flags) expect(text).toContain(`| \`${flag}\` |`);
  });
});
