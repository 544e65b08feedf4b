import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Client } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import {
  NativeConnection,
  Runtime,
  Worker,
  type InjectedSinks,
  type LogEntry,
  type WorkerOptions,
} from '@temporalio/worker';
import { Registry, collectDefaultMetrics } from 'prom-client';
import { loadIssuers } from './activities/actors.ts';
import { createActivities } from './activities/index.ts';
import { releaseMeters, workerMeters } from './activities/meters.ts';
import { createImageActivities } from './activities/images/index.ts';
import type { Deps } from './activities/deps.ts';
import type { NotifierSettings } from './activities/notifiers/notifier.ts';
import { createHttp } from './clients/http.ts';
import { connectClusters } from './clients/clusters.ts';
import { resources, type Kubernetes } from './clients/kubernetes.ts';
import { fieldManager, readSettings, type ProcessSettings } from './config.ts';
import { createArchive, type Archive } from './activities/archive.ts';
import { prometheus } from './activities/metrics/prometheus.ts';
import { openSink } from './activities/audit-sink.ts';
import { messageOf } from './errors.ts';
import { pause } from './pace.ts';
import { historiesOf } from './temporal.ts';
import { createLog, type Log } from './log.ts';
import { ensureSearchAttributes } from './search-attributes.ts';
import { healthHandler, listen, untilComplete } from './server.ts';
import { observed } from './activities/observed.ts';
import { asksForVersion, tellSettings, version, versionLine } from './start.ts';
import { createTracing, currentTrace, type Tracing } from './tracing.ts';
import { workflowSources } from './workflow-sources.ts';
import type { TracingSinks } from './workflows/tracing.ts';
import { loadReceivers } from './triggers/receivers.ts';

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  if (asksForVersion(args)) return void process.stdout.write(`${versionLine()}\n`);
  const settings = readSettings(process.env, args);
  const log = createLog(settings.logLevel, undefined, settings.logFormat);
  const versioning = workerVersion(settings);
  const workflow = workflowCode(settings.workflowBundle);
  tellSettings(log, 'worker', process.env, args);
  installRuntime(settings, log);

  const metrics = new Registry();
  collectDefaultMetrics({ register: metrics });
  const meters = workerMeters(metrics);
  const { undelivered, unkept, polling: isPolling } = meters;
  const tracing = await createTracing('serin-worker', version);
  const counted =
    (archive: Archive): Archive =>
    (canary, run) =>
      archive(canary, run).catch((error: unknown) => {
        unkept.inc();
        throw error;
      });
  const deps: Deps = { ...connectClusters(settings, fieldManager), http: createHttp(), settings };
  const receivers = settings.receivers ? await loadReceivers(settings.receivers) : [];
  const issuers = settings.tokenIssuers ? await loadIssuers(settings.tokenIssuers) : [];
  if (settings.verifiedActors && issuers.length === 0) {
    throw new Error('SERIN_VERIFIED_ACTORS is true, and nobody can be verified; set SERIN_TOKEN_ISSUERS to a file');
  }
  const sink = settings.auditSink ? openSink(settings.auditSink) : undefined;
  const { connectionOptions, namespace = 'default' } = loadClientConnectConfig();

  let connection: NativeConnection | undefined;
  let polling = false;
  // The kubelet asks every ten seconds. A worker with nothing to do asks the API server for nothing.
  const definitions = untilComplete(() => missingDefinitions(deps.kubernetes, settings.namespace));
  // Said, and no reason not to work: a Canary may have no built-in check, and one that has waits for an answer by itself.
  const measured = untilComplete(() => missingMetrics(deps));
  const ready = async () => {
    const found = await problems(connection, namespace, definitions);
    return { problems: polling ? found : [...found, 'the worker does not poll yet'], notes: await measured() };
  };
  const health = await listen(healthHandler({ metrics, ready }), settings);
  for (const note of await measured()) log.warn(note);
  log.info('worker starts', { port: health.port, taskQueue: settings.taskQueue, namespace });
  const ending = endingSignal();
  try {
    connection = await insist('connect to Temporal', log, ending, () => NativeConnection.connect(connectionOptions));
    const isReady = await insist('be ready', log, ending, async () => {
      const found = await problems(connection, namespace, definitions);
      if (found.length > 0) throw new Error(found.join('; '));
      return true;
    });
    if (!connection || !isReady) return;
    const worker = await Worker.create({
      connection,
      namespace,
      taskQueue: settings.taskQueue,
      // In a container every process has the same number.
      identity: `worker/${hostname()}/${process.pid}`,
      ...workflow,
      interceptors: { ...workflow.interceptors, activity: [observed(tracing, meters)] },
      ...versioning,
      sinks: sinksOf(tracing),
      activities: {
        ...createActivities(deps, log, {
          meters: releaseMeters(metrics),
          issuers,
          ...(sink
            ? {
                archive: counted(
                  createArchive(historiesOf(new Client({ connection, namespace })), sink, settings.clusterName),
                ),
              }
            : {}),
          globalNotifier: globalNotifier(settings),
          undelivered: (kind) => undelivered.inc({ kind }),
        }),
        ...createImageActivities({ ...deps, log, receivers, metrics, trace: currentTrace }),
      },
      ...tuning(settings),
    });
    polling = true;
    isPolling.set(1);
    // Resolves once SIGTERM has drained what was in progress; `process.exit` would cut it.
    await worker.run();
  } finally {
    polling = false;
    isPolling.set(0);
    await tracing.close();
    await health.close();
    await connection?.close();
    log.info('worker stopped');
  }
}

