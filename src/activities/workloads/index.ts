import { createDaemonSetWorkload } from './daemon-set.ts';
import { createDeploymentWorkload } from './deployment.ts';
import { createServiceWorkload } from './service.ts';
import type { CreateWorkload } from './workload.ts';

/** Kinds of target by the name `targetRef.kind` gives them. */
export const workloads: ReadonlyMap<string, CreateWorkload> = new Map([
  ['Deployment', createDeploymentWorkload],
  ['DaemonSet', createDaemonSetWorkload],
  ['Service', createServiceWorkload],
]);
