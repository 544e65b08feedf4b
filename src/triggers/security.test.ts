import { createHmac } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { memoryKubernetes } from '../../test/support/memory-kubernetes.ts';
import { fixture, openSenders, receivedAt, receiversOf, secrets, sendBytes } from '../../test/support/hooks.ts';
import { createImageActivities } from '../activities/images/index.ts';
import { createLog } from '../log.ts';
import { listen, type Listening } from '../server.ts';
import type { ImagePush } from '../workflows/image-push.ts';
import { callerOf, isIn, networks } from './caller.ts';
import { headerOf, matchesOne, sameText, type Call } from './credentials/credential.ts';
import { dispatcher } from './dispatch.ts';
import { loadReceivers } from './receivers.ts';

/**
 * Threats to receivers, and what is done about each; those that one sender alone can show are among its recorded
 * requests (`contract.test.ts`), those about limits in `dispatch.test.ts`, those about registries in
 * `images/registry.test.ts` and those about tenants in `test/provider/images.test.ts`.
 */

let server: Listening | undefined;
afterEach(async () => {
  await server?.close(0);
  server = undefined;
});

async function serve(source: string, now = receivedAt) {
  const started: ImagePush[] = [];
  const logged: string[] = [];
  const metrics = new Registry();
  const senders = await openSenders();
  const receivers = await receiversOf(source, senders, now);
  const handler = dispatcher({
    receivers,
    start: (push) => {
      started.push(push);
      return Promise.resolve('started');
    },
    log: createLog('debug', (line) => logged.push(line)),
    metrics,
    now: () => now,
  });
  server = await listen(handler, { host: '127.0.0.1', port: 0, headersTimeoutMs: 200, requestTimeoutMs: 400 });
  const { port } = server;
  const send = async (name: string, change = (text: string) => text) => {
    const { head, body } = await senders.complete(fixture(source, name));
    return sendBytes(port, change(head), body);
  };
  return { port, send, started, logged, metrics, senders };
}

describe('a forged event', () => {
  it('secrets are compared whole, in a time that does not depend on where they differ, whatever their lengths', () => {
    expect([sameText('a', 'a'), sameText('a', 'ab'), sameText('', 'a'), sameText('ä', 'a')]).toEqual([
      true,
      false,
      false,
      false,
    ]);
    let compared = 0;
    const expected = (secret: string) => {
      compared += 1;
      return secret;
    };
    // The first one matches; the others are compared all the same.
    expect(matchesOne('one', ['one', 'two', 'three'], expected)).toBe(true);
    expect(compared).toBe(3);
  });

  it('a header that is there twice counts as none', () => {
    const call = (...rawHeaders: string[]): Call => ({
      raw: Buffer.from(''),
      rawHeaders,
      query: new URLSearchParams(),
    });
    expect(headerOf(call('X-Api-Key', 'a'), 'x-api-key')).toBe('a');
    expect(headerOf(call('X-Api-Key', 'a', 'x-api-key', 'a'), 'x-api-key')).toBeUndefined();
    // A value that looks like a name is none.
    expect(headerOf(call('x', 'x-api-key', 'y', 'b'), 'x-api-key')).toBeUndefined();
  });

  it('says of nobody why they were refused, and counts why', async () => {
    const { send, metrics } = await serve('generic');
    const answers = [await send('04-timestamp-too-old'), await send('08-signature-without-timestamp')];
    expect(answers.map(({ status, body }) => [status, body])).toEqual([
      [401, ''],
      [401, ''],
    ]);
    const text = await metrics.metrics();
    expect(text).toContain('outcome="unauthorized",reason="stale"} 1');
    expect(text).toContain('outcome="unauthorized",reason="signature"} 1');
  });
});

