import type { Deps } from '../../src/activities/deps.ts';
import { resources, type KubernetesObject } from '../../src/clients/kubernetes.ts';
import { parseCanary, type Canary } from '../../src/schemas/canary.ts';
import type { RouterWorld } from './router.ts';

/** @param uid the Canary's; where a garbage collector runs it has to be the one of a Canary that exists */
type CreateWorld = (deps: Deps, namespace: string, uid?: string) => RouterWorld;

/** A world for each provider that `src/activities/routers/index.ts` lists. */
export const routerWorlds: ReadonlyMap<string, CreateWorld> = new Map([['istio', istioWorld]]);

/** A Canary out of a manifest, or the reason why it is none. */
export function canaryOf(manifest: object): Canary {
  const parsed = parseCanary(manifest);
  if ('problem' in parsed) throw new Error(parsed.problem);
  return parsed.canary;
}

/** The Canary `shop` with this in `spec.service`, and with this in `spec.analysis`; undefined takes a field away. */
export function shopWith(
  service: object = {},
  analysis: object = {},
  { namespace = 'prod', uid = 'canary-uid' } = {},
): Canary {
  return canaryOf({
    apiVersion: 'flagger.app/v1beta1',
    kind: 'Canary',
    metadata: { name: 'shop', namespace, uid },
    spec: {
      targetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'shop' },
      service: { port: 8080, ...service },
      analysis: { interval: '10s', threshold: 3, maxWeight: 50, stepWeight: 10, ...analysis },
    },
  });
}

function istioWorld(deps: Deps, namespace: string, uid?: string): RouterWorld {
  const canaryWith = (service: object) =>
    shopWith(
      {
        hosts: ['shop.example.com'],
        gateways: ['ingress/public'],
        match: [{ uri: { prefix: '/' }, headers: { 'x-user': {} } }],
        retries: { attempts: 3, perTryTimeout: '1s', retryOn: 'gateway-error' },
        trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } },
        ...service,
      },
      {},
      { namespace, uid },
    );
  const { virtualServices, destinationRules } = resources;
  const routeSpec = (route: KubernetesObject) => route.spec as { gateways: string[]; http: [HttpRoute] };
  const change = async (edit: (spec: ReturnType<typeof routeSpec>) => void) => {
    const route = (await deps.mesh.get(virtualServices, namespace, 'shop'))!;
    edit(routeSpec(route));
    await deps.mesh.replace(virtualServices, route);
  };

  return {
    deps,
    canary: canaryWith({}),
    edited: canaryWith({ hosts: ['shop.example.com', 'shop.example.org'], timeout: '15s' }),
    impossible: { canary: canaryWith({ delegation: true }), field: 'hosts and gateways when delegation enabled' },
    objects: ['DestinationRule shop-canary', 'DestinationRule shop-primary', 'VirtualService shop'],
    route: () => deps.mesh.get(virtualServices, namespace, 'shop'),
    async stored() {
      const lists = await Promise.all(
        [destinationRules, virtualServices].map((kind) => deps.mesh.list(kind, namespace)),
      );
      return lists.flatMap(({ items }) => items);
    },
    written(route) {
      const destinations = routeSpec(route).http[0].route;
      const weightOf = (host: string) => destinations.find(({ destination }) => destination.host === host)?.weight;
      return { primary: weightOf('shop-primary'), canary: weightOf('shop-canary') };
    },
    async tamper() {
      await change((spec) => spec.gateways.push('by-hand'));
      return 'VirtualService shop';
    },
    shove: ({ primary, canary }) =>
      change((spec) => {
        spec.http[0].route[0]!.weight = primary;
        spec.http[0].route[1]!.weight = canary;
      }),
    removeRoute: () => deps.mesh.remove(virtualServices, namespace, 'shop'),
  };
}

interface HttpRoute {
  route: { destination: { host: string }; weight: number }[];
}
