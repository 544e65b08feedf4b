import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { closeServers, startServer, type FakeServer, type Reply } from '../../test/support/fake-server.ts';
import { memoryKubernetes, type MemoryKubernetes } from '../../test/support/memory-kubernetes.ts';
import { createHttp } from '../clients/http.ts';
import { apiNames, type Settings } from '../config.ts';
import { failure } from '../errors.ts';
import type { FailedCheck, Notice } from '../workflows/domain/plan.ts';
import { notifiers } from './notifiers/index.ts';
import type { NotifierSettings } from './notifiers/notifier.ts';
import { createNotify } from './notify.ts';

afterEach(closeServers);

let cluster: MemoryKubernetes;
beforeEach(() => {
  cluster = memoryKubernetes();
});

const settings: Settings = {
  meshProvider: 'istio',
  metricsServer: '',
  selectorLabels: ['app'],
  includeLabelPrefix: [],
  configTracking: true,
  apis: apiNames,
  meshCleanup: true,
  noCrossNamespaceRefs: false,
  eventWebhook: '',
  clusterName: '',
  argoNamespace: 'argocd',
  minimumIntervalMs: 1000,
  drainMs: 0,
  namespace: '',
  verifiedActors: false,
  auditSink: '',
};

function putCanary(analysis: object = {}, spec: object = {}) {
  cluster.put({
    apiVersion: 'flagger.app/v1beta1',
    kind: 'Canary',
    metadata: { name: 'shop', namespace: 'prod' },
    spec: {
      targetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'shop-app' },
      service: { port: 80 },
      analysis: { interval: '10s', threshold: 5, stepWeight: 10, maxWeight: 50, ...analysis },
      ...spec,
    },
    status: { lastAppliedSpec: '4cb74184589' },
  });
}

function putProvider(name: string, spec: object, namespace = 'prod') {
  cluster.put({
    apiVersion: 'flagger.app/v1beta1',
    kind: 'AlertProvider',
    metadata: { name, namespace },
    spec: { type: 'slack', ...spec },
  });
}

function putSecret(name: string, data: Record<string, string>, namespace = 'prod') {
  const encoded = Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
  cluster.put({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, data: Object.fromEntries(encoded) });
}

/** Sends notices; returns what was logged and how many were counted as undelivered. */
async function notify(
  notices: readonly Notice[],
  more: { settings?: Partial<Settings>; globalNotifier?: NotifierSettings } = {},
) {
  const logged: { message: string; fields: Readonly<Record<string, unknown>> }[] = [];
  const undelivered: string[] = [];
  const send = createNotify(
    { kubernetes: cluster, http: createHttp({}), settings: { ...settings, ...more.settings } },
    {
      log: { warn: (message, fields) => void logged.push({ message, fields }) },
      undelivered: (kind) => void undelivered.push(kind),
      globalNotifier: more.globalNotifier,
    },
  );
  await send({ namespace: 'prod', name: 'shop' }, notices);
  return { logged, undelivered };
}

const alertNotice = (severity: 'info' | 'warn' | 'error', more: { meta?: boolean; id?: string } = {}): Notice => ({
  kind: 'alert',
  id: 'run/1',
  severity,
  message: `an ${severity}`,
  meta: false,
  ...more,
});

const eventNotice = (message = 'Advance shop.prod canary weight 10', id = 'run/2'): Notice => ({
  kind: 'event',
  id,
  type: 'Normal',
  message,
  phase: 'Progressing',
  at: 1700000000000,
});

const paths = (server: FakeServer) => server.requests.map(({ url }) => url);
const attachment = (server: FakeServer) => JSON.parse(server.requests[0]!.body).attachments[0];

