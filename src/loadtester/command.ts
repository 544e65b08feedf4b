import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { messageOf } from '../errors.ts';

/** A program by its name on the PATH, with its arguments; no shell reads them. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
}

export interface Finished {
  /** Standard output and standard error, interleaved as they were written. */
  readonly output: string;
  /** Why it failed, in Go's words (`exit status 1`, `signal: killed`); undefined after success. */
  readonly error?: string;
}

export interface Commands {
  /**
   * Runs a command to its end. As with Go's `CombinedOutput`, the end is when nobody holds its output open any more.
   * At the time-out the whole process group is killed. A command that fails is an answer; nothing is thrown.
   */
  run(command: Command, timeoutMs: number): Promise<Finished>;
  /** Number of commands that run. */
  readonly running: number;
  /** Resolves once no command runs. */
  idle(): Promise<void>;
  /** Kills every process group that was started and may have members left. */
  killAll(): void;
}

export interface CommandOptions {
  /** Most bytes of output that are kept; the beginning gives way. Default 4 MiB. */
  readonly maxOutputBytes?: number;
}

/** Runs commands in process groups of their own, so that a command can be ended with all that it started. */
export function createCommands({ maxOutputBytes = 4 * 1024 * 1024 }: CommandOptions = {}): Commands {
  // By the id of the group. A group may outlive its command (`hey … &`); it is then killed at the command's time-out.
  const groups = new Map<number, ChildProcess>();
  const waiting: (() => void)[] = [];
  let running = 0;

  const kill = (group: number, child: ChildProcess) => {
    // An id that the system gave to a later command belongs to that one.
    if (groups.get(group) === child) signalGroup(group, 'SIGKILL');
  };

  async function start({ program, args }: Command, timeoutMs: number): Promise<Finished> {
    if (!(await isOnPath(program)))
      return { output: '', error: `exec: "${program}": executable file not found in $PATH` };
    const child = spawn('/bin/sh', ['-c', 'exec "$0" "$@" 2>&1', program, ...args], {
      detached: true, // a process group, and a session, of its own
      stdio: ['ignore', 'pipe', 'ignore'], // one pipe for both streams keeps their order
    });
    const group = child.pid;
    if (group === undefined) return { output: '', error: messageOf(await errorOf(child)) };
    groups.set(group, child);
    const output = keepTail(child, maxOutputBytes);
    const timer = setTimeout(
      () => {
        kill(group, child);
        // A process that left the group may still hold the output open; the answer does not wait for it.
        setTimeout(() => child.stdout?.destroy(), 500).unref();
      },
      Math.min(timeoutMs, 2 ** 31 - 1),
    );
    const error = await endOf(child);
    if (signalGroup(group, 0)) timer.unref();
    else {
      clearTimeout(timer);
      if (groups.get(group) === child) groups.delete(group);
    }
    return { output: output(), error };
  }

  return {
    async run(command, timeoutMs) {
      running += 1;
      try {
        return await start(command, timeoutMs);
      } finally {
        running -= 1;
        if (running === 0) for (const resolve of waiting.splice(0)) resolve();
      }
    },
    get running() {
      return running;
    },
    async idle() {
      if (running > 0) await new Promise<void>((resolve) => waiting.push(resolve));
    },
    killAll() {
      for (const [group, child] of groups) kill(group, child);
    },
  };
}

async function isOnPath(program: string): Promise<boolean> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    try {
      await access(join(folder, program), constants.X_OK);
      return true;
    } catch {
      // Not in this folder.
    }
  }
  return false;
}

function errorOf(child: ChildProcess): Promise<Error> {
  return new Promise((resolve) => child.once('error', resolve));
}

/** Collects what the child writes; the function returned gives the last `limit` bytes of it. */
function keepTail(child: ChildProcess, limit: number): () => string {
  let chunks: Buffer[] = [];
  let kept = 0;
  let dropped = 0;
  child.stdout?.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    kept += chunk.length;
    if (kept <= limit * 2) return;
    const tail = Buffer.concat(chunks).subarray(kept - limit);
    dropped += kept - limit;
    [chunks, kept] = [[tail], limit];
  });
  return () => {
    const left = dropped + Math.max(0, kept - limit);
    const text = Buffer.concat(chunks)
      .subarray(Math.max(0, kept - limit))
      .toString('utf8');
    return left === 0 ? text : `[the first ${left} bytes of the output were left out]\n${text}`;
  };
}

/** The child's failure in the words of Go's `os/exec`, once it has ended and its output is closed. */
function endOf(child: ChildProcess): Promise<string | undefined> {
  return new Promise((resolve) => {
    child.once('close', (code, signal) => {
      if (signal) resolve(`signal: ${signalNames[signal] ?? signal}`);
      else resolve(code === 0 ? undefined : `exit status ${code}`);
    });
  });
}

/** Whether the group has members, which `signal` was then sent to; 0 only asks. */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-group, signal);
  } catch {
    return false; // ESRCH: nobody left. EPERM cannot be: every member was started from here.
  }
}

/** Source: Go, syscall, the table of signal names for Linux. */
const signalNames: Readonly<Record<string, string>> = {
  SIGHUP: 'hangup',
  SIGINT: 'interrupt',
  SIGQUIT: 'quit',
  SIGILL: 'illegal instruction',
  SIGTRAP: 'trace/breakpoint trap',
  SIGABRT: 'aborted',
  SIGBUS: 'bus error',
  SIGFPE: 'floating point exception',
  SIGKILL: 'killed',
  SIGUSR1: 'user defined signal 1',
  SIGSEGV: 'segmentation fault',
  SIGUSR2: 'user defined signal 2',
  SIGPIPE: 'broken pipe',
  SIGALRM: 'alarm clock',
  SIGTERM: 'terminated',
};
