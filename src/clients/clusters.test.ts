import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { closeServers, startServer, type FakeServer } from '../../test/support/fake-server.ts';
import { connectCluster } from './clusters.ts';
import { resources } from './kubernetes.ts';

let folder: string;
let server: FakeServer;
let now: number;
let warned: string[];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'clusters-'));
  [now, warned] = [0, []];
  server = await startServer(() => ({
    status: 200,
    body: JSON.stringify({ metadata: { resourceVersion: '1' }, items: [] }),
  }));
});
afterEach(async () => {
  await closeServers();
  rmSync(folder, { recursive: true, force: true });
});

const configWith = (token: string) =>
  JSON.stringify({
    clusters: [{ name: 'x', cluster: { server: server.url, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'x', user: { token } }],
    contexts: [{ name: 'x', context: { cluster: 'x', user: 'x' } }],
    'current-context': 'x',
  });

/** As the kubelet has it: the file is a link into a folder that is a link, and all of it is replaced at once. */
function mountSecret(token: string, generation: number): void {
  const data = join(folder, `..data-${generation}`);
  mkdirSync(data);
  writeFileSync(join(data, 'kubeconfig'), configWith(token));
  symlinkSync(data, join(folder, '..next'));
  renameSync(join(folder, '..next'), join(folder, '..data'));
  if (generation === 1) symlinkSync(join('..data', 'kubeconfig'), join(folder, 'kubeconfig'));
}

const open = () =>
  connectCluster(join(folder, 'kubeconfig'), {
    options: { fieldManager: 'test' },
    log: { warn: (message) => warned.push(message) },
    now: () => now,
  });
const tokens = () => server.requests.map(({ headers }) => headers.authorization);

describe('a kubeconfig', () => {
  it('whose Secret is rotated is read again, and the old one used until it is', async () => {
    mountSecret('one', 1);
    const kubernetes = open();
    await kubernetes.list(resources.canaries, 'shop');
    mountSecret('two', 2);
    now += 1_000;
    await kubernetes.list(resources.canaries, 'shop');
    now += 10_000;
    await kubernetes.list(resources.canaries, 'shop');
    expect(tokens()).toEqual(['Bearer one', 'Bearer one', 'Bearer two']);
    expect(kubernetes.server).toBe(server.url);
  });

  it('that is half written or gone changes nothing until it is whole', async () => {
    const path = join(folder, 'kubeconfig');
    writeFileSync(path, configWith('one'));
    const kubernetes = open();
    for (const change of [
      () => writeFileSync(path, '{"clusters":'),
      () => rmSync(path),
      () => writeFileSync(path, configWith('two')),
    ]) {
      change();
      now += 10_000;
      await kubernetes.list(resources.canaries, 'shop');
    }
    expect(tokens()).toEqual(['Bearer one', 'Bearer one', 'Bearer two']);
    // Once for each state it was found in.
    expect(warned).toEqual(Array(2).fill('kubeconfig cannot be read again yet'));
  });

  it('that is not there at the start is an error that names it', () => {
    expect(open).toThrow(/kubeconfig/);
  });
});
