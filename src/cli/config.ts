import { loadClientConnectConfig } from '@temporalio/envconfig';
import { effectiveSettings, settingsTable, unknownVariables, type Reader } from '../config.ts';
import { messageOf } from '../errors.ts';
import { shownOrigin, shownValue } from '../start.ts';
import { CommandError, text, UsageError, type Command, type Terminal } from './command.ts';
import { print } from './output.ts';

const readers: readonly Reader[] = ['worker', 'starter'];

/** One setting, as people ask for it. */
interface Line {
  readonly name: string;
  readonly value: string;
  /** The variable or flag it comes from, or `default`. */
  readonly origin: string;
  readonly readBy: readonly string[];
}

export const config: Command = {
  usage: '[worker|starter] [-- <flag> …]',
  summary: 'The settings as a process of this environment would take them, and where each comes from.',
  options: { changed: { type: 'boolean', text: 'only those that are not the default' } },
  run(given, terminal) {
    const [first, ...rest] = given.words;
    const reader = readers.find((name) => name === first);
    const flags = reader === undefined ? given.words : rest;
    if (flags[0] !== undefined && !flags[0].startsWith('-')) {
      throw new UsageError(`${flags[0]} is neither worker nor starter`);
    }
    const all = [...ours(terminal.env, flags, reader), ...temporals(terminal.env)];
    const lines = given.options.changed === true ? all.filter(({ origin }) => origin !== 'default') : all;
    print(terminal, given, lines, () =>
      lines.map(({ name, value, origin, readBy }) => ({
        SETTING: name,
        VALUE: value === '' ? '–' : value,
        FROM: origin,
        'READ BY': readBy.join(', '),
      })),
    );
    if (text(given, 'output') === undefined)
      for (const problem of unknownVariables(terminal.env)) terminal.err(problem);
    return Promise.resolve(0);
  },
};

/** @throws CommandError as the process would refuse to start */
function ours(env: Terminal['env'], flags: readonly string[], reader: Reader | undefined): Line[] {
  try {
    return effectiveSettings(env, flags)
      .filter(({ key }) => reader === undefined || settingsTable[key].by.includes(reader))
      .map((one) => ({
        name: settingsTable[one.key].env[0]!,
        value: shownValue(one),
        origin: shownOrigin(one),
        readBy: settingsTable[one.key].by,
      }));
  } catch (error) {
    throw new CommandError(messageOf(error));
  }
}

/** Where Temporal is, by the variables and profiles of its own tools. */
function temporals(env: Terminal['env']): Line[] {
  const variables = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const { connectionOptions, namespace } = loadClientConnectConfig({ overrideEnvVars: Object.fromEntries(variables) });
  const line = (name: string, value: string | undefined, otherwise: string): Line => ({
    ...{ name, value: value ?? otherwise, readBy: readers },
    origin: env[name] ? name : value === undefined ? 'default' : 'the profile of TEMPORAL_CONFIG_FILE',
  });
  return [
    line('TEMPORAL_ADDRESS', connectionOptions.address, 'localhost:7233'),
    line('TEMPORAL_NAMESPACE', namespace, 'default'),
    line('TEMPORAL_API_KEY', connectionOptions.apiKey ? '(set)' : undefined, ''),
  ];
}
