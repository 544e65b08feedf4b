import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from '@jest/globals';
import { stringify } from 'yaml';
import { analysing, canary as manifest } from '../../test/corpus/admission.ts';
import { resources } from '../clients/kubernetes.ts';
import { commands, run } from './index.ts';
import { pictureOf } from './watch.ts';

async function serin(...argv: string[]): Promise<{ code: number; out: string[]; err: string[] }> {
  const [out, err]: [string[], string[]] = [[], []];
  const code = await run(argv, { env: {}, out: (line) => void out.push(line), err: (line) => void err.push(line) });
  return { code, out, err };
}

const folder = mkdtempSync(join(tmpdir(), 'serin-cli-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, ...objects: object[]): string {
  const path = join(folder, name);
  writeFileSync(path, objects.map((object) => stringify(object)).join('---\n'));
  return path;
}

describe('the command line', () => {
  it('lists its commands, each with a line', async () => {
    const { code, out } = await serin('--help');
    expect(code).toBe(0);
    for (const [name, { summary }] of commands) expect(out.join('\n')).toContain(`${name.padEnd(10)}  ${summary}`);
    expect((await serin()).code).toBe(2);
  });

  it.each([...commands.keys()])('%s has a help of its own', async (name) => {
    const { code, out } = await serin(name, '--help');
    expect(code).toBe(0);
    expect(out[0]).toMatch(new RegExp(`^serin ${name}`));
    expect(out.join('\n')).toContain('--output');
  });

  it.each<[string[], string]>([
    [['undo'], 'unknown command undo; there are list, get, watch, history, why, pause,'],
    [['pause'], 'serin pause: "" names no Canary; write <namespace>/<name>, or a name and --namespace'],
    [['pause', 'shop'], 'serin pause: "shop" names no Canary;'],
    [['pause', 'a/b/c'], 'serin pause: "a/b/c" names no Canary;'],
    [['set-weight', 'prod/shop', 'half'], 'serin set-weight: "half" is no weight; write a whole number of percent'],
    [['list', '--no-such'], "serin list: Unknown option '--no-such'"],
    [['lint'], 'serin lint: name at least one file'],
    [['history', 'prod/shop', '--run', 'x'], 'serin history: --run goes with --audit'],
  ])('%j is told what is wrong, with exit code 2', async (argv, message) => {
    const { code, err } = await serin(...argv);
    expect(code).toBe(2);
    expect(err[0]).toContain(message);
  });
});

it('runs as a program', async () => {
  const entry = fileURLToPath(new URL('../cli.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [entry, '--help']);
  expect(stdout).toMatch(/^serin <command> …\n/);
  const wrong = promisify(execFile)(process.execPath, [entry, 'undo']);
  await expect(wrong).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining('unknown command undo') });
}, 20_000);

describe('serin lint', () => {
  it('has nothing to say of what is right', async () => {
    const path = file('good.yaml', manifest(), { apiVersion: 'v1', kind: 'Service', metadata: { name: 'x' } });
    expect(await serin('lint', path)).toEqual({ code: 0, out: [], err: ['nothing to say'] });
  });

  it('tells errors and warnings, of every object in every file', async () => {
    const wrong = file(
      'wrong.yaml',
      manifest({ provider: 'nginx' }),
      { apiVersion: 'flagger.app/v1beta1', kind: 'MetricTemplate', metadata: { name: 'm' }, spec: { query: 'up' } },
      { apiVersion: 'flagger.app/v1beta1', kind: 'AlertProvider', metadata: { name: 'a' }, spec: { type: 'pigeon' } },
    );
    const odd = file('odd.yaml', analysing({ maxWeight: 400 }));
    const { code, out } = await serin('lint', wrong, odd, '-o', 'json');
    expect(code).toBe(1);
    const remarks = JSON.parse(out.join('\n')) as { file: string; object: string; level: string; message: string }[];
    expect(remarks.map(({ level, object }) => `${level} ${object.split(' ')[0]}`)).toEqual([
      'error Canary',
      'error MetricTemplate',
      'error AlertProvider',
      'warning Canary',
    ]);
    expect(remarks[0]!.message).toContain('spec.provider: the provider nginx is not supported yet');
    expect(remarks[3]!.file).toBe(odd);
  });

  it('tells of a field that does not exist', async () => {
    const { spec } = manifest() as { spec: object };
    const { code, out } = await serin('lint', file('typo.yaml', manifest({ ...spec, progressDeadlineSecond: 5 })));
    expect(code).toBe(0);
    expect(out[1]).toContain('spec.progressDeadlineSecond: is no field of a Canary, and is dropped by the API server');
  });

  it('takes the provider of the settings', async () => {
    const path = file('plain.yaml', manifest());
    expect((await serin('lint', path, '--mesh-provider', 'linkerd')).code).toBe(1);
  });

  it.each([
    ['no-such.yaml', /ENOENT/],
    ['broken.yaml', /broken\.yaml: /],
  ])('says what it cannot read: %s', async (name, message) => {
    if (name === 'broken.yaml') writeFileSync(join(folder, name), 'a: [1');
    const { code, err } = await serin('lint', join(folder, name));
    expect(code).toBe(1);
    expect(err[0]).toMatch(message);
  });
});

it.each([
  ['YAML', stringify],
  ['JSON', JSON.stringify],
])('serin lint reads the lists that kubectl prints as %s', async (_, write) => {
  const wrong = { ...manifest({ provider: 'linkerd' }), status: { phase: 'Initialized' } };
  const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'shop' }, spec: {} };
  const path = join(folder, 'list');
  const list = (...items: object[]) => ({ apiVersion: 'v1', kind: 'List', metadata: { resourceVersion: '' }, items });
  writeFileSync(path, write(list(deployment, list(manifest()), wrong)));
  const { code, out } = await serin('lint', path, '-o', 'json');
  expect(code).toBe(1);
  expect(JSON.parse(out.join('\n'))).toEqual([
    expect.objectContaining({ level: 'error', message: expect.stringContaining('linkerd') }),
  ]);
  writeFileSync(path, write(list()));
  expect(await serin('lint', path)).toEqual({ code: 0, out: [], err: ['nothing to say'] });
});

