import { afterEach, describe, expect, it } from '@jest/globals';
import { closeServers, deadUrl, startServer, type FakeServer } from '../../test/support/fake-server.ts';
import { createHttp } from '../clients/http.ts';
import { webhookChecksum } from './checksum.ts';
import { parseCanary, type Canary } from '../schemas/canary.ts';
import type { HookCall } from '../workflows/domain/plan.ts';
import { createCallEventHook, createCallHooks, eventHooksOf } from './webhooks.ts';

afterEach(closeServers);

/** A canary `shop` in `prod` with these hooks. */
function canaryWith(webhooks: readonly object[], status: object = { lastAppliedSpec: '4cb74184589' }): Canary {
  const parsed = parseCanary({
    apiVersion: 'flagger.app/v1beta1',
    kind: 'Canary',
    metadata: { name: 'shop', namespace: 'prod' },
    spec: {
      targetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'shop-app' },
      service: { port: 80 },
      analysis: { interval: '10s', threshold: 5, stepWeight: 10, webhooks },
    },
    status,
  });
  if ('problem' in parsed) throw new Error(parsed.problem);
  return parsed.canary;
}

const rollout = (name: string): HookCall => ({ name, type: 'rollout', phase: 'Progressing' });

/** Calls hooks with pauses that take no time, and tells how long they would have been. */
function caller() {
  const pauses: number[] = [];
  const pause = (ms: number) => Promise.resolve(void pauses.push(ms));
  return { call: createCallHooks({ http: createHttp({}) }, pause), pauses };
}

/** Calls the one hook of a canary. */
async function callOne(hook: object) {
  const { call, pauses } = caller();
  const [answer] = await call(canaryWith([{ name: 'test', ...hook }]), [rollout('test')], 'first-no', 'run/7');
  return { answer, pauses };
}

const paths = (server: FakeServer) => server.requests.map(({ url }) => url);

describe('a hook call (TestCallWebhook)', () => {
  it('posts exactly what Flagger posts, and 202 is a yes', async () => {
    const server = await startServer(() => ({ status: 202 }));
    const { answer } = await callOne({ url: `${server.url}/gate`, metadata: { key2: 'b', key1: '<a>' } });
    expect(answer).toEqual({ name: 'test', type: 'rollout' });
    expect(server.requests).toEqual([expect.objectContaining({ method: 'POST', url: '/gate' })]);
    expect(server.requests[0]!.headers['content-type']).toBe('application/json');
    expect(server.requests[0]!.body).toBe(
      '{"name":"shop","namespace":"prod","phase":"Progressing","checksum":"7c9d467496",' +
        '"metadata":{"key1":"<a>","key2":"b"}}',
    );
  });

  it.each([undefined, {}])('has no metadata when the hook has %j', async (metadata) => {
    const server = await startServer(() => ({}));
    await callOne({ url: server.url, metadata });
    expect(Object.keys(JSON.parse(server.requests[0]!.body))).toEqual(['name', 'namespace', 'phase', 'checksum']);
  });

  it('Q44: identifies by the status, which at confirm-rollout still tells the revision before', async () => {
    const server = await startServer(() => ({}));
    const statusOf = (lastAppliedSpec: string) => ({ lastAppliedSpec, lastPromotedSpec: 'v1:1' });
    const hooks: HookCall[] = [{ name: 'test', type: 'confirm-rollout', phase: 'Initialized' }];
    const asked = [{ name: 'test', type: 'confirm-rollout', url: server.url }];
    for (const spec of ['v1:1', 'v1:2'])
      await caller().call(canaryWith(asked, statusOf(spec)), hooks, 'first-no', 'run');
    const sums = server.requests.map(({ body }) => (JSON.parse(body) as { checksum: string }).checksum);
    expect(sums).toEqual(['v1:1', 'v1:2'].map((spec) => webhookChecksum(statusOf(spec))));
    expect(new Set(sums).size).toBe(2);
  });

  it('counts tracked configs into the checksum', async () => {
    const server = await startServer(() => ({}));
    const status = { trackedConfigs: { 'test-config-map': '484637c76acaa7c6' }, lastAppliedSpec: '4cb74184589' };
    const canary = canaryWith([{ name: 'test', url: server.url }], status);
    await caller().call(canary, [rollout('test')], 'first-no', 'run');
    expect(JSON.parse(server.requests[0]!.body).checksum).toBe('569bdb7cb9');
  });

  it.each([
    [200, undefined],
    [201, undefined],
    [202, undefined],
    [203, 'said no'],
    [304, ''],
    [403, 'said no'],
    [404, 'said no'],
    [501, 'said no'],
  ])('TestCallWebhook_StatusCode: status %i is answered with the body, verbatim: %s', async (status, error) => {
    const server = await startServer(() => ({ status, body: status === 304 ? '' : 'said no' }));
    const { answer } = await callOne({ url: server.url, retries: 3 });
    expect(answer).toEqual({ name: 'test', type: 'rollout', ...(error === undefined ? {} : { error }) });
    expect(server.requests).toHaveLength(1);
  });

  it('is not drowned by a long answer', async () => {
    const server = await startServer(() => ({ status: 400, body: 'x'.repeat(50_000) }));
    expect((await callOne({ url: server.url })).answer!.error!.length).toBeLessThan(1100);
  });
});