/** The chat room that hears of Canaries which name no alerts of their own. Teams wins, as in Flagger. */
function globalNotifier(settings: ProcessSettings): NotifierSettings | undefined {
  const { slackUser: username, slackChannel: channel } = settings;
  if (settings.msTeamsUrl) {
    return {
      type: 'msteams',
      url: settings.msTeamsUrl,
      proxy: settings.msTeamsProxyUrl || undefined,
      username,
      channel,
    };
  }
  if (!settings.slackUrl) return undefined;
  return {
    ...{ type: 'slack', url: settings.slackUrl, username, channel },
    token: settings.slackToken || undefined,
    proxy: settings.slackProxyUrl || undefined,
  };
}

/**
 * Numbers for a container of two cores and 1 GiB. The cache is explicit because its default follows the heap limit and
 * not the container, and a cached release costs about 0.4 MiB; activities wait for others and not for the processor.
 */
function tuning(settings: ProcessSettings): Partial<WorkerOptions> {
  return {
    maxCachedWorkflows: settings.cachedReleases,
    maxConcurrentWorkflowTaskExecutions: 40,
    maxConcurrentActivityTaskExecutions: 200,
    workflowTaskPollerBehavior: { type: 'autoscaling', minimum: 2, initial: 5, maximum: 20 },
    activityTaskPollerBehavior: { type: 'autoscaling', minimum: 2, initial: 5, maximum: 40 },
    shutdownGraceTime: settings.shutdownMs,
    shutdownForceTime: settings.shutdownMs + 5_000,
    maxHeartbeatThrottleInterval: '2 seconds',
  };
}

/** The bundle that the build made, or, when running from source, the workflows themselves, bundled at start. */
function workflowCode(named: string): Pick<WorkerOptions, 'workflowBundle' | 'workflowsPath' | 'interceptors'> {
  const built = named || fileURLToPath(new URL('./workflow-bundle.js', import.meta.url));
  if (named && !existsSync(named)) throw new Error(`SERIN_WORKFLOW_BUNDLE is "${named}", and there is no such file`);
  if (existsSync(built)) return { workflowBundle: { codePath: built } };
  const { workflowsPath, workflowInterceptorModules } = workflowSources();
  return { workflowsPath, interceptors: { workflowModules: [...workflowInterceptorModules] } };
}

/** Spans of workflows, on their way out. */
function sinksOf(tracing: Tracing): InjectedSinks<TracingSinks> {
  return { tracing: { ran: { fn: (_, span) => tracing.record(span), callDuringReplay: false } } };
}

/**
 * Pinned, a release ends on the version it began on, so that version's workers have to be kept until it has: for those who
 * run one Deployment a version. Not pinned, one Deployment is replaced and releases go on in the new version (temporal
 * spec 5).
 */
