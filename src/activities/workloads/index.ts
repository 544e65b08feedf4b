import { createDaemonSetWorkload } from './daemon-set.ts';
import { createDeploymentWorkload } from './deployment.ts';
import { createKnativeWorkload } from './knative-service.ts';
import { createServiceWorkload } from './service.ts';
import type { CreateWorkload } from './workload.ts';

/** Kinds of target by the name that `targetKindOf` gives them. */
export const workloads: ReadonlyMap<string, CreateWorkload> = new Map([
  ['Deployment', createDeploymentWorkload],
  ['DaemonSet', createDaemonSetWorkload],
  ['Service', createServiceWorkload],
  ['Knative Service', createKnativeWorkload],
]);
