import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { closeServers, deadUrl, startServer } from '../../test/support/fake-server.ts';
import { failureType } from '../errors.ts';
import { createHttp, type HttpRequest } from './http.ts';

afterEach(closeServers);

const http = createHttp({});
const get = (url: string, more: Partial<HttpRequest> = {}) =>
  http.send({ method: 'GET', url, timeoutMs: 5000, ...more });

/** What a call that had no answer said. */
async function refusal(call: Promise<unknown>): Promise<{ type: string | undefined; message: string; error: Error }> {
  try {
    await call;
  } catch (error) {
    return { type: failureType(error), message: (error as Error).message, error: error as Error };
  }
  throw new Error('there was an answer');
}

describe('an HTTP call', () => {
  it('sends method, headers and body as they are and returns status, headers and body', async () => {
    const server = await startServer(() => ({ status: 202, headers: { 'X-Answer': 'yes' }, body: '{"a": 1}' }));
    const response = await http.send({
      method: 'POST',
      url: `${server.url}/hook?x=%20y`,
      headers: { 'Content-Type': 'application/json', 'Idempotency-Key': 'k/1' },
      body: '{"b" :2}',
      timeoutMs: 5000,
    });
    expect(response).toMatchObject({ status: 202, body: '{"a": 1}' });
    expect(response.headers['x-answer']).toBe('yes');
    expect(server.requests).toEqual([
      expect.objectContaining({ method: 'POST', url: '/hook?x=%20y', body: '{"b" :2}' }),
    ]);
    expect(server.requests[0]!.headers).toMatchObject({
      'content-type': 'application/json',
      'idempotency-key': 'k/1',
      'user-agent': 'serin',
    });
  });

  it.each([204, 304, 404, 500, 503])('takes status %i for an answer', async (status) => {
    const server = await startServer(() => ({ status }));
    expect((await get(server.url)).status).toBe(status);
  });

  it('turns user info in the URL into basic authentication', async () => {
    const server = await startServer(() => ({}));
    await get(server.url.replace('//', '//user:p%40ss@'));
    const basic = Buffer.from('user:p@ss').toString('base64');
    expect(server.requests[0]!.headers['authorization']).toBe(`Basic ${basic}`);
  });

  it('follows redirects, and gives up after ten', async () => {
    const server = await startServer(({ url }) =>
      url === '/end' ? { body: 'there' } : { status: 302, headers: { Location: url === '/once' ? '/end' : '/again' } },
    );
    expect((await get(`${server.url}/once`)).body).toBe('there');
    const { type, message } = await refusal(get(`${server.url}/again`));
    expect({ type, message }).toEqual({
      type: 'InvalidSpec',
      message: `Get "${server.url}/again": stopped after 10 redirects`,
    });
    expect(server.requests).toHaveLength(13);
  });

  it('does not carry credentials to another host', async () => {
    const other = await startServer(() => ({ body: 'elsewhere' }));
    const server = await startServer(() => ({
      status: 307,
      headers: { Location: other.url.replace('127.0.0.1', 'localhost') },
    }));
    await get(server.url, { headers: { Authorization: 'Bearer abc' } });
    expect(other.requests).toHaveLength(1);
    for (const { headers } of other.requests) expect(headers['authorization']).toBeUndefined();
  });
});

describe('a call without an answer', () => {
  it('names a refused connection as Go does', async () => {
    const url = await deadUrl();
    const { type, message } = await refusal(get(`${url}/x`));
    const peer = url.replace('http://', '');
    expect({ type, message }).toEqual({
      type: 'Unavailable',
      message: `Get "${url}/x": dial tcp ${peer}: connect: connection refused`,
    });
  });

  it('ends at its deadline when the server does not answer', async () => {
    const server = await startServer(() => undefined);
    const before = Date.now();
    const { type, message } = await refusal(get(server.url, { timeoutMs: 100 }));
    expect({ type, message }).toEqual({
      type: 'Unavailable',
      message: `Get "${server.url}": context deadline exceeded`,
    });
    expect(Date.now() - before).toBeLessThan(2000);
  });

  it('ends at its deadline when the body does not end', async () => {
    const server = await startServer((_request, _count, response) => {
      response.writeHead(200).write('and then');
      return undefined;
    });
    const { message } = await refusal(get(server.url, { timeoutMs: 100 }));
    expect(message).toBe(`Get "${server.url}": context deadline exceeded`);
  });

  it('ends when its signal aborts', async () => {
    const server = await startServer(() => undefined);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 50);
    const { message } = await refusal(get(server.url, { signal: controller.signal }));
    expect(message).toBe(`Get "${server.url}": context canceled`);
  });

  it('says EOF when the server hangs up', async () => {
    const server = await startServer((_request, _count, response) => {
      response.destroy();
      return undefined;
    });
    const { type, message } = await refusal(get(server.url));
    expect({ type, message }).toEqual({ type: 'Unavailable', message: `Get "${server.url}": EOF` });
  });

  it('names a host that does not exist', async () => {
    const { type, message } = await refusal(get('http://nowhere.invalid/x'));
    expect(type).toBe('Unavailable');
    expect(message).toMatch(/^Get "http:\/\/nowhere\.invalid\/x": dial tcp: lookup nowhere\.invalid: /);
  });

  it('says what is wrong when the server speaks another protocol', async () => {
    const tcp = createTcpServer((socket) => socket.end('SSH-2.0-x\r\n\r\n'));
    await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
    const { port } = tcp.address() as AddressInfo;
    const { type, message } = await refusal(get(`http://127.0.0.1:${port}`));
    tcp.close();
    expect(type).toBe('Unavailable');
    expect(message).toContain('malformed HTTP response');
  });

  it('refuses a body without end', async () => {
    const server = await startServer(() => ({ body: 'x'.repeat(11 * 1024 * 1024) }));
    const { type, message } = await refusal(get(server.url));
    expect(type).toBe('Unavailable');
    expect(message).toContain('response body larger than 10 MiB');
  });

  it.each([
    ['ftp://host/x', 'Post "ftp://host/x": unsupported protocol scheme "ftp"'],
    ['load-tester/gate', 'Post "load-tester/gate": unsupported protocol scheme ""'],
    ['${GATE_URL}', 'Post "${GATE_URL}": unsupported protocol scheme ""'],
    ['http://', 'Post "http://": invalid URL'],
    ['', 'Post "": unsupported protocol scheme ""'],
  ])('says of %s that it cannot be called, ever', async (url, message) => {
    const refused = await refusal(http.send({ method: 'POST', url, timeoutMs: 1000 }));
    expect({ type: refused.type, message: refused.message }).toEqual({ type: 'InvalidSpec', message });
  });

  it('shows neither password, nor lone user name, nor query, nor header, wherever it failed', async () => {
    const url = (await deadUrl()).replace('//', '//user:hunter2@');
    const { error, message } = await refusal(
      get(`${url}/x?token=s3cret`, { headers: { Authorization: 'Bearer t0ken' } }),
    );
    expect(message).toContain(`Get "${url.replace('hunter2', 'xxxxx')}/x?xxxxx": `);
    const seen = [message, error.stack, JSON.stringify(error), JSON.stringify(error.cause), String(error.cause)].join();
    expect(seen).not.toMatch(/hunter2|s3cret|t0ken/);
  });
});