describe('retries (TestCallWebhook_Retries)', () => {
  it.each([500, 502, 503, 504, 429])(
    'after status %i the hook is called again and may then say yes',
    async (status) => {
      const server = await startServer((_, count) => ({ status: count === 1 ? status : 200 }));
      const { answer, pauses } = await callOne({ url: server.url, retries: 1 });
      expect(answer).toEqual({ name: 'test', type: 'rollout' });
      expect(pauses).toEqual([1000]);
    },
  );

  it.each([
    [undefined, 1],
    [0, 1],
    [2, 3],
  ])('with retries %s a failing receiver is asked %i time(s), and its body not shown', async (retries, attempts) => {
    const server = await startServer(() => ({ status: 500, body: 'stack trace' }));
    const { answer } = await callOne({ url: `${server.url}/x`, retries });
    expect(answer!.error).toBe(`POST ${server.url}/x giving up after ${attempts} attempt(s)`);
    expect(server.requests).toHaveLength(attempts);
  });

  it('wait twice as long each time, half a minute at most', async () => {
    const server = await startServer(() => ({ status: 500 }));
    const { pauses } = await callOne({ url: server.url, retries: 7 });
    expect(pauses).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  });

  it.each([
    [429, '7', 7000],
    [503, '0', 0],
    [503, '3600', 30_000],
    [503, 'soon', 1000],
    [500, '7', 1000],
    [503, 'Wed, 21 Oct 2015 07:28:00 GMT', 0],
  ])('after status %i with Retry-After %s wait %i ms', async (status, value, wait) => {
    const server = await startServer(() => ({ status, headers: { 'Retry-After': value } }));
    expect((await callOne({ url: server.url, retries: 1 })).pauses).toEqual([wait]);
  });

  it('wait until the time that Retry-After names', async () => {
    const server = await startServer(() => ({
      status: 503,
      headers: { 'Retry-After': new Date(Date.now() + 20_000).toUTCString() },
    }));
    const { pauses } = await callOne({ url: server.url, retries: 1 });
    expect(pauses[0]).toBeGreaterThan(15_000);
    expect(pauses[0]).toBeLessThanOrEqual(20_000);
  });

  it('carry the same idempotency key as the first attempt, and other hooks and calls another', async () => {
    const server = await startServer((_, count) => ({ status: count < 3 ? 500 : 200 }));
    const hooks = ['one', 'start gäte'].map((name) => ({ name, url: server.url, retries: 2 }));
    const { call } = caller();
    await call(
      canaryWith(hooks),
      hooks.map(({ name }) => rollout(name)),
      'first-no',
      'run/7',
    );
    await call(canaryWith(hooks), [rollout('one')], 'first-no', 'run/8');
    expect(server.requests.map(({ headers }) => headers['idempotency-key'])).toEqual([
      'run/7/one',
      'run/7/one',
      'run/7/one',
      'run/7/start g%C3%A4te',
      'run/8/one',
    ]);
  });
});