describe('which alerts are sent', () => {
  it.each([
    ['error', ['/a', '/b', '/c', '/d', '/e']],
    ['warn', ['/a', '/c', '/d', '/e']],
    ['info', ['/c', '/d', '/e']],
  ] as const)(
    'BC-37: %s reaches alerts of its severity and below; an empty one means info',
    async (severity, reached) => {
      const server = await startServer(() => ({}));
      const severities = { a: 'warn', b: 'error', c: 'info', d: '', e: undefined };
      for (const name of Object.keys(severities)) putProvider(name, { address: `${server.url}/${name}` });
      putCanary({
        alerts: Object.entries(severities).map(([name, wanted]) => ({ name, severity: wanted, providerRef: { name } })),
      });
      expect((await notify([alertNotice(severity)])).logged).toEqual([]);
      expect(paths(server).sort()).toEqual(reached);
    },
  );

  const globalNotifier = (url: string): NotifierSettings => ({
    type: 'msteams',
    url,
    username: 'flagger',
    channel: '',
  });

  it('the global notifier hears of Canaries that name no alerts', async () => {
    const server = await startServer(() => ({}));
    putCanary();
    await notify([alertNotice('info')], { globalNotifier: globalNotifier(server.url) });
    expect(JSON.parse(server.requests[0]!.body)).toMatchObject({ '@type': 'MessageCard', summary: 'shop.prod' });
  });

  it('and not of those that do, be it that none of them fits', async () => {
    const server = await startServer(() => ({}));
    putProvider('room', { address: server.url });
    putCanary({ alerts: [{ name: 'a', severity: 'error', providerRef: { name: 'room' } }] });
    expect(await notify([alertNotice('info')], { globalNotifier: globalNotifier(server.url) })).toEqual({
      logged: [],
      undelivered: [],
    });
    expect(server.requests).toEqual([]);
  });

  it('nobody hears when nobody is named', async () => {
    putCanary();
    expect(await notify([alertNotice('error'), eventNotice()])).toEqual({ logged: [], undelivered: [] });
  });
});

describe('what an alert says', () => {
  async function fieldsOf(analysis: object, notice: Notice, more: Partial<Settings> = {}, spec: object = {}) {
    const server = await startServer(() => ({}));
    putProvider('room', { address: server.url });
    putCanary({ alerts: [{ name: 'a', providerRef: { name: 'room' } }], ...analysis }, spec);
    await notify([notice], { settings: more });
    return attachment(server);
  }

  it('is the message, the canary and, when there is a name, the cluster', async () => {
    expect(await fieldsOf({}, alertNotice('error'), { clusterName: 'eu-1' })).toMatchObject({
      color: 'danger',
      author_name: 'shop.prod',
      text: 'an error',
      fields: [{ title: 'Cluster', value: 'eu-1' }],
    });
    expect((await fieldsOf({}, alertNotice('error'))).fields).toEqual([]);
  });

  it.each([
    [{}, 'Weight step: 10 max: 50'],
    [{ maxWeight: undefined }, 'Weight step: 10 max: 100'],
    [{ stepWeight: undefined, maxWeight: undefined, stepWeights: [5, 20, 60] }, 'Weight steps: 5,20,60 max: 60'],
    [{ stepWeight: undefined, iterations: 3 }, 'Blue/Green'],
    [{ stepWeight: undefined, iterations: 3, match: [{ headers: { x: { exact: 'y' } } }] }, 'A/B Testing'],
    [{ stepWeight: 0 }, undefined],
  ])('with meta, for the analysis %j, that traffic goes by %s', async (analysis, routing) => {
    const { fields } = await fieldsOf(analysis, alertNotice('info', { meta: true }), { clusterName: 'eu-1' });
    expect(fields.map(({ title, value }: { title: string; value: string }) => `${title}: ${value}`)).toEqual([
      'Cluster: eu-1',
      'Target: Deployment/shop-app.prod',
      'Failed checks threshold: 5',
      'Progress deadline: 600s',
      ...(routing === undefined ? [] : [`Traffic routing: ${routing}`]),
    ]);
  });
});

describe('the check that led to an alert', () => {
  const check: FailedCheck = {
    name: 'request-success-rate',
    value: '50.00%',
    min: '99%',
    max: '99.5%',
    query: 'sum(rate(istio_requests_total{response_code!~"5.*"}[1m]))',
  };
  const said = ['request-success-rate', '50.00%', 'at least 99%, at most 99.5%', check.query!];

  async function sent(type: string, check: FailedCheck): Promise<string> {
    const server = await startServer(() => ({}));
    putProvider('room', { type, address: server.url });
    putCanary({ alerts: [{ name: 'a', providerRef: { name: 'room' } }] });
    const notice = { ...alertNotice('error'), check } as Notice;
    expect((await notify([notice])).logged).toEqual([]);
    return server.requests[0]!.body;
  }

  it.each([...notifiers.keys()])('%s shows it: its value, what is allowed, and the query', async (type) => {
    const body = await sent(type, check);
    // As it stands in the JSON of the message.
    for (const text of said) expect(body).toContain(JSON.stringify(text).slice(1, -1));
  });

  it('is a field each, and none for what is not known', async () => {
    const fieldsOf = async (check: FailedCheck) =>
      (JSON.parse(await sent('slack', check)).attachments[0].fields as { title: string; value: string }[]).map(
        ({ title, value }) => `${title}: ${value}`,
      );
    expect(await fieldsOf(check)).toEqual([
      'Check: request-success-rate',
      'Value: 50.00%',
      'Allowed: at least 99%, at most 99.5%',
      `Query: ${check.query}`,
    ]);
    expect(await fieldsOf({ name: 'load', error: 'exit status 1' })).toEqual(['Check: load', 'Error: exit status 1']);
  });

  it('is cut where it would fill the room', async () => {
    const body = await sent('slack', { name: 'load', error: 'x'.repeat(5_000) });
    expect(body).toContain(`${'x'.repeat(999)}…`);
    expect(body).not.toContain('x'.repeat(1_000));
  });
});

