import { globSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { taskTypes } from '../../src/loadtester/tasks.ts';
import { usage } from '../../src/loadtester/flags.ts';
import { read } from '../support/manifests.ts';

const top = new URL('../..', import.meta.url).pathname;
const sources = globSync('src/**/*.ts', { cwd: top, exclude: (path) => path.endsWith('.test.ts') });

describe('docs/operations.md', () => {
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
