import { failure, messageOf } from '../../errors.ts';
import { builtins } from './template-functions.ts';
import { TemplateError } from './template-lexer.ts';
import { parse, type Node, type Operand, type Pipe } from './template-parser.ts';
import { entriesOf, isTrue, print, typeName, type Value } from './template-values.ts';

/** The values that a query template may call by these names. */
export interface QueryModel {
  readonly name: string;
  readonly namespace: string;
  readonly target: string;
  readonly service: string;
  readonly ingress: string;
  readonly route: string;
  /** As the metric writes it; '' when it does not. */
  readonly interval: string;
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * Renders a query template in the part of Go's text/template that queries use: calls, pipelines, parentheses, fields of
 * `variables`, variables, `if`, `with`, `range`, comments, trim markers and the standard functions without `call`.
 *
 * @throws `InvalidSpec`: `template parsing failed: …` (an unknown function among them), or
 * `template excution failed: …` (a key that `variables` does not have among them); spelt as in Flagger
 */
export function renderQuery(template: string, model: QueryModel): string {
  const functions = { ...builtins, ...constants(model) };
  const nodes = attempt(
    'template parsing failed',
    template,
    (at) => `template: tmpl:${lineOf(template, at)}`,
    () => parse(template, new Set(Object.keys(functions))),
  );
  const place = (at: number) => `template: tmpl:${lineOf(template, at)}:${columnOf(template, at)}`;
  return attempt('template excution failed', template, place, () => execute(nodes, functions));
}

type Functions = Readonly<Record<string, (...args: Value[]) => Value>>;

function constants(model: QueryModel): Functions {
  return Object.fromEntries(
    Object.entries(model).map(([name, value]) => [
      name,
      (...args: Value[]) => {
        if (args.length > 0) throw new Error(`wrong number of args for ${name}: want 0 got ${args.length}`);
        return value as Value;
      },
    ]),
  );
}

function attempt<T>(stage: string, template: string, place: (at: number) => string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const where = error instanceof TemplateError ? `${place(Math.min(error.at, template.length))}: ` : '';
    throw failure('InvalidSpec', `${stage}: ${where}${messageOf(error)}`, error);
  }
}

function lineOf(template: string, at: number): number {
  return template.slice(0, at).split('\n').length;
}

function columnOf(template: string, at: number): number {
  return Buffer.byteLength(template.slice(template.lastIndexOf('\n', at - 1) + 1, at));
}

/** Variables in force, innermost last. */
type Scope = [name: string, value: Value][];

/** A query stays far below these; a template that does not must not take the worker down with it. */
const limits = { nodes: 100_000, characters: 1_000_000 };

