import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import {
  expectationOf,
  fixture,
  fixturesOf,
  openSenders,
  receivedAt,
  receiversOf,
  secrets,
  sendBytes,
  type Senders,
} from '../../test/support/hooks.ts';
import { repositoryIn } from '../images/aliases.ts';
import { parseReference, type ImageReference } from '../images/reference.ts';
import { createLog } from '../log.ts';
import { listen, type Listening } from '../server.ts';
import type { ImagePush } from '../workflows/image-push.ts';
import { dispatcher } from './dispatch.ts';
import { triggers } from './index.ts';
import type { Receiver } from './receivers.ts';

/**
 * What every trigger has to keep, shown by recorded requests: their bytes go through the real HTTP server, and the
 * expectations beside them say what is answered, counted and handed to Temporal.
 */

let senders: Senders;
let trap: ReturnType<typeof createServer>;
let trapped: number;

beforeAll(async () => {
  trap = createServer((_, response) => {
    trapped += 1;
    response.end();
  });
  await new Promise<void>((done) => trap.listen(0, '127.0.0.1', done));
  senders = await openSenders(`http://127.0.0.1:${(trap.address() as AddressInfo).port}/`);
});
afterAll(() => new Promise<void>((done) => void trap.close(() => done())));

let server: Listening;
let metrics: Registry;
let receivers: readonly Receiver[];
let logged: string[];
let started: Map<string, ImagePush>;
let temporalIsDown: boolean;

async function serve(source: string, change: Partial<Receiver> = {}): Promise<void> {
  metrics = new Registry();
  logged = [];
  started = new Map();
  temporalIsDown = false;
  trapped = 0;
  senders.asked.length = 0;
  receivers = (await receiversOf(source, senders)).map((receiver) => ({ ...receiver, ...change }));
  const handler = dispatcher({
    receivers,
    start: (push, workflowId) => {
      if (temporalIsDown) return Promise.reject(new Error('UNAVAILABLE: connection refused'));
      const known = started.has(workflowId);
      started.set(workflowId, push);
      return Promise.resolve(known ? 'duplicate' : 'started');
    },
    log: createLog('debug', (line) => logged.push(line)),
    metrics,
    now: () => receivedAt,
  });
  server = await listen(handler, { host: '127.0.0.1', port: 0 });
}

async function outcomes(): Promise<string[]> {
  const { values } = await metrics.getSingleMetric('serin_events_received_total')!.get();
  return values
    .flatMap(({ labels, value }) => Array<string>(value).fill(`${labels.outcome} ${labels.reason}`.trim()))
    .sort();
}

async function send(source: string, name: string) {
  const { head, body } = await senders.complete(fixture(source, name));
  return sendBytes(server.port, head, body);
}

