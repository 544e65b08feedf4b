import { connect, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Registry } from 'prom-client';
import { isAttachmentTag, isDigest, isRepository, isTag } from '../../src/images/reference.ts';
import { createLog } from '../../src/log.ts';
import { listen } from '../../src/server.ts';
import { dispatcher } from '../../src/triggers/dispatch.ts';
import { triggers } from '../../src/triggers/index.ts';
import type { Receiver } from '../../src/triggers/receivers.ts';
import type { ImagePush } from '../../src/workflows/image-push.ts';
import { chanceOf, type Chance } from '../support/chance.ts';
import { fixture, fixturesOf, openSenders, receivedAt, receiversOf, secrets } from '../support/hooks.ts';
import { mutations, type RawRequest } from './mutations.ts';

/** What became of many mutated requests. */
export interface FuzzReport {
  readonly requests: number;
  /** Answers by status; 0 for a connection that was cut without one. */
  readonly statuses: Readonly<Record<string, number>>;
  readonly pushes: number;
  /** What may not happen, each with the seed and the number of the request. */
  readonly problems: readonly string[];
  /** Heap in use after a collection, in bytes: a tenth of the way in, and at the end. */
  readonly heap: readonly [number, number];
}

export interface FuzzOptions {
  readonly requests: number;
  readonly seed: number;
  /** Connections at the same time. */
  readonly lanes?: number;
  readonly progress?: (done: number) => void;
}

/**
 * Sends mutated requests to all receivers through the real HTTP server. Half of them go to receivers that believe
 * everybody, so that bodies reach the parsers. Temporal fails one time in fifty.
 */
export async function fuzzHooks({ requests, seed, lanes = 8, progress }: FuzzOptions): Promise<FuzzReport> {
  const problems: string[] = [];
  const statuses: Record<string, number> = {};
  let pushes = 0;
  let starts = 0;
  const senders = await openSenders();
  const receivers: Receiver[] = [];
  const corpus: RawRequest[] = [];
  for (const source of triggers.keys()) {
    const strict = await receiversOf(source, senders);
    receivers.push(...[...strict, ...strict.map(trusting)].map((receiver) => ({ ...receiver, perSecond: 1e9 })));
    for (const name of fixturesOf(source)) {
      const { head, body } = await senders.complete(fixture(source, name));
      if (body.length < 100_000) corpus.push({ head, body: Buffer.from(body) });
    }
  }
  const note = (problem: string) => {
    if (problems.length < 20) problems.push(`seed ${seed}: ${problem}`);
  };
  const byName = new Map(receivers.map((receiver) => [receiver.name, receiver]));
  const server = await listen(
    dispatcher({
      receivers,
      start: (push, id) => {
        pushes += 1;
        starts += 1;
        const wrong = flawOf(push, byName.get(push.receiver));
        if (wrong) note(`${wrong} in ${JSON.stringify({ id, ...push })}`);
        return starts % 50 === 0 ? Promise.reject(new Error('UNAVAILABLE')) : Promise.resolve('started');
      },
      log: createLog('warn', (line) => {
        if (line.includes('hook failed') || line.includes('hook not answered')) note(line);
        if (secrets.some((secret) => line.includes(secret))) note(`a secret in the log: ${line}`);
      }),
      metrics: new Registry(),
      now: () => receivedAt,
      perSecondAndCaller: 1e9,
      bodyTimeoutMs: 1_000,
    }),
    { host: '127.0.0.1', port: 0 },
  );
  const onRejection = (reason: unknown) => note(`unhandled rejection: ${String(reason)}`);
  process.on('unhandledRejection', onRejection);

  let sent = 0;
  let answered = 0;
  let early = 0;
  const lane = async (number: number) => {
    const chance = chanceOf(seed * 1_000 + number);
    const line = openLine(server.port);
    while (sent < requests) {
      sent += 1;
      const request = mutated(corpus, chance);
      const status = await line.send(request);
      statuses[status] = (statuses[status] ?? 0) + 1;
      if (status >= 500 && status !== 503)
        note(`${status} to ${JSON.stringify([request.head, request.body.toString('latin1')])}`);
      answered += 1;
      if (answered === Math.floor(requests / 10)) early = heapNow();
      if (answered % 50_000 === 0) progress?.(answered);
    }
    line.close();
  };
  try {
    await Promise.all(Array.from({ length: lanes }, (_, number) => lane(number)));
    // Whoever is left hanging would show by now.
    const alive = await openLine(server.port).send({
      head: 'GET /hooks/v1/prod HTTP/1.1\nHost: x',
      body: Buffer.alloc(0),
    });
    if (alive !== 405) note(`afterwards a GET is answered with ${alive}`);
  } finally {
    await server.close(0);
    process.off('unhandledRejection', onRejection);
  }
  return { requests: sent, statuses, pushes, problems, heap: [early, heapNow()] };
}

