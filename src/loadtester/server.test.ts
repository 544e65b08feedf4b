import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createLog } from '../log.ts';
import { listen, type Listening } from '../server.ts';
import { createCommands, type Commands } from './command.ts';
import { createMetrics } from './metrics.ts';
import { createLoadTester, type LoadTester } from './server.ts';

let folder: string;
let lines: { msg: string; [field: string]: unknown }[];
let commands: Commands;
let loadTester: LoadTester;
let server: Listening;

async function start(namespaces?: RegExp): Promise<void> {
  const written: typeof lines = [];
  lines = written;
  commands = createCommands();
  loadTester = createLoadTester({
    log: createLog('debug', (line) => written.push(JSON.parse(line) as (typeof lines)[number])),
    commands,
    metrics: createMetrics(() => commands.running),
    timeoutMs: 10_000,
    namespaces,
  });
  server = await listen(loadTester.handler, { host: '127.0.0.1', port: 0 });
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'loadtester-'));
  await start();
});

afterEach(async () => {
  commands.killAll();
  await server.close(0);
  await rm(folder, { recursive: true });
});

async function post(path: string, payload: unknown, headers: Record<string, string> = {}) {
  const body = typeof payload === 'string' ? payload : JSON.stringify(payload);
  const answer = await fetch(`http://127.0.0.1:${server.port}${path}`, { method: 'POST', body, headers });
  return { status: answer.status, body: await answer.text() };
}

const canary = { name: 'shop', namespace: 'prod', phase: 'Progressing' };
const task = (metadata: Record<string, string>) => ({ ...canary, metadata });

/** A command that leaves a line in a file each time it runs, and how often it did. */
const mark = () => `echo ran >> ${join(folder, 'ran')}`;
async function runs(): Promise<number> {
  try {
    return (await readFile(join(folder, 'ran'), 'utf8')).split('\n').length - 1;
  } catch {
    return 0;
  }
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let left = 100; left > 0; left -= 1) {
    if (await holds()) return;
    await sleep(20);
  }
  throw new Error('it did not come true within 2 s');
}

describe('gates', () => {
  it.each(['gate', 'rollback'])(
    '%s: closed at first, open after open, closed after close, whoever repeats',
    async (kind) => {
      const closed = { status: 403, body: 'Forbidden' };
      const open = { status: 200, body: 'Approved' };
      const done = { status: 202, body: '' };
      expect(await post(`/${kind}/check`, canary)).toEqual(closed);
      expect(await post(`/${kind}/open`, canary)).toEqual(done);
      expect(await post(`/${kind}/open`, canary)).toEqual(done);
      expect(await post(`/${kind}/check`, canary)).toEqual(open);
      expect(await post(`/${kind}/check`, { ...canary, namespace: 'other' })).toEqual(closed);
      expect(await post(`/${kind === 'gate' ? 'rollback' : 'gate'}/check`, canary)).toEqual(closed);
      expect(await post(`/${kind}/close`, canary)).toEqual(done);
      expect(await post(`/${kind}/check`, canary)).toEqual(closed);
    },
  );

  it('approve always says yes and halt always no, whatever is sent', async () => {
    expect(await post('/gate/approve', 'not json')).toEqual({ status: 200, body: 'OK' });
    expect(await post('/gate/halt', 'not json')).toEqual({ status: 403, body: 'Forbidden' });
  });
});

describe('requests that ask for nothing that can be done', () => {
  it.each(['/', '/gate/check', '/gate/open', '/rollback/check'])(
    '%s without JSON gets 400 and no text',
    async (path) => {
      expect(await post(path, '')).toEqual({ status: 400, body: '' });
      expect(await post(path, '{"name":1}')).toEqual({ status: 400, body: '' });
    },
  );

  it('say what is missing', async () => {
    expect(await post('/', canary)).toEqual({ status: 400, body: 'metadata not found in payload' });
    expect(await post('/anything', task({ type: 'cmd' }))).toEqual({ status: 400, body: 'cmd not found in metadata' });
    expect(await post('/', task({ type: 'locust' }))).toEqual({ status: 400, body: 'unknown task type locust' });
  });

  it('are refused when they are longer than a payload can be', async () => {
    expect((await post('/', 'x'.repeat(2_000_000))).status).toBe(413);
  });
});

