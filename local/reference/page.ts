/** The first lines of a generated page. */
export function heading(title: string, from: string): string {
  return `# ${title}\n\n<!-- Generated from ${from} by \`npm run docs\`; edits here are lost. -->\n`;
}

/** A table of Markdown. Bars and line breaks in cells would end them. */
export function markdownTable(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ') || '–').join(' | ')} |`;
  return [line(columns), line(columns.map(() => '---')), ...rows.map(line)].join('\n');
}

export function code(text: string): string {
  return text === '' ? '' : `\`${text}\``;
}
