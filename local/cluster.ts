import { setTimeout as sleep } from 'node:timers/promises';
import type { Kubernetes, KubernetesObject, Resource } from '../src/clients/kubernetes.ts';
import { localUsers, prepareCredentials, type Credentials, type User } from './credentials.ts';
import type { Launcher } from './launcher.ts';
import { freePort } from './ports.ts';
import { startApiserver } from './servers/apiserver.ts';
import { startControllerManager } from './servers/controller-manager.ts';
import { startEtcd } from './servers/etcd.ts';
import { startKwok } from './servers/kwok.ts';
import { startScheduler } from './servers/scheduler.ts';
import type { ServerName } from './stack.ts';
import type { StageOptions } from './stages.ts';

export interface Cluster {
  readonly kubeconfigs: Readonly<Record<string, string>>;
  /** Undefined for a cluster that is not ours. */
  readonly credentials: Credentials | undefined;
}

/** Starts etcd and the API server, and writes a kubeconfig for each user. */
export async function startCluster(
  { start }: Launcher<ServerName>,
  directory: string,
  users: readonly User[],
): Promise<Cluster> {
  const credentials = prepareCredentials(directory, [...localUsers, ...users]);
  const peerPort = await freePort();
  const etcd = await start('etcd', (place) => startEtcd(place, peerPort));
  const apiserver = await start('kube-apiserver', (place) => startApiserver(place, etcd.address, credentials));
  return { kubeconfigs: credentials.writeKubeconfigs(apiserver.address), credentials };
}

/** Starts what makes Deployments run in a cluster of ours: controllers, scheduler, and two simulated nodes. */
export async function startWorkloads(
  { start }: Launcher<ServerName>,
  { kubeconfigs, credentials }: Cluster,
  kubernetes: Kubernetes,
  options: StageOptions,
): Promise<void> {
  if (!credentials) throw new Error('workloads can only be started in a cluster that was started here');
  const of = (name: ServerName) => kubeconfigs[name] ?? '';
  await Promise.all([
    start('kube-controller-manager', (place) =>
      startControllerManager(place, of('kube-controller-manager'), credentials),
    ),
    start('kube-scheduler', (place) => startScheduler(place, of('kube-scheduler'))),
    start('kwok', (place) => startKwok(place, of('kwok'), options)).then(() => addNodes(kubernetes)),
  ]);
}

const nodes: Resource = { apiVersion: 'v1', kind: 'Node', plural: 'nodes' };

async function addNodes(kubernetes: Kubernetes): Promise<void> {
  for (const name of ['simulated-1', 'simulated-2']) {
    const labels = { type: 'kwok', 'kubernetes.io/os': 'linux', 'kubernetes.io/hostname': name };
    await kubernetes.apply(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name, labels } }, 'serin-local');
  }
  const deadline = Date.now() + 60_000;
  for (;;) {
    const { items } = await kubernetes.list(nodes, undefined);
    if (items.filter(isReady).length === 2) return;
    if (Date.now() > deadline) throw new Error('simulated nodes were not Ready within 60 s; see kwok.log');
    await sleep(100);
  }
}

function isReady({ status }: KubernetesObject): boolean {
  const { conditions = [] } = (status ?? {}) as { conditions?: readonly { type: string; status: string }[] };
  return conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
}
