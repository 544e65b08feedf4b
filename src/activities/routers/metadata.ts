import type { Canary } from '../../schemas/canary.ts';
import { serviceNames } from '../../schemas/defaults.ts';
import type { Deps } from '../deps.ts';
import { fluxGuards } from '../ownership.ts';
import { workloads } from '../workloads/index.ts';

export interface Metadata {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/**
 * What a route carries: the labels and annotations of `spec.service.apex`, and the Flux guards. With `service.apex`
 * given, be it empty, the pod label joins in with the name of the apex as its value, as on the apex Service. Only then
 * is the target read, and this fails as that does.
 *
 * @see Flagger: its Service step writes that label into the Canary in memory, where the router then finds it
 */
export async function apexMetadata(canary: Canary, deps: Deps): Promise<Metadata> {
  const apex = canary.spec.service?.apex;
  const podLabel = apex ? await podLabelOf(canary, deps) : undefined;
  return {
    labels: { ...apex?.labels, ...(podLabel ? { [podLabel]: serviceNames(canary).apex } : {}) },
    annotations: { ...apex?.annotations, ...fluxGuards },
  };
}

/** The label that tells the target's pods apart; none for a Service, which has no pods of its own. */
async function podLabelOf(canary: Canary, deps: Deps): Promise<string | undefined> {
  const workload = workloads.get(canary.spec.targetRef.kind)?.(deps);
  return (await workload?.pods(canary))?.label;
}