describe('a replayed event', () => {
  it('of a sender that signs the time is refused once that has gone by', async () => {
    const later = await serve('generic', receivedAt + 361_000);
    expect((await later.send('01-hmac')).status).toBe(401);
    expect((await later.send('02-oidc')).status).toBe(401);
    await server!.close(0);
    const alibaba = await serve('aliyun-eventbridge', receivedAt + 61_000);
    expect((await alibaba.send('01-push-completed')).status).toBe(401);
    expect(alibaba.started).toEqual([]);
  });

  it('without an id of its own has that of the first while its signature counts, in another minute too', async () => {
    const body = JSON.stringify({ image: 'registry.example.com/shop/cart:1.4.2' });
    const call = (port: number, at: number) => {
      const signature = createHmac('sha256', secrets[0]).update(`${at}.${body}`).digest('hex');
      const lines = [
        `X-Signature-Timestamp: ${at}`,
        `X-Signature-256: sha256=${signature}`,
        'Content-Type: application/json',
      ];
      return sendBytes(port, `POST /hooks/v1/ci HTTP/1.1\nHost: x\n${lines.join('\n')}`, body);
    };
    const at = receivedAt / 1_000;
    const ids: string[] = [];
    for (const [now, signed] of [
      [0, at],
      [120_000, at],
      [120_000, at + 1],
    ] as const) {
      await server?.close(0);
      const { port, started } = await serve('generic', receivedAt + now);
      expect((await call(port, signed)).status).toBe(202);
      ids.push(started[0]!.eventId);
    }
    expect([ids[1] === ids[0], ids[2] === ids[0]]).toEqual([true, false]);
  });

  it('of any other has the id of the first, so that nothing begins twice', async () => {
    const { send, started } = await serve('ghcr');
    await send('01-package-published');
    await send('01-package-published');
    expect(new Set(started.map(({ eventId }) => eventId)).size).toBe(1);
  });
});

describe('a leaked address', () => {
  it('is in no log, no metric and no answer', async () => {
    const { send, logged, metrics } = await serve('dockerhub');
    const answers = [await send('01-push'), await send('07-wrong-token'), await send('11-no-push-data')];
    const path = fixture('dockerhub', '01-push').head.split(' ')[1]!;
    const token = path.split('/').at(-1)!;
    const everything = [...logged, await metrics.metrics(), ...answers.flatMap(({ headers, body }) => [headers, body])];
    for (const text of everything) expect(text.toLowerCase()).not.toContain(token.toLowerCase());
    expect(answers[0]!.headers).toContain('referrer-policy: no-referrer');
  });

  it('of a receiver that is no more tells nothing to who does not know it', async () => {
    const { send, port } = await serve('generic');
    expect((await send('11-retired')).status).toBe(410);
    expect((await sendBytes(port, 'POST /hooks/v1/nobody HTTP/1.1\nHost: x', '{}')).status).toBe(404);
  });
});

describe('senders that take their time', () => {
  it('with their headers are cut off', async () => {
    const { port } = await serve('generic');
    const since = performance.now();
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(port, '127.0.0.1', () =>
        socket.write('POST /hooks/v1/ci HTTP/1.1\r\nHost: x\r\nX-Slow: '),
      );
      let text = '';
      socket.on('data', (chunk) => (text += chunk.toString()));
      socket.on('close', () => resolve(text));
    });
    expect(answer).toMatch(/^HTTP\/1\.1 408/);
    expect(performance.now() - since).toBeLessThan(5_000);
  });
});

describe('keys of senders that cannot be had', () => {
  it('are nobody’s fault: the sender is to come again', async () => {
    const { send, senders, started } = await serve('gar');
    const { http } = senders as { http: { send: unknown } };
    http.send = () => Promise.reject(new Error('ENOTFOUND www.googleapis.com'));
    const answer = await send('01-insert-tag');
    expect([answer.status, started.length]).toEqual([503, 0]);
    expect(answer.headers).toContain('retry-after: 30');
  });

  it('a certificate that is none, or is not to be had, lets nobody in', async () => {
    const { send, senders, started } = await serve('aliyun-eventbridge');
    const { http } = senders as { http: { send: unknown } };
    http.send = () => Promise.resolve({ status: 404, headers: {}, body: '' });
    expect((await send('01-push-completed')).status).toBe(503);
    http.send = () => Promise.resolve({ status: 200, headers: {}, body: 'not a certificate' });
    expect((await send('01-push-completed')).status).toBe(503);
    expect(started).toEqual([]);
  });

  it('are fetched once, with limits, and kept', async () => {
    const { send, senders } = await serve('aliyun-eventbridge');
    const limits: object[] = [];
    const { send: original } = senders.http;
    (senders.http as { send: unknown }).send = (request: Parameters<typeof original>[0]) => {
      limits.push(request);
      return original(request);
    };
    await send('01-push-completed');
    await send('03-two-events-same-tag');
    expect(limits).toEqual([
      expect.objectContaining({
        maxRedirects: 0,
        maxBytes: 65_536,
        timeoutMs: 3_000,
        url: expect.stringContaining('https://cn-hangzhou-eventbridge.'),
      }),
    ]);
  });
});

