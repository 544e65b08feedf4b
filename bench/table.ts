import type { Figure } from './benchmark.ts';

export interface Result extends Figure {
  readonly benchmark: string;
}

/** Whether a figure meets its target; undefined for one that has none. */
export function isMet({ value, atMost }: Figure): boolean | undefined {
  return atMost === undefined ? undefined : value <= atMost;
}

/** A table in Markdown whose columns also line up in a terminal. */
export function table(results: readonly Result[]): string {
  const rows = results.map((result) => [
    result.benchmark,
    result.name,
    quantity(result.value, result),
    result.atMost === undefined ? '' : `≤ ${quantity(result.atMost, result)}`,
    verdict(isMet(result)),
  ]);
  const all = [['benchmark', 'figure', 'value', 'target', 'verdict'], ...rows];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const isNumber = (column: number) => column === 2 || column === 3;
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => (isNumber(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!))).join(' | ')} |`;
  const rule = `| ${widths.map((width, column) => (isNumber(column) ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width))).join(' | ')} |`;
  return [line(all[0]!), rule, ...rows.map(line)].join('\n');
}

function quantity(value: number, { unit }: Figure): string {
  const digits = Number.isInteger(value) ? 0 : value < 10 ? 2 : value < 100 ? 1 : 0;
  return `${value.toFixed(digits)} ${unit}`.trimEnd();
}

function verdict(met: boolean | undefined): string {
  return met === undefined ? '' : met ? 'met' : 'MISSED';
}
