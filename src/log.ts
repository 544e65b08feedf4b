import { AsyncLocalStorage } from 'node:async_hooks';
import { messageOf } from './errors.ts';

export const logLevels = ['debug', 'info', 'warn', 'error'] as const;

export type LogLevel = (typeof logLevels)[number];

/** One JSON object a line, or lines for people. */
export type LogFormat = 'json' | 'pretty';

/** Values of a log line. `canary` is `<name>.<namespace>` on everything about one Canary, as in Flagger's logs. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Writes one JSON object a line, with Flagger's keys `level`, `ts`, `msg` and `canary`. Never give it a secret. */
export type Log = Readonly<Record<LogLevel, (message: string, fields?: LogFields) => void>>;

/** Fields of the work in progress: which release, which trace. */
const surroundings = new AsyncLocalStorage<LogFields>();

/** Does `work`, whose log lines, wherever they are written, have `fields` as well. */
export function withLogFields<T>(fields: LogFields, work: () => T): T {
  return surroundings.run({ ...surroundings.getStore(), ...fields }, work);
}

/** A log that leaves out what is less serious than `level`. `write` gets lines without their end; default: stderr. */
export function createLog(level: LogLevel, write: (line: string) => void = toStderr, format: LogFormat = 'json'): Log {
  const least = logLevels.indexOf(level);
  const lineOf = format === 'json' ? JSON.stringify : pretty;
  const at =
    (name: LogLevel) =>
    (message: string, fields: LogFields = {}) => {
      if (logLevels.indexOf(name) < least) return;
      const all = plain({ ...surroundings.getStore(), ...fields });
      write(lineOf({ level: name, ts: new Date().toISOString(), msg: message, ...all }));
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** The `canary` field of a log line. */
export function canaryField(canary: { readonly namespace: string; readonly name: string }): string {
  return `${canary.name}.${canary.namespace}`;
}

/** Errors lose their text in JSON; a field must not replace one of ours. */
function plain(fields: LogFields): LogFields {
  const entries = Object.entries(fields).filter(([name]) => !['level', 'ts', 'msg'].includes(name));
  return Object.fromEntries(entries.map(([name, value]) => [name, value instanceof Error ? messageOf(value) : value]));
}

function pretty({ level, ts, msg, ...fields }: LogFields): string {
  const rest = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${shown(value)}`],
  );
  return [String(ts), String(level).toUpperCase().padEnd(5), String(msg), ...rest].join(' ');
}

function shown(value: unknown): string {
  return typeof value === 'string' && /^[^\s"]+$/.test(value) ? value : JSON.stringify(value);
}

function toStderr(line: string): void {
  process.stderr.write(`${line}\n`);
}
