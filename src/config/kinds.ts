import type { LogFormat, LogLevel } from '../log.ts';
import type { Reader } from './settings.ts';

/** A setting: where it is read from, what it may be, and what it means. */
export interface Entry<T> {
  /** The environment variables it is read from, first one set wins. */
  readonly env: readonly string[];
  /** Flagger's flag of the same meaning, accepted so that existing `args` go on working. */
  readonly flagger?: string;
  /** As in Flagger, where these variables win over its flags. */
  readonly envWins?: true;
  readonly fallback: T;
  readonly parse: (text: string) => T | undefined;
  /** What the value has to look like, for the error. */
  readonly expected: string;
  readonly by: readonly Reader[];
  /** One sentence for people. */
  readonly about: string;
  /** Never shown. */
  readonly secret?: true;
}

export type Common<T> = Pick<Entry<T>, 'by' | 'about'> & Partial<Pick<Entry<T>, 'flagger' | 'envWins' | 'secret'>>;

export const both: readonly Reader[] = ['worker', 'starter'];
export const worker: readonly Reader[] = ['worker'];
export const starter: readonly Reader[] = ['starter'];

export const text = (env: string | readonly string[], fallback: string, common: Common<string>): Entry<string> => ({
  ...{ ...common, env: [env].flat(), fallback },
  parse: (value) => value,
  expected: 'a text',
});

/** A whole number; `least` and `most` belong to it. */
export const number = (
  env: string,
  fallback: number,
  common: Common<number>,
  [least, most]: readonly [number, number] = [0, Number.MAX_SAFE_INTEGER],
): Entry<number> => ({
  ...{ ...common, env: [env], fallback },
  parse: (value) => (/^\d{1,15}$/.test(value) && +value >= least && +value <= most ? +value : undefined),
  expected:
    most === Number.MAX_SAFE_INTEGER
      ? `a whole number${least > 0 ? `, ${least} or more` : ''}`
      : `a whole number from ${least} to ${most}`,
});

export const ports = [0, 65_535] as const;

export const list = (
  env: string,
  fallback: readonly string[],
  common: Common<readonly string[]>,
): Entry<readonly string[]> => ({
  ...{ ...common, env: [env], fallback },
  parse: (value) => value.split(',').map((item) => item.trim()),
  expected: 'a list with commas',
});

export const chosen = <T extends string>(
  env: string,
  choices: Readonly<Record<string, T>>,
  fallback: T,
  common: Common<T>,
): Entry<T> => ({
  ...{ ...common, env: [env], fallback },
  parse: (value) => choices[value.toLowerCase()],
  expected: `one of ${Object.keys(choices).join(', ')}`,
});

/** Flagger's levels; both spellings of a warning. */
export const levels: Readonly<Record<string, LogLevel>> = {
  debug: 'debug',
  info: 'info',
  warn: 'warn',
  warning: 'warn',
  error: 'error',
  fatal: 'error',
  panic: 'error',
};

/** `console` is what Flagger calls the one for people. */
export const formats: Readonly<Record<string, LogFormat>> = { json: 'json', pretty: 'pretty', console: 'pretty' };

export const yesOrNo = (env: string, fallback: boolean, common: Common<boolean>): Entry<boolean> => ({
  ...{ ...common, env: [env], fallback },
  parse: (value) => (/^(true|1|)$/i.test(value) ? true : /^(false|0)$/i.test(value) ? false : undefined),
  expected: 'true or false',
});

export const url = (env: string | readonly string[], fallback: string, common: Common<string>): Entry<string> => ({
  ...text(env, fallback, common),
  parse: (value) => (/^https?:\/\/[^\s/]+/.test(value) && URL.canParse(value) ? value : undefined),
  expected: 'a URL with http:// or https://',
});

/** @param known what may be named; all of them are meant where nothing is */
export const someOf = (
  env: string,
  known: readonly string[],
  common: Common<readonly string[]>,
): Entry<readonly string[]> => ({
  ...{ ...common, env: [env], fallback: known },
  parse(value) {
    const named = value === 'none' ? [] : value.split(',').map((item) => item.trim());
    return named.every((name) => known.includes(name)) ? named : undefined;
  },
  expected: `a list with commas of ${known.join(', ')}, or none`,
});

export const label = (env: string, fallback: string, common: Common<string>): Entry<string> => ({
  ...text(env, fallback, common),
  parse: (value) => (/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(value) ? value : undefined),
  expected: 'the name of a namespace',
});