describe('alert providers', () => {
  const alerts = (namespace?: string) => [{ name: 'on-call', providerRef: { name: 'room', namespace } }];

  it('send to channel general as flagger unless they say otherwise', async () => {
    const server = await startServer(() => ({}));
    putProvider('room', { address: server.url });
    putCanary({ alerts: alerts() });
    await notify([alertNotice('info')]);
    putProvider('room', { address: server.url, channel: '#deploys', username: 'bot' });
    await notify([alertNotice('info')]);
    expect(server.requests.map(({ body }) => JSON.parse(body))).toEqual([
      expect.objectContaining({ channel: 'general', username: 'flagger' }),
      expect.objectContaining({ channel: '#deploys', username: 'bot' }),
    ]);
  });

  it('take address and token from the Secret in their own namespace, which wins over their own address', async () => {
    const server = await startServer(() => ({}));
    putProvider('room', { address: 'http://nowhere.invalid', secretRef: { name: 'chat' } }, 'ops');
    putSecret('chat', { address: `${server.url}/secret\n`, token: 'xoxb-1\n' }, 'ops');
    putCanary({ alerts: alerts('ops') });
    expect((await notify([alertNotice('info')])).logged).toEqual([]);
    expect(server.requests[0]).toMatchObject({ url: '/secret', headers: { authorization: 'Bearer xoxb-1' } });
  });

  it.each([
    ['is missing', (): void => undefined, {}, 'alert provider room.prod not found'],
    ['has no secret', () => putProvider('room', { secretRef: { name: 'chat' } }), {}, 'secrets "chat" not found'],
    [
      'has a secret without an address',
      () => {
        putProvider('room', { secretRef: { name: 'chat' } });
        putSecret('chat', { url: 'x' });
      },
      {},
      'alert provider room.prod secret chat has no key address',
    ],
    [
      'has an address that is none',
      () => putProvider('room', { address: '${CHAT}' }),
      {},
      'invalid Slack hook URL ${CHAT}',
    ],
    [
      'is unreadable',
      () => putProvider('room', { type: 'nightpager', address: 'http://x' }),
      {},
      'alert provider room.prod',
    ],
  ] as const)('one that %s is logged and counted, and the others hear', async (_, prepare, more, error) => {
    const server = await startServer(() => ({}));
    prepare();
    putProvider('other', { address: server.url });
    putCanary({ alerts: [...alerts(), { name: 'other', providerRef: { name: 'other' } }] });
    const { logged, undelivered } = await notify([alertNotice('warn')], { settings: more });
    expect(logged).toEqual([
      {
        message: "alert can't be sent",
        fields: { canary: 'shop.prod', id: 'run/1', alert: 'on-call', error: expect.stringContaining(error) },
      },
    ]);
    expect(undelivered).toEqual(['alert']);
    expect(server.requests).toHaveLength(1);
  });

  it('in other namespaces are refused when references across namespaces are blocked', async () => {
    const server = await startServer(() => ({}));
    putProvider('room', { address: server.url }, 'ops');
    putCanary({ alerts: alerts('ops') });
    const { logged } = await notify([alertNotice('info')], { settings: { noCrossNamespaceRefs: true } });
    expect(logged[0]!.fields['error']).toBe(
      "can't access alert provider room.ops, cross-namespace references are blocked",
    );
    expect(server.requests).toEqual([]);
  });

  it('that refuse or hang up are logged without their address', async () => {
    const server = await startServer((_request, count, response): Reply | undefined => {
      if (count === 1) return { status: 500, body: 'overloaded' };
      response.destroy();
      return undefined;
    });
    putProvider('room', { secretRef: { name: 'chat' } });
    putSecret('chat', { address: `${server.url}/services/s3cret` });
    putCanary({ alerts: alerts() });
    const { logged, undelivered } = await notify([alertNotice('info', { id: 'a' }), alertNotice('info', { id: 'b' })]);
    expect(logged.map(({ fields }) => [fields['id'], fields['error']])).toEqual([
      ['a', 'postMessage failed: sending notification bad response 500: overloaded'],
      ['b', `postMessage failed: sending notification failed to send: Post "${server.url}/xxxxx": EOF`],
    ]);
    expect(undelivered).toEqual(['alert', 'alert']);
    expect(JSON.stringify(logged)).not.toContain('s3cret');
  });
});