describe('namespaces', () => {
  it('that do not match are refused, but for the fixed gates and health', async () => {
    await server.close(0);
    await start(/^team-/);
    expect(await post('/', task({ type: 'bash', cmd: 'true' }))).toEqual({ status: 403, body: 'Forbidden' });
    expect(await post('/gate/open', canary)).toEqual({ status: 403, body: 'Forbidden' });
    expect(await post('/', { ...task({ type: 'bash', cmd: 'true' }), namespace: 'team-a' })).toEqual({
      status: 200,
      body: '',
    });
    expect(await post('/gate/approve', canary)).toEqual({ status: 200, body: 'OK' });
    expect(await post('/gate/halt', canary)).toEqual({ status: 403, body: 'Forbidden' });
    expect(await post('/healthz', '')).toEqual({ status: 200, body: 'OK' });
  });
});

describe('blocking tasks', () => {
  it.each<{ metadata: Record<string, string>; status: number; body: string }>`
    metadata                                                                             | status | body
    ${{ type: 'bash', cmd: 'true' }}                                                     | ${200} | ${''}
    ${{ type: 'bash', cmd: 'echo some-output' }}                                         | ${200} | ${''}
    ${{ type: 'bash', cmd: 'echo some-output-to-be-returned', returnCmdOutput: 'true' }} | ${200} | ${'some-output-to-be-returned\n'}
    ${{ type: 'bash', cmd: 'false' }}                                                    | ${500} | ${'command false failed: : exit status 1'}
    ${{ type: 'bash', cmd: 'echo a; echo b >&2; exit 2' }}                               | ${500} | ${'command echo a; echo b >&2; exit 2 failed: a\nb\n: exit status 2'}
  `('$metadata answers $status', async ({ metadata, status, body }) => {
    expect(await post('/', task(metadata))).toEqual({ status, body });
  });

  it('without their program fail and say so', async () => {
    const path = process.env.PATH;
    process.env.PATH = folder;
    try {
      expect(await post('/', task({ type: 'helm', cmd: 'test shop' }))).toEqual({
        status: 500,
        body: 'command test shop failed: : exec: "helm": executable file not found in $PATH',
      });
    } finally {
      process.env.PATH = path;
    }
  });

  it('go on when the caller hangs up', async () => {
    const call = request({ host: '127.0.0.1', port: server.port, path: '/', method: 'POST' });
    call.on('error', () => {});
    call.end(JSON.stringify(task({ type: 'bash', cmd: `sleep 0.5; ${mark()}` })));
    await until(() => commands.running === 1);
    call.destroy();
    await until(async () => (await runs()) === 1);
  });

  it('are logged with their output', async () => {
    await post('/', task({ type: 'bash', cmd: 'echo seen' }));
    expect(lines.find(({ msg }) => msg === 'command finished')).toMatchObject({
      canary: 'shop.prod',
      output: 'seen\n',
    });
  });
});