describe.each([...triggers])('%s', (source, trigger) => {
  const names = fixturesOf(source);
  const isTaken = (name: string) => expectationOf(source, name).pushes.length > 0;
  const first = names.find(isTaken)!;

  beforeEach(() => serve(source));
  afterEach(() => server.close(0));

  it.each(names)('%s', async (name) => {
    const expected = expectationOf(source, name);
    const answer = await send(source, name);
    expect(answer.status).toBe(expected.status);
    expect([...started.values()]).toEqual(expected.pushes);
    for (const image of expected.matches ?? []) {
      const [push] = started.values();
      const receiver = receivers.find(({ name }) => name === push!.receiver)!;
      const { reference } = parseReference(image) as { reference: ImageReference };
      expect(repositoryIn(receiver, reference)).toBe(push!.repository);
    }
    expect(await outcomes()).toEqual([...expected.outcomes].sort());
    if (expected.answer) expect(JSON.parse(answer.body)).toEqual(expected.answer);
    if (expected.status >= 300) expect(answer.body).not.toMatch(/signature|token|secret|credential|address/i);
    for (const secret of secrets) expect(logged.join('\n')).not.toContain(secret);
    expect(logged.join('\n')).not.toContain('/hooks/');
    expect(answer.headers).toContain('referrer-policy: no-referrer');
    // The address may have a token in it.
    expect(answer.headers).toContain('cache-control: private, no-store');
    // Nothing that a payload names is ever asked; keys and certificates come from where the configuration says.
    expect(trapped).toBe(0);
    expect(
      senders.asked.filter(
        (url) =>
          !/^https:\/\/[^/]*(?:gitlab|googleapis|example|-eventbridge\.oss-accelerate\.aliyuncs)\.com\//.test(url),
      ),
    ).toEqual([]);
  });

  it('has recorded requests of every sort: taken, ignored, and not to be trusted', () => {
    const outcomes = new Set(names.flatMap((name) => expectationOf(source, name).outcomes.map((o) => o.split(' ')[0])));
    expect([...outcomes]).toEqual(expect.arrayContaining(['accepted', 'ignored', 'malformed', 'unauthorized']));
  });

  it('tells one occurrence once, however often it comes', async () => {
    const answers = await Promise.all([send(source, first), send(source, first)]);
    expect(answers.map(({ status }) => status)).toEqual([trigger.accepted, trigger.accepted]);
    expect([...started.values()]).toEqual(expectationOf(source, first).pushes);
    expect(await outcomes()).toEqual(['accepted', 'duplicate']);
  });

  it('is acknowledged only once Temporal has it', async () => {
    temporalIsDown = true;
    const refused = await send(source, first);
    expect([refused.status, started.size]).toEqual([503, 0]);
    expect(refused.headers).toContain('retry-after: 30');
    temporalIsDown = false;
    expect((await send(source, first)).status).toBe(trigger.accepted);
    expect(started.size).toBe(1);
  });

  it('lets nobody in without its credential, and says no more than that', async () => {
    const { head, body } = fixture(source, first);
    const path = head.split(' ')[1]!.split('/').slice(0, 4).join('/').split('?')[0]!;
    const type = /^content-type: .*$/im.exec(head)![0];
    const answer = await sendBytes(server.port, `POST ${path} HTTP/1.1\nHost: hooks.example.com\n${type}`, body);
    expect([401, 404]).toContain(answer.status);
    expect(answer.body).toBe('');
    expect(started.size).toBe(0);
  });

  it('is told that there is nothing but POST, a MiB at most, and a time to come again when it calls too often', async () => {
    await server.close(0);
    await serve(source, { perSecond: 0.25 });
    const { head, body } = await senders.complete(fixture(source, first));
    const put = await sendBytes(server.port, head.replace('POST', 'PUT'), body);
    expect([put.status, put.headers]).toEqual([405, expect.stringMatching(/^allow: post(, options)?\r?$/m)]);
    expect((await sendBytes(server.port, head, Buffer.alloc(1024 * 1024 + 1, ' '))).status).toBe(413);
    expect(await outcomes()).toEqual(['malformed method', 'malformed size']);
    // None of those used up what is the sender's.
    expect((await sendBytes(server.port, head, body)).status).toBe(trigger.accepted);
    const refused = await sendBytes(server.port, head, body);
    expect([refused.status, refused.headers]).toEqual([429, expect.stringMatching(/^retry-after: [1-4]\r?$/m)]);
    expect(await outcomes()).toContain('error rate');
  });

  it('has a section in the documentation that names its credential', () => {
    const page = readFileSync(new URL('../../docs/providers/triggers.md', import.meta.url), 'utf8');
    const section = new RegExp(`^## ${source}$([\\s\\S]*?)(?=^## |(?![\\s\\S]))`, 'm').exec(page)?.[1];
    expect(section).toContain(`\`${trigger.credentials[0].scheme}\``);
  });
});

describe('BC-40', () => {
  afterEach(() => server.close(0));

  it.each([
    ['a tag that is a digest', 'harbor', '03-child-tag-is-digest', []],
    ['the same from a proxy cache', 'harbor', '12-proxy-cache-child', []],
    ['a tag with its digest', 'harbor', '01-default-push', [['1.4.2', 'sha256:1bc04']]],
    ['a layer', 'distribution', '07-layer-push', []],
    ['a pull', 'distribution', '05-pull', []],
    ['a tag without a digest', 'distribution', '15-no-digest', [['1.4.2', undefined]]],
  ] as const)('%s is acknowledged, and starts what it should', async (_, source, name, expected) => {
    await serve(source);
    expect((await send(source, name)).status).toBe(200);
    expect([...started.values()].map(({ tag, digest }) => [tag, digest?.slice(0, 12)])).toEqual(expected);
    if (expected.length === 0) expect(await outcomes()).toEqual([expect.stringMatching(/^ignored [a-z-]+$/)]);
  });
});
