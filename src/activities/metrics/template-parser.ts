import { lex, TemplateError, type Token, type TokenType } from './template-lexer.ts';
import type { Value } from './template-values.ts';

export type Node =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'action'; readonly pipe: Pipe }
  | {
      readonly type: 'if' | 'with' | 'range';
      readonly pipe: Pipe;
      readonly body: readonly Node[];
      readonly otherwise: readonly Node[];
    };

/** Commands, each fed with the result of the one before; the last result goes to the declared variables. */
export interface Pipe {
  readonly variables: readonly string[];
  /** `$x = …` changes a variable instead of declaring one. */
  readonly assigns: boolean;
  readonly commands: readonly (readonly Operand[])[];
}

/** `at` and `text` say where it stands and how it is written, for errors. */
export type Operand = { readonly at: number; readonly text: string } & (
  | { readonly type: 'literal'; readonly value: Value }
  | { readonly type: 'nil' }
  | { readonly type: 'dot' }
  | { readonly type: 'variable'; readonly name: string }
  | { readonly type: 'call'; readonly name: string }
  | { readonly type: 'pipe'; readonly pipe: Pipe }
  /** Fields of an operand, or of dot when there is none. */
  | { readonly type: 'fields'; readonly of?: Operand; readonly names: readonly string[] }
);

/**
 * Parses a template.
 *
 * @param functions names that an action may call; any other is an error, found before anything is rendered
 * @throws TemplateError
 * @see Go, text/template/parse/parse.go
 */
export function parse(source: string, functions: ReadonlySet<string>): readonly Node[] {
  const tokens = lex(source);
  const scope: string[] = ['$'];
  let next = 0;

  const peek = () => tokens[next]!;
  const take = () => tokens[next++]!;
  const unexpected = (token: Token, where: string) =>
    new TemplateError(`unexpected ${named(token)} in ${where}`, token.at);

  const all = list();
  if (all.end) throw new TemplateError(`unexpected {{${all.end.value}}}`, all.end.at);
  return all.nodes;

  /** Nodes up to `{{end}}`, `{{else` (whose keyword has then been taken) or the end of the template. */
  function list(): { nodes: readonly Node[]; end?: Token } {
    const nodes: Node[] = [];
    for (;;) {
      const token = take();
      if (token.type === 'end of file') return { nodes };
      if (token.type === 'text') nodes.push({ type: 'text', text: token.value });
      else if (peek().type !== 'keyword') nodes.push({ type: 'action', pipe: pipeline('command', 'close') });
      else if (peek().value === 'end' || peek().value === 'else') return { nodes, end: take() };
      else nodes.push(control(take()));
    }
  }

  function control(keyword: Token): Node {
    const type = keyword.value;
    if (type !== 'if' && type !== 'with' && type !== 'range')
      throw new TemplateError(`action {{${type}}} is not supported in queries`, keyword.at);
    const depth = scope.length;
    const pipe = pipeline(type, 'close');
    const body = list();
    const otherwise = branch(type, body.end);
    scope.length = depth;
    return { type, pipe, body: body.nodes, otherwise };
  }

  function branch(type: 'if' | 'with' | 'range', end: Token | undefined): readonly Node[] {
    if (!end) throw new TemplateError('unexpected EOF', source.length);
    if (end.value === 'end') {
      expect('close', 'end');
      return [];
    }
    // `else if` is an `if` inside the `else` that shares its `end`.
    if (peek().type === 'keyword' && peek().value === type && type !== 'range') return [control(take())];
    expect('close', 'else');
    const rest = list();
    if (!rest.end) throw new TemplateError('unexpected EOF', source.length);
    if (rest.end.value === 'else') throw new TemplateError(`expected end; found {{else}}`, rest.end.at);
    expect('close', 'end');
    return rest.nodes;
  }

  function expect(type: TokenType, where: string): void {
    const token = take();
    if (token.type !== type) throw unexpected(token, where);
  }

  function pipeline(where: string, end: 'close' | ')'): Pipe {
    const start = peek().at;
    const { variables, assigns } = declarations(where);
    const commands: Operand[][] = [];
    for (;;) {
      const token = peek();
      if (token.type === end) break;
      if (token.type === 'end of file' || !startsOperand.has(token.type)) throw unexpected(take(), where);
      commands.push(command());
    }
    take();
    if (commands.length === 0) throw new TemplateError(`missing value for ${where}`, start);
    commands.slice(1).forEach(([first], index) => {
      if (first!.type === 'literal' || first!.type === 'nil' || first!.type === 'dot')
        throw new TemplateError(`non executable command in pipeline stage ${index + 2}`, first!.at);
    });
    return { variables, assigns, commands };
  }

  function declarations(where: string): { variables: readonly string[]; assigns: boolean } {
    const variables: string[] = [];
    const operator = tokens[next + 1]!;
    const isPair = where === 'range' && operator.type === 'comma' && tokens[next + 2]!.type === 'variable';
    if (peek().type !== 'variable') return { variables, assigns: false };
    if (isPair) {
      variables.push(take().value);
      take();
    } else if (operator.type !== 'declare' && operator.type !== 'assign') return { variables, assigns: false };
    variables.push(take().value);
    const assign = take();
    if (assign.type !== 'declare' && assign.type !== 'assign') throw unexpected(assign, where);
    // Go makes the variable known before its value is parsed.
    if (assign.type === 'declare') scope.push(...variables);
    else for (const name of variables) known(name, assign);
    return { variables, assigns: assign.type === 'assign' };
  }

  function command(): Operand[] {
    const operands = [operand()];
    while (startsOperand.has(peek().type)) {
      if (!peek().spaced && peek().type !== '(') throw unexpected(take(), 'operand');
      operands.push(operand());
    }
    if (peek().type === 'pipe') take();
    else if (peek().type !== 'close' && peek().type !== ')') throw unexpected(take(), 'operand');
    return operands;
  }

  function operand(): Operand {
    const start = peek();
    const of = term();
    const names: string[] = [];
    const first = peek();
    while (peek().type === 'field' && !peek().spaced) names.push(take().value.slice(1));
    if (names.length === 0) return of;
    if (of.type === 'literal' || of.type === 'nil' || of.type === 'dot')
      throw new TemplateError(`unexpected . after term ${JSON.stringify(of.text)}`, start.at);
    const place = { at: first.at, text: `${of.text}.${names.join('.')}` };
    if (of.type === 'fields') return { ...of, ...place, names: [...of.names, ...names] };
    // Go blames the call for a field that its result does not have.
    return { type: 'fields', of, names, ...(of.type === 'variable' ? place : { at: of.at, text: of.text }) };
  }

  function term(): Operand {
    const token = take();
    const { type, value, at } = token;
    const place = { at, text: value };
    if (type === 'name') {
      if (!functions.has(value)) throw new TemplateError(`function ${JSON.stringify(value)} not defined`, at);
      return { type: 'call', name: value, ...place };
    }
    if (type === 'variable') {
      known(value, token);
      return { type, name: value, ...place };
    }
    if (type === 'dot' || type === 'nil') return { type, ...place };
    if (type === 'field') return { type: 'fields', names: [value.slice(1)], ...place };
    if (type === 'bool') return { type: 'literal', value: value === 'true', ...place };
    if (type === 'number' || type === 'char' || type === 'string')
      return { type: 'literal', value: literal(token), ...place };
    if (type !== '(') throw unexpected(token, 'operand');
    const pipe = pipeline('parenthesized pipeline', ')');
    return { type: 'pipe', pipe, at, text: source.slice(at, tokens[next - 1]!.at + 1) };
  }

  function known(name: string, token: Token): void {
    if (!scope.includes(name)) throw new TemplateError(`undefined variable ${JSON.stringify(name)}`, token.at);
  }
}

