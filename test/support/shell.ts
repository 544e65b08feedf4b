/** One program with its arguments, as a shell would start it. */
export interface Invocation {
  /** Without quotes; variables and substitutions are as they are written. */
  readonly words: readonly string[];
  /** Variables set before it, for it alone. */
  readonly variables: readonly string[];
  /** Files that it is given by `<`, and that it makes by `>`. */
  readonly reads: readonly string[];
  readonly writes: readonly string[];
}

interface Word {
  readonly text: string;
  /** Something of it was quoted, so it is no keyword and no number of a descriptor. */
  readonly quoted: boolean;
}

type Token = Word | { readonly operator: string };

const operators = [
  '&&',
  '||',
  ';;',
  '|&',
  '>>',
  '<<-',
  '<<',
  '<&',
  '>&',
  '>|',
  '&>',
  ';',
  '&',
  '|',
  '(',
  ')',
  '<',
  '>',
];
const keywords = new Set(['do', 'done', 'then', 'else', 'elif', 'fi', 'if', 'while', 'until', '!', '{', '}']);

/**
 * The commands in a script, inner ones first: those of pipes, lists, loops, subshells and substitutions. It reads what
 * people write into pages, which is far from all that a shell reads.
 *
 * @throws Error for what is left open, and for `case` and functions
 */
export function commandsIn(script: string): Invocation[] {
  const found: Invocation[] = [];
  const tokens = tokensIn(script, found);
  let words: string[] = [];
  let variables: string[] = [];
  let [reads, writes]: [string[], string[]] = [[], []];
  const end = () => {
    if (words.length > 0 || variables.length > 0 || reads.length > 0 || writes.length > 0)
      found.push({ words, variables, reads, writes });
    [words, variables, reads, writes] = [[], [], [], []];
  };
  for (let index = 0; index < tokens.length; index += 1) {
    const token = tokens[index]!;
    if ('operator' in token) {
      if (!/[<>]/.test(token.operator)) {
        end();
        continue;
      }
      const next = tokens[(index += 1)];
      if (next === undefined || 'operator' in next) throw new Error(`nothing behind ${token.operator}`);
      // `2>&1` names a descriptor and no file.
      if (/^[<>]&$/.test(token.operator) && /^\d$/.test(next.text)) continue;
      (token.operator.includes('<') ? reads : writes).push(next.text);
      continue;
    }
    const following = tokens[index + 1];
    const redirected = following !== undefined && 'operator' in following && /^[<>]/.test(following.operator);
    if (redirected && !token.quoted && /^\d$/.test(token.text)) continue;
    if (words.length === 0 && !token.quoted) {
      if (keywords.has(token.text)) continue;
      if (token.text === 'case' || token.text === 'function') throw new Error(`${token.text} is not read`);
      if (token.text === 'for') {
        // Its words are values, not a command.
        while (index + 1 < tokens.length && !('operator' in tokens[index + 1]!)) index += 1;
        continue;
      }
    }
    if (words.length === 0 && /^[A-Za-z_]\w*=/.test(token.text)) variables.push(token.text);
    else words.push(token.text);
  }
  end();
  return found;
}

/** Splits a script. Commands of substitutions are added to `inner`. */
function tokensIn(script: string, inner: Invocation[]): Token[] {
  const tokens: Token[] = [];
  /** Delimiters of heredocs that begin behind this line. */
  const heredocs: { readonly delimiter: string; readonly indented: boolean }[] = [];
  let at = 0;
  while (at < script.length) {
    const rest = script.slice(at);
    const skipped = /^(?:[ \t]+|\\\n|#.*)/.exec(rest)?.[0];
    if (skipped !== undefined) {
      at += skipped.length;
      continue;
    }
    if (rest.startsWith('\n')) {
      tokens.push({ operator: '\n' });
      at += 1;
      for (const heredoc of heredocs.splice(0)) at = afterHeredoc(script, at, heredoc);
      continue;
    }
    const operator = rest.startsWith('<(') ? undefined : operators.find((one) => rest.startsWith(one));
    if (operator === undefined) {
      const { word, end } = wordAt(script, at, inner);
      tokens.push(word);
      at = end;
      continue;
    }
    at += operator.length;
    if (!operator.startsWith('<<')) {
      tokens.push({ operator });
      continue;
    }
    while (script[at] === ' ') at += 1;
    const { word, end } = wordAt(script, at, inner);
    heredocs.push({ delimiter: word.text, indented: operator === '<<-' });
    at = end;
  }
  if (heredocs.length > 0) throw new Error(`nothing behind <<${heredocs[0]!.delimiter}`);
  return tokens;
}

function afterHeredoc(
  script: string,
  start: number,
  { delimiter, indented }: { delimiter: string; indented: boolean },
) {
  for (let at = start; at < script.length;) {
    const stop = script.indexOf('\n', at);
    const line = script.slice(at, stop < 0 ? script.length : stop);
    at = stop < 0 ? script.length : stop + 1;
    if ((indented ? line.replace(/^\t+/, '') : line) === delimiter) return at;
  }
  throw new Error(`${delimiter} does not end what began with <<`);
}

function wordAt(script: string, start: number, inner: Invocation[]): { readonly word: Word; readonly end: number } {
  let [text, quoted, at] = ['', false, start];
  /** Takes a substitution as it is written, and looks into it. */
  const substitution = (open: number) => {
    const end = closing(script, open + 2);
    inner.push(...commandsIn(script.slice(open + 2, end - 1)));
    text += script.slice(open, end);
    return end;
  };
  while (at < script.length && !/[\s;&|()<>]/.test(script[at]!)) {
    const char = script[at]!;
    if (script.startsWith('$(', at)) at = substitution(at);
    else if (script.startsWith('${', at)) {
      const end = script.indexOf('}', at) + 1;
      if (end === 0) throw new Error('a ${ is left open');
      text += script.slice(at, end);
      at = end;
    } else if (char === "'") {
      const end = script.indexOf("'", at + 1);
      if (end < 0) throw new Error("a ' is left open");
      text += script.slice(at + 1, end);
      [quoted, at] = [true, end + 1];
    } else if (char === '"') {
      quoted = true;
      at += 1;
      while (script[at] !== '"') {
        if (at >= script.length) throw new Error('a " is left open');
        if (script.startsWith('$(', at)) at = substitution(at);
        else {
          if (script[at] === '\\' && /["\\$`\n]/.test(script[at + 1] ?? '')) at += 1;
          text += script[at] === '\n' && script[at - 1] === '\\' ? '' : script[at];
          at += 1;
        }
      }
      at += 1;
    } else if (char === '\\') {
      text += script[at + 1] === '\n' ? '' : (script[at + 1] ?? '');
      at += 2;
    } else {
      text += char;
      at += 1;
    }
  }
  // `<(command)` is a word as well: the path of what the command prints.
  if (at === start && script.startsWith('<(', at)) at = substitution(at);
  return { word: { text, quoted }, end: at };
}

/** Where the parenthesis ends that was opened before `start`. */
function closing(script: string, start: number): number {
  let depth = 1;
  for (let at = start; at < script.length; at += 1) {
    const char = script[at]!;
    if (char === '\\') at += 1;
    else if (char === "'" || char === '"') {
      const end = script.indexOf(char, at + 1);
      if (end < 0) break;
      at = end;
    } else if (char === '(') depth += 1;
    else if (char === ')') {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  throw new Error('a ( is left open');
}
