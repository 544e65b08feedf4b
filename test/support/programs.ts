import { execFileSync } from 'node:child_process';

/** An option that a program has. */
interface Option {
  /** How it is written at length. */
  readonly name: string;
  /** The next word is its value, unless one is joined to it by `=`. */
  readonly takesValue: boolean;
}

export interface Parsed {
  /** Subcommands. */
  readonly path: readonly string[];
  readonly words: readonly string[];
  /** What options were given, by their long names. */
  readonly options: ReadonlyMap<string, readonly string[]>;
  /** What stands behind `--`. */
  readonly rest: readonly string[];
  readonly problems: readonly string[];
}

export interface Program {
  /** Arguments as the program itself would take them apart. */
  parse(args: readonly string[]): Parsed;
}

/**
 * What the help of an installed program says of its subcommands and options. It is asked once for each that is met.
 *
 * @param general arguments that make it print the options that every subcommand has
 */
export function programOf(name: string, path: string, general: readonly string[]): Program {
  const printed = new Map<string, string>();
  const print = (args: readonly string[]) => {
    const key = args.join(' ');
    if (!printed.has(key)) printed.set(key, execFileSync(path, args, { encoding: 'utf8', stdio: 'pipe' }));
    return printed.get(key)!;
  };
  const help = (subcommands: readonly string[]) => print([...subcommands, '--help']);

  /** How many words are subcommands; they may have options between them. */
  function subcommandsOf(args: readonly string[]): Pick<Parsed, 'path' | 'problems'> {
    const path: string[] = [];
    const everywhere = optionsIn(print(general));
    for (const word of take(args, everywhere, true).words) {
      const known = subcommandsIn(help(path));
      if (known.length === 0) break;
      // `kubectl top pods` is `kubectl top pod`.
      if (known.includes(word) || known.includes(word.replace(/s$/, ''))) path.push(word);
      // `kubectl create -f` has subcommands and works without; a bare group does not.
      else if (path.length === 0) return { path, problems: [`${name} has no command ${word}`] };
      else if (!optionsIn(help(path)).has('--filename'))
        return { path, problems: [`${name} ${path.join(' ')} has no command ${word}`] };
      else break;
    }
    return { path, problems: [] };
  }

  return {
    parse(args) {
      const { path, problems } = subcommandsOf(args);
      const options = new Map([...optionsIn(print(general)), ...optionsIn(help(path))]);
      const { words, given, rest, unknown } = take(args, options, false);
      const lost = unknown.map((option) => `${[name, ...path].join(' ')} has no option ${option}`);
      return {
        ...{ path, rest, options: given },
        words: words.slice(path.length),
        problems: problems.length > 0 ? problems : lost,
      };
    },
  };
}

/** Options in the help of a program that is made with cobra, in its own way or in that of kubectl. */
export function optionsIn(help: string): ReadonlyMap<string, Option> {
  const found = new Map<string, Option>();
  for (const line of help.split('\n')) {
    const kubectl = /^ {2,8}(?:(-\w), )?(--[a-z][\w-]*)=(.*):$/.exec(line);
    const plain = /^ {2,8}(?:(-\w), )?(--[a-z][\w-]*)(?:, (-\w))?( [^\s[]+)?(?:\[=\S*)?(?: {2,}.*|)$/.exec(line);
    const [short, name, takesValue] = kubectl
      ? [kubectl[1], kubectl[2]!, !['true', 'false'].includes(kubectl[3]!)]
      : [plain?.[1] ?? plain?.[3], plain?.[2], plain?.[4] !== undefined && !/\[=/.test(line)];
    if (name === undefined) continue;
    for (const spelling of [name, ...(short ? [short] : [])]) found.set(spelling, { name, takesValue });
  }
  return found;
}

/** Names under the headings that speak of commands. */
function subcommandsIn(help: string): string[] {
  return [...help.matchAll(/^[\w() ]*Commands[\w() ]*:\n((?: {2}\S.*\n)+)/gm)].flatMap(([, list]) =>
    list!
      .trim()
      .split('\n')
      .map((line) => line.trim().split(' ')[0]!),
  );
}

/** Tells words from options. With `patient` an unknown option is left out, and may have been one with a value. */
function take(args: readonly string[], options: ReadonlyMap<string, Option>, patient: boolean) {
  const words: string[] = [];
  const unknown: string[] = [];
  const given = new Map<string, string[]>();
  let rest: readonly string[] = [];
  for (let index = 0; index < args.length; index += 1) {
    const arg = args[index]!;
    if (arg === '--') {
      rest = args.slice(index + 1);
      break;
    }
    if (!arg.startsWith('-') || arg === '-') {
      words.push(arg);
      continue;
    }
    const [spelling, joined] = arg.includes('=')
      ? [arg.slice(0, arg.indexOf('=')), arg.slice(arg.indexOf('=') + 1)]
      : [arg, undefined];
    // `-it` is `-i -t`.
    const spellings = /^-\w{2,}$/.test(spelling) ? [...spelling.slice(1)].map((letter) => `-${letter}`) : [spelling];
    for (const one of spellings) {
      const option = options.get(one);
      if (!option) {
        unknown.push(one);
        // Subcommands come before the options that only they have.
        if (patient) return { words, given, rest, unknown };
        continue;
      }
      const value = joined ?? (option.takesValue ? args[(index += 1)] : 'true');
      if (value === undefined) unknown.push(`${one} without a value`);
      else given.set(option.name, [...(given.get(option.name) ?? []), value]);
    }
  }
  return { words, given, rest, unknown };
}
