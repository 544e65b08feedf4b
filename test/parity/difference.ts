/** What turns one list into another: `- entry` is in the first only, `+ entry` in the second only, in order. */
export function difference(before: readonly string[], after: readonly string[]): string[] {
  const longest = commonLengths(before, after);
  const lines: string[] = [];
  let [i, j] = [0, 0];
  while (i < before.length || j < after.length) {
    const [a, b] = [before[i], after[j]];
    if (a !== undefined && a === b) {
      [i, j] = [i + 1, j + 1];
    } else if (b === undefined || (a !== undefined && longest[i + 1]![j]! >= longest[i]![j + 1]!)) {
      lines.push(`- ${a}`);
      i += 1;
    } else {
      lines.push(`+ ${b}`);
      j += 1;
    }
  }
  return lines;
}

/** Length of the longest common subsequence of what is left from each pair of places on. */
function commonLengths(before: readonly string[], after: readonly string[]): number[][] {
  const table = Array.from({ length: before.length + 1 }, () => Array<number>(after.length + 1).fill(0));
  for (let i = before.length - 1; i >= 0; i -= 1) {
    for (let j = after.length - 1; j >= 0; j -= 1) {
      const same = before[i] === after[j];
      table[i]![j] = same ? table[i + 1]![j + 1]! + 1 : Math.max(table[i + 1]![j]!, table[i]![j + 1]!);
    }
  }
  return table;
}