describe('serin lint, about images', () => {
  const canary = manifest();
  const following = (policies: object[], more: object = {}) => ({
    ...canary,
    metadata: {
      ...canary.metadata,
      annotations: { 'serin.dev/image-policies': JSON.stringify(policies), ...more },
    },
  });
  const trigger = (spec: object) => ({
    apiVersion: 'serin.dev/v1alpha1',
    kind: 'ImageTrigger',
    metadata: { name: 'shop', namespace: 'prod' },
    spec: { canaryRef: { name: 'shop' }, receivers: ['acr'], ...spec },
  });

  it.each([
    [
      'a policy that is none',
      following([{ container: 'shop', policy: 'newest-build' }]),
      1,
      /policy kind "newest-build"/,
    ],
    ['a poll that is too often', following([], { 'serin.dev/image-poll': '5s' }), 1, /image-poll is "5s"/],
    [
      'a pattern that looks anywhere',
      following([{ container: 'shop', policy: 'regex:main-[0-9]+', sort: 'alphabetical' }]),
      0,
      /container shop: regex:main-\[0-9\]\+ looks anywhere in a tag; anchor it/,
    ],
    ['an ImageTrigger without images', trigger({ images: [] }), 1, /spec.images/],
    [
      'an ImageTrigger whose pattern is none',
      trigger({ images: [{ container: 'shop', policy: { numerical: { pattern: '(' } } }] }),
      1,
      /ImageTrigger shop, container shop: regex:\( is not a pattern of RE2/,
    ],
    [
      'a field that the API server drops',
      trigger({ images: [{ container: 'shop', policy: { exact: { tag: 'a' } } }], pause: true }),
      0,
      /spec.pause: is no field of a ImageTrigger/,
    ],
  ])('tells %s', async (name, object, exit, message) => {
    const { code, out } = await serin('lint', file(`${name.replaceAll(' ', '-')}.yaml`, object), '-o', 'json');
    expect(code).toBe(exit);
    expect((JSON.parse(out.join('\n')) as { message: string }[]).map((remark) => remark.message)).toEqual([
      expect.stringMatching(message),
    ]);
  });
});

it('serin lint has nothing to say of images that follow tags as they should', async () => {
  const policies = [{ container: 'shop', policy: 'regex:^main-(?P<n>[0-9]+)$', extract: '$n', sort: 'numerical' }];
  const canary = manifest();
  const annotations = { 'serin.dev/image-policies': JSON.stringify(policies) };
  const path = file('follows.yaml', { ...canary, metadata: { ...canary.metadata, annotations } });
  expect(await serin('lint', path)).toEqual({ code: 0, out: [], err: ['nothing to say'] });
});

describe('serin hook-url', () => {
  const hub = { name: 'hub', type: 'dockerhub', tokensEnv: 'KEY', repositories: ['acme/*'], namespaces: ['shop'] };
  const plain = { ...hub, name: 'plain', type: 'distribution', host: 'registry.example.com' };
  const path = join(folder, 'receivers.json');
  writeFileSync(path, JSON.stringify([hub, plain]));
  const hookUrl = async (
    argv: string[],
    env: Record<string, string> = { KEY: 'a-key-for-addresses-of-this-test-1' },
  ) => {
    const [out, err]: [string[], string[]] = [[], []];
    const code = await run(['hook-url', ...argv], {
      env,
      out: (line) => void out.push(line),
      err: (line) => void err.push(line),
    });
    return { code, out, err };
  };

  it('prints the address that a sender is to be told, the same each time', async () => {
    const base = ['--receivers', path, '--base', 'https://hooks.example.com/'];
    const { code, out } = await hookUrl(['hub', ...base]);
    expect([code, out]).toEqual([
      0,
      [expect.stringMatching(/^https:\/\/hooks\.example\.com\/hooks\/v1\/hub\/[\w-]{43}$/)],
    ]);
    expect((await hookUrl(['hub', ...base])).out).toEqual(out);
    expect((await hookUrl(['plain', ...base])).out).toEqual(['https://hooks.example.com/hooks/v1/plain']);
  });

  it('says what is missing', async () => {
    expect(await hookUrl(['hub'])).toMatchObject({
      code: 2,
      err: expect.arrayContaining([expect.stringContaining('SERIN_RECEIVERS')]),
    });
    expect(await hookUrl([])).toMatchObject({ code: 2 });
    const of = ['--receivers', path];
    expect(await hookUrl(['other', ...of])).toMatchObject({
      code: 1,
      err: [expect.stringContaining('has hub, plain, not other')],
    });
    expect(await hookUrl(['hub', ...of], {})).toMatchObject({
      code: 1,
      err: [expect.stringContaining('KEY is not set')],
    });
  });
});

describe('serin lint --generated', () => {
  const labels = { app: 'shop' };
  const container = { name: 'shop', image: 'shop:1', ports: [{ name: 'http', containerPort: 8080 }] };
  const deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'shop', namespace: 'default' },
    spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [container] } } },
  };

  it('lists what would be made for the Canaries of the files', async () => {
    const { code, out, err } = await serin('lint', '-g', file('shop.yaml', deployment, manifest()));
    expect([code, err]).toEqual([0, []]);
    expect(out.slice(1).map((line) => line.split(/ +/))).toEqual([
      ['Service', 'default', 'shop-canary'],
      ['Service', 'default', 'shop-primary'],
      ['Deployment', 'default', 'shop-primary'],
      ['Service', 'default', 'shop'],
      ['DestinationRule', 'default', 'shop-canary'],
      ['DestinationRule', 'default', 'shop-primary'],
      ['VirtualService', 'default', 'shop'],
    ]);
  });

  it('or whole, as they would be written', async () => {
    const { out } = await serin('lint', '--generated', '-o', 'json', file('shop.yaml', deployment, manifest()));
    const objects = JSON.parse(out.join('\n')) as { kind: string; metadata: { name: string }; spec: object }[];
    const route = objects.find(({ kind }) => kind === 'VirtualService')!;
    expect(route.spec).toMatchObject({
      hosts: ['shop'],
      http: [{ route: [{ destination: { host: 'shop-primary' }, weight: 100 }, { weight: 0 }] }],
    });
    const primary = objects.find(({ kind }) => kind === 'Deployment')!;
    expect(primary.spec).toMatchObject({ selector: { matchLabels: { app: 'shop-primary' } } });
  });

  it('tells a Service of Knative from one of Kubernetes', async () => {
    const { knativeServices } = resources;
    const { apiVersion, kind } = knativeServices;
    const service = {
      ...{ apiVersion, kind, metadata: { name: 'shop', namespace: 'default' } },
      spec: { template: { spec: { containers: [container] } } },
      status: { latestCreatedRevisionName: 'shop-00001', latestReadyRevisionName: 'shop-00001' },
    };
    const spec = { provider: 'knative', targetRef: { apiVersion, kind, name: 'shop' }, service: undefined };
    const { out, err } = await serin('lint', '-g', file('knative.yaml', service, manifest(spec)));
    // Knative makes what there is to make; what Serin writes is in the Service that was given.
    expect([out, err]).toEqual([[], []]);
  });

  it('says what it would need to know more, and still what is wrong', async () => {
    const { code, out, err } = await serin(
      'lint',
      '-g',
      file('alone.yaml', manifest(), analysing({ stepWeights: [5, 5] })),
    );
    expect(code).toBe(1);
    expect(out).toEqual([]);
    expect(err.join('\n')).toContain('more than one of iterations, stepWeight and stepWeights');
    expect(err.at(-1)).toBe(
      'not all of shop: deployment shop.default get query error: deployments.apps "shop" not found',
    );
  });
});