function execute(nodes: readonly Node[], functions: Functions): string {
  const scope: Scope = [['$', null]];
  let rendered = 0;
  return walk(nodes, null);

  function walk(list: readonly Node[], dot: Value): string {
    return list.map((node) => render(node, dot)).join('');
  }

  function render(node: Node, dot: Value): string {
    if (++rendered > limits.nodes) throw new Error('the template does not come to an end');
    if (node.type === 'text') return node.text;
    if (node.type === 'action') {
      const value = evaluate(node.pipe, dot);
      return node.pipe.variables.length > 0 ? '' : print(value);
    }
    const depth = scope.length;
    const text = node.type === 'range' ? renderRange(node, dot) : renderChoice(node, dot);
    scope.length = depth;
    return text;
  }

  function renderChoice(node: Extract<Node, { pipe: Pipe; body: unknown }>, dot: Value): string {
    const value = evaluate(node.pipe, dot);
    if (!isTrue(value)) return walk(node.otherwise, dot);
    return walk(node.body, node.type === 'with' ? value : dot);
  }

  function renderRange(node: Extract<Node, { pipe: Pipe; body: unknown }>, dot: Value): string {
    const { variables, assigns } = node.pipe;
    const value = evaluate({ ...node.pipe, variables: [] }, dot);
    const items = itemsOf(value, node.pipe);
    if (items.length === 0) return walk(node.otherwise, dot);
    return items
      .map(([key, item]) => {
        const depth = scope.length;
        const values = variables.length === 2 ? [key, item] : [item];
        variables.forEach((name, index) => store(name, values[index]!, assigns));
        const text = walk(node.body, item);
        scope.length = depth;
        return text;
      })
      .join('');
  }

  function evaluate({ variables, assigns, commands }: Pipe, dot: Value): Value {
    let value: Value | undefined;
    for (const command of commands) value = run(command, dot, value);
    for (const name of variables) store(name, value!, assigns);
    return value!;
  }

  function store(name: string, value: Value, assigns: boolean): void {
    if (!assigns) scope.push([name, value]);
    else scope.findLast(([known]) => known === name)![1] = value;
  }

  /** One stage of a pipeline; `fed` is the result of the stage before. */
  function run([first, ...rest]: readonly Operand[], dot: Value, fed: Value | undefined): Value {
    const operand = first!;
    if (operand.type === 'call') {
      const isLazy = operand.name === 'and' || operand.name === 'or';
      if (isLazy && rest.length > 0) return choose(operand.name === 'or', rest, dot, fed);
      const args = rest.map((argument) => valueOf(argument, dot));
      const text = [operand, ...rest].map((part) => part.text).join(' ');
      return call(operand, fed === undefined ? args : [...args, fed], text);
    }
    if (operand.type === 'nil') throw at(operand, 'nil is not a command');
    if (rest.length > 0 || fed !== undefined) throw at(operand, `can't give argument to non-function ${operand.text}`);
    return valueOf(operand, dot);
  }

  function valueOf(operand: Operand, dot: Value): Value {
    switch (operand.type) {
      case 'literal':
        return operand.value;
      case 'nil':
        return null;
      case 'dot':
        return dot;
      case 'variable':
        return scope.findLast(([name]) => name === operand.name)![1];
      case 'call':
        return call(operand, []);
      case 'pipe':
        return evaluate(operand.pipe, dot);
      case 'fields':
        return operand.names.reduce(
          (value, name) => fieldOf(operand, value, name),
          operand.of ? valueOf(operand.of, dot) : dot,
        );
    }
  }

  /** `and` and `or` leave alone what cannot change the result, which may be an error. */
  function choose(stopsAt: boolean, operands: readonly Operand[], dot: Value, fed: Value | undefined): Value {
    let value: Value = null;
    for (const operand of operands) {
      value = valueOf(operand, dot);
      if (isTrue(value) === stopsAt) return value;
    }
    return fed ?? value;
  }

  function call(operand: Operand & { type: 'call' }, args: Value[], text = operand.text): Value {
    try {
      const value = functions[operand.name]!(...args);
      if (typeof value === 'string' && value.length > limits.characters) throw new Error('the text grows too long');
      return value;
    } catch (error) {
      const message = messageOf(error);
      throw at(message.startsWith('error calling') ? { ...operand, text } : operand, message);
    }
  }
}

function fieldOf(operand: Operand, value: Value, name: string): Value {
  if (value === null) throw at(operand, `nil data; no entry for key ${JSON.stringify(name)}`);
  if (typeof value !== 'object') throw at(operand, `can't evaluate field ${name} in type ${typeName(value)}`);
  if (!Object.hasOwn(value, name)) throw at(operand, `map has no entry for key ${JSON.stringify(name)}`);
  return value[name]!;
}

function itemsOf(value: Value, pipe: Pipe): readonly (readonly [Value, Value])[] {
  if (value === null) return [];
  if (typeof value === 'object') return entriesOf(value);
  if (typeof value === 'bigint' && value <= limits.nodes)
    return Array.from({ length: Number(value) }, (_, n) => [BigInt(n), BigInt(n)] as const);
  throw at(pipe.commands[0]![0]!, `range can't iterate over ${print(value)}`);
}

function at(operand: Operand, message: string): TemplateError {
  return new TemplateError(`executing "tmpl" at <${operand.text}>: ${message}`, operand.at);
}