describe('queued tasks', () => {
  it('are accepted at once and run', async () => {
    expect(await post('/', task({ cmd: mark() }))).toEqual({ status: 202, body: '' });
    await until(async () => (await runs()) === 1);
  });

  it('do not run twice at the same time for one canary, and do for two', async () => {
    const slow = task({ cmd: `${mark()}; sleep 1` });
    await post('/', slow);
    await until(async () => (await runs()) === 1);
    await post('/', slow);
    await until(() => lines.some(({ msg }) => msg === `command skipped ${slow.metadata.cmd} is already running`));
    await post('/', { ...slow, name: 'cart' });
    await until(async () => (await runs()) === 2);
  });

  it('log their output when asked to, and whenever they fail', async () => {
    await post('/', task({ cmd: 'echo one' }));
    await post('/', task({ cmd: 'echo two', logCmdOutput: 'true' }));
    await post('/', task({ cmd: 'echo three; false' }));
    const ended = () => lines.filter(({ msg }) => msg === 'command finished' || msg === 'command failed');
    await until(() => ended().length === 3);
    expect(ended().map(({ output, error }) => ({ output, error }))).toEqual(
      expect.arrayContaining([{}, { output: 'two\n' }, { output: 'three\n', error: 'exit status 1' }]),
    );
  });

  it('are dropped when the load tester stops, and new ones are refused', async () => {
    await post('/', task({ cmd: mark() }));
    loadTester.stop();
    expect(await post('/', task({ cmd: mark() }))).toMatchObject({ status: 503 });
    await sleep(200);
    expect(await runs()).toBe(0);
  });
});

describe('an Idempotency-Key', () => {
  const key = { 'idempotency-key': 'run/7' };

  it.each([
    ['queued', 'cmd', 202],
    ['blocking', 'bash', 200],
  ])('makes a repeated %s task run once and be answered the same', async (_, type, status) => {
    const asked = task({
      type,
      cmd: `${mark()}; echo $$`,
      returnCmdOutput: '1',
    });
    const first = await post('/', asked, key);
    expect(first.status).toBe(status);
    await until(async () => (await runs()) === 1);
    expect(await post('/', asked, key)).toEqual(first);
    await sleep(200);
    expect(await runs()).toBe(1);
  });

  it('that is used for two commands stands for each of them', async () => {
    await post('/', task({ type: 'bash', cmd: mark() }), key);
    await post('/', task({ type: 'bash', cmd: `${mark()} # second` }), key);
    expect(await runs()).toBe(2);
  });

  it.each([
    ['success', 'true', 200, 'done\n'],
    ['failure', 'false', 500, /failed: done\n: exit status 1$/],
  ])('gives a %s also to a caller that lost the first connection', async (_, end, status, body) => {
    const asked = task({ type: 'bash', cmd: `sleep 0.4; ${mark()}; echo done; ${end}`, returnCmdOutput: '1' });
    const call = request({ host: '127.0.0.1', port: server.port, path: '/', method: 'POST', headers: key });
    call.on('error', () => {});
    call.end(JSON.stringify(asked));
    await until(() => commands.running === 1);
    call.destroy();
    await until(() => commands.running === 0);
    const again = await post('/', asked, key);
    expect(again.status).toBe(status);
    expect(again.body).toMatch(body);
    expect(await runs()).toBe(1);
  });

  it('does not keep a webhook with retries from trying a failed command again', async () => {
    const asked = task({ type: 'bash', cmd: `${mark()}; test $(wc -l < ${join(folder, 'ran')}) = 2` });
    expect((await post('/', asked, key)).status).toBe(500);
    expect((await post('/', asked, key)).status).toBe(200);
    expect((await post('/', asked, key)).status).toBe(200);
    expect(await runs()).toBe(2);
  });

  it('is not needed: without one every blocking request runs', async () => {
    for (let n = 0; n < 2; n += 1) await post('/', task({ type: 'bash', cmd: mark() }));
    expect(await runs()).toBe(2);
  });
});

it('counts tasks by outcome', async () => {
  await post('/', task({ type: 'bash', cmd: 'true' }));
  await post('/', task({ type: 'bash', cmd: 'false' }));
  const { body } = await post('/metrics', '');
  expect(body).toContain('serin_loadtester_tasks_total{type="bash",outcome="succeeded"} 1');
  expect(body).toContain('serin_loadtester_tasks_total{type="bash",outcome="failed"} 1');
  expect(body).toContain('serin_loadtester_commands_running 0');
});
