import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKubernetes, loadKubeConfig } from '../src/clients/kubernetes-client.ts';
import type { Kubernetes } from '../src/clients/kubernetes.ts';
import type { Progress } from './build.ts';
import { startCluster, startWorkloads, type Cluster } from './cluster.ts';
import { applyCrds } from './crds.ts';
import type { User } from './credentials.ts';
import { createLauncher, type Launcher } from './launcher.ts';
import { freePort } from './ports.ts';
import type { Server } from './process.ts';
import { startObjectStore, type ObjectStore } from './servers/object-store.ts';
import { startPrometheus } from './servers/prometheus.ts';
import { startRegistry, type PushListener } from './servers/registry.ts';
import { startTemporal } from './servers/temporal.ts';
import { foreignCrds, provideTools, type ToolName } from './tools.ts';
import { simulateTraffic } from './traffic/simulated.ts';
import type { AdjustableTraffic } from './traffic/source.ts';

/** What can be started on its own. A part brings those it stands on. */
export const parts = {
  /** etcd and the API server with our custom resources and Istio's; nothing acts on what is stored. */
  cluster: ['etcd', 'kube-apiserver'],
  /** Controllers, scheduler and simulated kubelets: Deployments get pods that become Ready. */
  workloads: ['kube-controller-manager', 'kube-scheduler', 'kwok'],
  /** Prometheus, and the traffic it measures. */
  metrics: ['prometheus'],
  registry: ['registry'],
  temporal: ['temporal'],
  /** An object store. Only those who ask for it get it. */
  objects: ['versitygw'],
} as const satisfies Record<string, readonly ToolName[]>;

export type Part = keyof typeof parts;
export type ServerName = (typeof parts)[Part][number];

export interface StackOptions {
  /** All of them but the object store if not named. */
  readonly parts?: readonly Part[];
  /** For data, logs and kubeconfigs. Without one, a temporary folder is made, and removed by `stop`. */
  readonly directory?: string;
  /** Fixed ports, for addresses that people remember; others are picked. */
  readonly ports?: Partial<Record<ServerName | 'temporal-ui', number>>;
  /** Flags added to a server's own. */
  readonly extraArgs?: Partial<Record<ServerName, readonly string[]>>;
  /** Time a healthy pod takes to become Ready, in milliseconds. */
  readonly readyDelayMs?: number;
  /** Users of the API server beside `admin`; each gets a kubeconfig. */
  readonly users?: readonly User[];
  /** Who hears of pushes to the registry. */
  readonly pushListeners?: readonly PushListener[];
  readonly progress?: Progress;
  readonly env?: NodeJS.ProcessEnv;
}

export interface Stack {
  readonly directory: string;
  /** The administrator's kubeconfig; '' when no cluster was asked for. */
  readonly kubeconfig: string;
  /** Paths by name, `admin` among them. */
  readonly kubeconfigs: Readonly<Record<string, string>>;
  /** URL of Prometheus; '' when there is none. */
  readonly prometheus: string;
  /** `host:port` of the registry, plain HTTP; '' when there is none. */
  readonly registry: string;
  /** `host:port` of Temporal; '' when there is none. */
  readonly temporal: string;
  /** URL of Temporal's web page; '' when it is not ours. */
  readonly temporalUi: string;
  readonly objects: ObjectStore | undefined;
  /** Only the servers that were started here: none for what an environment variable brought. */
  readonly servers: ReadonlyMap<ServerName, Server>;
  /** Undefined without a Prometheus of ours: someone else's has traffic of its own. */
  readonly traffic: AdjustableTraffic | undefined;
  /** Has Prometheus scrape these addresses (`host:port`) as one job. */
  scrape(job: string, addresses: readonly string[]): void;
  /** Has the registry tell pushes to these listeners as well, besides those of `pushListeners`. It starts again for that. */
  notifyPushes(listeners: readonly PushListener[]): Promise<void>;
  /** Ends every server and waits until it is gone. */
  stop(): Promise<void>;
}

