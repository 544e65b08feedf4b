import { logLevels, type LogLevel } from '../log.ts';

/** Settings of the load tester: Flagger's flags, and where to listen. */
export interface LoadTesterSettings {
  /** Address to listen on; '' for every address of the machine, IPv4 and IPv6. */
  readonly host: string;
  readonly port: number;
  readonly logLevel: LogLevel;
  /** Longest time a task may run, in milliseconds. */
  readonly timeoutMs: number;
  /** Namespaces that may use the load tester; undefined for all. */
  readonly namespaces: RegExp | undefined;
  readonly encoding: 'json' | 'console';
}

/** What `-help` prints. */
export const usage = `Usage: loadtester [flags]; -x=v, --x=v, -x v and --x v mean the same.
  -host string              address to listen on (default $SERIN_HOST, or every address)
  -port int                 port to listen on (default 9090)
  -timeout duration         longest time a task may run, such as 90s or 1h (default 1h)
  -namespace-regexp string  namespaces that may use the load tester, unanchored (default all)
  -log-level string         debug, info, warn or error (default debug)
  -zap-encoding string      json or console (default json)
`;

/**
 * Reads the command line in the syntax of Go's `flag` package. Flags of Flagger that have no meaning here are accepted.
 *
 * @throws Error that names the flag and what it takes
 */
export function readFlags(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): LoadTesterSettings {
  const flags = new Map<string, string>();
  for (let index = 0; index < args.length; index += 1) {
    const [, name, inline] = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(args[index]!) ?? [];
    if (name === undefined) throw new Error(`unexpected argument ${args[index]}; see -help`);
    if (ignoredSwitches.includes(name)) continue;
    if (!valueFlags.includes(name)) throw new Error(`unknown flag -${name}; see -help`);
    const value = inline ?? args[(index += 1)];
    if (value === undefined) throw new Error(`flag -${name} needs a value`);
    flags.set(name, value);
  }
  return {
    host: flags.get('host') ?? env.SERIN_HOST ?? '',
    port: portOf(flags.get('port') ?? '9090'),
    logLevel: levelOf(flags.get('log-level') ?? 'debug'),
    timeoutMs: durationOf(flags.get('timeout') ?? '1h'),
    namespaces: patternOf(flags.get('namespace-regexp') ?? ''),
    encoding: encodingOf(flags.get('zap-encoding') ?? 'json'),
  };
}

const valueFlags: readonly string[] = ['host', 'port', 'log-level', 'timeout', 'namespace-regexp', 'zap-encoding'];
const ignoredSwitches: readonly string[] = ['zap-replace-globals'];

function portOf(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new Error(`flag -port takes a number up to 65535, not "${text}"`);
}

/** Flagger takes any word it does not know for info, `warning` among them; we know that one. */
function levelOf(text: string): LogLevel {
  if (text === 'warning') return 'warn';
  if (text === 'fatal' || text === 'panic') return 'error';
  return logLevels.find((level) => level === text) ?? 'info';
}

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** Source: Go, time.ParseDuration. */
function durationOf(text: string): number {
  const whole = /^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(text);
  let ms = 0;
  for (const [, number, unit] of whole ? text.matchAll(/([\d.]+)(ns|us|µs|μs|ms|s|m|h)/g) : [])
    ms += Number(number) * unitMs[unit!]!;
  if (ms > 0) return ms;
  throw new Error(`flag -timeout takes a duration above zero such as 90s or 1h30m, not "${text}"`);
}

/** Go's inline flag for the whole pattern is written differently here. */
function patternOf(text: string): RegExp | undefined {
  if (text === '') return undefined;
  const [, letters = '', pattern = text] = /^\(\?([ims]+)\)(.*)$/s.exec(text) ?? [];
  try {
    return new RegExp(pattern, letters);
  } catch (error) {
    throw new Error(`flag -namespace-regexp takes a regular expression, not "${text}"`, { cause: error });
  }
}

function encodingOf(text: string): 'json' | 'console' {
  if (text === 'json' || text === 'console') return text;
  throw new Error(`flag -zap-encoding takes json or console, not "${text}"`);
}