describe('the handshake of CloudEvents', () => {
  it('gives consent to origins that are listed, by name and at our rate, and to nobody else', async () => {
    const { send } = await serve('azure');
    const allowed = await send('09-options-handshake-allowed');
    expect(allowed.headers).toContain('webhook-allowed-origin: eventgrid.azure.net');
    expect(allowed.headers).toContain('webhook-allowed-rate: 120');
    const greedy = await send('09-options-handshake-allowed', (head) => head.replace('Rate: 120', 'Rate: 999999'));
    expect(greedy.headers).toContain('webhook-allowed-rate: 3000');
    const refused = await send('10-options-handshake-refused');
    expect(refused.status).toBe(405);
    expect(refused.headers).toContain('allow: post, options');
    expect(refused.headers).not.toContain('webhook-allowed');
    // Of a sender that has no such handshake, nobody asks for one.
    await server!.close(0);
    const other = await serve('distribution');
    const options = await other.send('01-push-tag', (head) => head.replace('POST', 'OPTIONS'));
    expect([options.status, options.headers.includes('webhook-allowed')]).toEqual([405, false]);
  });

  it('names the callback to people, who may open it, and calls nobody', async () => {
    const { send, logged, senders } = await serve('azure');
    const callback = 'https://eventgrid.azure.net/confirm?id=17';
    const asking = (url: string) => (head: string) =>
      head.replace(/^WebHook-Request-Callback: .*\n?/im, '').trimEnd() + `\nWebHook-Request-Callback: ${url}`;
    expect((await send('09-options-handshake-allowed', asking(callback))).status).toBe(200);
    expect(logged.join()).toContain(`"callback":"${callback}"`);
    await send('09-options-handshake-allowed', asking('javascript:alert(1)'));
    await send('09-options-handshake-allowed', asking(`https://eventgrid.azure.net/${'x'.repeat(3_000)}`));
    expect(logged.filter((line) => line.includes('callback'))).toHaveLength(1);
    expect(senders.asked).toEqual([]);
  });

  it('and every other method, at a secret address, tells nothing to who does not know it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'handshake-'));
    const path = join(folder, 'receivers.json');
    const fields = { host: 'registry.example.com', repositories: ['**'], namespaces: ['shop'], tokensEnv: 'KEY' };
    const grid = {
      ...fields,
      name: 'grid',
      type: 'azure',
      auth: { capability: true },
      origins: ['eventgrid.azure.net'],
    };
    writeFileSync(path, JSON.stringify([grid]));
    const receivers = await loadReceivers(path, { env: { KEY: secrets[0] } });
    server = await listen(
      dispatcher({
        ...{ receivers, start: () => Promise.resolve('started'), metrics: new Registry() },
        log: createLog('error', () => undefined),
      }),
      { host: '127.0.0.1', port: 0 },
    );
    const { port } = server;
    const address = await receivers[0]!.address();
    const call = (method: string, to: string) =>
      sendBytes(port, `${method} ${to} HTTP/1.1\nHost: x\nWebHook-Request-Origin: eventgrid.azure.net`, '');
    expect((await call('OPTIONS', address)).status).toBe(200);
    expect((await call('GET', address)).status).toBe(405);
    const other = `/hooks/v1/grid/${'x'.repeat(43)}`;
    for (const to of [other, '/hooks/v1/grid', '/hooks/v1/nobody'])
      for (const method of ['OPTIONS', 'GET', 'POST']) {
        const { status, headers, body } = await call(method, to);
        expect([method, to, status, body, /^(?:allow|webhook)/m.test(headers)]).toEqual([method, to, 404, '', false]);
      }
  });

  it('warns of events from another origin than was agreed on, and believes them as far as their credential', async () => {
    const { send, logged, started } = await serve('azure');
    await send('01-push', (head) => `${head}\nWebHook-Request-Origin: elsewhere.example.net`);
    expect(started).toHaveLength(1);
    expect(logged.join()).toContain('another origin than was agreed on');
  });
});