/**
 * Starts servers as ordinary processes on 127.0.0.1 and waits until all are ready. They end with `stop`, or with this
 * process, whichever comes first. What `SERIN_KUBECONFIG`, `TEMPORAL_ADDRESS` or `SERIN_METRICS_SERVER` names is used
 * instead of starting it.
 *
 * @throws Error with the end of the log of the server that failed; nothing is left running, the folder stays for a look
 */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const { progress = () => undefined, env = process.env, ports = {}, extraArgs = {} } = options;
  const { wanted, local } = chooseParts(options.parts, env);
  const needed: ToolName[] = [...local].flatMap((part) => [...parts[part]]);
  const tools = await provideTools(wanted.has('cluster') ? [...needed, ...foreignCrds] : needed, progress, env);
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'serin-'));
  mkdirSync(directory, { recursive: true });

  const launcher = createLauncher<ServerName>({ tools, directory, ports, extraArgs, progress });
  const uiPort = ports['temporal-ui'] ?? (await freePort());
  let traffic: AdjustableTraffic | undefined;
  const stop = async () => {
    await traffic?.stop();
    await launcher.stop([...parts.workloads, ...parts.metrics, ...parts.registry, ...parts.temporal, ...parts.objects]);
    // Clients that still watch would make the API server wait for them; etcd goes last, or it would look for etcd.
    await launcher.stop(['kube-apiserver'], 3_000);
    await launcher.stop(['etcd']);
  };
  try {
    const [cluster, prometheus, registry, temporal, objects] = await allSettledOrError(
      wanted.has('cluster')
        ? bringUpCluster(
            launcher,
            foreignCrds.map((name) => tools[name]),
            directory,
            local,
            options,
          )
        : undefined,
      local.has('metrics') ? launcher.start('prometheus', startPrometheus) : undefined,
      local.has('registry')
        ? launcher.start('registry', (place) => startRegistry(place, options.pushListeners))
        : undefined,
      local.has('temporal') ? launcher.start('temporal', (place) => startTemporal(place, uiPort)) : undefined,
      local.has('objects') ? launcher.start('versitygw', startObjectStore) : undefined,
    );
    if (cluster && prometheus) {
      traffic = await simulateTraffic(clientOf(cluster, 'traffic'), await freePort());
      prometheus.scrape('istio', traffic.scrapeAddresses);
    }
    return {
      directory,
      kubeconfig: cluster?.kubeconfigs.admin ?? '',
      kubeconfigs: cluster?.kubeconfigs ?? {},
      prometheus: prometheus?.address ?? env.SERIN_METRICS_SERVER ?? '',
      registry: registry?.address ?? '',
      temporal: temporal?.address ?? env.TEMPORAL_ADDRESS ?? '',
      temporalUi: temporal ? `http://127.0.0.1:${uiPort}` : '',
      objects,
      servers: launcher.servers,
      traffic,
      scrape: (job, addresses) => prometheus?.scrape(job, addresses),
      async notifyPushes(listeners) {
        if (!registry) throw new Error('this stack has no registry');
        await registry.notify([...(options.pushListeners ?? []), ...listeners]);
      },
      async stop() {
        await stop();
        if (options.directory === undefined) rmSync(directory, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What is needed, and which of it is started here. */
export function chooseParts(asked: readonly Part[] | undefined, env: NodeJS.ProcessEnv) {
  const wanted = new Set<Part>(asked ?? (Object.keys(parts) as Part[]).filter((part) => part !== 'objects'));
  if (wanted.has('workloads') || wanted.has('metrics')) wanted.add('cluster');
  const local = new Set(wanted);
  const use = (variable: string, ...replaced: Part[]) => {
    if (env[variable]) for (const part of replaced) local.delete(part);
  };
  use('SERIN_KUBECONFIG', 'cluster', 'workloads');
  use('TEMPORAL_ADDRESS', 'temporal');
  use('SERIN_METRICS_SERVER', 'metrics');
  return { wanted, local } as const satisfies Record<string, ReadonlySet<Part>>;
}

async function bringUpCluster(
  launcher: Launcher<ServerName>,
  foreign: readonly string[],
  directory: string,
  local: ReadonlySet<Part>,
  { users = [], readyDelayMs = 300, env = process.env }: StackOptions,
): Promise<Cluster> {
  const isOurs = local.has('cluster');
  const cluster = isOurs
    ? await startCluster(launcher, directory, users)
    : { kubeconfigs: { admin: env.SERIN_KUBECONFIG ?? '' }, credentials: undefined };
  const kubernetes = clientOf(cluster, 'admin');
  await allSettledOrError(
    applyCrds(kubernetes, foreign, isOurs),
    local.has('workloads') ? startWorkloads(launcher, cluster, kubernetes, { readyDelayMs }) : undefined,
  );
  return cluster;
}

function clientOf({ kubeconfigs }: Cluster, user: string): Kubernetes {
  const config = loadKubeConfig(kubeconfigs[user] ?? kubeconfigs.admin);
  // A machine on which much is started at once is slow with the first requests of all.
  return createKubernetes(config, { fieldManager: 'serin-local', timeoutMs: 60_000 });
}

/** Like `Promise.all`, but fails only when nothing is under way any more, so that all of it can be taken down. */
async function allSettledOrError<T extends readonly unknown[]>(
  ...work: { [K in keyof T]: T[K] | Promise<T[K]> }
): Promise<T> {
  const outcomes = await Promise.allSettled(work.map((value) => Promise.resolve(value)));
  return outcomes.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  }) as unknown as T;
}
