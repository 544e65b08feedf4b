import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { isPublic } from '../clients/public-network.ts';
import { messageWithCause } from '../errors.ts';
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

  it('asks for a digest as it is written', async () => {
    const calls: string[] = [];
    const access = await registry((request, response) => {
      calls.push(seen(request));
      response.writeHead(200, { 'docker-content-digest': index }).end();
    });
    await resolveTag(access, 'shop/cart', index);
    expect(calls).toEqual([`HEAD /v2/shop/cart/manifests/${index}`]);
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

  it('has ten seconds', async () => {
    const access = await registry(() => undefined);
    const limits: number[] = [];
    const { timeout } = AbortSignal;
    // As long as it says, a thousand times faster.
    const clock = jest.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => {
      limits.push(ms);
      return timeout.call(AbortSignal, ms / 1_000);
    });
    try {
      await expect(resolveTag(access, 'shop/cart', '1.4.2')).rejects.toMatchObject({ type: 'Unavailable' });
    } finally {
      clock.mockRestore();
    }
    expect(limits).toEqual([10_000]);
    for (const server of servers) server.closeAllConnections();
  });

  it('is asked over four connections, however much there is to ask', async () => {
    let [now, most] = [0, 0];
    const access = await registry((_, response) => {
      most = Math.max(most, (now += 1));
      setTimeout(() => {
        now -= 1;
        response.writeHead(200, { 'docker-content-digest': index }).end();
      }, 30);
    });
    const registries = createRegistries();
    const asked = Array.from({ length: 12 }, (_, n) => registries.resolve(access, 'shop/cart', `1.${n}`));
    expect(await Promise.all(asked)).toEqual(
      Array.from({ length: 12 }, () => expect.objectContaining({ digest: index })),
    );
    expect(most).toBe(4);
  });

  it('is not quoted: what it says in an error is neither in a failure nor in what that was caused by', async () => {
    const said = `hush\u001b[31m ${'x'.repeat(5_000)}`;
    for (const status of [200, 429, 500]) {
      const access = await registry((_, response) => response.writeHead(status, 'hush').end(said));
      for (const ask of [
        () => createRegistries().tags(access, 'shop/cart'),
        () => resolveTag(access, 'shop/cart', '1.4.2'),
      ]) {
        const failed = (await ask().catch((error: unknown) => error)) as Error;
        expect(failed).toMatchObject({ type: 'Unavailable' });
        expect(failed.message.length).toBeLessThan(200);
        expect(messageWithCause(failed)).not.toMatch(/hush|\[31m|xxxx/);
      }
    }
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

  it.each([
    ['token', { token: 'granted' }],
    ['access_token', { access_token: 'granted' }],
  ])(
    'shows its credentials to a token service elsewhere that it was told about, which answers with %s',
    async (_, answer) => {
      const asked: unknown[] = [];
      const service = await registry((request, response) => {
        asked.push([request.url, request.headers.authorization]);
        response.end(JSON.stringify(answer));
      });
      const realm = new URL(service.url);
      const access = await registry((request, response) => {
        if (request.headers.authorization === 'Bearer granted')
          return response.writeHead(200, { 'docker-content-digest': index }).end();
        response.writeHead(401, { 'www-authenticate': `Bearer realm="${service.url}/token",service="reg"` }).end();
      });
      const credentials = () => Promise.resolve({ username: 'bot', password: 'secret' });
      const told = { ...access, credentials, authHosts: [realm.host] };
      expect(await resolveTag(told, 'shop/cart', '1')).toEqual({ digest: index });
      expect(asked).toEqual([
        [
          '/token?service=reg&scope=repository%3Ashop%2Fcart%3Apull',
          `Basic ${Buffer.from('bot:secret').toString('base64')}`,
        ],
      ]);
    },
  );

  it('that refuses them says nothing to these credentials', async () => {
    const access = await registry((request, response) => {
      if (request.url?.startsWith('/token')) return response.writeHead(403).end();
      response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${request.headers.host}/token"` }).end();
    });
    expect(await resolveTag(access, 'shop/cart', '1')).toMatchObject({ denied: true });
  });

  it('sends a bearer token of its own at once, and asks nobody for another', async () => {
    const calls: (string | undefined)[] = [];
    const access = await registry((request, response) => {
      calls.push(request.headers.authorization);
      if (request.headers.authorization === 'Bearer fresh')
        return response.writeHead(200, { 'docker-content-digest': index }).end();
      response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${request.headers.host}/token"` }).end();
    });
    const tokens = ['stale', 'fresh'];
    const credentials = () => Promise.resolve({ token: tokens.length > 1 ? tokens[0]! : tokens.at(-1)! });
    const { resolve } = createRegistries();
    expect(await resolve({ ...access, credentials }, 'shop/cart', '1')).toMatchObject({ denied: true });
    // A rotated one is read at the next use.
    tokens.shift();
    expect(await resolve({ ...access, credentials }, 'shop/cart', '1')).toEqual({ digest: index });
    expect(calls).toEqual(['Bearer stale', 'Bearer fresh']);
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

describe('asking for all tags', () => {
  it('reads page after page, on the same server, and leaves out what is no tag', async () => {
    const calls: string[] = [];
    const access = await registry((request, response) => {
      calls.push(seen(request));
      const next = new URL(request.url!, 'http://x').searchParams.get('last');
      if (next === null) response.setHeader('link', '</v2/shop/cart/tags/list?n=1000&last=1.1.0>; rel="next"');
      response.end(JSON.stringify({ tags: next === null ? ['1.0.0', '1.1.0', 'not a tag'] : ['1.2.0'] }));
    });
    expect(await createRegistries().tags(access, 'shop/cart')).toEqual(['1.0.0', '1.1.0', '1.2.0']);
    expect(calls).toEqual(['GET /v2/shop/cart/tags/list?n=1000', 'GET /v2/shop/cart/tags/list?n=1000&last=1.1.0']);
  });

  /** A registry of so many tags that gives some at a time. */
  const listing = (tags: number, atOnce: number) =>
    registry((request, response) => {
      const from = Number(new URL(request.url!, 'http://x').searchParams.get('last') ?? 0);
      const to = Math.min(from + atOnce, tags);
      if (to < tags) response.setHeader('link', `</v2/shop/cart/tags/list?n=1000&last=${to}>; rel="next"`);
      response.end(JSON.stringify({ tags: Array.from({ length: to - from }, (_, n) => `1.${from + n}.0`) }));
    });

  it('reads many short pages as well as few long ones', async () => {
    const access = { ...(await listing(6_000, 100)), perSecond: 1_000 };
    expect(await createRegistries().tags(access, 'shop/cart')).toHaveLength(6_000);
  });

  it('gives up, and says what to do, where there are more than fifty thousand', async () => {
    const access = { ...(await listing(60_000, 5_000)), perSecond: 1_000 };
    await expect(createRegistries().tags(access, 'shop/cart')).rejects.toMatchObject({
      type: 'Unavailable',
      message: expect.stringMatching(/more than 50000 tags; delete old ones, or follow one by name/),
    });
  });

  it('follows no page that is elsewhere', async () => {
    const access = await registry((_, response) => {
      response.setHeader('link', '<http://127.0.0.1:1/v2/shop/cart/tags/list?last=1>; rel="next"');
      response.end(JSON.stringify({ tags: ['1.0.0'] }));
    });
    expect(await createRegistries().tags(access, 'shop/cart')).toEqual(['1.0.0']);
  });

  it.each([401, 403, 404])('%s means that they are not told', async (status) => {
    const access = await registry((_, response) => response.writeHead(status).end('{}'));
    expect(await createRegistries().tags(access, 'shop/cart')).toBeUndefined();
  });

  it.each([
    ['an empty repository', '{"tags":null}', []],
    ['what is no list', '{"tags":7}', 'Unavailable'],
    ['what is no JSON', '<html>', 'Unavailable'],
    ['more than 1 MiB', JSON.stringify({ tags: ['x'.repeat(1024 * 1024)] }), 'Unavailable'],
  ])('%s', async (_, body, expected) => {
    const access = await registry((_, response) => response.end(body));
    const tags = createRegistries().tags(access, 'shop/cart');
    if (expected === 'Unavailable') await expect(tags).rejects.toMatchObject({ type: expected });
    else expect(await tags).toEqual(expected);
  });
});

describe('the pace of questions', () => {
  it('a registry that wants to be left alone is asked again when it says', async () => {
    const access = await registry((_, response) => response.writeHead(429, { 'retry-after': '120' }).end());
    await expect(resolveTag(access, 'shop/cart', '1')).rejects.toMatchObject({
      type: 'Unavailable',
      nextRetryDelay: 120_000,
    });
  });

  it('is what the configuration says', async () => {
    const access = await registry((_, response) => response.writeHead(200, { 'docker-content-digest': index }).end());
    const { resolve } = createRegistries();
    const since = performance.now();
    // Twice as many at once, and from then on one every fiftieth of a second.
    for (let n = 0; n < 120; n += 1) await resolve({ ...access, perSecond: 50 }, 'shop/cart', String(n));
    expect(performance.now() - since).toBeGreaterThan(300);
  });

  it('one tag is asked for once in a while, and nobody gets an answer older than their question', async () => {
    let asked = 0;
    const digest = (n: number) => `sha256:${String(n).repeat(64)}`;
    const access = await registry((_, response) => {
      asked += 1;
      response.writeHead(200, { 'docker-content-digest': digest(asked) }).end();
    });
    const { resolve } = createRegistries();
    const ask = () => resolve(access, 'shop/cart', 'prod', 300);
    expect(await ask()).toEqual({ digest: digest(1) });
    expect(await Promise.all([ask(), ask(), ask()])).toEqual([2, 2, 2].map((n) => ({ digest: digest(n) })));
    expect(asked).toBe(2);
    // Nobody gets the answer to somebody else's credentials.
    const mine = { ...access, credentials: () => Promise.resolve({ username: 'me', password: 'x' }) };
    const [theirs, own] = await Promise.all([ask(), resolve(mine, 'shop/cart', 'prod', 300)]);
    expect(own).not.toEqual(theirs);
    asked = 2;
    // Other tags are other questions.
    expect(await resolve(access, 'shop/cart', 'other', 300)).toEqual({ digest: digest(3) });
  });
});

describe('addresses in private networks', () => {
  const access = (url: string): RegistryAccess => ({ url, authHosts: [] });

  it.each([
    'http://127.0.0.1:5000',
    'https://169.254.169.254',
    'https://100.100.100.200',
    'https://10.1.2.3',
    'https://[::1]:5000',
    'https://[::ffff:10.0.0.1]',
    'https://[fd00::1]',
    'https://localhost:5000',
  ])('%s is not connected to unless the configuration says that the registry is there', async (url) => {
    await expect(resolveTag(access(url), 'shop/cart', '1')).rejects.toMatchObject({
      type: 'InvalidSpec',
      message: expect.stringMatching(/private network; if the registry really is there, set registry.private/),
    });
  });

  it.each([
    ['8.8.8.8', true],
    ['2001:4860:4860::8888', true],
    ['172.32.0.1', true],
    ['172.31.255.255', false],
    ['100.127.0.1', false],
    ['::ffff:127.0.0.1', false],
    ['fe80::1', false],
    ['0.0.0.0', false],
    ['registry.example.com', false],
  ])('%s is public: %s', (address, expected) => {
    expect(isPublic(address)).toBe(expected);
  });
});