describe('certificates', () => {
  it('are verified', async () => {
    const server = await startServer(() => ({}), { tls: true });
    const { type, message } = await refusal(get(server.url));
    expect({ type, message }).toEqual({
      type: 'InvalidSpec',
      message: `Get "${server.url}": tls: failed to verify certificate: x509: certificate signed by unknown authority`,
    });
  });

  it('are not verified when the caller says so', async () => {
    const server = await startServer(() => ({ body: 'hello' }), { tls: true });
    expect((await get(server.url, { insecure: true })).body).toBe('hello');
  });

  it('are missing when an HTTP server is called by HTTPS', async () => {
    const server = await startServer(() => ({}));
    const { message } = await refusal(get(server.url.replace('http:', 'https:')));
    expect(message).toContain('http: server gave HTTP response to HTTPS client');
  });
});

describe('proxies', () => {
  /** A proxy that remembers what it was asked to do and does it for CONNECT. */
  async function startProxy() {
    const proxy = await startServer((request) => ({ body: `proxied ${request.url}` }));
    const tunnels: string[] = [];
    proxy.server.on('connect', (request, client: Socket) => {
      tunnels.push(`${request.url} ${request.headers['proxy-authorization'] ?? ''}`.trim());
      const [host, port] = request.url!.split(':');
      const upstream = connect(Number(port), host, () => {
        client.write('HTTP/1.1 200 Connection established\r\n\r\n');
        upstream.pipe(client).pipe(upstream);
      });
      for (const socket of [client, upstream]) socket.on('error', () => undefined);
    });
    return { ...proxy, tunnels };
  }

  it('carry a call whose request names one, loopback included', async () => {
    const proxy = await startProxy();
    const response = await get('http://127.0.0.1:1/x', { proxy: proxy.url });
    expect(response.body).toBe('proxied http://127.0.0.1:1/x');
  });

  it('tunnel HTTPS, with their own credentials and end to end', async () => {
    const proxy = await startProxy();
    const server = await startServer(() => ({ body: 'hello' }), { tls: true });
    const named = proxy.url.replace('//', '//me:pw@');
    const response = await get(server.url, { proxy: named, insecure: true, headers: { Authorization: 'Bearer x' } });
    expect(response.body).toBe('hello');
    const basic = Buffer.from('me:pw').toString('base64');
    expect(proxy.tunnels).toEqual([`${server.url.replace('https://', '')} Basic ${basic}`]);
    expect(server.requests[0]!.headers).not.toHaveProperty('proxy-authorization');
  });

  it('come from the environment, unless the call wants none or the host is exempt', async () => {
    const proxy = await startProxy();
    const client = createHttp({ HTTP_PROXY: proxy.url, NO_PROXY: 'quiet.invalid' });
    const ask = (url: string, more: Partial<HttpRequest> = {}) =>
      client.send({ method: 'GET', url, timeoutMs: 2000, ...more });
    expect((await ask('http://far.invalid/x')).body).toBe('proxied http://far.invalid/x');
    await refusal(ask('http://far.invalid/x', { proxy: '' }));
    await refusal(ask('http://quiet.invalid/x'));
    expect(proxy.requests).toHaveLength(1);
  });

  it('that are none are refused by name, without their password', async () => {
    const { type, message } = await refusal(get('http://far.invalid', { proxy: 'socks5://me:pw@proxy' }));
    expect(type).toBe('InvalidSpec');
    expect(message).toContain("unable to parse proxy URL 'socks5://me:xxxxx@proxy'");
  });
});