describe('serin simulate', () => {
  const good = file('play.yaml', manifest());
  const world = (content: object) => file('world.yaml', content);
  const texts = ({ out }: { out: string[] }) =>
    out.slice(1).map((line) => line.replace(/^\S+ +/, '').replace(/ +/g, ' '));

  it('plays a good revision, where nothing else is said', async () => {
    const played = await serin('simulate', good);
    expect(played.code).toBe(0);
    expect(played.err).toEqual(['promoted']);
    expect(played.out[0]).toMatch(/^TIME +WHAT +TEXT$/);
    expect(texts(played).filter((text) => text.startsWith('traffic'))).toEqual([
      ...[10, 20, 30, 40, 50, 60, 70, 80, 90, 100].map(
        (weight) => `traffic ${100 - weight} % primary, ${weight} % canary`,
      ),
      'traffic 100 % primary, 0 % canary',
    ]);
  });

  it('plays what the world says: revisions, checks, hooks, orders, an outage', async () => {
    const canary = analysing({
      threshold: 2,
      maxWeight: 30,
      metrics: [
        { name: 'request-success-rate', thresholdRange: { min: 99 } },
        { name: 'latency', templateRef: { name: 'latency' }, thresholdRange: { min: 10, max: 20 } },
      ],
      webhooks: [{ name: 'gate', type: 'confirm-traffic-increase', url: 'http://tester/' }],
      approvals: [{ name: 'managers', before: 'promotion', excludeAuthor: true }],
    });
    const played = await serin(
      'simulate',
      file('more.yaml', canary),
      '--world',
      world({
        author: 'ada',
        revisions: [
          { name: 'one' },
          {
            name: 'two',
            at: '30m',
            checks: {
              latency: [
                { from: '0s', value: 15 },
                { from: '33m', value: 'none' },
              ],
            },
          },
        ],
        hooks: {
          gate: [
            { from: '0s', value: 'no' },
            { from: '2m30s', value: 'yes' },
          ],
        },
        metricsDown: [{ from: '4m', to: '5m' }],
        orders: [
          { at: '20m', order: 'approve', by: 'ada' },
          { at: '21m', order: 'approve', by: 'bob' },
        ],
      }),
    );
    expect(played.code).toBe(0);

    expect(texts(played)).toEqual(
      expect.arrayContaining([
        'warning Halt shop.default advancement waiting for traffic increase approval gate',
        'warning Prometheus query failed: nobody answers',
        'warning Order approve by ada refused: ada made this change, and may not approve managers',
        'event Approved by bob, managers (1 of 1)',
        'event Promotion completed! Scaling down shop.default',
        'warning Halt advancement no values found for custom metric: latency: running query failed: no values found',
        'warning Canary failed! Scaling down shop.default',
      ]),
    );
    expect(played.err.at(-1)).toBe('rolled back: 2 failed checks');
  });

  it('plays the beginning of a Canary too', async () => {
    const played = await serin('simulate', good, '-w', world({ initialized: false }));
    expect(played.err).toEqual(['initialized: the primary is ready and serves']);
    expect(texts(played)).toContain('event Initialization done! shop.default');
  });

  it('says when it is not over, with exit code 1', async () => {
    const orders = [{ at: '2m', order: 'pause' }];
    const played = await serin('simulate', good, '-w', world({ orders, until: '10m' }));
    expect(played.code).toBe(1);
    expect(played.err.at(-1)).toBe('not over when the play was cut; give the world a later "until"');
  });

  it.each<[object, string]>([
    [{ revisions: [{ name: 'a', at: 'soon' }] }, 'revisions[0].at: "soon" is no duration; write one such as 30s or 5m'],
    [{ revision: [] }, 'Unrecognized key: "revision"'],
    [{ orders: [{ at: '1m', order: 'undo' }] }, 'orders[0].order'],
  ])('%j: the world cannot be read', async (content, message) => {
    const { code, err } = await serin('simulate', good, '-w', world(content));
    expect(code).toBe(1);
    expect(err[0]).toContain(`serin simulate: the world cannot be read: `);
    expect(err[0]).toContain(message);
  });

  it('refuses a Canary that nothing would be done about, and a choice that is none', async () => {
    const wrong = await serin('simulate', file('wrong.yaml', manifest({ provider: 'nginx' })));
    expect(wrong.err[0]).toContain(
      'serin simulate: nothing would happen: spec.provider: the provider nginx is not supported yet',
    );
    const two = file('two.yaml', manifest(), { ...manifest(), metadata: { name: 'cart', namespace: 'default' } });
    expect((await serin('simulate', two)).err[0]).toContain('has several Canaries: say which with --canary shop, cart');
    expect((await serin('simulate', two, '--canary', 'cart')).code).toBe(0);
    expect((await serin('simulate', two, '--canary', 'till')).err[0]).toContain('has no Canary till');
    expect((await serin('simulate')).code).toBe(2);
  });

  it('says which variable has a wrong value', async () => {
    const err: string[] = [];
    const env = { SERIN_DRAIN_MS: 'soon' };
    const code = await run(['simulate', good], { env, out: () => undefined, err: (line) => void err.push(line) });
    expect([code, err]).toEqual([
      1,
      ['serin simulate: SERIN_DRAIN_MS is "soon", expected a whole number from 0 to 600000'],
    ]);
  });
});

