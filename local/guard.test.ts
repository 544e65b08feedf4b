import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawnGuarded } from './guard.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'serin-guard-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A server that ignores SIGTERM, has a child of its own, and writes both pids down. */
const stubborn = (pids: string) => `trap '' TERM; sleep 300 & echo $$ $! > ${pids}.part; mv ${pids}.part ${pids}; wait`;

const parent = (pids: string) => `
  const { spawnGuarded } = await import(${JSON.stringify(fileURLToPath(new URL('./guard.ts', import.meta.url)))});
  spawnGuarded('/bin/sh', ['-c', ${JSON.stringify(stubborn(pids))}], { output: 2 });
  setInterval(() => {}, 1000);
`;

describe('a server that is started under guard', () => {
  it.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)(
    'is gone, with its children, after its parent got %s',
    async (signal) => {
      const pids = join(folder, 'pids');
      const starter = spawn(process.execPath, ['--input-type=module', '-e', parent(pids)], { stdio: 'ignore' });
      const [server, child] = (await contentOf(pids)).trim().split(' ').map(Number);
      expect([isAlive(server), isAlive(child)]).toEqual([true, true]);
      starter.kill(signal);
      await until(() => !isAlive(server) && !isAlive(child));
    },
  );

  it('keeps its own pid, exit code and signals', async () => {
    const pids = join(folder, 'pids');
    const log = openSync(join(folder, 'log'), 'w');
    const child = spawnGuarded('/bin/sh', ['-c', `echo $$ > ${pids}; exec sleep 300`], { output: log });
    closeSync(log);
    expect(Number(await contentOf(pids))).toBe(child.pid);
    const gone = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
    child.kill('SIGTERM');
    expect(await gone).toBe('SIGTERM');
  });

  it('takes the guard with it when it ends by itself', async () => {
    const log = openSync(join(folder, 'log'), 'w');
    const child = spawnGuarded('/bin/sh', ['-c', 'exit 7'], { output: log });
    closeSync(log);
    expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(7);
    await until(() => !isAlive(-child.pid!));
  });
});

async function contentOf(path: string): Promise<string> {
  await until(() => existsSync(path) && readFileSync(path, 'utf8') !== '');
  return readFileSync(path, 'utf8');
}

/** Whether a process, or the group of a negative pid, exists and is not a zombie that only waits for its parent. */
function isAlive(pid = 0): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const stat = `/proc/${pid}/stat`;
  return !existsSync(stat) || !/\) Z /.test(readFileSync(stat, 'utf8'));
}

async function until(probe: () => boolean): Promise<void> {
  for (const end = Date.now() + 10_000; !probe(); await sleep(20)) if (Date.now() > end) throw new Error('not in 10 s');
}
