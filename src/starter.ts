import { readFile } from 'node:fs/promises';
import type { BlockList } from 'node:net';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { createKubernetes, loadKubeConfig } from './clients/kubernetes.ts';
import { fieldManager as ours, readSettings, type ProcessSettings } from './config.ts';
import { messageOf } from './errors.ts';
import { isWilling } from './images/binding.ts';
import { createLog, type Log } from './log.ts';
import { createPolls } from './polls.ts';
import { healthHandler, listen } from './server.ts';
import { connectTemporal, type TemporalStarter } from './temporal.ts';
import { networks } from './triggers/caller.ts';
import { dispatcher } from './triggers/dispatch.ts';
import { loadReceivers, type Receiver } from './triggers/receivers.ts';
import type { WantedPoll } from './watch/images.ts';
import { createWatches } from './watch/index.ts';
import { hintMeters } from './watch/meters.ts';
import { createHintQueue } from './watch/queue.ts';

type Shared =
  'namespace' | 'kubeconfig' | 'meshKubeconfig' | 'meshProvider' | 'configTracking' | 'taskQueue' | 'logLevel';

/** What the starter reads from its environment: the worker's settings that mean something here, and its own. */
export interface StarterConfig extends Pick<ProcessSettings, Shared> {
  /** `SERIN_HOST`: address to listen on. Default 127.0.0.1. */
  readonly host: string;
  /** `SERIN_HEALTH_PORT`: /healthz, /readyz and /metrics. Default `SERIN_PORT`, or 8080. */
  readonly healthPort: number;
  /** `SERIN_HOOKS_PORT`: container registries call here. Default 8090. */
  readonly hooksPort: number;
  /** `SERIN_RECEIVERS`: path of the receivers file; ''. Without one nothing listens on the hooks port. */
  readonly receivers: string;
  /** `SERIN_CALLS_PER_CALLER`: most calls a second from one address. Default 100. */
  readonly callsPerCaller: number;
  /** `SERIN_TRUSTED_PROXIES`: networks whose word for who called counts, such as `10.0.0.0/8`; ''. */
  readonly trustedProxies: string;
  /** `SERIN_FIELD_MANAGER`: the worker's. Default `serin`. */
  readonly fieldManager: string;
  /** `SERIN_HINTS_PER_SECOND`: most hints a second. Default 50. */
  readonly hintsPerSecond: number;
  /** `SERIN_RESYNC_SECONDS`: look at every Canary this often, for what no watch shows. Default 0, never. */
  readonly resyncSeconds: number;
}

/** @throws Error naming the variable, its value and what it has to look like */
export function readStarterConfig(
  env: Readonly<Record<string, string | undefined>>,
  args: readonly string[] = [],
): StarterConfig {
  const settings = readSettings(env, args);
  const { namespace, kubeconfig, meshKubeconfig, meshProvider, configTracking, taskQueue, logLevel, port } = settings;
  const number = (name: string, fallback: number) => {
    const text = env[name] || String(fallback);
    if (/^\d+$/.test(text)) return Number(text);
    throw new Error(`${name} is "${text}", expected a whole number`);
  };
  return {
    ...{ namespace, kubeconfig, meshKubeconfig, meshProvider, configTracking, taskQueue, logLevel },
    host: env.SERIN_HOST || '127.0.0.1',
    healthPort: number('SERIN_HEALTH_PORT', port),
    hooksPort: number('SERIN_HOOKS_PORT', 8090),
    receivers: env.SERIN_RECEIVERS ?? '',
    trustedProxies: env.SERIN_TRUSTED_PROXIES ?? '',
    callsPerCaller: Math.max(1, number('SERIN_CALLS_PER_CALLER', 100)),
    fieldManager: env.SERIN_FIELD_MANAGER || ours,
    hintsPerSecond: Math.max(1, number('SERIN_HINTS_PER_SECOND', 50)),
    resyncSeconds: number('SERIN_RESYNC_SECONDS', 0),
  };
}

export interface Starter {
  readonly healthPort: number;
  readonly hooksPort?: number;
  /** Takes nothing new, hands what it has to Temporal, and ends. */
  stop(): Promise<void>;
}