describe('serin completion', () => {
  /** What bash offers behind these words, of which the last is being typed. */
  async function offered(...words: string[]): Promise<string[]> {
    const script = (await serin('completion', 'bash')).out.join('\n');
    const ask = [
      `COMP_WORDS=(serin ${words.map((word) => `'${word}'`).join(' ')})`,
      `COMP_CWORD=${words.length}`,
      '_serin',
      'printf "%s\\n" "${COMPREPLY[@]}"',
    ].join('\n');
    const { stdout } = await promisify(execFile)('bash', ['-c', `${script}\n${ask}`]);
    return stdout.split('\n').filter((word) => word !== '');
  }

  it('offers bash the commands, and the options of each', async () => {
    expect(await offered('pa')).toEqual(['pause']);
    expect(await offered('')).toEqual([...commands.keys()]);
    expect(await offered('promote', 'prod/shop', '--f')).toEqual(['--force']);
    expect(await offered('wait', '--')).toEqual([
      '--image',
      '--revision',
      '--timeout',
      '--namespace',
      '--output',
      '--help',
    ]);
    expect(await offered('lint', './')).toEqual([]);
  });

  it('has a script for zsh and fish, and names no other', async () => {
    expect((await serin('completion', 'zsh')).out.join('\n')).toContain('bashcompinit');
    const { out } = await serin('completion', 'fish');
    for (const name of commands.keys()) expect(out.join('\n')).toContain(` -a ${name} -d '`);
    expect((await serin('completion', 'tcsh')).err[0]).toContain(
      '"tcsh" is no shell that is known; use bash, zsh, fish',
    );
  });
});

