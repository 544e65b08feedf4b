import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Where downloads and builds are kept: `SERIN_CACHE`, or `serin` in the user's cache folder. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  return env.SERIN_CACHE || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'serin');
}

/**
 * Makes `path` once. `make` writes to the path it is given, which is renamed into place when `make` is done, so that
 * `path` is either absent or whole. Several processes may ask for the same path: one makes it, the others wait.
 *
 * @param onWait called once when another process is making it
 */
export async function makeOnce(
  path: string,
  make: (part: string) => Promise<void>,
  onWait: () => void = () => undefined,
): Promise<string> {
  if (existsSync(path)) return path;
  mkdirSync(dirname(path), { recursive: true });
  await withLock(
    `${path}.lock`,
    async () => {
      if (existsSync(path)) return;
      removeHalves(path);
      const part = `${path}.${process.pid}.part`;
      await make(part);
      renameSync(part, path);
    },
    onWait,
  );
  return path;
}

/** What was left of earlier attempts that were killed. */
function removeHalves(path: string): void {
  const isHalf = (name: string) => name.startsWith(`${basename(path)}.`) && name.endsWith('.part');
  for (const name of readdirSync(dirname(path)).filter(isHalf))
    rmSync(join(dirname(path), name), { recursive: true, force: true });
}

const heartbeatMs = 2_000;
/** A holder that has been silent this long was killed. Judged by the file's age, because pids mean nothing across containers. */
const staleMs = 20_000;

async function withLock(lock: string, work: () => Promise<void>, onWait: () => void): Promise<void> {
  for (let waited = false; !taken(lock); waited = true) {
    if (!waited) onWait();
    await sleep(200);
  }
  const heartbeat = setInterval(() => touch(lock), heartbeatMs);
  try {
    await work();
  } finally {
    clearInterval(heartbeat);
    rmSync(lock, { force: true });
  }
}

function touch(lock: string): void {
  try {
    utimesSync(lock, new Date(), new Date());
  } catch (error) {
    // Somebody took us for dead, as after a laptop slept; we finish all the same, and who renames last wins.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function taken(lock: string): boolean {
  try {
    closeSync(openSync(lock, 'wx'));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const age = Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    // Moved aside rather than removed: of several who find it stale, one succeeds.
    if (age > staleMs) moveAside(lock);
    return false;
  }
}

function moveAside(lock: string): void {
  const aside = `${lock}.${process.pid}.stale`;
  try {
    renameSync(lock, aside);
    rmSync(aside, { force: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