describe('a receiver that cannot be had', () => {
  it('is named with the cause', async () => {
    const url = await deadUrl();
    const { answer, pauses } = await callOne({ url: `${url}/x`, retries: 1 });
    expect(answer!.error).toBe(
      `POST ${url}/x giving up after 2 attempt(s): Post "${url}/x": dial tcp ${url.slice(7)}: connect: connection refused`,
    );
    expect(pauses).toEqual([1000]);
  });

  it('is named without its password and query', async () => {
    const url = (await deadUrl()).replace('//', '//me:hunter2@');
    const { answer } = await callOne({ url: `${url}/x?token=s3cret` });
    const shown = `${url.replace('hunter2', 'xxxxx')}/x?xxxxx`;
    expect(answer!.error).toMatch(new RegExp(`^POST \\S+ giving up after 1 attempt\\(s\\): Post "\\S+": dial tcp `));
    expect(answer!.error!.split(shown)).toHaveLength(3);
    expect(answer!.error).not.toMatch(/hunter2|s3cret/);
  });

  it('is given up at its timeout, each attempt for itself', async () => {
    const server = await startServer(() => undefined);
    const before = Date.now();
    const { answer } = await callOne({ url: server.url, timeout: '0s150ms', retries: 1 });
    expect(answer!.error).toBe(
      `POST ${server.url} giving up after 2 attempt(s): Post "${server.url}": context deadline exceeded`,
    );
    expect(Date.now() - before).toBeLessThan(3000);
    expect(server.requests).toHaveLength(2);
  });

  it.each(['load-tester/gate', 'ftp://host/x'])('at %s is not tried again', async (url) => {
    const { answer, pauses } = await callOne({ url, retries: 3 });
    expect(answer!.error).toMatch(/^POST \S+ giving up after 1 attempt\(s\): Post ".*": unsupported protocol scheme/);
    expect(pauses).toEqual([]);
  });

  it('because its timeout is none is not called', async () => {
    const server = await startServer(() => ({}));
    const { answer } = await callOne({ url: server.url, timeout: '10sfoo' });
    expect(answer!.error).toMatch(/^time: unknown unit "sfoo"/);
    expect(server.requests).toEqual([]);
  });
});

describe('certificates (TestCallWebhook_DisableTLS)', () => {
  it('are not verified with disableTLS', async () => {
    const server = await startServer(() => ({ status: 202 }), { tls: true });
    expect((await callOne({ url: server.url, disableTLS: true })).answer).toEqual({ name: 'test', type: 'rollout' });
  });

  it('are verified otherwise, and one that is not trusted is not tried again', async () => {
    const server = await startServer(() => ({}), { tls: true });
    const { answer, pauses } = await callOne({ url: server.url, retries: 3 });
    expect(answer!.error).toBe(
      `POST ${server.url} giving up after 1 attempt(s): Post "${server.url}": ` +
        'tls: failed to verify certificate: x509: certificate signed by unknown authority',
    );
    expect(pauses).toEqual([]);
  });

  it('with disableTLS proxies of the environment are passed by, as in Flagger', async () => {
    const proxy = await startServer(() => ({ body: 'proxied' }));
    const http = createHttp({ HTTP_PROXY: proxy.url });
    const hook = { name: 'test', url: 'http://far.invalid/x' };
    const answers = [];
    for (const disableTLS of [false, true])
      answers.push(
        ...(await createCallHooks({ http })(canaryWith([{ ...hook, disableTLS }]), [rollout('test')], 'first-no', 'r')),
      );
    expect(answers.map(({ error }) => error)).toEqual([undefined, expect.stringContaining('lookup far.invalid')]);
    expect(proxy.requests).toHaveLength(1);
  });
});