describe('the picture of serin watch', () => {
  const seen: Parameters<typeof pictureOf>[0] = {
    ...{ canary: 'prod/shop', run: 'r', status: 'RUNNING', phase: 'Progressing', weight: 20, target: 'prod/shop' },
    ...{ revision: 'v1:2', image: 'shop:2', outcome: '', started: '2026-11-30T10:00:00.000Z' },
    progress: {
      phase: 'WaitingPromotion',
      ...{ revision: 'v1:2', canaryWeight: 20, failedChecks: 1, threshold: 5, paused: false, orders: [] },
      doing: 'waiting for approval managers (1 of 2)',
      approvals: [
        {
          ...{ name: 'managers', quorum: 2, votes: [{ by: 'ada', at: 0 }], approvers: [] },
          ...{ before: 'promotion', otherwise: 'reject', deadline: '2026-12-01T00:00:00.000Z' },
        },
      ],
    },
  };
  const story = [1, 2, 3, 4].map((second) => ({
    at: `2026-11-30T10:00:0${second}.000Z`,
    kind: 'event' as const,
    text: `Advance shop.prod canary weight ${second}0`,
  }));
  const now = new Date('2026-11-30T10:00:05Z');

  it('has everything in its place, and as much of the story as there is room for', () => {
    expect(pictureOf(seen, story, { columns: 60, rows: 11 }, now)).toEqual([
      'prod/shop   WaitingPromotion   10:00:05 UTC',
      '',
      'canary    ███████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░  20 %',
      'checks    1 of 5 failed',
      'revision  v1:2   shop:2',
      'approval  managers: 1 of 2 (ada), until 2026-12-01T00:00:00…',
      'now       waiting for approval managers (1 of 2)',
      '',
      '10:00:03  event    Advance shop.prod canary weight 30',
      '10:00:04  event    Advance shop.prod canary weight 40',
    ]);
  });

  it('says what came of a release that is over, worker or not', () => {
    const over = {
      ...seen,
      status: 'COMPLETED',
      phase: 'Failed',
      outcome: 'rolled back',
      progress: undefined,
      unanswered: 'x',
    };
    expect(pictureOf(over, [], { columns: 120, rows: 24 }, now)).toContain(
      'now       at rest: rolled back; this revision failed and is not tried again by itself: serin retry',
    );
  });
});

