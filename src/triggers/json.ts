/**
 * Parses JSON from outside. Refuses what two parsers could understand differently or what costs too much: not UTF-8, an
 * object with a key twice, a key that reaches for an object's prototype, and nesting deeper than `maxDepth`.
 */
export function parseStrictJson(
  raw: Uint8Array,
  maxDepth = 32,
): { readonly value: unknown } | { readonly problem: string } {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(raw);
    value = JSON.parse(text);
  } catch (error) {
    return { problem: error instanceof SyntaxError ? 'not JSON' : 'not UTF-8' };
  }
  const problem = flaw(text, maxDepth);
  return problem === undefined ? { value } : { problem };
}

/** Walks the tokens of valid JSON with the keys of each open object, which `JSON.parse` does not tell about. */
function flaw(text: string, maxDepth: number): string | undefined {
  const open: (Set<string> | undefined)[] = [];
  let last = '';
  for (const [mark] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:]/g)) {
    if (mark === '{' || mark === '[') {
      open.push(mark === '{' ? new Set() : undefined);
      if (open.length > maxDepth) return `nested deeper than ${maxDepth}`;
    } else if (mark === '}' || mark === ']') {
      open.pop();
    } else if (mark === ':') {
      const key = JSON.parse(last) as string;
      const keys = open.at(-1);
      if (key === '__proto__' || key === 'constructor') return 'a key that is not allowed';
      if (keys?.has(key)) return 'a key given twice';
      keys?.add(key);
    }
    last = mark;
  }
  return undefined;
}