describe('names that pretend', () => {
  it.each([
    'evil.io/registry.example.com/shop/cart:1',
    'registry.example.com.evil.io/shop/cart:1',
    'xregistry.example.com/shop/cart:1',
    'registry.example.com:8443/shop/cart:1',
    'docker.io/shop/cart:1',
  ])('%s is of another registry, and counted as that', async (image) => {
    const { port, started, metrics } = await serve('generic');
    const answer = await callOpenly(port, { image });
    expect([answer.status, started]).toEqual([202, []]);
    expect(await metrics.metrics()).toContain('outcome="ignored",reason="other-registry"} 1');
  });

  it.each([
    'registry.example.com/shop/cart/sub:1',
    'registry.example.com/workshop/cart:1',
    'registry.example.com/cart:1',
  ])('%s is no repository of the receiver', async (image) => {
    const { port, started, metrics } = await serve('generic');
    expect([(await callOpenly(port, { image })).status, started]).toEqual([202, []]);
    expect(await metrics.metrics()).toContain('outcome="ignored",reason="repository-not-allowed"} 1');
  });

  it.each(['$(reboot)', '`id`', '--exec=x', '{{.Tag}}', '../../x', 'a b', '1.0;ls', '1.0\\n', '', 'ｖ1'])(
    'the tag "%s" is none, and no other program ever sees it',
    async (tag) => {
      const { port, started } = await serve('generic');
      const answer = await callOpenly(port, { image: `registry.example.com/shop/cart:${tag}` });
      expect([answer.status, started]).toEqual([400, []]);
    },
  );

  /** To the receiver that anybody may call. */
  const callOpenly = (port: number, body: object) =>
    sendBytes(port, 'POST /hooks/v1/ci-open HTTP/1.1\nHost: x\nContent-Type: application/json', JSON.stringify(body));
});

describe('amplification', () => {
  it('one push changes so many Canaries and no more', async () => {
    const canaries = Array.from({ length: 510 }, (_, n) => ({
      apiVersion: 'flagger.app/v1beta1',
      kind: 'Canary',
      metadata: {
        ...{ namespace: 'shop', name: `cart-${n}` },
        annotations: { 'serin.dev/image-policies': '[{"container":"cart","policy":"newest-build"}]' },
      },
      spec: {},
    }));
    const [receiver] = await receiversOf('generic', await openSenders());
    const activities = createImageActivities({
      ...{ kubernetes: memoryKubernetes(...canaries), receivers: [receiver!], settings: { namespace: '' } },
    });
    const push = {
      ...{ receiver: 'ci', source: 'generic', eventId: 'e', host: receiver!.host },
      repository: 'shop/cart',
      tag: '1',
    };
    expect(await activities.findTargets(push)).toHaveLength(500);
  });
});

describe('who called', () => {
  const request = (remoteAddress: string, forwarded?: string) =>
    ({ socket: { remoteAddress }, headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded } }) as never;
  const ours = networks('10.0.0.0/8, fd00::/8, 192.0.2.1');

  it.each([
    ['203.0.113.7', undefined, '203.0.113.7'],
    ['203.0.113.7', '1.1.1.1', '203.0.113.7'],
    ['10.0.0.1', '1.1.1.1', '1.1.1.1'],
    ['::ffff:10.0.0.1', '9.9.9.9, 1.1.1.1, 10.0.0.2', '1.1.1.1'],
    ['fd00::1', '2001:db8::7', '2001:db8::7'],
    ['10.0.0.1', 'nonsense', '10.0.0.1'],
    ['10.0.0.1', undefined, '10.0.0.1'],
    ['192.0.2.1', '1.1.1.1', '1.1.1.1'],
  ])('a connection from %s with X-Forwarded-For %s is from %s', (address, forwarded, expected) => {
    expect(callerOf(request(address, forwarded), ours)).toBe(expected);
  });

  it('is whoever connects, when no proxy is ours', () => {
    expect(callerOf(request('10.0.0.1', '1.1.1.1'))).toBe('10.0.0.1');
    expect(isIn(networks(''), '10.0.0.1')).toBe(false);
  });

  it.each(['everybody', '10.0.0.0/33', '10.0.0.0/x', '::1/129'])('%s is no network', (text) => {
    expect(() => networks(text)).toThrow(/is no network such as 10\.0\.0\.0\/8/);
  });
});

it('no secret of a receiver is in what it logs at the start or when it is called', async () => {
  const { send, logged } = await serve('distribution');
  await send('01-push-tag');
  await send('12-bad-bearer');
  for (const secret of secrets) expect(logged.join('\n')).not.toContain(secret);
});
