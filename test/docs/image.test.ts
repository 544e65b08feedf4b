import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { provideTool } from '../../local/tools.ts';
import { read } from '../support/manifests.ts';

const top = new URL('../..', import.meta.url).pathname;
const dockerfile = read('Dockerfile');
const pack = JSON.parse(read('package.json')) as {
  version: string;
  license: string;
  devDependencies: Readonly<Record<string, string>>;
};

describe('the Dockerfile', () => {
  let hadolint: string;
  beforeAll(async () => {
    hadolint = await provideTool('hadolint', () => undefined);
  }, 300_000);

  const lint = (text: string) =>
    spawnSync(hadolint, ['--config', '.hadolint.yaml', '--failure-threshold', 'warning', '--no-color', '-'], {
      cwd: top,
      input: text,
      encoding: 'utf8',
    });

  it('has nothing that hadolint warns about', () => {
    expect(lint(dockerfile)).toMatchObject({ stdout: '', status: 0 });
  });

  it('would be refused with a base image of no version', () => {
    const { stdout, status } = lint(`${dockerfile}\nFROM debian\n`);
    expect(stdout).toContain('DL3006');
    expect(status).toBe(1);
  });

  it('has the version of Node that the tests run with, and of Serin', () => {
    const argument = (name: string) =>
      [...dockerfile.matchAll(new RegExp(`^ARG ${name}=(.*)$`, 'gm'))].map(([, value]) => value);
    expect(argument('NODE_VERSION')).toEqual([pack.devDependencies.node]);
    expect(argument('VERSION')).toEqual([pack.version, pack.version]);
  });

  it.each(['loadtester', 'serin'])('%s is labelled, and runs as a number that is not root', (target) => {
    const stage = dockerfile.split(/^FROM /m).find((text) => text.split('\n')[0]!.endsWith(` AS ${target}`))!;
    for (const label of ['title', 'description', 'licenses', 'version', 'revision'])
      expect(stage).toContain(`org.opencontainers.image.${label}="`);
    expect(stage).toContain(`licenses="${pack.license}"`);
    const users = [...stage.matchAll(/^USER (.*)$/gm)].map(([, user]) => user);
    expect(users.at(-1)).toMatch(/^[1-9]\d*:[1-9]\d*$/);
  });

  it('copies only what .dockerignore lets in', () => {
    const sources = [...dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, text]) => text!.split(' '));
    const admitted = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'));
    for (const source of sources) {
      expect(admitted).toContain(`!${source}`);
      expect(existsSync(join(top, source))).toBe(true);
    }
  });
});

describe('the modules in the image', () => {
  const folder = mkdtempSync(join(tmpdir(), 'serin-image-'));
  const modules = join(folder, 'node_modules');
  // What the build stages make, from what is installed here: sources, and production modules without what no process loads.
  beforeAll(() => {
    cpSync(join(top, 'package.json'), join(folder, 'package.json'));
    cpSync(join(top, 'src'), join(folder, 'src'), { recursive: true });
    for (const path of productionModules()) link(join(top, path), join(folder, path));
    execFileSync('sh', ['deploy/image/prune.sh', modules], { cwd: top });
  }, 60_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const node = (args: readonly string[], cwd = folder) =>
    spawnSync(process.execPath, args, { cwd, env: bare(), encoding: 'utf8', timeout: 60_000 });

  it('carry a release in the worker', () => {
    const recorded = join(top, 'test/replay/recorded/0.4');
    const program = `
      await import('./src/worker.ts');
      const { Worker } = await import('@temporalio/worker');
      const { historyFromJSON } = await import('@temporalio/common/lib/proto-utils.js');
      const { readFileSync } = await import('node:fs');
      const history = historyFromJSON(JSON.parse(readFileSync(process.argv[1], 'utf8')));
      await Worker.runReplayHistory({ workflowBundle: { codePath: './bundle.js' } }, history);
      process.exit(history.events.length > 5 ? 0 : 1);
    `;
    expect(node(['src/bundle.ts', join(folder, 'bundle.js')], top).status).toBe(0);
    const history = join(recorded, readdirSync(recorded).sort()[0]!);
    expect(node(['--input-type=module', '--eval', program, history])).toMatchObject({ status: 0 });
  }, 120_000);

  it.each([
    ['starter', ['--input-type=module', '--eval', "await import('./src/starter.ts')"]],
    ['load tester', ['src/loadtester/index.ts', '-help']],
    ['command line', ['src/cli.ts', '--help']],
  ])('load into the %s', (_, args) => {
    expect(node(args)).toMatchObject({ status: 0 });
  });

  it('are one native part of Temporal’s SDK, no compiler, no TypeScript', () => {
    const files = readdirSync(modules, { recursive: true, encoding: 'utf8' });
    expect(files.filter((file) => file.endsWith('.node'))).toEqual([
      expect.stringMatching(/^@temporalio\/core-bridge\/releases\/\w+-unknown-linux-gnu\/index\.node$/),
    ]);
    expect(files.filter((file) => /\.([cm]?ts|map|rs)$/.test(file))).toEqual([]);
  });

  it('keep their licences', () => {
    const without = productionModules().filter(
      (path) => existsSync(join(folder, path)) && !hasLicence(join(folder, path)),
    );
    expect(without.filter((path) => hasLicence(join(top, path)))).toEqual([]);
  });
});

/** Paths of what `npm ci --omit=dev` would install on this machine. */
function productionModules(): string[] {
  const { packages } = JSON.parse(read('package-lock.json')) as {
    packages: Readonly<Record<string, { readonly dev?: boolean; readonly devOptional?: boolean }>>;
  };
  const wanted = Object.entries(packages).filter(([path, { dev, devOptional }]) => path && !dev && !devOptional);
  return wanted.map(([path]) => path).filter((path) => existsSync(join(top, path)));
}

/** Copies the files of a package, without packages inside of it. Hard links where the file system has them: it is quick. */
function link(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.name === 'node_modules') continue;
    if (entry.isDirectory()) link(source, target);
    else
      try {
        linkSync(source, target);
      } catch {
        copyFileSync(source, target);
      }
  }
}

function hasLicence(folder: string): boolean {
  return existsSync(folder) && readdirSync(folder).some((name) => /^licen[cs]e/i.test(name));
}

/** Without what makes Jest load modules, and without anybody's settings. */
function bare(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, HOME: tmpdir() };
}
