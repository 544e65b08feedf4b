import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { freePort } from '../../local/ports.ts';
import { eventually } from '../support/cluster.ts';
import { closeServers, startServer } from '../support/fake-server.ts';
import { openBench } from '../support/temporal.ts';

let folder: string;
let worker: ChildProcess | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'worker-'));
});
afterEach(async () => {
  worker?.kill('SIGKILL');
  await closeServers();
  rmSync(folder, { recursive: true, force: true });
});

const refuseEverything = () => ({ status: 403, body: JSON.stringify({ message: 'canaries is forbidden' }) });

/** A worker process with some environment, and an API server that refuses it everything or answers as it is told. */
async function start(
  env: Readonly<Record<string, string>>,
  apiServer: Parameters<typeof startServer>[0] = refuseEverything,
) {
  const server = await startServer(apiServer);
  const kubeconfig = join(folder, 'kubeconfig');
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      clusters: [{ name: 'x', cluster: { server: server.url, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'x', user: {} }],
      contexts: [{ name: 'x', context: { cluster: 'x', user: 'x' } }],
      'current-context': 'x',
    }),
  );
  const port = await freePort();
  const child = spawn(process.execPath, [new URL('../../src/worker.ts', import.meta.url).pathname], {
    env: {
      PATH: process.env.PATH,
      SERIN_KUBECONFIG: kubeconfig,
      SERIN_PORT: String(port),
      SERIN_METRICS_SERVER: 'http://127.0.0.1:9',
      ...env,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  worker = child;
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')));
  return {
    child,
    said: () => said,
    readyz: async () => {
      const response = await fetch(`http://127.0.0.1:${port}/readyz`);
      return `${response.status} ${await response.text()}`;
    },
  };
}

describe('a worker that cannot work yet', () => {
  it.each([
    [
      'for want of Temporal',
      async () => `127.0.0.1:${await freePort()}`,
      /cannot connect to Temporal yet/,
      /Temporal is not connected/,
    ],
    [
      'for want of rights',
      async () => process.env.SERIN_TEST_TEMPORAL ?? '',
      /cannot be ready yet.*canaries is forbidden/,
      /Canaries cannot be listed: canaries is forbidden/,
    ],
  ])('%s says so, stays up, and ends when it is told to', async (_, address, logged, told) => {
    const { child, said, readyz } = await start({ TEMPORAL_ADDRESS: await address() });
    await eventually('its log to say why', () => logged.test(said()), 30_000);
    expect(await readyz()).toMatch(told);
    // A Prometheus that is not there is told beside, and keeps nobody from working.
    expect(await readyz()).toMatch(/SERIN_METRICS_SERVER does not answer, built-in checks wait for it/);
    expect(child.exitCode).toBeNull();
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await exit).toEqual([0, null]);
    expect(said()).toContain('worker stopped');
  });

  it('does not start with a value that cannot be, and names it', async () => {
    const { child, said } = await start({ SERIN_SHUTDOWN_MS: 'long' });
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).toBe(1);
    expect(said()).toContain('SERIN_SHUTDOWN_MS is \\"long\\", expected a whole number');
  });

  it.each([
    [{ SERIN_DEPLOYMENT_NAME: 'serin' }, 'SERIN_BUILD_ID is not set; set it as well, or neither of the two'],
    [{ SERIN_BUILD_ID: '2' }, 'SERIN_DEPLOYMENT_NAME is not set; set it as well, or neither of the two'],
    [{ SERIN_VERIFIED_ACTORS: 'true' }, 'SERIN_TOKEN_ISSUERS to a file'],
    [{ SERIN_WORKFLOW_BUNDLE: '/nowhere.js', TEMPORAL_ADDRESS: '127.0.0.1:1' }, 'there is no such file'],
  ])('does not start with half of what belongs together: %p', async (env, message) => {
    const { child, said } = await start(env);
    await once(child, 'exit');
    expect(said()).toContain(message);
    expect(child.exitCode).toBe(1);
  });
});

describe('a worker that is told to end while it works', () => {
  it('finishes what it has in hand, which nobody does again, and then ends', async () => {
    const bench = await openBench();
    let answer: (() => void) | undefined;
    const { child, said, readyz } = await start(
      {
        TEMPORAL_ADDRESS: process.env.SERIN_TEST_TEMPORAL ?? '',
        SERIN_TASK_QUEUE: bench.taskQueue,
        SERIN_SHUTDOWN_MS: '20000',
      },
      ({ url }, _, response) => {
        if (!/\/namespaces\/prod\/canaries\/shop-/.test(url)) return { body: JSON.stringify({ items: [] }) };
        // The look at the Canary hangs until the test lets it go: there is no such Canary.
        answer = () => void response.writeHead(404).end(JSON.stringify({ message: 'not found' }));
        return undefined;
      },
    );
    try {
      await eventually('the worker to poll', async () => (await readyz()).startsWith('200'), 30_000);
      const release = await bench.hint(bench.canary());
      await eventually('a look in progress', () => answer !== undefined);
      const exit = once(child, 'exit');
      child.kill('SIGTERM');
      await eventually('the worker to drain', () => said().includes('"state":"DRAINING"'));
      expect(child.exitCode).toBeNull();
      answer!();
      expect(await exit).toEqual([0, null]);
      expect(said()).toContain('worker stopped');
      const events = (await release.fetchHistory()).events ?? [];
      const started = events.flatMap((event) => event.activityTaskStartedEventAttributes ?? []);
      expect(started.map(({ attempt }) => attempt)).toEqual([1]);
      expect(events.filter((event) => event.activityTaskCompletedEventAttributes)).toHaveLength(1);
      await release.terminate('the test is over');
    } finally {
      await bench.close();
    }
  }, 90_000);
});
