import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';

/**
 * Starts a program that cannot outlive this process, not even when this process gets SIGKILL and has no time to clean up.
 *
 * A small shell forks a watcher and then becomes the program itself, so the pid, the exit code and the signals are the
 * program's own. The watcher holds the read end of a pipe whose write end only this process has: when the pipe closes,
 * for whatever reason, it kills the process group. While the watcher lives the group's number cannot be given to
 * anybody else, so it can never hit a stranger.
 *
 * The program gets a process group of its own (Ctrl-C in a terminal reaches us, not it) and no standard input.
 */
export function spawnGuarded(
  command: string,
  args: readonly string[],
  options: Pick<SpawnOptions, 'cwd' | 'env'> & { readonly output: number; readonly errors?: number },
): ChildProcess {
  const { cwd, env, output, errors = output } = options;
  const child = spawn('/bin/sh', ['-c', guard, 'guard', command, ...args], {
    cwd,
    env,
    detached: true,
    stdio: ['pipe', output, errors],
  });
  // Writing never happens, so an error here can only say that the other end is gone already.
  child.stdin?.on('error', () => undefined);
  child.once('exit', () => child.stdin?.destroy());
  return child;
}

const guard = `
exec 3<&0 </dev/null
{ read -r nothing <&3; kill -KILL -$$; } >/dev/null 2>&1 &
exec 3<&-
exec "$@"
`;

/** Signals the program and everything it started. Does nothing once all of them are gone. */
export function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
