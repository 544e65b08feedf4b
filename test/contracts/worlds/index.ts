import type { Deps } from '../../../src/activities/deps.ts';
import type { RouterWorld } from '../router-world.ts';
import { gatewayApiV1Beta1World, gatewayApiV1World } from './gateway-api.ts';
import { istioWorld } from './istio.ts';
import { knativeWorld } from './knative.ts';
import { kubernetesWorld } from './kubernetes.ts';

/** @param uid the Canary's; where a garbage collector runs it has to be the one of a Canary that exists */
export type CreateWorld = (deps: Deps, namespace: string, uid?: string) => RouterWorld;

/** A world for each provider that `src/activities/routers/index.ts` lists. */
export const routerWorlds: ReadonlyMap<string, CreateWorld> = new Map([
  ['istio', istioWorld],
  ['gatewayapi:v1', gatewayApiV1World],
  ['gatewayapi:v1beta1', gatewayApiV1Beta1World],
  ['kubernetes', kubernetesWorld],
  ['knative', knativeWorld],
]);

/** The world of a provider, with what is there before its router is. */
export async function openWorld(provider: string, deps: Deps, namespace: string, uid?: string): Promise<RouterWorld> {
  const world = routerWorlds.get(provider)!(deps, namespace, uid);
  await world.prepare?.();
  return world;
}
