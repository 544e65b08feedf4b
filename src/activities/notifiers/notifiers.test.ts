import { afterEach, describe, expect, it } from '@jest/globals';
import { closeServers, deadUrl, startServer } from '../../../test/support/fake-server.ts';
import { createHttp } from '../../clients/http.ts';
import { createNotifier, notifiers } from './index.ts';
import type { Alert, NotifierSettings } from './notifier.ts';

afterEach(closeServers);

const http = createHttp({});

const alert: Alert = {
  id: 'run/alert/1',
  workload: 'podinfo.test',
  message: 'msg <b>',
  severity: 'info',
  fields: [
    { name: 'Target', value: 'Deployment/podinfo.test' },
    { name: 'Failed checks threshold', value: '5' },
  ],
};

function settings(type: string, more: Partial<NotifierSettings> = {}): NotifierSettings {
  return { type, url: 'http://127.0.0.1', username: 'flagger', channel: 'general', ...more };
}

/** Posts an alert to a room of a real server and returns what came there. */
async function sent(type: string, more: Partial<NotifierSettings> = {}, alertMore: Partial<Alert> = {}) {
  const server = await startServer(() => ({ body: 'ok' }));
  await createNotifier(settings(type, { url: `${server.url}/hook`, ...more }), http)!.post({ ...alert, ...alertMore });
  const [request] = server.requests;
  return { ...request!, json: JSON.parse(request!.body) };
}

const slackLike = (color: string) => ({
  channel: 'general',
  username: 'flagger',
  icon_url: '',
  icon_emoji: ':rocket:',
  attachments: [
    {
      color,
      author_name: 'podinfo.test',
      text: 'msg <b>',
      mrkdwn_in: ['text'],
      fields: [
        { title: 'Target', value: 'Deployment/podinfo.test', short: false },
        { title: 'Failed checks threshold', value: '5', short: false },
      ],
    },
  ],
});

describe('payloads', () => {
  it.each([
    ['TestSlack_Post', 'slack', 'info', 'good', '/hook'],
    ['TestSlack_Post', 'slack', 'warn', 'good', '/hook'],
    ['TestSlack_Post', 'slack', 'error', 'danger', '/hook'],
    ['TestDiscord_Post', 'discord', 'info', 'good', '/hook/slack'],
    ['TestDiscord_Post', 'discord', 'error', 'danger', '/hook/slack'],
    ['TestRocket_Post', 'rocket', 'info', '#0076D7', '/hook'],
    ['TestRocket_Post', 'rocket', 'error', '#FF0000', '/hook'],
  ] as const)('%s: %s shows %s in %s, at %s', async (_, type, severity, color, path) => {
    const { json, url, method, headers } = await sent(type, {}, { severity });
    expect({ method, url, json }).toEqual({ method: 'POST', url: path, json: slackLike(color) });
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'idempotency-key': 'run/alert/1' });
  });

  it('have no fields rather than none at all', async () => {
    const { json } = await sent('slack', {}, { fields: [] });
    expect(json.attachments[0].fields).toEqual([]);
    expect(json).not.toHaveProperty('text');
  });

  it('TestDiscord_Post: an address that ends in /slack is left as it is', async () => {
    const server = await startServer(() => ({}));
    await createNotifier(settings('discord', { url: `${server.url}/hook/slack` }), http)!.post(alert);
    await createNotifier(settings('discord', { url: `${server.url}/hook/?wait=true` }), http)!.post(alert);
    expect(server.requests.map(({ url }) => url)).toEqual(['/hook/slack', '/hook/slack?wait=true']);
  });

  it.each([
    ['info', '0076D7'],
    ['error', 'FF0000'],
  ] as const)('TestTeams_Post: a card of severity %s has the colour %s', async (severity, themeColor) => {
    expect((await sent('msteams', {}, { severity })).json).toEqual({
      '@type': 'MessageCard',
      '@context': 'http://schema.org/extensions',
      themeColor,
      summary: 'podinfo.test',
      sections: [
        {
          activityTitle: 'msg <b>',
          activitySubtitle: 'podinfo.test',
          facts: [
            { name: 'Target', value: 'Deployment/podinfo.test' },
            { name: 'Failed checks threshold', value: '5' },
          ],
        },
      ],
    });
  });

  it('TestGChat_Post: a card has one section for the message and one for each field', async () => {
    const grey = (text: string) => `<font color=#848484><strong>${text}</strong></font>`;
    expect((await sent('gchat')).json).toEqual({
      cards: [
        {
          header: { title: 'Flagger', subtitle: 'podinfo.test', imageUrl: 'https://flagger.app/favicon.png' },
          sections: [
            { widgets: [{ textParagraph: { text: grey('msg <b>') } }] },
            { widgets: [{ textParagraph: { text: `Target<br>${grey('Deployment/podinfo.test')}` } }] },
            { widgets: [{ textParagraph: { text: `Failed checks threshold<br>${grey('5')}` } }] },
          ],
        },
      ],
    });
  });

  it.each(['slack', 'discord', 'rocket', 'msteams', 'gchat'])('a token goes out with Slack alone: %s', async (type) => {
    const { headers } = await sent(type, { token: 'xoxb-1' });
    expect(headers['authorization']).toBe(type === 'slack' ? 'Bearer xoxb-1' : undefined);
  });
});