const startsOperand: ReadonlySet<TokenType> = new Set<TokenType>([
  'bool',
  'char',
  'dot',
  'field',
  'name',
  'number',
  'nil',
  'string',
  'variable',
  '(',
]);

function literal(token: Token): Value {
  if (token.type === 'char') {
    const text = unquote(token, "'");
    if ([...text].length !== 1) throw new TemplateError(`malformed character constant: ${token.value}`, token.at);
    return BigInt(text.codePointAt(0)!);
  }
  if (token.type === 'string') return token.value.startsWith('`') ? token.value.slice(1, -1) : unquote(token, '"');
  const text = token.value.replaceAll('_', '');
  if (!/^[+-]?0[xbo]/i.test(text) && /[.e]/i.test(text)) return Number(text);
  const digits = text.replace(/^[+-]/, '').replace(/^0(?=[0-7]+$)/, '0o');
  return text.startsWith('-') ? -BigInt(digits) : BigInt(digits);
}

const escapes: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
};

/** The content of a Go string or character literal. */
function unquote(token: Token, quote: string): string {
  const pattern = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))/gsu;
  return token.value
    .slice(1, -1)
    .replace(pattern, (_, x?: string, u?: string, U?: string, octal?: string, one = '') => {
      const hex = x ?? u ?? U;
      const code = hex !== undefined ? parseInt(hex, 16) : octal !== undefined ? parseInt(octal, 8) : undefined;
      if (code !== undefined && code <= 0x10ffff) return String.fromCodePoint(code);
      const plain = one === quote ? quote : escapes[one as string];
      if (plain === undefined) throw new TemplateError('invalid syntax', token.at);
      return plain;
    });
}

/** How Go's errors name a token. */
function named(token: Token): string {
  if (token.type === 'end of file') return 'EOF';
  return token.type === 'keyword' ? `<${token.value}>` : JSON.stringify(token.value);
}
