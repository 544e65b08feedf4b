import type { Http } from '../clients/http.ts';
import type { Kubernetes } from '../clients/kubernetes.ts';
import type { Settings } from '../config.ts';

/** What activities work with. Built once by `worker.ts`; tests pass plain objects. */
export interface Deps {
  /** The cluster with the workloads. */
  readonly kubernetes: Kubernetes;
  /** The control plane of the mesh: another cluster's, or the same client as `kubernetes`. */
  readonly mesh: Kubernetes;
  readonly http: Http;
  readonly settings: Settings;
}
