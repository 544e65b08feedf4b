import { readFileSync } from 'node:fs';
import {
  effectiveSettings,
  ignoredIn,
  settingsTable,
  unknownVariables,
  type Effective,
  type Reader,
} from './config.ts';
import type { Log } from './log.ts';

/** Of the package that this is part of. */
export const version = versionOf(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

/** What `-version` prints, in Flagger's form. */
export function versionLine(): string {
  return `Serin version ${version} revision ${process.env.SERIN_BUILD_ID || 'unknown'}`;
}

/** Whether a process was only asked which version it is. */
export function asksForVersion(args: readonly string[]): boolean {
  return args.some((word) => /^--?version(=true)?$/.test(word));
}

/** A setting for people. Of secrets only whether they are set. */
export function shownValue({ key, value }: Pick<Effective, 'key' | 'value'>): string {
  const text = Array.isArray(value) ? value.join(',') : String(value ?? '');
  return settingsTable[key].secret && text !== '' ? '(set)' : text;
}

/** For people: the variable or the flag that a value comes from, or `default`. */
export function shownOrigin({ origin }: Pick<Effective, 'origin'>): string {
  if (origin === 'default') return 'default';
  return 'flag' in origin ? origin.flag : origin.variable;
}

/** Writes into the log what this process was told, what of it means nothing, and what was probably meant otherwise. */
export function tellSettings(log: Log, reader: Reader, env: NodeJS.ProcessEnv, args: readonly string[]): void {
  const told = effectiveSettings(env, args).filter(
    ({ key, origin }) => origin !== 'default' && settingsTable[key].by.includes(reader),
  );
  log.info('settings', { version, ...Object.fromEntries(told.map((one) => [shownOrigin(one), shownValue(one)])) });
  for (const reason of ignoredIn(args)) log.info('flag ignored', { reason });
  for (const problem of unknownVariables(env)) log.warn('unknown variable', { problem });
}

function versionOf(text: string): string {
  return (JSON.parse(text) as { version: string }).version;
}