function workerVersion({ deploymentName, buildId }: ProcessSettings): Partial<WorkerOptions> {
  if (!deploymentName && !buildId) return {};
  const missing = deploymentName ? 'SERIN_BUILD_ID' : 'SERIN_DEPLOYMENT_NAME';
  if (!deploymentName || !buildId) throw new Error(`${missing} is not set; set it as well, or neither of the two`);
  return {
    workerDeploymentOptions: {
      version: { deploymentName, buildId },
      useWorkerVersioning: true,
      defaultVersioningBehavior: 'PINNED',
    },
  };
}

function installRuntime(settings: ProcessSettings, log: Log): void {
  Runtime.install({
    logger: {
      log: (level: string, message: string, fields?: object) => logAt(log, level, message, fields),
      trace: (message: string, fields?: object) => log.debug(message, { ...fields }),
      debug: (message: string, fields?: object) => log.debug(message, { ...fields }),
      info: (message: string, fields?: object) => log.info(message, { ...fields }),
      warn: (message: string, fields?: object) => log.warn(message, { ...fields }),
      error: (message: string, fields?: object) => log.error(message, { ...fields }),
    },
    telemetryOptions: settings.temporalMetrics
      ? {
          metrics: {
            // Names with their unit, and the unit that everything else here is in: by default it is milliseconds.
            prometheus: { bindAddress: settings.temporalMetrics, unitSuffix: true, useSecondsForDurations: true },
          },
        }
      : undefined,
    shutdownSignals: ['SIGTERM', 'SIGINT'],
  });
}

function logAt(log: Log, level: string, message: string, fields?: LogEntry['meta'] | object): void {
  const name = level.toLowerCase();
  const write = name === 'error' || name === 'warn' || name === 'info' ? log[name] : log.debug;
  write(message, { ...fields });
}

/** What keeps this worker from carrying releases; each names what to do about it. */
async function problems(
  connection: NativeConnection | undefined,
  namespace: string,
  definitions: () => Promise<readonly string[]>,
): Promise<string[]> {
  const found = await Promise.all([missingAttributes(connection, namespace), definitions()]);
  return found.flat();
}

async function missingAttributes(connection: NativeConnection | undefined, namespace: string): Promise<string[]> {
  if (!connection) return ['Temporal is not connected'];
  try {
    return await ensureSearchAttributes(connection, namespace);
  } catch (error) {
    return [`Temporal does not answer: ${messageOf(error)}`];
  }
}

async function missingMetrics({ http, settings }: Deps): Promise<string[]> {
  const { metricsServer: address } = settings;
  const error = await prometheus({ type: 'prometheus', address, interval: '', timeoutMs: 2_000 }, http).offline();
  return error === undefined ? [] : [`SERIN_METRICS_SERVER does not answer, built-in checks wait for it: ${error}`];
}

async function missingDefinitions(kubernetes: Kubernetes, namespace: string): Promise<string[]> {
  try {
    await kubernetes.list(resources.canaries, namespace || undefined, { limit: 1 });
    return [];
  } catch (error) {
    return [`Canaries cannot be listed: ${messageOf(error)}`];
  }
}

/** Aborts at SIGTERM and SIGINT. The library's own handlers drain a worker that runs, and end nothing before that. */
function endingSignal(): AbortSignal {
  const ending = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => ending.abort());
  return ending.signal;
}

/**
 * Tries until it succeeds: a crash loop would hide the reason; waiting shows it, in the log and at `/readyz`. Resolves to
 * undefined when the process is to end first.
 */
async function insist<T>(
  what: string,
  log: Log,
  ending: AbortSignal,
  attempt: () => Promise<T>,
): Promise<T | undefined> {
  const ended = new Promise<undefined>((resolve) => ending.addEventListener('abort', () => resolve(undefined)));
  for (let told = ''; !ending.aborted;) {
    try {
      return await Promise.race([attempt(), ended]);
    } catch (error) {
      const reason = messageOf(error);
      if (reason !== told) log.warn(`cannot ${what} yet`, { reason });
      told = reason;
    }
    await pause(1_000, ending);
  }
  return undefined;
}

if (import.meta.main) {
  main().catch((error: unknown) => {
    createLog('error').error('worker cannot run', { error: messageOf(error) });
    process.exitCode = 1;
  });
}
