import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import {
  answerTo,
  fixture as fixtureOf,
  openSenders,
  receivedAt,
  receiversOf,
  secrets,
  sendBytes,
} from '../../test/support/hooks.ts';
import { createLog } from '../log.ts';
import { listen, type Listening } from '../server.ts';
import type { ImagePush } from '../workflows/image-push.ts';
import { networks } from './caller.ts';
import { dispatcher, type DispatchOptions } from './dispatch.ts';
import type { Receiver } from './receivers.ts';

/** What holds for every sender, shown with one that retries for ever: CNCF distribution. */
const [receiver] = (await receiversOf('distribution', await openSenders())) as [Receiver];
const fixture = (name: string) => fixtureOf('distribution', name);

let server: Listening;
let metrics: Registry;
let started: Map<string, ImagePush>;
let logged: string[];
let temporalIsDown: boolean;

async function serve(options: Partial<DispatchOptions> = {}) {
  metrics = new Registry();
  started = new Map();
  logged = [];
  temporalIsDown = false;
  server = await listen(
    dispatcher({
      receivers: [receiver],
      start: (push, workflowId) => {
        if (temporalIsDown) return Promise.reject(new Error('UNAVAILABLE: connection refused'));
        const known = started.has(workflowId);
        if (!known) started.set(workflowId, push);
        return Promise.resolve(known ? 'duplicate' : 'started');
      },
      log: createLog('debug', (line) => logged.push(line)),
      metrics,
      now: () => receivedAt,
      ...options,
    }),
    { host: '127.0.0.1', port: 0 },
  );
}

const send = (head: string, body: string) => sendBytes(server.port, head, body);

beforeEach(() => serve());
afterEach(() => server.close(0));

async function outcomes(): Promise<string[]> {
  const values = (await metrics.getSingleMetric('serin_events_received_total')!.get()).values;
  return values
    .flatMap(({ labels, value }) => Array<string>(value).fill(`${labels.outcome} ${labels.reason}`.trim()))
    .sort();
}