describe('several hooks', () => {
  const names = ['a', 'b', 'c'];
  const hooks = (server: FakeServer) => names.map((name) => ({ name, url: `${server.url}/${name}` }));

  it.each([
    ['first-no', '/b', ['/a', '/b']],
    ['first-yes', '/b', ['/a']],
    ['first-no', '/-', ['/a', '/b', '/c']],
  ] as const)('until %s, with a no at %s, are called in order: %j', async (until, refusing, called) => {
    const server = await startServer(({ url }) => ({ status: url === refusing ? 403 : 200, body: 'no' }));
    const answers = await caller().call(canaryWith(hooks(server)), names.map(rollout), until, 'run');
    expect(paths(server)).toEqual(called);
    expect(answers.map(({ name }) => `/${name}`)).toEqual(called);
  });

  it('until first-yes go on after a no', async () => {
    const server = await startServer(({ url }) => ({ status: url === '/c' ? 200 : 403 }));
    const answers = await caller().call(canaryWith(hooks(server)), names.map(rollout), 'first-yes', 'run');
    expect(answers.map(({ error }) => error)).toEqual(['', '', undefined]);
  });

  it('that the Canary no longer has are left out', async () => {
    const server = await startServer(() => ({}));
    const answers = await caller().call(canaryWith(hooks(server)), ['a', 'gone', 'c'].map(rollout), 'first-no', 'run');
    expect(answers.map(({ name }) => name)).toEqual(['a', 'c']);
  });

  it('are told apart by type, and by place when even that is the same', async () => {
    const server = await startServer(() => ({}));
    const same = [
      { name: 'x', type: 'pre-rollout', url: `${server.url}/pre` },
      { name: 'x', type: '', url: `${server.url}/one` },
      { name: 'x', type: 'rollout', url: `${server.url}/two` },
    ];
    await caller().call(canaryWith(same), [rollout('x'), rollout('x')], 'first-no', 'run');
    expect(paths(server)).toEqual(['/one', '/two']);
    expect(server.requests.map(({ headers }) => headers['idempotency-key'])).toEqual(['run/x', 'run/x/2']);
  });

  it('carry the phase that each call names', async () => {
    const server = await startServer(() => ({}));
    const gate = { name: 'gate', type: 'confirm-rollout', url: server.url };
    await caller().call(
      canaryWith([gate]),
      [{ name: 'gate', type: 'confirm-rollout', phase: 'Waiting' }],
      'first-no',
      'r',
    );
    expect(JSON.parse(server.requests[0]!.body).phase).toBe('Waiting');
  });
});

describe('an abort', () => {
  it.each([
    ['in the middle of a call', () => undefined],
    ['in a pause between two attempts', () => ({ status: 500 })],
  ])('%s ends it at once with the reason', async (_, answer) => {
    const server = await startServer(answer);
    const controller = new AbortController();
    const reason = new Error('cancelled');
    setTimeout(() => controller.abort(reason), 100);
    const before = Date.now();
    const call = createCallHooks({ http: createHttp({}) });
    const canary = canaryWith([{ name: 'test', url: server.url, retries: 5, timeout: '30s' }]);
    await expect(call(canary, [rollout('test')], 'first-no', 'run', controller.signal)).rejects.toBe(reason);
    expect(Date.now() - before).toBeLessThan(900);
    expect(server.requests).toHaveLength(1);
  });
});

describe('event hooks (TestCallEventWebhook)', () => {
  const event = {
    kind: 'event',
    id: 'run/event/3',
    type: 'Warning',
    message: 'Halt shop.prod advancement',
    phase: 'Progressing',
    at: 1700000000123,
  } as const;
  const callEventHook = createCallEventHook({ http: createHttp({}) });

  it('carry the text, type and time of the event, which their own metadata cannot replace', async () => {
    const server = await startServer(() => ({}));
    const metadata = { team: 'web', eventMessage: 'mine', eventType: 'mine', timestamp: 'mine' };
    const canary = canaryWith([{ name: 'events', type: 'event', url: server.url, metadata }]);
    const [hook] = eventHooksOf(canary, '');
    expect(await callEventHook(canary, hook!, event)).toBeUndefined();
    expect(JSON.parse(server.requests[0]!.body)).toEqual({
      name: 'shop',
      namespace: 'prod',
      phase: 'Progressing',
      checksum: '7c9d467496',
      metadata: {
        team: 'web',
        eventMessage: 'Halt shop.prod advancement',
        eventType: 'Warning',
        timestamp: '1700000000123',
      },
    });
    expect(server.requests[0]!.headers['idempotency-key']).toBe('run/event/3');
  });

  it('TestCallEventWebhookStatusCode: 500 is an error', async () => {
    const server = await startServer(() => ({ status: 500 }));
    const canary = canaryWith([{ name: 'events', type: 'event', url: server.url }]);
    const error = await callEventHook(canary, eventHooksOf(canary, '')[0]!, event);
    expect(error).toBe(`POST ${server.url} giving up after 1 attempt(s)`);
  });

  it.each([
    [
      'own hooks, and not the global one',
      [{ name: 'mine', type: 'event', url: 'http://mine' }],
      'http://global',
      ['mine'],
    ],
    ['the global one', [{ name: 'load', url: 'http://x' }], 'http://global', ['events']],
    ['nobody', [], '', []],
  ])('reach %s', (_, webhooks, global, names) => {
    expect(eventHooksOf(canaryWith(webhooks), global).map(({ name }) => name)).toEqual(names);
  });
});
