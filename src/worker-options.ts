import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Runtime, type InjectedSinks, type LogEntry, type WorkerOptions } from '@temporalio/worker';
import type { ProcessSettings } from './config.ts';
import type { Log } from './log.ts';
import type { Tracing } from './tracing.ts';
import { workflowSources } from './workflow-sources.ts';
import { planTimeoutMs } from './workflows/domain/plan.ts';
import type { TracingSinks } from './workflows/tracing.ts';

/**
 * Numbers for a container of two cores and 1 GiB. The cache is explicit because its default follows the heap limit and
 * not the container, and a cached release costs about 0.4 MiB; activities wait for others and not for the processor.
 */
export function tuning(settings: ProcessSettings): Partial<WorkerOptions> {
  return {
    maxCachedWorkflows: settings.cachedReleases,
    maxConcurrentWorkflowTaskExecutions: 40,
    maxConcurrentActivityTaskExecutions: activitySlots(settings.kubernetesQps),
    workflowTaskPollerBehavior: { type: 'autoscaling', minimum: 2, initial: 5, maximum: 20 },
    activityTaskPollerBehavior: { type: 'autoscaling', minimum: 2, initial: 5, maximum: 40 },
    shutdownGraceTime: settings.shutdownMs,
    shutdownForceTime: settings.shutdownMs + 5_000,
    maxHeartbeatThrottleInterval: '2 seconds',
  };
}

/** Requests of the longest plan, the initialization of a Canary with everything there is, and some more. */
const requestsOfPlan = 30;

/** Longest that the requests of activities may wait for each other, in milliseconds: half of what a plan has. */
const queueMs = planTimeoutMs / 2;

/**
 * Activities at the same time. As many as requests may be sent: were there more, each would wait for the others until its
 * time is over, and begin again, and none would ever be done.
 *
 * @param qps most requests a second
 */
export function activitySlots(qps: number): number {
  return Math.max(5, Math.min(200, Math.floor((qps * queueMs) / 1_000 / requestsOfPlan)));
}

/** The bundle that the build made, or, when running from source, the workflows themselves, bundled at start. */
export function workflowCode(named: string): Pick<WorkerOptions, 'workflowBundle' | 'workflowsPath' | 'interceptors'> {
  const built = named || fileURLToPath(new URL('./workflow-bundle.js', import.meta.url));
  if (named && !existsSync(named)) throw new Error(`SERIN_WORKFLOW_BUNDLE is "${named}", and there is no such file`);
  if (existsSync(built)) return { workflowBundle: { codePath: built } };
  const { workflowsPath, workflowInterceptorModules } = workflowSources();
  return { workflowsPath, interceptors: { workflowModules: [...workflowInterceptorModules] } };
}

/** Spans of workflows, on their way out. */
export function sinksOf(tracing: Tracing): InjectedSinks<TracingSinks> {
  return { tracing: { ran: { fn: (_, span) => tracing.record(span), callDuringReplay: false } } };
}

/**
 * Pinned, a release ends on the version it began on, so that version's workers have to be kept until it has: for those who
 * run one Deployment a version. Not pinned, one Deployment is replaced and releases go on in the new version (temporal
 * spec 5).
 */
export function workerVersion({ deploymentName, buildId }: ProcessSettings): Partial<WorkerOptions> {
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

/** Prepares Temporal's library: its log is ours, and so are its signals. Once in a process. */
export function installRuntime(settings: ProcessSettings, log: Log): void {
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
