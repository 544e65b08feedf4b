/** Where a command speaks to: the terminal, or a test. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A line for whoever asked; what `-o json` is parsed from. */
  out(line: string): void;
  /** A line about the command itself. */
  err(line: string): void;
  /** There when the output is a terminal that a person looks at. */
  readonly screen?: Screen;
}

export interface Screen {
  readonly columns: number;
  readonly rows: number;
  /** Shows these lines instead of those before. */
  draw(lines: readonly string[]): void;
}

/** Called wrongly: exit code 2, with the usage of the command. */
export class UsageError extends Error {}

/** Did not do what was asked, for a reason that people can read: exit code 1. */
export class CommandError extends Error {}

/** What `parseArgs` of Node made of the words behind the command. */
export interface Given {
  readonly words: readonly string[];
  readonly options: Readonly<Record<string, string | boolean | undefined>>;
}

export interface Command {
  /** Words behind the command, such as `<namespace>/<canary>`. */
  readonly usage: string;
  /** One line. */
  readonly summary: string;
  /** Options beside those that all commands have; the text says what each means. */
  readonly options: Readonly<Record<string, Option>>;
  /** Resolves to the exit code. @throws UsageError, CommandError */
  run(given: Given, terminal: Terminal): Promise<number>;
}

export interface Option {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  readonly text: string;
}

/** The text of an option, or undefined when it was not given. */
export function text({ options }: Given, name: string): string | undefined {
  const value = options[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}
