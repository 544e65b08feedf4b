import type { Deps } from '../../../src/activities/deps.ts';
import { primaryAnnotation, type KnativeService, type TrafficTarget } from '../../../src/activities/knative/service.ts';
import { resources, type KubernetesObject } from '../../../src/clients/kubernetes.ts';
import { canaryOf } from '../canaries.ts';
import type { RouterWorld } from '../router-world.ts';

type Live = KnativeService & { spec: { traffic: TrafficTarget[] } };

/** The route is the target itself, once its annotation says who is the primary. */
export function knativeWorld(deps: Deps, namespace: string, uid = 'canary-uid'): RouterWorld {
  const { knativeServices: resource } = resources;
  const { apiVersion, kind } = resource;
  const read = async () => (await deps.kubernetes.get(resource, namespace, 'shop')) as Live;
  const isRoute = ({ metadata }: KubernetesObject) => primaryAnnotation in (metadata.annotations ?? {});
  const change = async (edit: (service: Live) => void) => {
    const service = await read();
    edit(service);
    await deps.kubernetes.replace(resource, service);
  };

  return {
    deps,
    canary: canaryOf({
      apiVersion: 'flagger.app/v1beta1',
      kind: 'Canary',
      metadata: { name: 'shop', namespace, uid },
      spec: {
        provider: 'knative',
        targetRef: { apiVersion, kind, name: 'shop' },
        analysis: { interval: '10s', threshold: 3, maxWeight: 50, stepWeight: 10 },
      },
    }),
    async prepare() {
      const template = { spec: { containers: [{ image: 'shop:1' }] } };
      const spec = { template, traffic: [{ latestRevision: true, percent: 100 }] };
      await deps.kubernetes.create(resource, { apiVersion, kind, metadata: { name: 'shop', namespace }, spec });
      const status = { latestCreatedRevisionName: 'shop-00001', latestReadyRevisionName: 'shop-00001' };
      await deps.kubernetes.patch(resource, namespace, 'shop', { status }, 'status');
    },
    objects: ['Service shop'],
    leavesNothing: true,
    async stored() {
      return (await deps.kubernetes.list(resource, namespace)).items.filter(isRoute);
    },
    split: {
      async route() {
        const service = await read();
        return isRoute(service) ? service : undefined;
      },
      written(route) {
        const [canary, primary] = (route as Live).spec.traffic;
        return { primary: primary?.percent, canary: canary?.percent };
      },
      async tamper() {
        await change(({ spec }) => (spec.traffic[1] = { ...spec.traffic[1], revisionName: 'shop-00000' }));
        return 'Service shop';
      },
      shove: ({ primary, canary }) =>
        change(({ spec: { traffic } }) => {
          traffic[0] = { ...traffic[0], percent: canary };
          traffic[1] = { ...traffic[1], percent: primary };
        }),
      removeRoute: () => change(({ metadata }) => delete metadata.annotations?.[primaryAnnotation]),
    },
  };
}
