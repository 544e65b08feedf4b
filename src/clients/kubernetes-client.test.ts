import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { afterEach, describe, expect, it } from '@jest/globals';
import { closeServers, startServer, type FakeServer, type Reply } from '../../test/support/fake-server.ts';
import { createKubernetes, loadKubeConfig } from './kubernetes-client.ts';
import { resources } from './kubernetes.ts';

afterEach(closeServers);

function clientOf({ url }: FakeServer, doubtMs: readonly number[]) {
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: [{ name: 'fake', server: url, skipTLSVerify: true }],
    users: [{ name: 'serin' }],
    contexts: [{ name: 'fake', cluster: 'fake', user: 'serin' }],
    currentContext: 'fake',
  });
  return createKubernetes(config, { fieldManager: 'test', doubtMs });
}

const reply = (status: number, object: object): Reply => ({ status, body: JSON.stringify(object) });
const refused = (status: number) => reply(status, { kind: 'Status', message: 'services "shop" is forbidden' });
const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'shop', namespace: 'prod' } };

describe('an API server that refuses for lack of rights', () => {
  it.each([401, 403])(
    'with %d because it has just started, and knows no roles yet, is asked again until it does',
    async (status) => {
      const server = await startServer((_, count) => (count < 3 ? refused(status) : reply(200, service)));
      const kubernetes = clientOf(server, [1, 1, 1]);
      expect(await kubernetes.create(resources.services, service)).toEqual(service);
      expect(server.requests.map(({ method, body }) => `${method} ${body}`)).toEqual(
        Array(3).fill(`POST ${JSON.stringify(service)}`),
      );
    },
  );

  it.each([401, 403])('with %d each time is believed in the end', async (status) => {
    const server = await startServer(() => refused(status));
    await expect(clientOf(server, [1, 1]).get(resources.services, 'prod', 'shop')).rejects.toMatchObject({
      type: 'Unauthorized',
      message: 'services "shop" is forbidden',
    });
    expect(server.requests).toHaveLength(3);
  });
});

describe('an API server that answers otherwise', () => {
  it.each([
    [400, 'InvalidSpec'],
    [404, 'NotFound'],
    [409, 'Conflict'],
    [410, 'NotFound'],
    [422, 'InvalidSpec'],
    [429, 'Unavailable'],
    [500, 'Unavailable'],
    [503, 'Unavailable'],
  ])('is believed at once: %d is %s', async (status, type) => {
    const server = await startServer(() => refused(status));
    const listing = clientOf(server, [1]).list(resources.services, 'prod');
    await expect(listing).rejects.toMatchObject({ type });
    expect(server.requests).toHaveLength(1);
  });
});

describe('a resource of which only the metadata is wanted', () => {
  it('is listed and watched by the media types that leave everything else out', async () => {
    const server = await startServer(() => reply(200, { items: [], metadata: { resourceVersion: '1' } }));
    const kubernetes = clientOf(server, []);
    const accepted = async (metadataOnly: boolean) => {
      const resource = { ...resources.secrets, metadataOnly };
      server.requests.length = 0;
      await kubernetes.list(resource, 'prod');
      await kubernetes.watch(resource, 'prod', {}, () => undefined, AbortSignal.timeout(5_000));
      return server.requests.map(({ headers }) => headers.accept);
    };
    expect(await accepted(true)).toEqual([
      'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
      'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1',
    ]);
    expect((await accepted(false)).join()).not.toContain('PartialObjectMetadata');
  });
});

describe('a client with a limit', () => {
  it('sends no more than that many requests at once, and the rest in its own time', async () => {
    const server = await startServer(() => reply(200, service));
    const config = new KubeConfig();
    config.loadFromOptions({
      clusters: [{ name: 'fake', server: server.url, skipTLSVerify: true }],
      users: [{ name: 'serin' }],
      contexts: [{ name: 'fake', cluster: 'fake', user: 'serin' }],
      currentContext: 'fake',
    });
    const kubernetes = createKubernetes(config, { fieldManager: 'test', limit: { qps: 20, burst: 2 } });
    const since = performance.now();
    await Promise.all(Array.from({ length: 6 }, () => kubernetes.get(resources.services, 'prod', 'shop')));
    // Two at once; the other four come 50 ms apart.
    expect(performance.now() - since).toBeGreaterThanOrEqual(195);
    expect(server.requests).toHaveLength(6);
  });
});

describe('a kubeconfig', () => {
  it('speaks to the server that is named instead of its own', () => {
    const folder = mkdtempSync(join(tmpdir(), 'kubeconfig-'));
    const path = join(folder, 'config');
    writeFileSync(
      path,
      JSON.stringify({
        clusters: [{ name: 'one', cluster: { server: 'https://one.example' } }],
        users: [{ name: 'ann', user: {} }],
        contexts: [{ name: 'one', context: { cluster: 'one', user: 'ann' } }],
        'current-context': 'one',
      }),
    );
    const serverOf = (master?: string) => loadKubeConfig(path, master).getCurrentCluster()?.server;
    expect([serverOf(), serverOf('https://two.example')]).toEqual(['https://one.example', 'https://two.example']);
    rmSync(folder, { recursive: true });
  });
});