describe('events', () => {
  it('go to the event hooks of the Canary', async () => {
    const server = await startServer(() => ({}));
    const hook = (name: string, type: string) => ({ name, type, url: `${server.url}/${name}` });
    putCanary({ webhooks: [hook('load', 'rollout'), hook('one', 'event'), hook('two', 'event')] });
    await notify([eventNotice()], { settings: { eventWebhook: `${server.url}/global` } });
    expect(paths(server).sort()).toEqual(['/one', '/two']);
  });

  it('or else to the global event webhook', async () => {
    const server = await startServer(() => ({}));
    putCanary();
    await notify([eventNotice()], { settings: { eventWebhook: `${server.url}/global` } });
    expect(server.requests[0]).toMatchObject({ url: '/global', headers: { 'idempotency-key': 'run/2' } });
    expect(JSON.parse(server.requests[0]!.body)).toMatchObject({
      name: 'shop',
      phase: 'Progressing',
      metadata: { eventMessage: 'Advance shop.prod canary weight 10', eventType: 'Normal', timestamp: '1700000000000' },
    });
  });

  it('arrive in order, also when a receiver is slow', async () => {
    const server = await startServer((_request, count, response) => {
      setTimeout(() => response.end(), count === 1 ? 150 : 0);
      return undefined;
    });
    putCanary();
    const notices = ['one', 'two', 'three'].map((message) => eventNotice(message, message));
    await notify(notices, { settings: { eventWebhook: server.url } });
    expect(server.requests.map(({ body }) => JSON.parse(body).metadata.eventMessage)).toEqual(['one', 'two', 'three']);
  });

  it('that cannot be delivered are logged and counted', async () => {
    const server = await startServer(() => ({ status: 500 }));
    putCanary();
    expect(await notify([eventNotice()], { settings: { eventWebhook: server.url } })).toEqual({
      logged: [
        {
          message: 'error sending event to webhook',
          fields: {
            canary: 'shop.prod',
            id: 'run/2',
            hook: 'events',
            error: `POST ${server.url} giving up after 1 attempt(s)`,
          },
        },
      ],
      undelivered: ['event'],
    });
  });
});

describe('a Canary that is gone', () => {
  it('loses its notices, which is logged and counted and never thrown', async () => {
    const { logged, undelivered } = await notify([alertNotice('error'), eventNotice()]);
    expect(logged.map(({ fields }) => fields['error'])).toEqual(Array(2).fill('canary shop.prod not found'));
    expect(undelivered).toEqual(['alert', 'event']);
  });
});

describe('while the API server is away', () => {
  it.each(['Canary', 'AlertProvider', 'Secret'])(
    'and a %s cannot be read, nothing is sent and nothing lost: all is sent when it is back',
    async (kind) => {
      const server = await startServer(() => ({}));
      putProvider('open', { address: `${server.url}/open` });
      putProvider('secret', { secretRef: { name: 'chat' } });
      putSecret('chat', { address: `${server.url}/secret` });
      const alerts = ['open', 'secret'].map((name) => ({ name, providerRef: { name } }));
      putCanary({ alerts, webhooks: [{ name: 'log', type: 'event', url: `${server.url}/log` }] });
      cluster.failNext('get', kind, failure('Unavailable', 'the API server is away'));
      const notices = [eventNotice(), alertNotice('error')];
      await expect(notify(notices)).rejects.toMatchObject({ type: 'Unavailable' });
      expect(server.requests).toEqual([]);
      expect(await notify(notices)).toEqual({ logged: [], undelivered: [] });
      expect(paths(server).sort()).toEqual(['/log', '/open', '/secret']);
    },
  );
});
