import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Counter, Registry } from 'prom-client';
import { healthHandler, listen, untilComplete, type Listening, type Readiness } from './server.ts';

let server: Listening | undefined;

afterEach(async () => {
  await server?.close(0);
  server = undefined;
});

async function get(path: string, init: RequestInit = {}) {
  const response = await fetch(`http://127.0.0.1:${server!.port}${path}`, init);
  return { status: response.status, body: await response.text() };
}

describe('health endpoints', () => {
  const serve = async (ready: () => Readiness) => {
    const metrics = new Registry();
    new Counter({ name: 'serin_test_total', help: 'h', registers: [metrics] }).inc();
    server = await listen(healthHandler({ ready, metrics }), { host: '127.0.0.1', port: 0 });
  };

  it('/healthz is 200 whatever else is down', async () => {
    await serve(() => {
      throw new Error('everything is down');
    });
    expect(await get('/healthz')).toEqual({ status: 200, body: 'OK\n' });
    expect(await get('/readyz')).toEqual({ status: 500, body: 'everything is down\n' });
  });

  it('/readyz says what keeps the process from working, and what is only worth knowing', async () => {
    let readiness: Readiness = { problems: ['Temporal does not answer'], notes: ['no Istio'] };
    await serve(() => readiness);
    expect(await get('/readyz')).toEqual({ status: 503, body: 'Temporal does not answer\nno Istio\n' });
    readiness = { problems: [], notes: ['no Istio'] };
    expect(await get('/readyz')).toEqual({ status: 200, body: 'OK\nno Istio\n' });
  });

  it('/metrics is for Prometheus, and nothing else is served', async () => {
    await serve(() => ({ problems: [] }));
    expect((await get('/metrics')).body).toContain('serin_test_total 1');
    expect((await get('/')).status).toBe(404);
    expect((await get('/healthz', { method: 'POST' })).status).toBe(405);
  });
});

describe('what a process needs once', () => {
  it('is asked for until it is there, and never again', async () => {
    const answers = [['no Canaries'], ['no Canaries'], []];
    let asked = 0;
    const missing = untilComplete(async () => answers[asked++] ?? ['asked once too often']);
    const told = [await missing(), await missing(), await missing(), await missing()];
    expect(told).toEqual([['no Canaries'], ['no Canaries'], [], []]);
    expect(asked).toBe(3);
  });

  it('is asked for again when nobody could say', async () => {
    let up = false;
    const missing = untilComplete(() => (up ? Promise.resolve([]) : Promise.reject(new Error('nobody answers'))));
    await expect(missing()).rejects.toThrow('nobody answers');
    up = true;
    expect(await missing()).toEqual([]);
  });
});

describe('a listening server', () => {
  it('says when its address is taken', async () => {
    server = await listen(() => undefined, { host: '127.0.0.1', port: 0 });
    await expect(listen(() => undefined, { host: '127.0.0.1', port: server.port })).rejects.toThrow(/EADDRINUSE/);
  });

  it('lets a request in progress finish when it closes, and cuts one that does not', async () => {
    server = await listen((_, response) => void setTimeout(() => response.end('done'), 50), {
      host: '127.0.0.1',
      port: 0,
    });
    const answer = get('/');
    await new Promise((done) => setTimeout(done, 20));
    await server.close(1_000);
    expect((await answer).body).toBe('done');

    server = await listen(() => undefined, { host: '127.0.0.1', port: 0 });
    const cut = get('/').catch(() => 'cut');
    await new Promise((done) => setTimeout(done, 20));
    await server.close(10);
    expect(await cut).toBe('cut');
  });

  it('gives a client ten seconds for its headers, thirty for a request, five between two, and 16 KiB of headers', async () => {
    server = await listen((_, response) => void response.end(), { host: '127.0.0.1', port: 0 });
    let node: Server | undefined;
    const look = (message: unknown) => void (node = (message as { server: Server }).server);
    subscribe('http.server.request.start', look);
    await get('/');
    unsubscribe('http.server.request.start', look);
    expect(node).toMatchObject({ headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 5_000 });
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(server!.port, '127.0.0.1', () =>
        socket.write(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(16 * 1024)}\r\n\r\n`),
      );
      let text = '';
      socket.on('data', (chunk) => (text += chunk.toString()));
      socket.on('close', () => resolve(text));
    });
    expect(answer).toContain('431');
  });

  it('hangs up on a client that sends its headers too slowly', async () => {
    server = await listen(() => undefined, {
      host: '127.0.0.1',
      port: 0,
      headersTimeoutMs: 100,
      requestTimeoutMs: 200,
    });
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(server!.port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\n'));
      let text = '';
      socket.on('data', (chunk) => (text += chunk.toString()));
      socket.on('close', () => resolve(text));
    });
    expect(answer).toContain('408');
  });
});
