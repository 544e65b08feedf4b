import { resources } from '../../clients/kubernetes.ts';
import { failure } from '../../errors.ts';
import type { Canary } from '../../schemas/canary.ts';
import { weightsAlone } from '../../schemas/providers.ts';
import type { Weights } from '../../workflows/domain/observation.ts';
import type { Api } from '../api.ts';
import { sameJson } from '../revision.ts';
import {
  findService,
  isPinned,
  named,
  primaryAnnotation,
  primaryOf,
  readService,
  rememberedPrimary,
  withPrimary,
  writeService,
  type KnativeService,
  type TrafficTarget,
} from '../knative/service.ts';
import type { CreateRouter, RouterKind } from './router.ts';

/**
 * Divides the traffic of a Knative Service between its newest revision, the canary, and the one that its annotation
 * names, the primary. There is nothing to generate.
 *
 * @see routers spec 19; unlike in Flagger tags of other authors stay, without a share of the traffic
 */
const createKnative: CreateRouter = ({ kubernetes }) => ({
  async drift(canary) {
    const service = await readService(kubernetes, canary);
    const primary = primaryOf(service);
    const wanted = primary === undefined ? undefined : divided(service, primary, start);
    const isAsWanted = wanted && sameJson(still(service.spec.traffic), still(wanted));
    return isAsWanted ? [] : [`Service ${service.metadata.name}`];
  },

  async ensure(canary, traffic) {
    const live = await readService(kubernetes, canary);
    const primary = primaryOf(live) ?? rememberedPrimary(canary, live);
    await writeService(kubernetes, canary, live, routed(withPrimary(live, primary), primary, traffic));
    return [];
  },

  async getWeights(canary) {
    const service = await readService(kubernetes, canary);
    return primaryOf(service) === undefined ? undefined : weightsIn(service);
  },

  async setWeights(canary, traffic) {
    const live = await readService(kubernetes, canary);
    const primary = primaryOf(live);
    if (primary === undefined) throw failure('NotFound', `${named(canary)} annotation not found`);
    await writeService(kubernetes, canary, live, routed(live, primary, traffic));
  },

  /** Where its traffic goes is left as it is: the primary serves, and nobody but the author knows what comes next. */
  async revert(canary: Canary) {
    const live = await findService(kubernetes, canary);
    if (!live || primaryOf(live) === undefined) return;
    const { [primaryAnnotation]: _, ...annotations } = live.metadata.annotations ?? {};
    await writeService(kubernetes, canary, live, { ...live, metadata: { ...live.metadata, annotations } });
  },
});

const api: Api = {
  ...{ name: 'knative', product: 'Knative', cluster: 'workloads' },
  uses: [
    { resource: resources.knativeServices, verbs: ['get', 'update'], watched: 'target' },
    { resource: resources.knativeRevisions, verbs: ['get'] },
  ],
};

export const knative: RouterKind = { can: weightsAlone, api, create: createKnative };

const start: Weights = { primary: 100, canary: 0 };

function routed(service: KnativeService, primary: string, weights: Weights): KnativeService {
  const traffic = divided(service, primary, weights);
  if (sameJson(filledIn(service.spec.traffic), filledIn(traffic))) return service;
  return { ...service, spec: { ...service.spec, traffic } };
}

/** The canary first, as Flagger has it. An entry with a tag keeps its address, and gets no traffic by it. */
function divided({ spec }: KnativeService, primary: string, weights: Weights): TrafficTarget[] {
  const tagged = (spec.traffic ?? []).filter(({ tag }) => tag);
  return [
    { latestRevision: true, percent: weights.canary },
    { revisionName: primary, percent: weights.primary },
    ...tagged.map((target) => (target.percent ? { ...target, percent: 0 } : target)),
  ];
}

/** With what Knative fills in, so that it compares. */
function filledIn(traffic: readonly TrafficTarget[] = []): readonly TrafficTarget[] {
  return traffic.map(({ latestRevision = false, revisionName, percent = 0, tag }) => {
    return { latestRevision, revisionName, percent, tag };
  });
}

/** What does not change in the course of a release: everything but the shares of the two sides. */
function still(traffic: readonly TrafficTarget[] = []): unknown {
  return filledIn(traffic).map((target) => (target.tag ? target : { ...target, percent: 0 }));
}

/**
 * Shares as they are in force, or as they are asked for where Knative has not got there yet. Whatever does not go to the
 * newest revision counts as the primary's.
 */
function weightsIn({ metadata, spec, status }: KnativeService): Weights | undefined {
  const isCurrent = status?.observedGeneration !== undefined && status.observedGeneration === metadata.generation;
  const traffic = (isCurrent && status?.traffic) || (spec.traffic ?? []);
  if (traffic.length === 0) return undefined;
  const canary = traffic
    .filter((target) => !isPinned(target) && target.latestRevision === true)
    .reduce((sum, { percent = 0 }) => sum + percent, 0);
  return { primary: 100 - canary, canary };
}
