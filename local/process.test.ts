import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { freePort } from './ports.ts';
import { answers } from './probe.ts';
import { startServer, type Server, type ServerSpec } from './process.ts';

let folder: string;
let port: number;
let servers: Server[];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'serin-process-'));
  port = await freePort();
  servers = [];
});
afterEach(async () => {
  await Promise.all(servers.map((server) => server.stop(0)));
  rmSync(folder, { recursive: true, force: true });
});

const program = `
  import { createServer } from 'node:http';
  if (process.env.STUBBORN) process.on('SIGTERM', () => {});
  console.log('begun');
  createServer((_, response) => response.end('ok')).listen(Number(process.argv[1]), '127.0.0.1');
`;

const spec = (more: Partial<ServerSpec> = {}): ServerSpec => ({
  name: 'echo',
  command: process.execPath,
  args: ['--input-type=module', '-e', program, String(port)],
  directory: folder,
  log: join(folder, 'echo.log'),
  address: `http://127.0.0.1:${port}`,
  ready: () => answers(`http://127.0.0.1:${port}/`),
  ...more,
});
const start = async (more: Partial<ServerSpec> = {}) => {
  const server = await startServer(spec(more));
  servers.push(server);
  return server;
};
const serves = () => answers(`http://127.0.0.1:${port}/`).catch(() => false);

describe('a local server', () => {
  it('answers once it is started and no more once it is stopped', async () => {
    const server = await start();
    expect(await serves()).toBe(true);
    await server.stop();
    expect([server.pid, await serves()]).toEqual([undefined, false]);
  });

  it('is killed when it does not listen to SIGTERM', async () => {
    const server = await start({ env: { STUBBORN: '1' } });
    await server.stop(300);
    expect(await serves()).toBe(false);
  });

  it('ends even while it is frozen', async () => {
    const server = await start();
    await server.kill('SIGSTOP');
    await server.stop();
    expect(server.pid).toBeUndefined();
  });

  it('comes back at the same address after kill -9, and its log goes on', async () => {
    const server = await start();
    const before = server.pid;
    await server.kill();
    expect(await serves()).toBe(false);
    await server.restart();
    expect(server.pid).not.toBe(before);
    expect(await serves()).toBe(true);
    expect(readFileSync(server.log, 'utf8')).toBe('begun\nbegun\n');
  });

  it('refuses a signal while it does not run', async () => {
    const server = await start();
    await server.stop();
    await expect(server.kill()).rejects.toThrow('echo does not run');
  });

  it('quotes its log when it ends before it is ready', async () => {
    const args = ['-e', 'console.error("port is taken"); process.exit(3)'];
    await expect(start({ args })).rejects.toThrow(
      /echo ended with 3 before it was ready; .*echo.log ends with:\nport is taken/,
    );
  });

  it('is not left running when it is not ready in time', async () => {
    let asked = false;
    const ready = async () => {
      asked ||= await serves();
      return false;
    };
    await expect(start({ ready, readyTimeoutMs: 1_500 })).rejects.toThrow(
      'echo was not ready within 1500 ms (it said no)',
    );
    expect(asked).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await serves()).toBe(false);
  });

  it('says so when its program is not there', async () => {
    await expect(start({ command: join(folder, 'missing') })).rejects.toThrow(
      /echo ended with 127 before it was ready/,
    );
  });
});
