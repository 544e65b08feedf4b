import type { NativeConnection } from '@temporalio/worker';
import type { Deps } from './activities/deps.ts';
import { prometheus } from './activities/metrics/prometheus.ts';
import { resources, type Kubernetes } from './clients/kubernetes.ts';
import { messageOf } from './errors.ts';
import type { Log } from './log.ts';
import { pause } from './pace.ts';
import { ensureSearchAttributes } from './search-attributes.ts';

/** What keeps this worker from carrying releases; each names what to do about it. */
export async function problems(
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

/** What the built-in checks lack. */
export async function missingMetrics({ http, settings }: Deps): Promise<string[]> {
  const { metricsServer: address } = settings;
  const error = await prometheus({ type: 'prometheus', address, interval: '', timeoutMs: 2_000 }, http).offline();
  return error === undefined ? [] : [`SERIN_METRICS_SERVER does not answer, built-in checks wait for it: ${error}`];
}

/** What keeps it from reading Canaries. */
export async function missingDefinitions(kubernetes: Kubernetes, namespace: string): Promise<string[]> {
  try {
    await kubernetes.list(resources.canaries, namespace || undefined, { limit: 1 });
    return [];
  } catch (error) {
    return [`Canaries cannot be listed: ${messageOf(error)}`];
  }
}

/** Aborts at SIGTERM and SIGINT. The library's own handlers drain a worker that runs, and end nothing before that. */
export function endingSignal(): AbortSignal {
  const ending = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => ending.abort());
  return ending.signal;
}

/**
 * Tries until it succeeds: a crash loop would hide the reason; waiting shows it, in the log and at `/readyz`. Resolves to
 * undefined when the process is to end first.
 */
export async function insist<T>(
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
