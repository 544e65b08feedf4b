import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from '@jest/globals';
import { stringify } from 'yaml';
import { analysing, canary as manifest } from '../../test/corpus/admission.ts';
import { commands, run } from './index.ts';

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
    [['undo'], 'unknown command undo; there are list, get, history, why, pause,'],
    [['pause'], 'serin pause: "" names no Canary; write <namespace>/<name>, or a name and --namespace'],
    [['pause', 'shop'], 'serin pause: "shop" names no Canary;'],
    [['pause', 'a/b/c'], 'serin pause: "a/b/c" names no Canary;'],
    [['set-weight', 'prod/shop', 'half'], 'serin set-weight: "half" is no weight; write a whole number of percent'],
    [['list', '--no-such'], "serin list: Unknown option '--no-such'"],
    [['lint'], 'serin lint: name at least one file'],
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
