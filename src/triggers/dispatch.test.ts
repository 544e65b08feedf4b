import { readFileSync, readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { createLog } from '../log.ts';
import { listen, type Listening } from '../server.ts';
import type { ImagePush } from '../workflows/image-push.ts';
import { dispatcher, type DispatchOptions } from './dispatch.ts';
import type { Receiver } from './receivers.ts';

const folder = new URL('../../test/fixtures/events/distribution/', import.meta.url);
const fixtures = readdirSync(folder)
  .filter((name) => name.endsWith('.http'))
  .map((name) => name.replace(/\.http$/, ''));

const tokens = ['registry-hook-secret-for-tests-only-1', 'the-next-secret-after-a-rotation-0001'];
const receiver: Receiver = {
  name: 'prod',
  type: 'distribution',
  host: 'registry.example.com',
  hostAliases: [],
  repositories: ['shop/*'],
  namespaces: ['shop'],
  settleMs: 5_000,
  tokens: () => Promise.resolve(tokens),
  registry: { url: 'https://registry.example.com', authHosts: [] },
};

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
      ...options,
    }),
    { host: '127.0.0.1', port: 0 },
  );
}

beforeEach(() => serve());
afterEach(() => server.close(0));

/** Sends the bytes of a fixture as they are and reads the whole answer. */
async function send(
  raw: string,
  body: string | Buffer,
  close = true,
): Promise<{ status: number; headers: string; body: string }> {
  const bytes = Buffer.from(body);
  const head = `${raw.trimEnd().replaceAll('\n', '\r\n')}\r\nContent-Length: ${bytes.length}\r\n${close ? 'Connection: close\r\n' : ''}\r\n`;
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, '127.0.0.1', () => socket.write(Buffer.concat([Buffer.from(head), bytes])));
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('error', (error) => (answer === '' ? reject(error) : undefined));
    socket.on('close', () => {
      const [headers = '', ...rest] = answer.split('\r\n\r\n');
      resolve({ status: Number(headers.split(' ')[1]), headers: headers.toLowerCase(), body: rest.join('') });
    });
  });
}

function fixture(name: string) {
  const text = readFileSync(new URL(`${name}.http`, folder), 'utf8');
  const cut = text.indexOf('\n\n');
  return { head: text.slice(0, cut), body: text.slice(cut + 2) };
}

async function outcomes(): Promise<string[]> {
  const values = (await metrics.getSingleMetric('serin_events_received_total')!.get()).values;
  return values
    .flatMap(({ labels, value }) => Array<string>(value).fill(`${labels.outcome} ${labels.reason}`.trim()))
    .sort();
}

describe('a registry calls', () => {
  it.each(fixtures)('distribution/%s is answered as the table of statuses says', async (name) => {
    const { head, body } = fixture(name);
    const expected = JSON.parse(readFileSync(new URL(`${name}.expect.json`, folder), 'utf8'));
    const answer = await send(head, body);
    expect(answer.status).toBe(expected.status);
    expect([...started.values()]).toEqual(expected.pushes);
    expect(await outcomes()).toEqual([...expected.outcomes].sort());
    if (answer.status === 200) expect(JSON.parse(answer.body)).toMatchObject({ accepted: expected.pushes.length });
    expect(logged.join('\n')).not.toContain('secret');
  });

  const { head, body } = fixture('01-push-tag');
  const workflowId = 'img/prod/7f0e2a3c3f7e4d5b9b0a6c1d2e3f0001';

  it('BC-40: never turns a digest into a tag, and acknowledges what is no new tag', async () => {
    for (const name of ['13-digest-as-tag', '07-layer-push', '05-pull']) {
      const { head, body } = fixture(name);
      expect((await send(head, body)).status).toBe(200);
    }
    expect(started.size).toBe(0);
    await send(head, body);
    const unknown = fixture('15-no-digest');
    await send(unknown.head, unknown.body);
    expect([...started.values()].map(({ tag, digest }) => [tag, digest?.slice(0, 12)])).toEqual([
      ['1.4.2', 'sha256:1bc04'],
      ['1.4.2', undefined],
    ]);
  });

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
    expect((await send(head.replace(tokens[0]!, tokens[1]!), body)).status).toBe(200);
    expect((await send(head.replace(tokens[0]!, 'x'), body)).status).toBe(401);
  });

  it('a receiver without a usable token lets nobody in', async () => {
    await server.close(0);
    await serve({ receivers: [{ ...receiver, tokens: () => Promise.reject(new Error('cannot read the secret')) }] });
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
    const chunked = `${head}\nTransfer-Encoding: chunked\n\n${(1024 * 1024 + 1).toString(16)}\n`.replaceAll(
      '\n',
      '\r\n',
    );
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(server.port, '127.0.0.1', () => socket.write(chunked + ' '.repeat(1024 * 1024 + 1)));
      let text = '';
      socket.on('data', (chunk) => (text += chunk.toString()));
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(text));
    });
    expect(answer).toContain('413');
    expect(started.size).toBe(1);
  });

  it('a body that never arrives is 408', async () => {
    await server.close(0);
    await serve({ bodyTimeoutMs: 100 });
    const raw = `${head}\nContent-Length: 500\n\n{`.replaceAll('\n', '\r\n');
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(server.port, '127.0.0.1', () => socket.write(raw));
      let text = '';
      socket.on('data', (chunk) => (text += chunk.toString()));
      socket.on('close', () => resolve(text));
    });
    expect(answer).toMatch(/^HTTP\/1.1 408/);
  });

  it('too many requests are 429 with a time to come again', async () => {
    await server.close(0);
    await serve({ perSecond: 0.25 });
    expect((await send(head, body)).status).toBe(200);
    const refused = await send(head, body);
    expect(refused.status).toBe(429);
    expect(refused.headers).toMatch(/retry-after: [1-4]\b/);
  });

  it('shows when a receiver was last heard from and how old its events are', async () => {
    await send(head, body);
    const text = await metrics.metrics();
    expect(text).toMatch(/serin_receiver_last_event_timestamp_seconds\{receiver="prod"\} \d{10}/);
    expect(text).toContain('serin_event_age_seconds_count{receiver="prod"} 1');
  });
});
