import { hostname } from 'node:os';
import { Client } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection, Worker } from '@temporalio/worker';
import { Registry, collectDefaultMetrics } from 'prom-client';
import { loadIssuers } from './activities/actors.ts';
import { createArchive, type Archive } from './activities/archive.ts';
import { openSink } from './activities/audit-sink.ts';
import type { Deps } from './activities/deps.ts';
import { createImageActivities } from './activities/images/index.ts';
import { createActivities } from './activities/index.ts';
import { releaseMeters, workerMeters, type WorkerMeters } from './activities/meters.ts';
import type { NotifierSettings } from './activities/notifiers/notifier.ts';
import { observed } from './activities/observed.ts';
import { connectClusters } from './clients/clusters.ts';
import { createHttp } from './clients/http.ts';
import { fieldManager, readSettings, type ProcessSettings } from './config.ts';
import { messageOf } from './errors.ts';
import { createLog } from './log.ts';
import { endingSignal, insist, missingDefinitions, missingMetrics, problems } from './readiness.ts';
import { healthHandler, listen, untilComplete } from './server.ts';
import { asksForVersion, tellSettings, version, versionLine } from './start.ts';
import { historiesOf } from './temporal.ts';
import { createTracing, currentTrace } from './tracing.ts';
import { loadReceivers } from './triggers/receivers.ts';
import { installRuntime, sinksOf, tuning, workerVersion, workflowCode } from './worker-options.ts';

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
  const tracing = await createTracing({ service: 'serin-worker', version, log });
  const deps: Deps = { ...connectClusters(settings, fieldManager, log), http: createHttp(), settings };
  const receivers = settings.receivers ? await loadReceivers(settings.receivers) : [];
  const issuers = await issuersOf(settings);
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
    const histories = historiesOf(new Client({ connection, namespace }));
    const releases = createActivities(deps, log, {
      meters: releaseMeters(metrics),
      issuers,
      ...(sink ? { archive: counted(createArchive(histories, sink, settings.clusterName), meters) } : {}),
      globalNotifier: globalNotifier(settings),
      undelivered: (kind) => meters.undelivered.inc({ kind }),
    });
    const images = createImageActivities({ ...deps, log, receivers, metrics, trace: currentTrace });
    const worker = await Worker.create({
      ...{ connection, namespace, taskQueue: settings.taskQueue },
      // In a container every process has the same number.
      identity: `worker/${hostname()}/${process.pid}`,
      ...workflow,
      ...versioning,
      ...tuning(settings),
      interceptors: { ...workflow.interceptors, activity: [observed(tracing, meters)] },
      sinks: sinksOf(tracing),
      activities: { ...releases, ...images },
    });
    polling = true;
    meters.polling.set(1);
    // Resolves once SIGTERM has drained what was in progress; `process.exit` would cut it.
    await worker.run();
  } finally {
    polling = false;
    meters.polling.set(0);
    await tracing.close();
    await health.close();
    await connection?.close();
    log.info('worker stopped');
  }
}

/** Whose tokens are believed. @throws Error where tokens are asked for and nobody's is */
async function issuersOf({ tokenIssuers, verifiedActors }: ProcessSettings) {
  const issuers = tokenIssuers ? await loadIssuers(tokenIssuers) : [];
  if (verifiedActors && issuers.length === 0) {
    throw new Error('SERIN_VERIFIED_ACTORS is true, and nobody can be verified; set SERIN_TOKEN_ISSUERS to a file');
  }
  return issuers;
}

/** Attempts to keep what happened that fail are tried again, and counted. */
function counted(archive: Archive, { unkept }: WorkerMeters): Archive {
  return (canary, run) =>
    archive(canary, run).catch((error: unknown) => {
      unkept.inc();
      throw error;
    });
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

if (import.meta.main) {
  main().catch((error: unknown) => {
    createLog('error').error('worker cannot run', { error: messageOf(error) });
    process.exitCode = 1;
  });
}
