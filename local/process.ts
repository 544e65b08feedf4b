import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../src/errors.ts';
import { signalGroup, spawnGuarded } from './guard.ts';

/** A server as a process of this machine. */
export interface ServerSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly directory: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Where it writes its output; appended to, so that a restart keeps what was said before. */
  readonly log: string;
  /** Where clients reach it, `host:port` or a URL. */
  readonly address: string;
  /** Asked again and again until it resolves to true; throwing means not yet. */
  ready(): Promise<boolean>;
  readonly readyTimeoutMs?: number;
}

export interface Server {
  readonly name: string;
  readonly address: string;
  readonly log: string;
  /** Undefined while it does not run. */
  readonly pid: number | undefined;
  /** Asks it to end, and insists after `patienceMs`. Resolves when it is gone. */
  stop(patienceMs?: number): Promise<void>;
  /** Sends a signal, SIGKILL if none is named. Resolves when the process is gone, or at once for a signal that does not end it. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again with the same port and data, ending it first if it runs. Resolves when it is ready. */
  restart(): Promise<void>;
}

/**
 * Starts a server and waits until it is ready. It dies with this process, however this process dies.
 *
 * @throws Error with the end of its log when it ends, or is not ready in time; nothing is left running then
 */
export async function startServer(spec: ServerSpec): Promise<Server> {
  let running: Running | undefined;

  const start = async () => {
    const child = launch(spec);
    const gone = exitOf(child);
    running = { child, gone };
    void gone.then(() => {
      if (running?.child === child) running = undefined;
    });
    try {
      await untilReady(spec, gone);
    } catch (error) {
      signalGroup(child, 'SIGKILL');
      await gone;
      throw error;
    }
  };

  const stop = async (patienceMs = 10_000) => {
    if (!running) return;
    const { child, gone } = running;
    child.kill('SIGTERM');
    // A process that was stopped with SIGSTOP would never see the request to end.
    child.kill('SIGCONT');
    const patience = new AbortController();
    const insist = sleep(patienceMs, undefined, { signal: patience.signal }).then(
      () => signalGroup(child, 'SIGKILL'),
      () => undefined,
    );
    await gone;
    patience.abort();
    await insist;
  };

  await start();
  return {
    name: spec.name,
    address: spec.address,
    log: spec.log,
    get pid() {
      return running?.child.pid;
    },
    stop,
    async kill(signal = 'SIGKILL') {
      if (!running) throw new Error(`${spec.name} does not run, so it cannot get ${signal}`);
      const { child, gone } = running;
      child.kill(signal);
      if (deadly.has(signal)) await gone;
    },
    async restart() {
      await stop();
      await start();
    },
  };
}

const deadly: ReadonlySet<NodeJS.Signals> = new Set<NodeJS.Signals>(['SIGKILL', 'SIGTERM', 'SIGINT']);

interface Running {
  readonly child: ChildProcess;
  /** Resolves, never rejects, with the exit code or the signal. */
  readonly gone: Promise<number | string>;
}

function launch(spec: ServerSpec): ChildProcess {
  const output = openSync(spec.log, 'a');
  try {
    const env = { ...process.env, ...spec.env };
    return spawnGuarded(spec.command, spec.args, { cwd: spec.directory, env, output });
  } finally {
    closeSync(output);
  }
}

function exitOf(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 'nothing'));
    child.once('error', (error) => resolve(messageOf(error)));
  });
}

async function untilReady(spec: ServerSpec, gone: Running['gone']): Promise<void> {
  const { readyTimeoutMs = 60_000 } = spec;
  const deadline = Date.now() + readyTimeoutMs;
  let ended: number | string | undefined;
  let last = 'it said no';
  void gone.then((how) => (ended = how));
  for (;;) {
    try {
      if (await spec.ready()) return;
    } catch (error) {
      last = messageOf(error);
    }
    if (ended !== undefined)
      throw new Error(`${spec.name} ended with ${ended} before it was ready; ${endOf(spec.log)}`);
    if (Date.now() > deadline)
      throw new Error(`${spec.name} was not ready within ${readyTimeoutMs} ms (${last}); ${endOf(spec.log)}`);
    await sleep(50);
  }
}

function endOf(log: string): string {
  return `${log} ends with:\n${readFileSync(log, 'utf8').trimEnd().split('\n').slice(-12).join('\n')}`;
}
