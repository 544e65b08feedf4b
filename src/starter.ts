import type { BlockList } from 'node:net';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { apis } from './apis.ts';
import { connectClusters } from './clients/clusters.ts';
import { readSettings, type ProcessSettings } from './config.ts';
import { messageOf } from './errors.ts';
import { isWilling } from './images/binding.ts';
import { createLog, type Log } from './log.ts';
import { asksForVersion, tellSettings, version, versionLine } from './start.ts';
import { createPolls } from './polls.ts';
import { healthHandler, listen } from './server.ts';
import { connectTemporal, type TemporalStarter } from './temporal.ts';
import { createTracing, inTrace } from './tracing.ts';
import { traceHeader } from './workflows/trace-context.ts';
import { networks } from './triggers/caller.ts';
import { dispatcher } from './triggers/dispatch.ts';
import { loadReceivers, type Receiver } from './triggers/receivers.ts';
import type { WantedPoll } from './watch/images.ts';
import { createWatches } from './watch/index.ts';
import { hintMeters } from './watch/meters.ts';
import { createHintQueue } from './watch/queue.ts';

/** What a starter has to know: those settings that it reads. */
export type StarterConfig = Pick<
  ProcessSettings,
  | 'namespace'
  | 'kubeconfig'
  | 'meshKubeconfig'
  | 'master'
  | 'kubernetesQps'
  | 'kubernetesBurst'
  | 'meshProvider'
  | 'apis'
  | 'configTracking'
  | 'taskQueue'
  | 'host'
  | 'port'
  | 'healthPort'
  | 'hooksPort'
  | 'receivers'
  | 'callsPerCaller'
  | 'trustedProxies'
  | 'fieldManager'
  | 'hintsPerSecond'
  | 'resyncSeconds'
>;

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
  const tracing = await createTracing({ service: 'serin-starter', version, log });
  const { fieldManager, host } = config;
  const { kubernetes, mesh } = connectClusters(config, fieldManager, log);
  const receivers = config.receivers ? await loadReceivers(config.receivers) : [];
  const trustedProxies = trusted(config.trustedProxies);

  const queue = createHintQueue({
    send: (canary, hint, trace) =>
      tracing.span(
        'hint',
        {
          ...{ kind: 'producer', parent: trace },
          attributes: { 'serin.canary': `${canary.namespace}/${canary.name}`, 'serin.source': hint.source },
        },
        () => temporal.hint(canary, hint),
      ),
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
    apis: apis.filter(({ name }) => config.apis.includes(name)),
    hint: (canary, hint, trace) => queue.push(canary, hint, trace),
    // Without receivers no registry is known that could be asked.
    ...(receivers.length > 0 ? { imagesChanged: () => polls.wake() } : {}),
    log,
    metrics,
    info: { version, meshProvider: config.meshProvider },
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
  const health = await listen(healthHandler({ ready, metrics }), { host, port: config.healthPort ?? config.port });
  // Within the trace of the caller, if it names one; only what was authenticated gets this far.
  const start: TemporalStarter['push'] = (push, id, options, deadline) =>
    tracing.span(
      'push',
      {
        kind: 'consumer',
        attributes: { 'serin.receiver': push.receiver, 'serin.image': `${push.host}/${push.repository}:${push.tag}` },
      },
      () => temporal.push(push, id, options, deadline),
    );
  const answer = dispatcher({
    ...{ receivers, start, log, metrics, trustedProxies },
    perSecondAndCaller: config.callsPerCaller,
  });
  const hooks = receivers.length
    ? await listen((request, response) => inTrace(request.headers[traceHeader], () => answer(request, response)), {
        host,
        port: config.hooksPort,
      })
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
      await tracing.close();
      log.info('starter has stopped');
    },
  };
}

/** Runs until SIGTERM or SIGINT; a second one ends at once. */
async function main(): Promise<void> {
  const args = process.argv.slice(2);
  if (asksForVersion(args)) return void process.stdout.write(`${versionLine()}\n`);
  const config = readSettings(process.env, args);
  const log = createLog(config.logLevel, undefined, config.logFormat);
  tellSettings(log, 'starter', process.env, args);
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

if (import.meta.main)
  main().catch((error: unknown) => {
    createLog('error').error('starter cannot start', { error: messageOf(error) });
    process.exitCode = 1;
  });