describe('serin config', () => {
  const config = async (env: Record<string, string>, ...words: string[]) => {
    const [out, err]: [string[], string[]] = [[], []];
    const code = await run(['config', ...words], { env, out: (line) => out.push(line), err: (line) => err.push(line) });
    return { code, out: out.join('\n'), err: err.join('\n') };
  };

  it('says what a process would take, and from where, but no secret', async () => {
    const env = { SERIN_DRAIN_MS: '5', SLACK_TOKEN: 'xoxb-hush', TEMPORAL_ADDRESS: 'temporal:7233', SERIN_PROT: '1' };
    const { code, out, err } = await config(
      env,
      'worker',
      '--changed',
      '-o',
      'json',
      '--',
      '-mesh-provider',
      'knative',
    );
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual([
      { name: 'SERIN_MESH_PROVIDER', value: 'knative', origin: '-mesh-provider', readBy: ['worker', 'starter'] },
      { name: 'SLACK_TOKEN', value: '(set)', origin: 'SLACK_TOKEN', readBy: ['worker'] },
      { name: 'SERIN_DRAIN_MS', value: '5', origin: 'SERIN_DRAIN_MS', readBy: ['worker'] },
      { name: 'TEMPORAL_ADDRESS', value: 'temporal:7233', origin: 'TEMPORAL_ADDRESS', readBy: ['worker', 'starter'] },
    ]);
    expect(err).toBe('');
    expect((await config(env)).err).toBe('SERIN_PROT is no setting; did you mean SERIN_PORT?');
  });

  it('leaves out what a process does not read', async () => {
    const { out } = await config({}, 'starter');
    expect(out).toMatch(/^SERIN_HOOKS_PORT +8090 +default +starter$/m);
    expect(out).not.toContain('SLACK_TOKEN');
  });

  it('refuses what the process would refuse', async () => {
    expect(await config({ SERIN_PORT: 'http' })).toMatchObject({ code: 1, err: expect.stringContaining('SERIN_PORT') });
    expect(await config({}, 'gateway')).toMatchObject({ code: 2 });
  });
});
