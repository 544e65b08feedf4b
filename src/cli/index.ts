import { parseArgs } from 'node:util';
import { CommandError, UsageError, type Command, type Given, type Option, type Terminal } from './command.ts';
import { config } from './config.ts';
import { get } from './get.ts';
import { history, why } from './history.ts';
import { hookUrl } from './hook-url.ts';
import { lint } from './lint.ts';
import { list } from './list.ts';
import { gateIn, gateOption, orderCommand, weightIn } from './order.ts';
import { completionCommand, type Vocabulary } from './completion.ts';
import { simulate } from './simulate.ts';
import { wait } from './wait.ts';
import { watch } from './watch.ts';

/** What people do to releases, by name. */
export const commands: ReadonlyMap<string, Command> = new Map<string, Command>([
  ['list', list],
  ['get', get],
  ['watch', watch],
  ['history', history],
  ['why', why],
  ['pause', orderCommand('pause', 'Hold a release at its weight; it goes on being judged.')],
  ['resume', orderCommand('resume', 'Let a paused release go on.')],
  [
    'promote',
    orderCommand('promote', 'Skip the rest of the analysis and promote.', {
      options: { force: { type: 'boolean', text: 'also past promotion gates that are closed' } },
      read: ({ options }) => (options.force === true ? { force: true } : {}),
    }),
  ],
  ['abort', orderCommand('abort', 'Roll a release back.')],
  [
    'approve',
    orderCommand('approve', 'Approve what people are asked for; one person counts once.', {
      options: gateOption,
      read: gateIn,
    }),
  ],
  [
    'reject',
    orderCommand('reject', 'Say no to what people are asked for: the release is rolled back.', {
      options: gateOption,
      read: gateIn,
    }),
  ],
  ['retry', orderCommand('retry', 'Release the revision that failed once more.')],
  [
    'set-weight',
    orderCommand('set-weight', 'Give the canary this much traffic, in percent.', {
      usage: ' <percent>',
      read: weightIn,
    }),
  ],
  ['skip-step', orderCommand('skip-step', 'Do not wait for the rest of the present step.')],
  ['wait', wait],
  ['lint', lint],
  ['simulate', simulate],
  ['hook-url', hookUrl],
  ['config', config],
  ['completion', completionCommand(() => vocabulary())],
]);

const common: Readonly<Record<string, Option>> = {
  namespace: { type: 'string', short: 'n', text: 'of the Canary, where it is named without' },
  output: { type: 'string', short: 'o', text: 'table, json or yaml' },
  help: { type: 'boolean', short: 'h', text: 'this text' },
};

function vocabulary(): Vocabulary {
  return new Map(
    [...commands].map(([name, { summary, options }]) => [name, { summary, options: { ...options, ...common } }]),
  );
}

/** Runs a command line. Resolves to the exit code: 0 done, 1 not done, 2 called wrongly. */
export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  const [name = '', ...words] = argv;
  if (name === '' || name === 'help' || name === '--help' || name === '-h') {
    overview().forEach((line) => terminal.out(line));
    return name === '' ? 2 : 0;
  }
  const command = commands.get(name);
  if (!command) {
    terminal.err(`unknown command ${name}; there are ${[...commands.keys()].join(', ')}`);
    return 2;
  }
  try {
    const given = parseWords(command, words);
    if (given.options.help === true) {
      usage(name, command).forEach((line) => terminal.out(line));
      return 0;
    }
    return await command.run(given, terminal);
  } catch (error) {
    if (error instanceof UsageError) {
      terminal.err(`serin ${name}: ${error.message}`);
      usage(name, command).forEach((line) => terminal.err(line));
      return 2;
    }
    if (!(error instanceof CommandError)) throw error;
    terminal.err(`serin ${name}: ${error.message}`);
    return 1;
  }
}

/** The words behind a command, by its options and those that all have. @throws UsageError for an option that there is not */
export function parseWords(command: Command, words: readonly string[]): Given {
  const known = { ...common, ...command.options };
  const options = Object.fromEntries(
    Object.entries(known).map(([name, { type, short }]) => [name, { type, ...(short ? { short } : {}) }]),
  );
  try {
    const { values, positionals } = parseArgs({ args: [...words], options, allowPositionals: true });
    return { words: positionals, options: values };
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function overview(): string[] {
  const width = Math.max(...[...commands.keys()].map((name) => name.length));
  return [
    'serin <command> …',
    '',
    ...[...commands].map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    'serin <command> --help says more. Temporal is found by TEMPORAL_ADDRESS and its other variables.',
  ];
}

function usage(name: string, command: Command): string[] {
  const all = Object.entries({ ...command.options, ...common });
  const flag = ([option, { type, short }]: (typeof all)[number]) =>
    `${short ? `-${short}, ` : ''}--${option}${type === 'string' ? ' …' : ''}`;
  const width = Math.max(...all.map((one) => flag(one).length));
  return [
    `serin ${name} ${command.usage}`.trimEnd(),
    command.summary,
    '',
    ...all.map((one) => `  ${flag(one).padEnd(width)}  ${one[1].text}`),
  ];
}
