import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cacheFolder } from './cache.ts';
import { freePort } from './ports.ts';
import { answers } from './probe.ts';
import { startServer, type Server } from './process.ts';
import type { PushListener } from './servers/registry.ts';

/** Our own processes, as they run in a cluster, on 127.0.0.1. */
export type ProcessName = 'worker' | 'starter' | 'loadtester';

export interface Serin {
  readonly processes: Readonly<Record<ProcessName, Server>>;
  /** `host:port` of each process's `/metrics`. */
  readonly metrics: readonly string[];
  /** URL that Canary webhooks call. */
  readonly loadTester: string;
  /** Where receivers are; '' without any. */
  readonly hooks: string;
  stop(): Promise<void>;
}

/** What has to be known before the registry starts: where it will be, and who hears of its pushes. */
export interface PushRoute {
  readonly registryPort: number;
  readonly hooksPort: number;
  readonly listener: PushListener;
}

/** Picks the ports and the token that registry and starter share. */
export async function planPushRoute(): Promise<PushRoute> {
  const [registryPort, hooksPort] = [await freePort(), await freePort()];
  const token = randomBytes(32).toString('base64url');
  return { registryPort, hooksPort, listener: { url: `http://127.0.0.1:${hooksPort}/hooks/v1/local`, token } };
}

/** Where the servers are that our processes work with; a `Stack`, or its description. */
export interface Surroundings {
  readonly directory: string;
  readonly kubeconfig: string;
  readonly prometheus: string;
  readonly registry: string;
  readonly temporal: string;
}

export interface SerinOptions {
  readonly route?: PushRoute;
  /** Receivers beside the registry's own, with its token: what differs, by name. */
  readonly receivers?: Readonly<Record<string, object>>;
  /** Shortest analysis interval, in milliseconds. */
  readonly minimumIntervalMs?: number;
  readonly drainMs?: number;
  /** More settings of worker and starter. */
  readonly env?: Readonly<Record<string, string>>;
  /** Settings of one process alone; they win over the others. */
  readonly envOf?: Partial<Record<ProcessName, Readonly<Record<string, string>>>>;
  /** Folder whose `dist` is run, as a container does, instead of the sources. */
  readonly app?: string;
  /** Which processes to start; all, if not named. */
  readonly only?: readonly ProcessName[];
}

/** Starts worker, starter and load tester, and waits until each says it is ready. */
export async function startSerin(stack: Surroundings, options: SerinOptions = {}): Promise<Serin> {
  const directory = join(stack.directory, 'serin');
  mkdirSync(directory, { recursive: true });
  const { route, only = ['worker', 'starter', 'loadtester'] } = options;
  const common = {
    SERIN_KUBECONFIG: stack.kubeconfig,
    SERIN_METRICS_SERVER: stack.prometheus,
    TEMPORAL_ADDRESS: stack.temporal,
    SERIN_HOST: '127.0.0.1',
    SERIN_MINIMUM_INTERVAL_MS: String(options.minimumIntervalMs ?? 10_000),
    SERIN_DRAIN_MS: String(options.drainMs ?? 1_000),
    ...(route ? { SERIN_RECEIVERS: writeReceivers(directory, stack, route, options.receivers) } : {}),
    ...(options.app === undefined ? await prepared(directory, only) : {}),
    ...options.env,
  };
  const ports = { worker: await freePort(), starter: await freePort(), loadtester: await freePort() };
  const address = (name: ProcessName) => `127.0.0.1:${ports[name]}`;
  const launch = async (name: ProcessName, script: string, args: readonly string[], env: object, probe: string) =>
    [
      name,
      await startServer({
        name,
        command: process.execPath,
        args: [program(script, options.app), ...args],
        directory,
        env: { ...common, ...env, ...options.envOf?.[name] },
        log: join(directory, `${name}.log`),
        address: address(name),
        ready: () => answers(`http://${address(name)}${probe}`),
        readyTimeoutMs: 60_000,
      }),
    ] as const;

  const wanted = {
    worker: () => launch('worker', 'worker', [], { SERIN_PORT: String(ports.worker) }, '/readyz'),
    starter: () =>
      launch(
        'starter',
        'starter',
        [],
        { SERIN_HEALTH_PORT: String(ports.starter), SERIN_HOOKS_PORT: String(route?.hooksPort ?? ports.starter + 1) },
        '/readyz',
      ),
    loadtester: () =>
      launch('loadtester', 'loadtester/index', [`-port=${ports.loadtester}`, '-log-level=info'], {}, '/healthz'),
  };
  const started = await Promise.allSettled(only.map((name) => wanted[name]()));
  const running = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const stop = async () => {
    await Promise.all(running.map(([, server]) => server.stop()));
  };
  const failed = started.find((result) => result.status === 'rejected');
  if (failed) {
    await stop();
    throw failed.reason;
  }
  return {
    processes: Object.fromEntries(running) as Record<ProcessName, Server>,
    metrics: only.map(address),
    loadTester: `http://${address('loadtester')}/`,
    hooks: route ? `http://127.0.0.1:${route.hooksPort}` : '',
    stop,
  };
}

/** The workflows as the sources have them, bundled once for all workers of this process. */
let workflows: Promise<string> | undefined;

/**
 * What programs that run from the sources would each do for themselves whenever they start: translate, and bundle the
 * workflows.
 */
async function prepared(directory: string, only: readonly ProcessName[]): Promise<Readonly<Record<string, string>>> {
  const settings = { NODE_COMPILE_CACHE: join(cacheFolder(), 'node') };
  if (!only.includes('worker')) return settings;
  const bundle = join(directory, 'workflow-bundle.js');
  writeFileSync(bundle, await (workflows ??= bundleWorkflows(bundle)));
  return { ...settings, SERIN_WORKFLOW_BUNDLE: bundle };
}

async function bundleWorkflows(target: string): Promise<string> {
  // In a process of its own: the bundler is not what a test or a demo should have to load.
  await promisify(execFile)(process.execPath, [program('bundle'), target], {
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  return readFile(target, 'utf8');
}

/** Path of a program of ours by its name: the source, or what the build made of it. */
function program(name: string, app?: string): string {
  return app === undefined
    ? fileURLToPath(new URL(`../src/${name}.ts`, import.meta.url))
    : join(app, `dist/${name}.js`);
}

/** One receiver that takes every push to the local registry, and others that are much like it. */
function writeReceivers(
  directory: string,
  { registry }: Surroundings,
  { listener, registryPort }: PushRoute,
  others: Readonly<Record<string, object>> = {},
): string {
  const tokensFile = join(directory, 'tokens');
  writeFileSync(tokensFile, `${listener.token}\n`, { mode: 0o600 });
  const path = join(directory, 'receivers.json');
  const host = registry || `127.0.0.1:${registryPort}`;
  const receiver = {
    name: 'local',
    type: 'distribution',
    host,
    tokensFile,
    repositories: ['**'],
    namespaces: ['*'],
    settleSeconds: 0,
    registry: { url: `http://${host}`, private: true },
  };
  const more = Object.entries(others).map(([name, differing]) => ({ ...receiver, name, ...differing }));
  writeFileSync(path, JSON.stringify([receiver, ...more]));
  return path;
}