/** The same receiver under another name, which believes everybody. */
function trusting(receiver: Receiver): Receiver {
  const check = () => Promise.resolve({ trust: 'shared-secret' } as const);
  return {
    ...receiver,
    name: `${receiver.name}-open`,
    secretAddress: true,
    isAddress: () => Promise.resolve(true),
    credential: { refusal: 401, check },
  };
}

/** What of a push may never leave a parser; undefined when it is as it has to be. */
function flawOf(push: ImagePush, receiver: Receiver | undefined): string | undefined {
  if (!isTag(push.tag) || isDigest(push.tag) || isAttachmentTag(push.tag)) return 'a tag that is none';
  if (!isRepository(push.repository)) return 'a repository that is none';
  if (push.host !== receiver?.host) return 'a host that is not the receiver’s';
  if (push.digest !== undefined && !isDigest(push.digest)) return 'a digest that is none';
  if (push.actor !== undefined && !/^[ -~]{1,128}$/.test(push.actor)) return 'an actor that is not plain text';
  if (push.occurredAt !== undefined && Number.isNaN(Date.parse(push.occurredAt))) return 'a time that is none';
  return /^[A-Za-z0-9._]{8,64}$/.test(push.eventId) ? undefined : 'an id that is none';
}

function mutated(corpus: readonly RawRequest[], chance: Chance): RawRequest {
  const one = () => corpus[chance.between(0, corpus.length - 1)]!;
  let request = one();
  if (chance.between(0, 1) === 0)
    request = { ...request, head: request.head.replace(/^(\S+ \/hooks\/v1\/[a-z0-9-]+)/, '$1-open') };
  for (let count = chance.between(1, 3); count > 0; count -= 1)
    request = mutations[chance.between(0, mutations.length - 1)]!(request, chance, one());
  return request;
}

/** A connection that is opened again when it is cut, and sends one request after the other. */
function openLine(port: number) {
  let socket: Socket | undefined;
  let received = '';
  let waiting: ((status: number) => void) | undefined;

  const settle = (status: number) => {
    const done = waiting;
    waiting = undefined;
    received = '';
    done?.(status);
  };
  const open = (): Socket => {
    const fresh = connect(port, '127.0.0.1');
    fresh.setNoDelay(true);
    fresh.on('data', (chunk) => {
      received += chunk.toString('latin1');
      // An interim answer is followed by the real one.
      received = received.replace(/^HTTP\/1\.1 100 [^\r]*\r\n\r\n/, '');
      const end = received.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = Number(/content-length: (\d+)/i.exec(received.slice(0, end))?.[1] ?? 0);
      if (received.length < end + 4 + length) return;
      // The next request must not meet the end of this connection.
      if (/^connection: close/im.test(received)) socket = undefined;
      settle(Number(received.slice(9, 12)));
    });
    fresh.on('error', () => undefined);
    fresh.on('close', () => {
      // Of one that is no longer used, nobody waits for anything.
      if (socket !== fresh) return;
      socket = undefined;
      settle(Number(/^HTTP\/1\.1 (\d{3})/.exec(received)?.[1] ?? 0));
    });
    return fresh;
  };

  return {
    send: ({ head, body }: RawRequest) =>
      new Promise<number>((resolve) => {
        socket = socket && !socket.destroyed && socket.writable ? socket : open();
        waiting = resolve;
        const isHead = head.startsWith('HEAD ');
        const lines = `${head.replaceAll('\n', '\r\n')}\r\nContent-Length: ${body.length}\r\n${isHead ? 'Connection: close\r\n' : ''}\r\n`;
        socket.write(Buffer.concat([Buffer.from(lines, 'latin1'), body]));
      }),
    close: () => socket?.destroy(),
  };
}

function heapNow(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}
