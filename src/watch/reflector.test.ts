import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { KubeConfig } from '@kubernetes/client-node';
import { Registry } from 'prom-client';
import { createKubernetes } from '../clients/kubernetes-client.ts';
import { resources, type KubernetesObject } from '../clients/kubernetes.ts';
import { createLog } from '../log.ts';
import { reflectorMeters } from './meters.ts';
import { createReflector, type Change } from './reflector.ts';

/** One answer of the API server, in the order of the script. */
type Scene = (response: ServerResponse, query: URLSearchParams) => void;

/*
 * An API server that plays a script: each request takes the next scene. It is what a reflector has to live with, one
 * row of the table of the client library's behaviour after another; the client in between is the real one.
 */
let server: Server;
let scenes: Scene[];
let requests: string[];
/** When each request came in, and when its answer was written: what lies between is the reflector's own pause. */
let cameAt: number[];
let answeredAt: number[];
let open: Set<ServerResponse>;
let life: AbortController;
let finished: Promise<void> | undefined;
let changes: string[];
let logged: string[];
let registry: Registry;

beforeEach(async () => {
  [scenes, requests, open, changes, logged] = [[], [], new Set(), [], []];
  [cameAt, answeredAt] = [[], []];
  life = new AbortController();
  registry = new Registry();
  server = createServer((request, response) => play(request, response));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
});

afterEach(async () => {
  life.abort();
  await finished;
  finished = undefined;
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
});

function play(request: IncomingMessage, response: ServerResponse): void {
  const { searchParams } = new URL(request.url ?? '/', 'http://api');
  const watching = searchParams.get('watch') === 'true';
  const from = searchParams.get('resourceVersion') ?? '';
  requests.push(watching ? `watch ${from}` : `list ${searchParams.get('continue') ?? ''}`.trim());
  cameAt.push(performance.now());
  open.add(response);
  response.on('close', () => open.delete(response));
  const scene = scenes.shift() ?? (watching ? hold : list('999'));
  scene(response, searchParams);
  answeredAt.push(performance.now());
}

const object = (name: string, version: number, more: object = {}): KubernetesObject => ({
  apiVersion: 'flagger.app/v1beta1',
  kind: 'Canary',
  metadata: { name, namespace: 'shop', uid: `uid-${name}`, resourceVersion: String(version) },
  ...more,
});

const list =
  (resourceVersion: string, objects: KubernetesObject[] = [], more?: string): Scene =>
  (response) =>
    response.end(JSON.stringify({ metadata: { resourceVersion, continue: more }, items: objects }));

const status =
  (code: number, message = 'no'): Scene =>
  (response) =>
    response
      .writeHead(code, { 'content-type': 'application/json' })
      .end(JSON.stringify({ kind: 'Status', code, message }));

const stream =
  (events: object[], then: 'close' | 'reset' | 'hold'): Scene =>
  (response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    for (const event of events) response.write(`${JSON.stringify(event)}\n`);
    if (then === 'close') response.end();
    // After the bytes are out, or the reset would overtake them.
    if (then === 'reset') setTimeout(() => response.socket?.resetAndDestroy(), 20);
  };

const hold = stream([], 'hold');
const event = (type: string, changed: object) => ({ type, object: changed });
const gone: Scene = stream(
  [event('ERROR', { kind: 'Status', code: 410, message: 'too old resource version' })],
  'close',
);

function start(onChange: (change: Change<string>) => void = () => undefined, timing: object = {}) {
  const config = new KubeConfig();
  const { port } = server.address() as AddressInfo;
  config.loadFromOptions({
    clusters: [{ name: 'fake', server: `http://127.0.0.1:${port}`, skipTLSVerify: true }],
    users: [{ name: 'nobody' }],
    contexts: [{ name: 'fake', cluster: 'fake', user: 'nobody' }],
    currentContext: 'fake',
  });
  const reflector = createReflector<string>({
    kubernetes: createKubernetes(config, { fieldManager: 'serin', timeoutMs: 2_000, watchSilenceMs: 300 }),
    resource: resources.canaries,
    namespace: undefined,
    keep: (kept) => `${kept.metadata.name}@${kept.metadata.resourceVersion}`,
    onChange: (change) => {
      changes.push(`${change.before ?? 'none'} → ${change.after ?? 'none'}`);
      onChange(change);
    },
    log: createLog('debug', (line) => logged.push(line)),
    meters: reflectorMeters(registry),
    timing: { minBackoffMs: 5, maxBackoffMs: 40, missingMs: 60, healthyMs: 250, ...timing },
  });
  finished = reflector.run(life.signal);
  return reflector;
}