describe.each([...notifiers.keys()])('every notifier, %s among them,', (type) => {
  it.each([200, 204, 299])('is content with status %i', async (status) => {
    const server = await startServer(() => ({ status }));
    await createNotifier(settings(type, { url: server.url }), http)!.post(alert);
    expect(server.requests).toHaveLength(1);
  });

  it.each([304, 400, 403, 500])('fails with status %i, which is not tried again', async (status) => {
    const server = await startServer(() => ({ status, body: status === 304 ? '' : 'no such room' }));
    const post = createNotifier(settings(type, { url: server.url }), http)!.post(alert);
    await expect(post).rejects.toThrow(
      `postMessage failed: sending notification bad response ${status}: ${status === 304 ? '' : 'no such room'}`,
    );
    expect(server.requests).toHaveLength(1);
  });

  it('names an unreachable receiver without the path, which is the credential', async () => {
    const url = await deadUrl();
    const post = createNotifier(settings(type, { url: `${url}/services/T0/B0/s3cret?key=k3y` }), http)!.post(alert);
    const error = await post.catch((thrown: Error) => thrown);
    expect((error as Error).message).toBe(
      `postMessage failed: sending notification failed to send: Post "${url}/xxxxx": ` +
        `dial tcp ${url.slice(7)}: connect: connection refused`,
    );
    const { cause, stack } = error as Error;
    expect(`${stack} ${String(cause)} ${JSON.stringify(cause)}`).not.toMatch(/s3cret|k3y/);
  });

  it('goes through the proxy of its provider', async () => {
    const proxy = await startServer(() => ({}));
    await createNotifier(settings(type, { url: 'http://room.invalid/hook', proxy: proxy.url }), http)!.post(alert);
    expect(proxy.requests[0]!.url).toMatch(/^http:\/\/room\.invalid\/hook/);
  });

  it('says which proxy is none', async () => {
    const post = createNotifier(settings(type, { proxy: 'socks4://x' }), http)!.post(alert);
    await expect(post).rejects.toThrow("unable to parse proxy URL 'socks4://x'");
  });

  it('tells nobody without an address', () => {
    expect(createNotifier(settings(type, { url: '' }), http)).toBeUndefined();
  });

  it.each([
    ['${CHAT_WEBHOOK}', '${CHAT_WEBHOOK}'],
    ['hooks.example/services/s3cret', 'hooks.example/xxxxx'],
    ['ftp://host/s3cret', 'ftp://host/xxxxx'],
  ])('refuses the address %s, showing %s', (url, shown) => {
    const products = {
      slack: 'Slack hook',
      discord: 'Discord hook',
      rocket: 'Rocket hook',
      msteams: 'MS Teams webhook',
      gchat: 'Google Chat webhook',
    };
    expect(() => createNotifier(settings(type, { url }), http)).toThrow(
      `invalid ${products[type as keyof typeof products]} URL ${shown}`,
    );
  });
});

it.each([
  ['slack', 'Slack'],
  ['discord', 'Discord'],
  ['rocket', 'Rocket'],
])('%s wants a sender and a room', (type, product) => {
  expect(() => createNotifier(settings(type, { username: '' }), http)).toThrow(`empty ${product} username`);
  expect(() => createNotifier(settings(type, { channel: '' }), http)).toThrow(`empty ${product} channel`);
});

it('a type that is not in the map is named with those that are', () => {
  expect(() => createNotifier(settings('nightpager'), http)).toThrow(
    'provider nightpager not supported; supported are slack, msteams, discord, rocket, gchat',
  );
});

it('what Slack says in the body of a 200 counts', async () => {
  const server = await startServer(() => ({ body: '{"ok":false,"error":"channel_not_found"}' }));
  const post = createNotifier(settings('slack', { url: server.url, token: 'xoxb-1' }), http)!.post(alert);
  await expect(post).rejects.toThrow('Slack took the message but did not post it: channel_not_found');
});

it.each(['ok', '{"ok":true}', '{', ''])('a 200 of Slack with the body %j is a yes', async (body) => {
  const server = await startServer(() => ({ body }));
  await createNotifier(settings('slack', { url: server.url }), http)!.post(alert);
  expect(server.requests).toHaveLength(1);
});

it('a token that the receiver repeats is not passed on', async () => {
  const server = await startServer(({ headers }) => ({ status: 401, body: `bad ${headers['authorization']}` }));
  const post = createNotifier(settings('slack', { url: server.url, token: 'xoxb-1' }), http)!.post(alert);
  await expect(post).rejects.toThrow('bad response 401: bad Bearer xxxxx');
});
