import type { Entry } from './config/kinds.ts';
import type { ProcessSettings } from './config/settings.ts';
import { flagOf, ignoredFlags, settingsTable } from './config/table.ts';

export { fieldManager, type ProcessSettings, type Reader, type Settings } from './config/settings.ts';
export { apiNames, flagOf, ignoredFlags, settingsTable } from './config/table.ts';

/** Where a value comes from: a variable by its name, a flag with its dash, or nowhere. */
export type Origin = { readonly variable: string } | { readonly flag: string } | 'default';

/** A setting as it is. */
export interface Effective<K extends keyof ProcessSettings = keyof ProcessSettings> {
  readonly key: K;
  readonly value: ProcessSettings[K];
  readonly origin: Origin;
}

/**
 * Reads the settings of a process. Flags win over the environment, the environment over the defaults; for the addresses of
 * chat rooms and of the event webhook the environment wins, as in Flagger.
 *
 * @throws Error naming the variable or flag, its value (unless it is a secret) and what it has to look like
 */
export function readSettings(env: NodeJS.ProcessEnv, args: readonly string[] = []): ProcessSettings {
  return Object.fromEntries(
    effectiveSettings(env, args).map(({ key, value }) => [key, value]),
  ) as unknown as ProcessSettings;
}

/** Like `readSettings`, with where each value comes from. @throws Error as there */
export function effectiveSettings(env: NodeJS.ProcessEnv, args: readonly string[] = []): readonly Effective[] {
  const { flags } = parseFlags(args);
  const keys = Object.keys(settingsTable) as (keyof ProcessSettings)[];
  return keys.map((key) => effective(key, env, flags));
}

function effective<K extends keyof ProcessSettings>(
  key: K,
  env: NodeJS.ProcessEnv,
  flags: ReadonlyMap<string, string>,
): Effective<K> {
  const entry: Entry<ProcessSettings[K]> = settingsTable[key];
  const name = flagOf(entry);
  const flag = flags.get(name);
  const variable = entry.env.find((one) => env[one] !== undefined && env[one] !== '');
  const takesFlag = flag !== undefined && !(entry.envWins && variable !== undefined);
  const raw = takesFlag ? flag : variable === undefined ? undefined : env[variable];
  if (raw === undefined) return { key, value: entry.fallback, origin: 'default' };
  const value = entry.parse(raw);
  if (value === undefined) throw new Error(wrong(takesFlag ? `-${name}` : variable!, raw, entry));
  return { key, value, origin: takesFlag ? { flag: `-${name}` } : { variable: variable! } };
}

function wrong(name: string, raw: string, { secret, expected }: Pick<Entry<unknown>, 'secret' | 'expected'>): string {
  // Kubernetes puts such variables into pods for every Service of their namespace.
  const linked = /^tcp:\/\/[\d.:[\]a-f]+$/.test(raw)
    ? `; Kubernetes sets it for a Service called ${name.replace(/_PORT$/, '').toLowerCase()}: set enableServiceLinks: false`
    : '';
  return `${name} is ${secret ? 'not what it should be' : `"${raw}"`}, expected ${expected}${linked}`;
}

/** Flags that were given and mean nothing here, with the reason. @throws Error for flags that nobody knows */
export function ignoredIn(args: readonly string[]): readonly string[] {
  return parseFlags(args).ignored.map((name) => `-${name}: ${ignoredFlags.get(name)}`);
}

/** Variables of other programs of ours, which a process may meet in its environment. */
const elsewhere = /^SERIN_(ACTOR|TOKEN|TOKEN_FILE|TEST_.*)$/;

/** What Kubernetes sets for a Service whose name begins with `serin-`. */
const serviceLink = /_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_\d+_(TCP|UDP|SCTP)(_.+)?)?)$/;

/** Variables that look like settings and are none, each with what was probably meant. */
export function unknownVariables(env: NodeJS.ProcessEnv): readonly string[] {
  const known = new Set(Object.values(settingsTable).flatMap((entry) => entry.env));
  return Object.entries(env)
    .filter(([name]) => name.startsWith('SERIN_') && !known.has(name) && !elsewhere.test(name))
    .filter(([name, value = '']) => !serviceLink.test(name) && !value.startsWith('tcp://'))
    .map(([name]) => `${name} is no setting; did you mean ${nearest(name, known)}?`);
}

/** Go's flag syntax: `-x=v`, `--x v`, and `-x` alone for true. */
function parseFlags(args: readonly string[]): {
  readonly flags: ReadonlyMap<string, string>;
  readonly ignored: readonly string[];
} {
  const known = new Set(Object.values(settingsTable).map(flagOf));
  const flags = new Map<string, string>();
  const ignored: string[] = [];
  for (let index = 0; index < args.length; index += 1) {
    const match = /^--?([^=]+)(?:=(.*))?$/s.exec(args[index] ?? '');
    if (!match?.[1]) throw new Error(`"${args[index]}" is not a flag`);
    const [, name, inline] = match;
    const next = args[index + 1];
    const takesNext = inline === undefined && next !== undefined && !next.startsWith('-');
    if (takesNext) index += 1;
    if (ignoredFlags.has(name)) ignored.push(name);
    else if (known.has(name)) flags.set(name, inline ?? (takesNext ? next : 'true'));
    else throw new Error(`unknown flag -${name}; did you mean -${nearest(name, known)}?`);
  }
  return { flags, ignored };
}

/** The name that takes the fewest changes to get to. */
function nearest(name: string, known: ReadonlySet<string>): string {
  const distances = [...known].map((other) => [distance(name, other), other] as const);
  return distances.reduce((best, next) => (next[0] < best[0] ? next : best))[1];
}

/** Levenshtein's. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...from].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...to].entries())
      next.push(Math.min(row[j + 1]! + 1, next[j]! + 1, row[j]! + (letter === other ? 0 : 1)));
    row = next;
  }
  return row[to.length]!;
}
