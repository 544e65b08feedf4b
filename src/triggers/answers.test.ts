import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import {
  fixture,
  openSenders,
  receivedAt,
  receiversOf,
  secrets,
  sendBytes,
  type Senders,
} from '../../test/support/hooks.ts';
import { createLog } from '../log.ts';
import { listen, type Listening } from '../server.ts';
import { connectTemporal } from '../temporal.ts';
import { dispatcher } from './dispatch.ts';
import { triggers } from './index.ts';
import type { StartPush } from './taking.ts';

/**
 * How long senders wait for an answer. Harbor gives up after three seconds and EventBridge after five, so all of it,
 * whatever Temporal does, has less than two.
 */
let server: Listening | undefined;
let senders: Senders;

async function serve(source: string, start: StartPush) {
  senders = await openSenders();
  const handler = dispatcher({
    receivers: await receiversOf(source, senders),
    start,
    log: createLog('error', () => undefined),
    metrics: new Registry(),
    now: () => receivedAt,
  });
  server = await listen(handler, { host: '127.0.0.1', port: 0 });
}

async function timed(head: string, body: string) {
  const since = performance.now();
  const answer = await sendBytes(server!.port, head, body);
  return { ...answer, ms: performance.now() - since };
}

async function send(source: string, name: string) {
  const { head, body } = await senders.complete(fixture(source, name));
  return timed(head, body);
}

/** A hundred events in one body. */
function sendBatch() {
  const events = Array.from({ length: 100 }, (_, n) => ({
    ...{ specversion: '1.0', id: `batch-${n}`, source: '//ci.example.com', type: 'dev.serin.image.pushed.v1' },
    data: { image: 'registry.example.com/shop/cart', tag: `1.${n}` },
  }));
  const head = fixture('cloudevents', '03-batch').head.replace(
    /^authorization: .*$/im,
    `Authorization: Bearer ${secrets[0]}`,
  );
  return timed(head, JSON.stringify(events));
}

afterEach(async () => {
  await server?.close(0);
  server = undefined;
});

describe.each(['that takes connections and never answers', 'that is not there'])('a Temporal %s', (kind) => {
  let silent: Server | undefined;
  const sockets = new Set<Socket>();
  let close: (() => Promise<void>) | undefined;

  /** The starter's own client, with that Temporal. */
  async function connected(): Promise<StartPush> {
    silent = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
    });
    await new Promise<void>((done) => silent!.listen(0, '127.0.0.1', done));
    const { port } = silent.address() as AddressInfo;
    if (kind === 'that is not there') await new Promise((done) => silent!.close(done));
    const before = process.env.TEMPORAL_ADDRESS;
    process.env.TEMPORAL_ADDRESS = `127.0.0.1:${port}`;
    const temporal = connectTemporal('serin');
    if (before === undefined) delete process.env.TEMPORAL_ADDRESS;
    else process.env.TEMPORAL_ADDRESS = before;
    close = () => temporal.close();
    return (...push) => temporal.push(...push);
  }

  afterEach(async () => {
    await close?.();
    for (const socket of sockets) socket.destroy();
    silent?.close();
  });

  it('keeps no sender waiting, with one push or with a hundred', async () => {
    const start = await connected();
    await serve('distribution', start);
    // The first one has code to load, which takes its time on a busy machine.
    expect((await send('distribution', '02-two-events-one-envelope')).status).toBe(503);
    const answers = await Promise.all([
      send('distribution', '01-push-tag'),
      send('distribution', '03-index-with-references'),
    ]);
    for (const { status, headers, ms } of answers) {
      expect(status).toBe(503);
      expect(headers).toContain('retry-after: 30');
      expect(ms).toBeLessThan(2_000);
    }
    await server!.close(0);
    await serve('cloudevents', start);
    const batch = await sendBatch();
    expect([batch.status, batch.headers.includes('retry-after: 30')]).toEqual([503, true]);
    expect(batch.ms).toBeLessThan(2_000);
  }, 20_000);
});

it('a batch is handed over side by side, a few at a time, and answered in its order', async () => {
  let now = 0;
  let most = 0;
  await serve('cloudevents', async () => {
    most = Math.max(most, (now += 1));
    await sleep(100);
    now -= 1;
    return 'started';
  });
  const { status, body, ms } = await sendBatch();
  expect(status).toBe(202);
  const { accepted, results } = JSON.parse(body) as { accepted: number; results: { id: string }[] };
  expect([accepted, results.map(({ id }) => id)]).toEqual([100, Array.from({ length: 100 }, (_, n) => `batch-${n}`)]);
  expect(most).toBe(16);
  expect(ms).toBeLessThan(2_000);
});

it('a batch of which Temporal refuses one is not handed over to its end', async () => {
  let asked = 0;
  await serve('cloudevents', () => {
    asked += 1;
    return Promise.reject(new Error('UNAVAILABLE'));
  });
  expect((await sendBatch()).status).toBe(503);
  expect(asked).toBeLessThanOrEqual(16);
});

it('a sender that waits longer and never comes again is kept waiting; another one is sent away, and comes again', async () => {
  const known = new Set<string>();
  const slow: StartPush = async (_, id) => {
    if (known.has(id)) return 'duplicate';
    known.add(id);
    await sleep(2_300);
    return 'started';
  };
  await serve('ghcr', slow);
  expect((await send('ghcr', '01-package-published')).status).toBe(200);
  await server!.close(0);
  await serve('harbor', slow);
  const { status, ms } = await send('harbor', '01-default-push');
  expect(status).toBe(503);
  expect(ms).toBeLessThan(2_000);
  // Temporal had it all the same, which does no harm.
  expect((await send('harbor', '01-default-push')).status).toBe(200);
  expect(known.size).toBe(2);
  // GitHub waits ten seconds, and a sink of zot thirty if nobody says less.
  const patient = [...triggers].flatMap(([name, { answerMs }]) => (answerMs === undefined ? [] : [[name, answerMs]]));
  expect(patient).toEqual([
    ['ghcr', 8_000],
    ['zot', 4_000],
  ]);
}, 15_000);

it('keys that do not come keep nobody waiting either, and the sender is to come again', async () => {
  await serve('gar', () => Promise.resolve('started'));
  (senders as { http: { send: unknown } }).http.send = () => new Promise(() => undefined);
  const { status, headers, ms } = await send('gar', '01-insert-tag');
  expect([status, headers.includes('retry-after: 30')]).toEqual([503, true]);
  expect(ms).toBeLessThan(2_000);
});