describe('a registry calls', () => {
  const { head, body } = fixture('01-push-tag');
  const workflowId = 'img/prod/7f0e2a3c3f7e4d5b9b0a6c1d2e3f0001';

  it('one occurrence sent twice starts one workflow, and both are acknowledged', async () => {
    const answers = await Promise.all([send(head, body), send(head, body)]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect([...started.keys()]).toEqual([workflowId]);
    expect(await outcomes()).toEqual(['accepted', 'duplicate']);
  });

  it('nothing is acknowledged before Temporal has it; the sender is told when to come again', async () => {
    temporalIsDown = true;
    const refused = await send(head, body);
    expect(refused.status).toBe(503);
    expect(refused.headers).toContain('retry-after: 30');
    temporalIsDown = false;
    expect((await send(head, body)).status).toBe(200);
    expect([...started.keys()]).toEqual([workflowId]);
  });

  it('Temporal lost in the middle of an envelope: the next delivery completes it', async () => {
    const two = fixture('02-two-events-one-envelope');
    await server.close(0);
    let calls = 0;
    const ids: string[] = [];
    await serve({
      start: (_, id) => {
        calls += 1;
        if (calls === 2) return Promise.reject(new Error('UNAVAILABLE'));
        ids.push(id);
        return Promise.resolve(ids.filter((other) => other === id).length > 1 ? 'duplicate' : 'started');
      },
    });
    expect((await send(two.head, two.body)).status).toBe(503);
    expect((await send(two.head, two.body)).status).toBe(200);
    expect(new Set(ids).size).toBe(2);
    expect(await outcomes()).toEqual(['accepted', 'accepted', 'duplicate', 'error temporal']);
  });

  it('accepts every active secret while one is being rotated', async () => {
    expect((await send(head.replace(secrets[0], secrets[1]), body)).status).toBe(200);
    expect((await send(head.replace(secrets[0], 'x'), body)).status).toBe(401);
  });

  it('a receiver without a usable token lets nobody in', async () => {
    await server.close(0);
    const credential = { ...receiver.credential, check: () => Promise.reject(new Error('cannot read the secret')) };
    await serve({ receivers: [{ ...receiver, credential }] });
    expect((await send(head, body)).status).toBe(401);
    expect(logged.join('\n')).toContain('cannot read the secret');
  });

  it('an unknown receiver is 404 without a body, another method 405', async () => {
    expect(await send(head.replace('/prod', '/other'), body)).toMatchObject({ status: 404, body: '' });
    expect(await send(head.replace('/hooks/v1/prod', '/'), body)).toMatchObject({ status: 404 });
    const get = await send(head.replace('POST', 'GET'), '');
    expect(get.status).toBe(405);
    expect(get.headers).toContain('allow: post');
  });

  it('1 MiB is enough, one byte more is 413, announced or not', async () => {
    const padded = `${body}${' '.repeat(1024 * 1024 - Buffer.byteLength(body))}`;
    expect((await send(head, padded)).status).toBe(200);
    expect((await send(head, `${padded} `)).status).toBe(413);
    const size = (1024 * 1024 + 1).toString(16);
    const chunked = `${head}\nTransfer-Encoding: chunked\n\n${size}\n`.replaceAll('\n', '\r\n');
    const { status } = await answerTo(server.port, Buffer.from(chunked + ' '.repeat(1024 * 1024 + 1)));
    expect(status).toBe(413);
    expect(started.size).toBe(1);
  });

  it('a body that never arrives is 408', async () => {
    await server.close(0);
    await serve({ bodyTimeoutMs: 100 });
    const raw = `${head}\nContent-Length: 500\n\n{`.replaceAll('\n', '\r\n');
    expect((await answerTo(server.port, Buffer.from(raw))).status).toBe(408);
  });

  it('too many requests are 429 with a time to come again', async () => {
    await server.close(0);
    await serve({ receivers: [{ ...receiver, perSecond: 0.25 }] });
    expect((await send(head, body)).status).toBe(200);
    const refused = await send(head, body);
    expect(refused.status).toBe(429);
    expect(refused.headers).toMatch(/retry-after: [1-4]\b/);
  });

  it('one caller that calls too often is 429, and others are not, as far as a proxy of ours tells them apart', async () => {
    await server.close(0);
    await serve({ perSecondAndCaller: 0.25, trustedProxies: networks('127.0.0.0/8, 10.0.0.0/8') });
    const from = (address: string) => send(`${head}\nX-Forwarded-For: ${address}`, body);
    expect((await from('6.6.6.6, 203.0.113.7')).status).toBe(200);
    expect((await from('7.7.7.7, 203.0.113.7, 10.1.2.3')).status).toBe(429);
    expect((await from('203.0.113.8')).status).toBe(200);
  });

  it('whoever calls without the credential cannot use up what is the sender’s', async () => {
    await server.close(0);
    await serve({ receivers: [{ ...receiver, perSecond: 0.25 }] });
    for (let n = 0; n < 20; n += 1) expect((await send(head.replace(secrets[0], 'x'), body)).status).toBe(401);
    expect((await send(head, body)).status).toBe(200);
    expect((await send(head, body)).status).toBe(429);
  });

  it('one caller cannot fill all places with bodies that do not come', async () => {
    await server.close(0);
    await serve({ maxConcurrent: 8, maxBodiesPerCaller: 4, trustedProxies: networks('127.0.0.0/8') });
    const { port } = server;
    const slow = Array.from({ length: 8 }, () => connect(port, '127.0.0.1'));
    const answers: string[] = [];
    for (const socket of slow) {
      socket.on('data', (chunk) => answers.push(chunk.toString().split('\r\n')[0]!));
      socket.on('error', () => undefined);
      socket.write(`${head}\nX-Forwarded-For: 203.0.113.7\nContent-Length: 500\n\n{`.replaceAll('\n', '\r\n'));
    }
    for (let tries = 0; answers.length < 4 && tries < 200; tries += 1) await sleep(10);
    expect(answers).toEqual(Array.from({ length: 4 }, () => 'HTTP/1.1 429 Too Many Requests'));
    expect((await send(`${head}\nX-Forwarded-For: 203.0.113.8`, body)).status).toBe(200);
    // Places are given back.
    for (const socket of slow) socket.destroy();
    await sleep(50);
    expect((await send(`${head}\nX-Forwarded-For: 203.0.113.7`, body)).status).toBe(200);
  });

  it('so many at the same time that they would wait for each other are 429', async () => {
    await server.close(0);
    let release: () => void = () => undefined;
    const held = new Promise<void>((done) => (release = done));
    await serve({ maxConcurrent: 1, start: async () => (await held, 'started') });
    const one = send(head, body);
    // Whichever of the two came first holds the only place.
    const other = send(head, body);
    const first = await Promise.race([one, other]);
    expect(first.status).toBe(429);
    release();
    expect((await Promise.all([one, other])).map(({ status }) => status).sort()).toEqual([200, 429]);
  });

  it('headers that are too long are 431, and a client that does not finish them is cut', async () => {
    const long = await answerTo(
      server.port,
      Buffer.from(`${head}\nX: ${'x'.repeat(17_000)}\n\n`.replaceAll('\n', '\r\n')),
    );
    expect(long.status).toBe(431);
    expect(started.size).toBe(0);
  });

  it('an actor is shown without what could pretend to be another line of a log', async () => {
    await send(head, body.replace('ci-bot', `ci\\u001b[31m-bot\\n${'x'.repeat(200)}`));
    const [push] = started.values();
    expect(push!.actor).toMatch(/^[ -~]{1,128}$/);
  });

  it('a body of JSON that is too deep, or that two parsers could read differently, is dropped', async () => {
    const deep = body.replace('"actor"', `"deep": ${'['.repeat(40)}${']'.repeat(40)}, "actor"`);
    expect((await send(head, deep)).status).toBe(200);
    expect((await send(head, body.replace('"actor"', '"constructor": 1, "actor"'))).status).toBe(200);
    expect(started.size).toBe(0);
    expect(await outcomes()).toEqual(['malformed a-key-that-is-not-allowed', 'malformed nested-deeper-than-32']);
    // What was dropped can be recognised, and nothing of it can be read.
    expect(logged.join()).toMatch(/malformed event dropped.*"sha256":"[0-9a-f]{64}"/);
    expect(logged.join()).not.toContain('shop/cart');
  });

  it('shows when a receiver was last heard from and how old its events are', async () => {
    await send(head, body);
    const text = await metrics.metrics();
    expect(text).toMatch(/serin_receiver_last_event_timestamp_seconds\{receiver="prod"\} \d{10}/);
    expect(text).toContain('serin_event_age_seconds_count{receiver="prod"} 1');
  });
});
