import { resources } from '../../clients/kubernetes.ts';
import type { Canary } from '../../schemas/canary.ts';
import { serviceNames } from '../../schemas/defaults.ts';
import { weightsAlone } from '../../schemas/providers.ts';
import type { Traffic } from '../../workflows/domain/observation.ts';
import type { Api } from '../api.ts';
import { during } from '../attempts.ts';
import type { Deps } from '../deps.ts';
import { difference } from './compare.ts';
import { routesOf } from './istio-routes.ts';
import {
  conditionMaps,
  destinationRuleSpec,
  ownedFields,
  virtualServiceSpec,
  weightsIn,
  withoutTraffic,
} from './istio-spec.ts';
import { apexMetadata } from './metadata.ts';
import { createObjects, lostItems, lostRules, type Model, type Place, type Wanted } from './objects.ts';
import type { CreateRouter, RouterKind } from './router.ts';

/**
 * Istio: a VirtualService that holds the weights, and a DestinationRule for each of its two destinations.
 *
 * @see Flagger, pkg/router/istio.go; the error texts are its own
 */
const createIstio: CreateRouter = (deps) => {
  const objects = createObjects(model, deps);
  return {
    drift: async (canary) => objects.drift(canary, await wantedObjects(canary, { primary: 100, canary: 0 }, deps)),
    ensure: async (canary, traffic) => objects.ensure(canary, await wantedObjects(canary, traffic, deps)),
    async getWeights(canary) {
      const live = await objects.get(canary, routeOf(canary));
      return live && weightsIn(canary, live.spec);
    },
    setWeights: async (canary, traffic) => objects.move(canary, routeOf(canary), { ...routesOf(canary, traffic) }),
    revert: (canary) => objects.revert(canary, [routeOf(canary), ...rulesOf(canary)]),
  };
};

const model: Model = {
  product: 'Istio',
  ownedFields,
  maps: conditionMaps,
  keepsAnnotations: false,
  complete: (spec) => spec,
  withoutTraffic,
  isOurs: (canary, spec) => weightsIn(canary, spec) !== undefined,
  losses: (before, now, kind) => {
    const after = now as Readonly<Record<string, unknown>>;
    if (kind === 'DestinationRule')
      return Object.keys(before).filter((field) => difference(after[field], before[field], field) !== undefined);
    return [
      ...(['hosts', 'gateways'] as const).flatMap((field) => lostItems(field, before[field], after[field])),
      ...(['http', 'tcp'] as const).flatMap((field) => lostRules(field, before[field])),
    ];
  },
  words(action, { resource: { kind }, name }, canary) {
    const route = `${kind} ${name}.${canary.metadata.namespace}`;
    // A space and no colon, as Flagger spells it, for that kind.
    const get = kind === 'VirtualService' ? 'get query error ' : 'get query error';
    switch (action) {
      case 'reconcile get':
        return [`reconcile${kind} failed: ${route} ${get}`];
      case 'reconcile create':
        return [`reconcile${kind} failed: ${route} create error`];
      case 'reconcile update':
        return [`reconcile${kind} failed: ${route} update error`];
      case 'get':
        return [`${route} ${get}`];
      case 'move':
        return [`${route} update failed`];
      case 'revert':
        return [`${route} update error`];
    }
  },
};

/** The three objects in the order in which they are written: a route comes after the rules of its destinations. */
async function wantedObjects(canary: Canary, traffic: Traffic, deps: Deps): Promise<Wanted[]> {
  const spec = await during('reconcileVirtualService failed', () => virtualServiceSpec(canary, traffic));
  const metadata = await apexMetadata(canary, deps);
  return [
    ...rulesOf(canary).map((place) => ({ ...place, spec: destinationRuleSpec(canary, place.name) })),
    { ...routeOf(canary), spec, metadata },
  ];
}

/** Each is called after the host that it is about. */
function rulesOf(canary: Canary): readonly Place[] {
  const names = serviceNames(canary);
  return [names.canary, names.primary].map((name) => ({ resource: resources.destinationRules, name }));
}

function routeOf(canary: Canary): Place {
  return { resource: resources.virtualServices, name: serviceNames(canary).apex };
}

const verbs = ['get', 'create', 'update'] as const;
const api: Api = {
  ...{ name: 'istio', product: 'Istio', cluster: 'mesh' },
  uses: [
    { resource: resources.virtualServices, verbs, watched: 'route' },
    { resource: resources.destinationRules, verbs, watched: 'route' },
  ],
};

export const istio: RouterKind = {
  api,
  can: { weights: true, match: true, mirror: true, sessionAffinity: 'ignored-with-match', overTcp: weightsAlone },
  create: createIstio,
};
