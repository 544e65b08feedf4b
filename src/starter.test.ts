import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { collectedSpans, serveCollector } from '../test/support/collector.ts';
import { createLog } from './log.ts';
import { readSettings } from './config.ts';
import { startStarter, type Starter } from './starter.ts';
import type { TemporalStarter } from './temporal.ts';
import { capabilityToken } from './triggers/credentials/capability.ts';

describe('a starter', () => {
  let api: Server;
  let starter: Starter | undefined;
  let writes: string[];
  let hints: string[];
  let pushes: string[];
  let polls: string[];
  let temporalIsDown: boolean;
  const watches = new Set<ServerResponse>();

  const canary = {
    metadata: {
      ...{ namespace: 'shop', name: 'cart', uid: 'u1', resourceVersion: '7', generation: 1 },
      annotations: { 'serin.dev/image-policies': '[{"container":"cart","policy":"semver:^1"}]' },
    },
    spec: { targetRef: { kind: 'Deployment', name: 'cart' } },
    status: { phase: 'Progressing', canaryWeight: 20 },
  };

  /** Follows images too, in a namespace that no receiver lists. */
  const elsewhere = {
    ...canary,
    metadata: { ...canary.metadata, namespace: 'elsewhere', uid: 'u2' },
    status: {},
  };

  beforeEach(async () => {
    [writes, hints, pushes, polls, temporalIsDown] = [[], [], [], [], false];
    api = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://api');
      if (request.method !== 'GET') writes.push(`${request.method} ${pathname}`);
      if (pathname.includes('istio')) return response.writeHead(404).end();
      if (searchParams.get('watch')) {
        watches.add(response.on('close', () => watches.delete(response)));
        return response.writeHead(200).flushHeaders();
      }
      const items = pathname.endsWith('/canaries') ? [canary, elsewhere] : [];
      response.end(JSON.stringify({ metadata: { resourceVersion: '10' }, items }));
    });
    await new Promise<void>((done) => api.listen(0, '127.0.0.1', done));
  });

  afterEach(async () => {
    await starter?.stop();
    starter = undefined;
    api.closeAllConnections();
    await new Promise((done) => api.close(done));
  });

  const temporal: TemporalStarter = {
    hint: ({ namespace, name }, { source }) => {
      if (temporalIsDown) return Promise.reject(new Error('UNAVAILABLE'));
      hints.push(`${namespace}/${name} ← ${source}`);
      return Promise.resolve();
    },
    push: (push, workflowId, { settleMs }) => {
      if (temporalIsDown) return Promise.reject(new Error('UNAVAILABLE'));
      pushes.push(`${workflowId} ${push.host}/${push.repository}:${push.tag} after ${settleMs} ms`);
      return Promise.resolve('started');
    },
    polls: {
      list: async function* () {},
      create: (id) => Promise.resolve(void polls.push(`create ${id}`)),
      setInterval: () => Promise.resolve(),
      pause: () => Promise.resolve(),
      resume: () => Promise.resolve(),
      remove: () => Promise.resolve(),
    },
    problem: () => Promise.resolve(temporalIsDown ? 'Temporal does not answer' : undefined),
    close: () => Promise.resolve(),
  };

  async function start() {
    const folder = mkdtempSync(join(tmpdir(), 'starter-'));
    const file = (name: string, text: string) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const url = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
    const kubeconfig = file(
      'kubeconfig',
      JSON.stringify({
        clusters: [{ name: 'c', cluster: { server: url, 'insecure-skip-tls-verify': true } }],
        users: [{ name: 'u', user: {} }],
        contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
        'current-context': 'x',
      }),
    );
    const tokensFile = file('tokens', 'a-token-for-this-test-and-no-other\n');
    const receivers = file(
      'receivers.json',
      JSON.stringify([
        { name: 'hub', type: 'dockerhub', tokensFile, repositories: ['shop/*'], namespaces: ['shop'] },
        {
          name: 'prod',
          type: 'distribution',
          host: 'registry.example.com',
          tokensFile,
          repositories: ['shop/*'],
          namespaces: ['shop'],
        },
      ]),
    );
    const config = {
      ...readSettings({ SERIN_KUBECONFIG: kubeconfig, SERIN_RECEIVERS: receivers }),
      healthPort: 0,
      hooksPort: 0,
    };
    starter = await startStarter(
      config,
      createLog('error', () => undefined),
      temporal,
    );
  }

  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${starter!.healthPort}${path}`);
    return { status: response.status, body: await response.text() };
  };

  const until = async (what: () => boolean) => {
    for (let tries = 0; !what(); tries++) {
      if (tries > 200) throw new Error(`waited in vain; ${watches.size} watches`);
      await new Promise((done) => setTimeout(done, 10));
    }
  };

  it('hints what it finds, takes pushes, says how it is, and writes nothing to the cluster', async () => {
    await start();
    await until(() => hints.length > 1);
    expect(hints.sort()).toEqual(['elsewhere/cart ← watch/start', 'shop/cart ← watch/start']);
    const event = {
      id: '01a21100710178538976a28f7705d310',
      action: 'push',
      target: { repository: 'shop/cart', tag: '1.4.2' },
    };
    const answer = await fetch(`http://127.0.0.1:${starter!.hooksPort}/hooks/v1/prod`, {
      method: 'POST',
      headers: { authorization: 'Bearer a-token-for-this-test-and-no-other', 'content-type': 'application/json' },
      body: JSON.stringify({ events: [event] }),
    });
    expect([answer.status, await answer.json()]).toEqual([200, { accepted: 1, ignored: 0 }]);
    expect(pushes).toEqual([
      'img/prod/01a21100710178538976a28f7705d310 registry.example.com/shop/cart:1.4.2 after 5000 ms',
    ]);
    // Strangers reach this port: there is nothing else on it.
    for (const path of ['/healthz', '/readyz', '/metrics', '/', '/hooks/v1', '/hooks/v1/prod/metrics']) {
      const { status, headers } = await fetch(`http://127.0.0.1:${starter!.hooksPort}${path}`);
      expect([path, status, headers.get('content-length')]).toEqual([path, 404, '0']);
    }
    const ready = await get('/readyz');
    expect(ready.status).toBe(200);
    expect(ready.body).toContain('virtualservices.networking.istio.io is not installed');
    expect((await get('/metrics')).body).toContain('flagger_canary_weight{workload="cart",namespace="shop"} 20');
    expect(writes).toEqual([]);
    await until(() => polls.length > 0);
    expect(polls).toEqual(['create poll/shop/cart/cart']);
  });

  it('tells traces which receiver and image it was, and no address that is a secret', async () => {
    const traces = join(mkdtempSync(join(tmpdir(), 'starter-')), 'traces.jsonl');
    const collector = await serveCollector(traces);
    process.env.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url;
    try {
      await start();
      const key = 'a-token-for-this-test-and-no-other';
      const address = `/hooks/v1/hub/${capabilityToken(key, 'hub', 1)}`;
      const answer = await fetch(`http://127.0.0.1:${starter!.hooksPort}${address}?access_token=${key}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ push_data: { tag: '1.4.2', pushed_at: 1 }, repository: { repo_name: 'shop/cart' } }),
      });
      expect(answer.status).toBe(200);
      await starter!.stop();
      const [span] = collectedSpans(traces).filter(({ name }) => name === 'push');
      expect(span!.attributes).toEqual({ 'serin.receiver': 'hub', 'serin.image': 'docker.io/shop/cart:1.4.2' });
      const everything = readFileSync(traces, 'utf8');
      for (const secret of [key, address.split('/').at(-1)!, '/hooks/']) expect(everything).not.toContain(secret);
    } finally {
      delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
      await collector.close();
    }
  });

  it('does not start with networks of proxies that are none', async () => {
    const env = { SERIN_TRUSTED_PROXIES: '10.0.0.0/8, everybody' };
    const starting = startStarter(
      readSettings(env),
      createLog('error', () => undefined),
      temporal,
    );
    await expect(starting).rejects.toThrow('SERIN_TRUSTED_PROXIES: "everybody" is no network such as 10.0.0.0/8');
  });

  it('is alive but not ready while Temporal is down, and keeps its hints for it', async () => {
    temporalIsDown = true;
    await start();
    await new Promise((done) => setTimeout(done, 300));
    expect((await get('/healthz')).status).toBe(200);
    expect(await get('/readyz')).toMatchObject({
      status: 503,
      body: expect.stringContaining('Temporal does not answer'),
    });
    temporalIsDown = false;
    await until(() => hints.length > 1);
    expect(hints.sort()).toEqual(['elsewhere/cart ← watch/start', 'shop/cart ← watch/start']);
    expect((await get('/readyz')).status).toBe(200);
  });

  it('hands over what it has when it stops, and leaves no watch behind', async () => {
    temporalIsDown = true;
    await start();
    await until(() => watches.size === 11);
    await new Promise((done) => setTimeout(done, 100));
    const stopped = starter!.stop();
    temporalIsDown = false;
    await stopped;
    starter = undefined;
    expect(hints.sort()).toEqual(['elsewhere/cart ← watch/start', 'shop/cart ← watch/start']);
    await until(() => watches.size === 0);
  });
});
