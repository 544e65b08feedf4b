import { describe, expect, it } from '@jest/globals';
import { chartValues } from '../../local/reference/values.ts';
import { read } from '../support/manifests.ts';

/** Rows of the table of values: what stands in front of the bar, and what behind it. */
const [, table] = /^\| value in Flagger's chart \| here \|\n.*\n((?:\|.*\n)+)/m.exec(
  read('docs/migrate-from-flagger.md'),
)!;
const rows = table!
  .trim()
  .split('\n')
  .map((row) => {
    const [, names = '', about = ''] = row.split('|');
    return { names: [...names.matchAll(/`([^`]+)`/g)].map(([, name]) => name!), about };
  });
const namesWhere = (wanted: RegExp) => rows.filter(({ about }) => wanted.test(about)).flatMap(({ names }) => names);

describe('the values of Flagger’s chart in docs/migrate-from-flagger.md', () => {
  it('are values of ours, where the page says that they are the same', () => {
    const known = chartValues().map(({ path }) => path);
    const same = namesWhere(/^ the same/);
    expect(same.length).toBeGreaterThan(30);
    expect(same.filter((name) => !known.some((path) => path === name || path.startsWith(`${name}.`)))).toEqual([]);
  });

  it('mean nothing where the chart says so after an installation, and nowhere else', () => {
    const [, list] = /\$name := list (.*) \}\}/.exec(read('deploy/charts/serin/templates/NOTES.txt'))!;
    const ignored = [...list!.matchAll(/"([^"]+)"/g)].map(([, name]) => name!);
    expect(namesWhere(/^ means? nothing here/).sort()).toEqual(ignored.sort());
  });
});
