import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { auditFlags, requestsIn, type Request } from '../local/audit.ts';
import type { User } from '../local/credentials.ts';
import { startSerin, type PushRoute, type Serin, type SerinOptions } from '../local/serin.ts';
import { startStack, type Part, type Stack } from '../local/stack.ts';
import { createKubernetes, loadKubeConfig } from '../src/clients/kubernetes-client.ts';
import type { Kubernetes } from '../src/clients/kubernetes.ts';
import { install } from '../test/support/manifests.ts';
import { buildApp } from './app.ts';
import type { Say } from './benchmark.ts';

/** Users of their own for our processes, so that the API server's audit log tells their requests from all others. */
const audited: readonly User[] = ['worker', 'starter'].map((name) => ({
  kubeconfig: name,
  user: `serin-${name}`,
  groups: ['system:masters'],
}));

/** A local stack with our processes, as built for production, in which one benchmark has the place to itself. */
export interface Lab {
  readonly stack: Stack;
  readonly serin: Serin;
  readonly kubernetes: Kubernetes;
  readonly temporal: Client;
  /** Every request that worker and starter have made to the API server. */
  requests(): readonly Request[];
  /** Waits until no release is open, and has not been for `quietMs`. */
  atRest(quietMs?: number, timeoutMs?: number): Promise<void>;
}

export interface LabOptions {
  readonly parts: readonly Part[];
  /** Time a pod takes to become Ready, in milliseconds. */
  readonly readyDelayMs: number;
  /** Time the data plane gets to hear of new routes, in milliseconds. */
  readonly drainMs?: number;
  /** Where receivers are, and which there are. */
  readonly route?: PushRoute;
  readonly receivers?: SerinOptions['receivers'];
  /** Which of our processes run; all, if not said. */
  readonly only?: SerinOptions['only'];
  readonly env?: SerinOptions['env'];
}

/** Opens a lab, has `work` done in it, and takes it down again. After a failure its logs stay. */
export async function inLab<T>(options: LabOptions, say: Say, work: (lab: Lab) => Promise<T>): Promise<T> {
  const { parts, readyDelayMs, drainMs = 1_000, ...serin } = options;
  const directory = mkdtempSync(join(tmpdir(), 'serin-bench-'));
  const app = buildApp();
  say(`starting the stack in ${directory}`);
  const stack = await startStack({
    ...{ parts, directory, readyDelayMs, users: audited },
    extraArgs: { 'kube-apiserver': auditFlags(directory, audited) },
  });
  const interrupted = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  const end = () => interrupted.then(() => Promise.reject(new Interrupted('interrupted')));
  let keep = false;
  try {
    return await withSerin({ stack, directory, app, serin: { drainMs, ...serin } }, (lab) =>
      Promise.race([work(lab), end()]),
    );
  } catch (error) {
    keep = !(error instanceof Interrupted);
    throw error;
  } finally {
    await stack.stop();
    if (keep) say(`logs are in ${directory}`);
    else rmSync(directory, { recursive: true, force: true });
  }
}

class Interrupted extends Error {}

interface Site {
  readonly stack: Stack;
  readonly directory: string;
  readonly app: string;
  readonly serin: SerinOptions;
}

async function withSerin<T>(
  { stack, directory, app, serin: options }: Site,
  work: (lab: Lab) => Promise<T>,
): Promise<T> {
  const envOf = (name: 'worker' | 'starter') => ({
    SERIN_KUBECONFIG: stack.kubeconfigs[name] ?? '',
    NODE_OPTIONS: shippedNodeOptions(`serin-${name}`),
  });
  const serin = await startSerin(stack, {
    ...{ app, minimumIntervalMs: 1_000 },
    ...options,
    env: { NODE_ENV: 'production', ...options.env },
    envOf: { worker: envOf('worker'), starter: envOf('starter') },
  });
  const connection = await Connection.connect({ address: stack.temporal });
  try {
    const temporal = new Client({ connection });
    const kubernetes = createKubernetes(loadKubeConfig(stack.kubeconfig), { fieldManager: 'bench' });
    const atRest = (quietMs = 0, timeoutMs = 60_000) => untilAtRest(temporal, quietMs, timeoutMs);
    return await work({ stack, serin, kubernetes, temporal, atRest, requests: () => requestsIn(directory, audited) });
  } finally {
    await connection.close();
    await serin.stop();
  }
}

/** What a Deployment in `deploy/install` tells Node about its heaps. */
function shippedNodeOptions(name: string): string {
  const deployment = install().find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === name);
  if (!deployment) throw new Error(`deploy/install has no Deployment ${name}`);
  const { template } = deployment.spec as { template: { spec: { containers: { env?: Variable[] }[] } } };
  return template.spec.containers[0]?.env?.find((variable) => variable.name === 'NODE_OPTIONS')?.value ?? '';
}

interface Variable {
  readonly name: string;
  readonly value?: string;
}

async function untilAtRest({ workflow }: Client, quietMs: number, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let since = performance.now();
  for (;;) {
    const { count } = await workflow.count('ExecutionStatus = "Running"');
    if (count > 0) since = performance.now();
    else if (performance.now() - since >= quietMs) return;
    if (performance.now() > deadline) throw new Error(`${count} releases are still open after ${timeoutMs} ms`);
    await sleep(100);
  }
}
