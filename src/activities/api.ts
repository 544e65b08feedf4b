import type { Resource } from '../clients/kubernetes.ts';

/**
 * An API of another product that a router or an autoscaler works with, declared where it is used. What is watched, what
 * `SERIN_PROVIDERS` may name, and what the chart grants all follow from it.
 */
export interface Api {
  /** As `SERIN_PROVIDERS` and the chart's `providers` name it. */
  readonly name: string;
  /** For people. */
  readonly product: string;
  /** Where its objects are: with the control plane of the mesh, or with the workloads. */
  readonly cluster: 'mesh' | 'workloads';
  readonly uses: readonly ApiUse[];
}

export interface ApiUse {
  readonly resource: Resource;
  /** What the worker may do. The starter lists and watches what is watched. */
  readonly verbs: readonly ('get' | 'list' | 'create' | 'update' | 'patch' | 'delete')[];
  /**
   * Whose changes are told to which Canary: routes by the name of its apex, alone or with `-primary` or `-canary` after it,
   * autoscalers by the reference to them, and targets. Absent for what nobody watches.
   */
  readonly watched?: 'route' | 'autoscaler' | 'target';
}
