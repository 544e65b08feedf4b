import { failure } from '../../errors.ts';
import type { Api } from '../api.ts';
import type { Deps } from '../deps.ts';
import type { Provider } from '../../schemas/providers.ts';
import { gatewayApiV1, gatewayApiV1Beta1 } from './gateway-api.ts';
import { istio } from './istio.ts';
import { knative } from './knative.ts';
import { kubernetes } from './kubernetes.ts';
import type { Router, RouterKind } from './router.ts';

/** Routers by the name that `spec.provider`, or else the mesh provider setting, gives them. */
export const routers: ReadonlyMap<string, RouterKind> = new Map([
  ['istio', istio],
  ['gatewayapi:v1', gatewayApiV1],
  ['gatewayapi:v1beta1', gatewayApiV1Beta1],
  ['kubernetes', kubernetes],
  ['knative', knative],
]);

/** What the providers can do and need, by name. */
export const providers: ReadonlyMap<string, Provider> = providersOf(routers);

export function providersOf(index: ReadonlyMap<string, RouterKind>): ReadonlyMap<string, Provider> {
  return new Map([...index].map(([name, { can, api, isPrefix }]) => [name, { ...can, api: api?.name, isPrefix }]));
}

/** The APIs that these routers write to, each once. */
export function apisOf(index: ReadonlyMap<string, RouterKind>): readonly Api[] {
  const all = [...index.values()].flatMap(({ api }) => (api ? [api] : []));
  return [...new Map(all.map((api) => [api.name, api])).values()];
}

/**
 * The router of a provider.
 *
 * @throws `InvalidSpec` when there is none of that name; unlike in Flagger, nothing falls back to Istio
 */
export function routerFor(provider: string, deps: Deps): Router {
  const kind = routers.get(provider);
  if (kind) return kind.create(deps);
  const supported = [...routers.keys()].join(', ');
  throw failure('InvalidSpec', `unknown mesh router provider '${provider}' in spec.provider; supported: ${supported}`);
}
