import { KubeConfig } from '@kubernetes/client-node';
import { afterEach, describe, expect, it } from '@jest/globals';
import { closeServers, startServer, type FakeServer, type Reply } from '../../test/support/fake-server.ts';
import { createKubernetes, resources } from './kubernetes.ts';

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
