/** A piece of a query template. `spaced` tells `f .x` (two operands) from `f.x` (a field of one). */
export interface Token {
  readonly type: TokenType;
  /** The text as written; the content for `string` and `char`. */
  readonly value: string;
  /** Offset in the template. */
  readonly at: number;
  readonly spaced: boolean;
}

export type TokenType =
  | 'text'
  | 'open'
  | 'close'
  | 'keyword'
  | 'name'
  | 'field'
  | 'dot'
  | 'variable'
  | 'bool'
  | 'nil'
  | 'number'
  | 'char'
  | 'string'
  | 'pipe'
  | 'declare'
  | 'assign'
  | 'comma'
  | '('
  | ')'
  | 'other'
  | 'end of file';

/** Something wrong in a template, with the place where it is. */
export class TemplateError extends Error {
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

/** Splits a template into text and the tokens of its actions. @see Go, text/template/parse/lex.go */
export function lex(source: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let trimNext = false;
  for (;;) {
    const open = source.indexOf('{{', at);
    const trimsBack = open >= 0 && /^-[ \t\r\n]/.test(source.slice(open + 2, open + 4));
    let text = source.slice(at, open < 0 ? undefined : open);
    if (trimNext) text = text.replace(/^[ \t\r\n]+/, '');
    if (trimsBack) text = text.replace(/[ \t\r\n]+$/, '');
    if (text !== '') tokens.push({ type: 'text', value: text, at, spaced: false });
    if (open < 0) break;
    const inside = open + 2 + (trimsBack ? 2 : 0);
    const end = source.startsWith('/*', inside) ? skipComment(source, inside) : lexAction(source, open, inside, tokens);
    trimNext = end.trims;
    at = end.at;
  }
  tokens.push({ type: 'end of file', value: '', at: source.length, spaced: false });
  return tokens;
}

interface End {
  readonly at: number;
  /** The action ends in ` -}}`, which eats the white space that follows. */
  readonly trims: boolean;
}

function skipComment(source: string, at: number): End {
  const close = source.indexOf('*/', at);
  if (close < 0) throw new TemplateError('unclosed comment', at);
  const end = endOfAction(source, close + 2);
  if (!end) throw new TemplateError('comment ends before closing delimiter', at);
  return end;
}

function endOfAction(source: string, at: number): End | undefined {
  const [text, trim] = /^(?:[ \t\r\n](-))?\}\}/.exec(source.slice(at, at + 4)) ?? [];
  return text === undefined ? undefined : { at: at + text.length, trims: trim !== undefined };
}

const keywords = new Set(['if', 'else', 'end', 'range', 'with', 'define', 'template', 'block', 'break', 'continue']);

/** What may stand in an action, in the order in which it is tried. */
const rules: readonly (readonly [TokenType, RegExp])[] = [
  ['string', /"(?:\\.|[^"\\\n])*"/y],
  ['string', /`[^`]*`/y],
  ['char', /'(?:\\.[^'\n]*|[^'\\\n])'/uy],
  ['number', /[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)/y],
  ['variable', /\$[\p{L}\p{Nd}_]*/uy],
  ['field', /\.[\p{L}\p{Nd}_]+/uy],
  ['dot', /\./y],
  ['name', /[\p{L}_][\p{L}\p{Nd}_]*/uy],
  ['declare', /:=/y],
  ['assign', /=/y],
  ['pipe', /\|/y],
  ['comma', /,/y],
  ['(', /\(/y],
  [')', /\)/y],
];

/** These must be followed by something that cannot continue them. */
const words: ReadonlySet<TokenType> = new Set(['variable', 'field', 'dot', 'name']);

function lexAction(source: string, open: number, start: number, tokens: Token[]): End {
  tokens.push({ type: 'open', value: '{{', at: open, spaced: false });
  let depth = 0;
  let at = start;
  for (;;) {
    const spaces = /[ \t\r\n]*/y;
    spaces.lastIndex = at;
    const blank = spaces.exec(source)![0].length;
    // ` -}}` begins with the blank that is a mere separator elsewhere.
    const end = endOfAction(source, at + blank) ?? (blank > 0 ? endOfAction(source, at + blank - 1) : undefined);
    if (end) {
      if (depth > 0) throw new TemplateError('unclosed left paren', at);
      tokens.push({ type: 'close', value: '}}', at: at + blank, spaced: blank > 0 });
      return end;
    }
    at += blank;
    if (at >= source.length) throw new TemplateError('unclosed action', open);
    const token = lexToken(source, at, blank > 0);
    if (token.type === '(') depth += 1;
    if (token.type === ')' && --depth < 0) throw new TemplateError('unexpected right paren', at);
    tokens.push(token);
    at += token.value.length;
  }
}

function lexToken(source: string, at: number, spaced: boolean): Token {
  for (const [type, pattern] of rules) {
    pattern.lastIndex = at;
    const value = pattern.exec(source)?.[0];
    if (value === undefined) continue;
    const next = String.fromCodePoint(source.codePointAt(at + value.length) ?? 32);
    if (type === 'number' && /[\p{L}\p{Nd}_]/u.test(next))
      throw new TemplateError(`bad number syntax: ${JSON.stringify(value + next)}`, at);
    if (words.has(type) && !/[\s.,|:()]/.test(next) && !source.startsWith('}}', at + value.length))
      throw new TemplateError(`bad character ${unicode(next)}`, at);
    return { type: wordType(type, value), value, at, spaced };
  }
  return { type: 'other', value: stray(source, at), at, spaced };
}

function wordType(type: TokenType, value: string): TokenType {
  if (type !== 'name') return type;
  if (keywords.has(value)) return 'keyword';
  if (value === 'true' || value === 'false') return 'bool';
  return value === 'nil' ? 'nil' : 'name';
}

/** A character that begins nothing; refused by name here, or by the parser, which knows what it wanted. */
function stray(source: string, at: number): string {
  const character = String.fromCodePoint(source.codePointAt(at)!);
  if (character === '"') throw new TemplateError('unterminated quoted string', at);
  if (character === '`') throw new TemplateError('unterminated raw quoted string', at);
  if (character === "'") throw new TemplateError('unterminated character constant', at);
  if (character === ':') throw new TemplateError('expected :=', at);
  if (/[\p{C}]/u.test(character))
    throw new TemplateError(`unrecognized character in action: ${unicode(character)}`, at);
  return character;
}

/** As Go writes `%#U`. */
function unicode(character: string): string {
  const code = character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0');
  return /[\p{C}]/u.test(character) ? `U+${code}` : `U+${code} '${character}'`;
}
