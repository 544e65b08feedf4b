import type { ProcessSettings } from '../config.ts';
import { createKubernetes, loadKubeConfig, type Kubernetes } from './kubernetes.ts';

/** The clusters a process works with. */
export interface Clusters {
  /** The one with the workloads. */
  readonly kubernetes: Kubernetes;
  /** The control plane of the mesh: another cluster's, or the same client as `kubernetes`. */
  readonly mesh: Kubernetes;
}

type Named = Pick<ProcessSettings, 'kubeconfig' | 'meshKubeconfig' | 'master' | 'kubernetesQps' | 'kubernetesBurst'>;

/** Clients for the clusters that the settings name. @throws Error when a kubeconfig cannot be read */
export function connectClusters(settings: Named, fieldManager: string): Clusters {
  const { kubeconfig, meshKubeconfig, master, kubernetesQps: qps, kubernetesBurst: burst } = settings;
  const connect = (path: string) =>
    createKubernetes(loadKubeConfig(path, master), { fieldManager, limit: { qps, burst } });
  const kubernetes = connect(kubeconfig);
  return { kubernetes, mesh: meshKubeconfig ? connect(meshKubeconfig) : kubernetes };
}
