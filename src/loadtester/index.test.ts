import { spawn, type ChildProcess } from 'node:child_process';
import { afterEach, describe, expect, it } from '@jest/globals';

const started: ChildProcess[] = [];

afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

/** The load tester as an operator starts it, on a free port. */
async function start() {
  const child = spawn('node', ['src/loadtester/index.ts', '-port=0', '--host', '127.0.0.1', '-log-level=info'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  started.push(child);
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const port = await new Promise<number>((resolve, reject) => {
    let text = '';
    child.stderr.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const found = /"msg":"load tester started".*"port":(\d+)/.exec(text);
      if (found) resolve(Number(found[1]));
    });
    child.once('exit', () => reject(new Error(text)));
  });
  const bash = (cmd: string) =>
    fetch(`http://127.0.0.1:${port}/`, {
      method: 'POST',
      body: JSON.stringify({
        name: 'shop',
        namespace: 'prod',
        metadata: { type: 'bash', cmd, returnCmdOutput: 'true' },
      }),
    });
  return { child, exited, bash, url: `http://127.0.0.1:${port}` };
}

describe('the process', () => {
  it('lets a running command end and be answered after SIGTERM, and then exits with 0', async () => {
    const { child, exited, bash, url } = await start();
    const answer = bash('sleep 0.7; echo whole');
    await until(async () => (await metricsOf(url)).includes('serin_loadtester_commands_running 1'));
    child.kill('SIGTERM');
    expect(await (await answer).text()).toBe('whole\n');
    expect(await exited).toBe(0);
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
  });

  it('kills what runs on a second signal and exits with 1', async () => {
    const { child, exited, bash, url } = await start();
    const answer = bash('sleep 60').catch((error: unknown) => error);
    await until(async () => (await metricsOf(url)).includes('serin_loadtester_commands_running 1'));
    child.kill('SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 200));
    child.kill('SIGTERM');
    expect(await exited).toBe(1);
    expect(await answer).toMatchObject({ message: 'fetch failed' });
  });

  it('names a wrong flag and exits with 2', async () => {
    const child = spawn('node', ['src/loadtester/index.ts', '-prot=1'], { stdio: ['ignore', 'ignore', 'pipe'] });
    started.push(child);
    let text = '';
    child.stderr.on('data', (chunk: Buffer) => void (text += chunk.toString()));
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(2);
    expect(text).toBe('unknown flag -prot; see -help\n');
  });
});

async function metricsOf(url: string): Promise<string> {
  return (await fetch(`${url}/metrics`)).text();
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let left = 100; left > 0; left -= 1) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('it did not come true within 2 s');
}