/** Turns the outside world into messages: what registries push and what changes in the cluster. It writes to neither. */
export async function startStarter(
  config: StarterConfig,
  log: Log,
  temporal: TemporalStarter = connectTemporal(config.taskQueue),
): Promise<Starter> {
  const metrics = new Registry();
  collectDefaultMetrics({ register: metrics });
  const { fieldManager, host } = config;
  const kubernetes = createKubernetes(loadKubeConfig(config.kubeconfig), { fieldManager });
  const mesh = config.meshKubeconfig
    ? createKubernetes(loadKubeConfig(config.meshKubeconfig), { fieldManager })
    : kubernetes;
  const receivers = config.receivers ? await loadReceivers(config.receivers) : [];
  const trustedProxies = trusted(config.trustedProxies);

  const queue = createHintQueue({
    send: (canary, hint) => temporal.hint(canary, hint),
    log,
    meters: hintMeters(metrics),
    perSecond: config.hintsPerSecond,
  });
  const watches = createWatches({
    kubernetes,
    mesh,
    namespace: config.namespace,
    fieldManager,
    configTracking: config.configTracking,
    hint: (canary, hint) => queue.push(canary, hint),
    // Without receivers no registry is known that could be asked.
    ...(receivers.length > 0 ? { imagesChanged: () => polls.wake() } : {}),
    log,
    metrics,
    info: { version: await version(), meshProvider: config.meshProvider },
    resyncMs: config.resyncSeconds * 1000,
  });

  const polls = createPolls({
    schedules: temporal.polls,
    wanted: () => servedBy(receivers, watches.polls()),
    namespace: config.namespace,
    log,
  });

  let stopping = false;
  const ready = async () => {
    const { problems, notes } = watches.readiness();
    const temporalProblem = await temporal.problem();
    return {
      problems: [...(stopping ? ['stopping'] : []), ...(temporalProblem ? [temporalProblem] : []), ...problems],
      notes,
    };
  };
  const health = await listen(healthHandler({ ready, metrics }), { host, port: config.healthPort });
  const start: TemporalStarter['push'] = (...push) => temporal.push(...push);
  const hooks = receivers.length
    ? await listen(
        dispatcher({ receivers, start, log, metrics, trustedProxies, perSecondAndCaller: config.callsPerCaller }),
        { host, port: config.hooksPort },
      )
    : undefined;

  const watching = new AbortController();
  const sending = new AbortController();
  const watched = watches.run(watching.signal);
  const sent = queue.run(sending.signal);
  const polled = receivers.length > 0 ? polls.run(watching.signal) : undefined;
  log.info('starter is up', {
    health: health.port,
    hooks: hooks?.port,
    receivers: receivers.map(({ name }) => name),
    kubernetes: kubernetes.server,
    taskQueue: config.taskQueue,
  });

  return {
    healthPort: health.port,
    ...(hooks ? { hooksPort: hooks.port } : {}),
    async stop() {
      stopping = true;
      await hooks?.close(5_000);
      watching.abort();
      await watched;
      await polled;
      await queue.drained(10_000);
      // Not lost: the next start hints every Canary.
      if (queue.waiting > 0) log.warn('hints left unsent', { waiting: queue.waiting });
      sending.abort();
      await sent;
      await health.close();
      await temporal.close();
      log.info('starter has stopped');
    },
  };
}

/** Runs until SIGTERM or SIGINT; a second one ends at once. */
async function main(): Promise<void> {
  const config = readStarterConfig(process.env, process.argv.slice(2));
  const log = createLog(config.logLevel);
  const starter = await startStarter(config, log);
  let signals = 0;
  const onSignal = (signal: NodeJS.Signals) => {
    signals += 1;
    if (signals > 1) process.exit(1);
    log.info('stopping', { signal });
    starter.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error('stopping failed', { error: messageOf(error) });
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

/** Polls of images that a receiver may know the registry of; nobody could carry out the others. */
function servedBy(
  receivers: readonly Receiver[],
  polls: ReadonlyMap<string, WantedPoll> | undefined,
): ReadonlyMap<string, WantedPoll> | undefined {
  const isServed = ({ canary, receivers: named }: WantedPoll) =>
    receivers.some((receiver) => isWilling(receiver, canary.namespace, named));
  return polls && new Map([...polls].filter(([, poll]) => isServed(poll)));
}

function trusted(text: string): BlockList {
  try {
    return networks(text);
  } catch (error) {
    throw new Error(`SERIN_TRUSTED_PROXIES: ${messageOf(error)}`, { cause: error });
  }
}

async function version(): Promise<string> {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

if (import.meta.main)
  main().catch((error: unknown) => {
    createLog('error').error('starter cannot start', { error: messageOf(error) });
    process.exitCode = 1;
  });
