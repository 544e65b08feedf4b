import { stringify } from 'yaml';
import { text, UsageError, type Given, type Terminal } from './command.ts';

export type Row = Readonly<Record<string, string>>;

/** Prints a value as `-o` asks for it; a table by the columns that `rows` have. */
export function print(terminal: Terminal, given: Given, value: unknown, rows: () => readonly Row[]): void {
  const format = text(given, 'output') ?? 'table';
  switch (format) {
    case 'json':
      return terminal.out(JSON.stringify(value, null, 2));
    case 'yaml':
      return terminal.out(stringify(value, { aliasDuplicateObjects: false }).trimEnd());
    case 'table':
      return table(rows()).forEach((line) => terminal.out(line));
    default:
      throw new UsageError(`--output is "${format}"; use table, json or yaml`);
  }
}

/** Lines with columns that are as wide as what is in them. */
export function table(rows: readonly Row[]): string[] {
  const columns = Object.keys(rows[0] ?? {});
  const width = (column: string) => Math.max(column.length, ...rows.map((row) => (row[column] ?? '').length));
  const line = (cell: (column: string) => string) =>
    columns
      .map((column) => cell(column).padEnd(width(column)))
      .join('  ')
      .trimEnd();
  return rows.length === 0 ? [] : [line((column) => column), ...rows.map((row) => line((column) => row[column] ?? ''))];
}
