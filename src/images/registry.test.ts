import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createRegistries, manifestTypes, type RegistryAccess } from './registry.ts';

const index = `sha256:${'1'.repeat(64)}`;
const child = `sha256:${'2'.repeat(64)}`;
const servers: Server[] = [];
const resolveTag = (access: RegistryAccess, repository: string, tag: string) =>
  createRegistries().resolve(access, repository, tag);

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => new Promise((done) => server.close(done))));
});

async function registry(handler: RequestListener): Promise<RegistryAccess> {
  const server = createServer(handler);
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, authHosts: [], private: true };
}

const seen = (request: IncomingMessage) => `${request.method} ${request.url}`;

describe('asking a registry what a tag means', () => {
  it('takes the index of a multi-architecture image, never one of its children', async () => {
    const access = await registry((request, response) => {
      const accepts = manifestTypes.every((type) => request.headers.accept?.includes(type));
      response.setHeader('docker-content-digest', accepts ? index : child);
      response.setHeader('content-type', manifestTypes[0]);
      response.end();
    });
    expect(await resolveTag(access, 'shop/cart', '1.4.2')).toEqual({ digest: index, mediaType: manifestTypes[0] });
  });

  it.each([404, 401, 403])('%s means not there yet, which the caller may wait out', async (status) => {
    const access = await registry((_, response) => response.writeHead(status).end());
    expect(await resolveTag(access, 'shop/cart', '1.4.2')).toEqual({
      missing: expect.stringContaining(`HTTP ${status}`),
      ...(status === 404 ? {} : { denied: true }),
    });
  });

  it.each([
    ['500', (_: IncomingMessage, response) => response.writeHead(500).end()],
    [
      'a redirect',
      (_: IncomingMessage, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
    ],
    ['an answer without digest', (_: IncomingMessage, response) => response.writeHead(200).end()],
    [
      'a digest that is none',
      (_: IncomingMessage, response) => response.writeHead(200, { 'docker-content-digest': 'latest' }).end(),
    ],
  ] satisfies [string, RequestListener][])('%s is Unavailable', async (_, handler) => {
    const access = await registry(handler);
    await expect(resolveTag(access, 'shop/cart', '1.4.2')).rejects.toMatchObject({ type: 'Unavailable' });
  });

  it('nobody listening is Unavailable', async () => {
    await expect(
      resolveTag({ url: 'http://127.0.0.1:1', authHosts: [], private: true }, 'a', 'b'),
    ).rejects.toMatchObject({
      type: 'Unavailable',
    });
  });

  it('meets a Basic challenge with the configured credentials', async () => {
    const wanted = `Basic ${Buffer.from('bot:secret').toString('base64')}`;
    const access = await registry((request, response) => {
      if (request.headers.authorization !== wanted)
        return response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end();
      response.writeHead(200, { 'docker-content-digest': index }).end();
    });
    const credentials = () => Promise.resolve({ username: 'bot', password: 'secret' });
    expect(await resolveTag({ ...access, credentials }, 'shop/cart', '1')).toEqual({ digest: index });
    expect(await resolveTag(access, 'shop/cart', '1')).toHaveProperty('missing');
  });

  it('fetches a token for pulling this repository from the registry’s own token service', async () => {
    const calls: string[] = [];
    const access = await registry((request, response) => {
      calls.push(seen(request));
      if (request.url?.startsWith('/token')) return response.end(JSON.stringify({ token: 'granted' }));
      if (request.headers.authorization === 'Bearer granted')
        return response.writeHead(200, { 'docker-content-digest': index }).end();
      const realm = `http://${request.headers.host}/token`;
      response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}",service="reg"` }).end();
    });
    expect(await resolveTag(access, 'shop/cart', '1')).toEqual({ digest: index });
    expect(calls).toEqual([
      'HEAD /v2/shop/cart/manifests/1',
      'GET /token?service=reg&scope=repository%3Ashop%2Fcart%3Apull',
      'HEAD /v2/shop/cart/manifests/1',
    ]);
  });

  it('shows no credentials to a token service it was not told about', async () => {
    const stolen: (string | undefined)[] = [];
    const thief = await registry((request, response) => {
      stolen.push(request.headers.authorization);
      response.end(JSON.stringify({ token: 'x' }));
    });
    const access = await registry((_, response) =>
      response.writeHead(401, { 'www-authenticate': `Bearer realm="${thief.url}/token"` }).end(),
    );
    const credentials = () => Promise.resolve({ username: 'bot', password: 'secret' });
    const refused = resolveTag({ ...access, credentials }, 'shop/cart', '1');
    await expect(refused).rejects.toMatchObject({
      type: 'Unauthorized',
      message: expect.stringContaining('authHosts'),
    });
    expect(stolen).toEqual([]);
  });
});
