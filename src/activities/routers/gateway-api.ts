import { resources, type KubernetesObject, type Resource } from '../../clients/kubernetes.ts';
import { failure } from '../../errors.ts';
import type { Canary } from '../../schemas/canary.ts';
import { serviceNames } from '../../schemas/defaults.ts';
import type { Capabilities } from '../../schemas/providers.ts';
import type { Traffic } from '../../workflows/domain/observation.ts';
import type { Api } from '../api.ts';
import { rulesOf, serviceOf, type Version } from './gateway-rules.ts';
import { assertReady, complete, ownedFields, weightsIn, withoutTraffic } from './gateway-spec.ts';
import { apexMetadata } from './metadata.ts';
import { createObjects, lostItems, lostRules, type Model, type Place } from './objects.ts';
import type { CreateRouter, RouterKind } from './router.ts';

const api: Api = {
  ...{ name: 'gatewayapi', product: 'Gateway API', cluster: 'mesh' },
  uses: [{ resource: resources.httpRoutes, verbs: ['get', 'create', 'update'], watched: 'route' }],
};

/**
 * The Gateway API: one HTTPRoute, whose backends carry the weights.
 *
 * @see Flagger, pkg/router/gateway_api.go; the error texts are its own. Unlike there an HTTPRoute of somebody else's is
 *   kept in an annotation before it is taken over, and given back.
 */
export const gatewayApiV1 = gatewayApi({
  apiVersion: 'gateway.networking.k8s.io/v1',
  isFull: true,
});

/** The same in the older version of the API, which knows less. @see routers spec 8 */
export const gatewayApiV1Beta1 = gatewayApi({
  apiVersion: 'gateway.networking.k8s.io/v1beta1',
  isFull: false,
});

function gatewayApi(version: Version): RouterKind {
  const can: Capabilities = { weights: true, match: true, mirror: 'blue-green', sessionAffinity: 'without-match' };
  return { can, api, isPrefix: true, create: createGatewayApi(version) };
}

function createGatewayApi(version: Version): CreateRouter {
  const resource: Resource = { ...resources.httpRoutes, apiVersion: version.apiVersion };
  const place = (canary: Canary): Place => ({ resource, name: serviceNames(canary).apex });
  return (deps) => {
    const objects = createObjects(model, deps);
    const wanted = async (canary: Canary, traffic: Traffic) => {
      const spec = routeSpec(canary, traffic, version);
      return [{ ...place(canary), spec, metadata: await apexMetadata(canary, deps) }];
    };
    return {
      drift: async (canary) => objects.drift(canary, await wanted(canary, { primary: 100, canary: 0 })),
      ensure: async (canary, traffic) => objects.ensure(canary, await wanted(canary, traffic)),
      async getWeights(canary) {
        const live = await objects.get(canary, place(canary));
        return live && weightsIn(canary, live.spec);
      },
      setWeights: (canary, traffic) =>
        objects.move(canary, place(canary), { rules: rulesOf(canary, traffic, version) }, (live) => {
          if (version.isFull && asksForMore(canary, live, traffic)) assertReady(canary, live);
        }),
      revert: (canary) => objects.revert(canary, [place(canary)]),
    };
  };
}

/** Only more of the canary waits for the gateways: the way back is never held up. */
function asksForMore(canary: Canary, live: KubernetesObject, traffic: Traffic): boolean {
  const now = weightsIn(canary, live.spec);
  return traffic.canary > (now?.canary ?? 0) || Boolean(traffic.mirrored && !now?.mirrored);
}

/** @throws `InvalidSpec` when the Canary asks for what cannot work; the message names the field */
function routeSpec(canary: Canary, traffic: Traffic, version: Version): object {
  const { gatewayRefs = [], hosts = [] } = serviceOf(canary);
  if (gatewayRefs.length === 0) {
    const text = 'GatewayRefs must be specified when using Gateway API as a provider.';
    throw failure('InvalidSpec', `${text} Name the Gateway in spec.service.gatewayRefs`);
  }
  return {
    parentRefs: gatewayRefs,
    ...(hosts.length > 0 ? { hostnames: hosts } : {}),
    rules: rulesOf(canary, traffic, version),
  };
}

const model: Model = {
  product: 'the Gateway API',
  ownedFields,
  keepsAnnotations: true,
  complete,
  withoutTraffic,
  isOurs: (canary, spec) => weightsIn(canary, spec) !== undefined,
  losses: (before, now) => [
    ...lostItems('hostnames', before.hostnames, (now as { hostnames?: readonly string[] }).hostnames),
    ...lostRules('rules', before.rules),
  ],
  words(action, { name }, canary) {
    const route = `HTTPRoute ${name}.${canary.metadata.namespace}`;
    switch (action) {
      case 'reconcile get':
      case 'get':
        return [`${route} get error`];
      case 'reconcile create':
        return [`${route} create error`];
      case 'reconcile update':
        return [`${route} update error`, ' while reconciling'];
      case 'move':
        return [`${route} update error`, ' while setting weights'];
      case 'revert':
        return [`${route} update error`];
    }
  },
};