async function until(what: () => boolean): Promise<void> {
  const deadline = Date.now() + 4_000;
  while (!what()) {
    if (Date.now() > deadline)
      throw new Error(`waited in vain; requests: ${requests.join(', ')}; changes: ${changes.join(', ')}`);
    await new Promise((done) => setTimeout(done, 5));
  }
}

const settled = (count: number) => until(() => requests.length >= count && requests.at(-1)!.startsWith('watch'));

describe('a reflector', () => {
  it('lists page by page, then watches from where the list ended', async () => {
    scenes = [list('', [object('a', 1)], 'page-2'), list('10', [object('b', 2)])];
    const reflector = start();
    await settled(3);
    expect(requests).toEqual(['list', 'list page-2', 'watch 10']);
    expect([...reflector.values()]).toEqual(['a@1', 'b@2']);
    expect(reflector.state).toEqual({ synced: true, missing: false });
  });

  it('tells of what is added, changed and deleted, and goes on from the last version it saw', async () => {
    scenes = [
      list('10', [object('a', 1)]),
      stream(
        [
          event('ADDED', object('b', 11)),
          event('MODIFIED', object('a', 12)),
          event('DELETED', object('b', 13)),
          event('BOOKMARK', object('', 20)),
        ],
        'close',
      ),
    ];
    start();
    await settled(3);
    expect(changes).toEqual(['none → a@1', 'none → b@11', 'a@1 → a@12', 'b@11 → none']);
    expect(requests).toEqual(['list', 'watch 10', 'watch 20']);
  });

  it('a second list tells only of what really changed while it was away', async () => {
    scenes = [
      list('10', [object('same', 1), object('changed', 2), object('gone', 3)]),
      gone,
      list('50', [object('same', 1), object('changed', 40), object('new', 41)]),
    ];
    start();
    await settled(4);
    expect(changes.slice(3)).toEqual(['changed@2 → changed@40', 'none → new@41', 'gone@3 → none']);
    expect(requests).toEqual(['list', 'watch 10', 'list', 'watch 50']);
  });

  it.each`
    trouble                    | scene
    ${'HTTP 410'}              | ${status(410, 'too old')}
    ${'an ERROR event of 410'} | ${gone}
  `('lists again after $trouble, without a word in the log', async ({ scene }) => {
    scenes = [list('10'), scene as Scene, list('30')];
    start();
    await settled(4);
    expect(requests).toEqual(['list', 'watch 10', 'list', 'watch 30']);
    expect(logged.filter((line) => line.includes('"warn"'))).toEqual([]);
  });

  it.each`
    trouble                             | scene
    ${'a clean close'}                  | ${stream([], 'close')}
    ${'a reset in mid-stream'}          | ${stream([], 'reset')}
    ${'HTTP 500'}                       | ${status(500)}
    ${'HTTP 401'}                       | ${status(401)}
    ${'an ERROR event of another kind'} | ${stream([event('ERROR', { code: 500, message: 'etcd' })], 'hold')}
    ${'silence'}                        | ${hold}
  `('watches again from the same place after $trouble', async ({ scene }) => {
    scenes = [list('10'), scene as Scene, stream([event('ADDED', object('late', 11))], 'hold')];
    const reflector = start();
    await until(() => changes.length === 1);
    expect(requests.slice(0, 3)).toEqual(['list', 'watch 10', 'watch 10']);
    expect(changes).toEqual(['none → late@11']);
    expect(reflector.state).toEqual({ synced: true, missing: false });
  });

  it('an ERROR that repeats makes it list again', async () => {
    const broken = stream([event('ERROR', { code: 500, message: 'etcd' })], 'close');
    scenes = [list('10'), broken, broken, list('30')];
    start();
    await until(() => requests.includes('watch 30'));
    expect(requests).toEqual(['list', 'watch 10', 'watch 10', 'list', 'watch 30']);
  });

  it('a failed list is tried again until it works; what was known is kept', async () => {
    scenes = [list('10', [object('a', 1)]), gone, status(503), status(500), list('40', [object('a', 1)])];
    const reflector = start();
    await until(() => requests.includes('watch 40'));
    expect(changes).toEqual(['none → a@1']);
    expect([...reflector.values()]).toEqual(['a@1']);
  });

  it('survives an API server that goes away and comes back', async () => {
    scenes = [list('10', [object('a', 1)])];
    const reflector = start();
    await settled(2);
    const { port } = server.address() as AddressInfo;
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
    await until(() => reflector.state.problem !== undefined);
    expect([...reflector.values()]).toEqual(['a@1']);

    // It has forgotten its history, and has other objects.
    const restarted: Scene = (response, query) => {
      if (query.get('watch') !== 'true') return list('5', [object('b', 4)])(response, query);
      return (query.get('resourceVersion') === '10' ? status(410) : hold)(response, query);
    };
    scenes = Array<Scene>(10).fill(restarted);
    server = createServer((request, response) => play(request, response));
    await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
    await until(() => changes.includes('none → b@4'));
    expect(changes).toEqual(['none → a@1', 'none → b@4', 'a@1 → none']);
    expect(reflector.state).toEqual({ synced: true, missing: false });
  });

  it('an expired continue token starts the list anew', async () => {
    scenes = [list('', [object('a', 1)], 'page-2'), status(410, 'continue expired'), list('20', [object('a', 1)])];
    start();
    await settled(4);
    expect(requests).toEqual(['list', 'list page-2', 'list', 'watch 20']);
    expect(changes).toEqual(['none → a@1']);
  });

  it('an object without a version, from a server that closes at once, is no tight loop', async () => {
    const strange = { ...object('odd', 0), metadata: { name: 'odd', namespace: 'shop' } };
    scenes = [list('10'), ...Array<Scene>(50).fill(stream([event('ADDED', strange)], 'close'))];
    start();
    await settled(3);
    await new Promise((done) => setTimeout(done, 300));
    expect(requests.length).toBeLessThan(8);
    expect(new Set(requests)).toEqual(new Set(['list', 'watch 10']));
  });

  it('a callback that throws is logged, and the next change still comes', async () => {
    scenes = [list('10'), stream([event('ADDED', object('bad', 11)), event('ADDED', object('good', 12))], 'close')];
    start(({ after }) => {
      if (after?.startsWith('bad')) throw new Error('cannot handle this');
    });
    await settled(3);
    expect(changes).toEqual(['none → bad@11', 'none → good@12']);
    expect(requests.at(-1)).toBe('watch 12');
    expect(logged.join('\n')).toContain('cannot handle this');
  });

  it('a resource that is not installed is reported, and found when it comes; nothing else is disturbed', async () => {
    scenes = [status(404), status(404), list('10', [object('a', 1)])];
    const reflector = start();
    await until(() => reflector.state.missing);
    expect(reflector.state.synced).toBe(false);
    await settled(4);
    expect(changes).toEqual(['none → a@1']);
    expect(reflector.state).toEqual({ synced: true, missing: false });
    expect(logged.filter((line) => line.includes('not found'))).toHaveLength(1);
  });

  it('a resource that is not installed is asked for ever less often, up to a limit', async () => {
    scenes = [status(404), status(404), status(404), status(404), list('10')];
    start(undefined, { missingMs: 20, maxMissingMs: 80 });
    await until(() => requests.length >= 5);
    // 20, 40, 80, 80 ms, each a tenth more or less. From an answer to the next request a slow machine can only add to
    // them; a timer may fire a millisecond early.
    const pauses = cameAt.slice(1, 5).map((at, index) => at - answeredAt[index]!);
    for (const [index, atLeast] of [18, 36, 72, 72].entries())
      expect(pauses[index]).toBeGreaterThanOrEqual(atLeast - 1);
  });

  it('a 404 of a server that is starting up deletes nothing', async () => {
    scenes = [list('10', [object('a', 1)]), gone, status(404), list('20', [object('a', 1)])];
    const reflector = start();
    await until(() => requests.includes('watch 20'));
    expect(changes).toEqual(['none → a@1']);
    expect([...reflector.values()]).toEqual(['a@1']);
  });

  it('lists in full now and then, as insurance', async () => {
    const aWhile: Scene = (response) => void setTimeout(() => response.end(), 60);
    scenes = [list('10'), aWhile, list('11', [object('missed', 11)])];
    start(undefined, { relistMs: 20 });
    await until(() => changes.length > 0);
    expect(changes).toEqual(['none → missed@11']);
  });

  it('once stopped it opens no watch any more, wherever it was', async () => {
    scenes = [list('10')];
    start();
    await settled(2);
    expect(open.size).toBe(1);
    life.abort();
    await finished;
    await until(() => open.size === 0);
    const before = requests.length;
    await new Promise((done) => setTimeout(done, 150));
    expect(requests).toHaveLength(before);
  });

  it('stops at once while it waits in back-off', async () => {
    scenes = Array<Scene>(20).fill(status(500));
    start(undefined, { minBackoffMs: 60_000, maxBackoffMs: 60_000 });
    await until(() => logged.some((line) => line.includes('watch failed')));
    life.abort();
    await finished;
    expect(requests).toEqual(['list']);
  });

  it('says when it last heard from the server and how often it listed', async () => {
    scenes = [list('10'), gone, list('20')];
    start();
    await settled(4);
    const text = await registry.metrics();
    expect(text).toContain('serin_watch_lists_total{resource="canaries"} 2');
    expect(text).toMatch(/serin_watch_last_event_timestamp_seconds\{resource="canaries"\} \d{10}/);
  });
});
