import { statSync } from 'node:fs';
import type { ProcessSettings } from '../config.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { createKubernetes, loadKubeConfig, type KubernetesOptions } from './kubernetes-client.ts';
import type { Kubernetes } from './kubernetes.ts';

/** The clusters a process works with. */
export interface Clusters {
  /** The one with the workloads. */
  readonly kubernetes: Kubernetes;
  /** The control plane of the mesh: another cluster's, or the same client as `kubernetes`. */
  readonly mesh: Kubernetes;
}

type Named = Pick<ProcessSettings, 'kubeconfig' | 'meshKubeconfig' | 'master' | 'kubernetesQps' | 'kubernetesBurst'>;

/** Clients for the clusters that the settings name. @throws Error when a kubeconfig cannot be read */
export function connectClusters(settings: Named, fieldManager: string, log: Pick<Log, 'warn'>): Clusters {
  const { kubeconfig, meshKubeconfig, master, kubernetesQps: qps, kubernetesBurst: burst } = settings;
  const options = { fieldManager, limit: { qps, burst } };
  const connect = (path: string) => connectCluster(path, { options, master, log });
  const kubernetes = connect(kubeconfig);
  return { kubernetes, mesh: meshKubeconfig ? connect(meshKubeconfig) : kubernetes };
}

interface ConnectOptions {
  readonly options: KubernetesOptions;
  /** URL of the API server, instead of what the kubeconfig says. */
  readonly master?: string;
  readonly log: Pick<Log, 'warn'>;
  readonly now?: () => number;
}

/** How often a kubeconfig is looked at, in milliseconds. */
const lookEveryMs = 5_000;

/**
 * A client for the cluster of a kubeconfig, which is read again once the file has changed: credentials in it are rotated,
 * and Kubernetes replaces the files of a Secret under a running process. A file that cannot be read is told, and changes
 * nothing until it can. Watches that are open go on until they end. Without a path the pod's own account is used, whose token the
 * library reads again by itself.
 */
export function connectCluster(
  path: string,
  { options, master = '', log, now = Date.now }: ConnectOptions,
): Kubernetes {
  const open = () => createKubernetes(loadKubeConfig(path, master), options);
  if (path === '') return open();
  let seen = stampOf(path);
  let client = open();
  let lookedAt = now();
  /** The state of the file that was told of last. */
  let told = seen;
  const current = (): Kubernetes => {
    if (now() - lookedAt < lookEveryMs) return client;
    lookedAt = now();
    const stamp = stampOf(path);
    if (stamp === seen) return client;
    try {
      client = open();
      seen = stamp;
    } catch (error) {
      // Half written, or gone for a moment: what it said before goes on, and the next look tries again.
      if (told !== stamp) log.warn('kubeconfig cannot be read again yet', { path, error: messageOf(error) });
      told = stamp;
    }
    return client;
  };
  return {
    get server() {
      return current().server;
    },
    get authority() {
      return current().authority;
    },
    get: (...call) => current().get(...call),
    list: (...call) => current().list(...call),
    create: (...call) => current().create(...call),
    replace: (...call) => current().replace(...call),
    patch: (...call) => current().patch(...call),
    apply: (...call) => current().apply(...call),
    remove: (...call) => current().remove(...call),
    watch: (...call) => current().watch(...call),
  };
}

/** Changes with the file, also where it is a link that leads elsewhere now. '' for none. */
function stampOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  return found ? `${found.ino}/${found.mtimeMs}/${found.size}` : '';
}
