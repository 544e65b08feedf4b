import type { Canary } from './canary.ts';
import { analysisOf, providerOf, strategyOf } from './defaults.ts';

/** What a provider can do beyond taking a Canary's Services as they are. @see routers spec 20 */
export interface Capabilities {
  /** Divides traffic by weights. */
  readonly weights: boolean;
  /** Tells requests apart by their headers. */
  readonly match: boolean;
  /** Sends copies of requests to the canary, in a canary release or in blue/green alone. */
  readonly mirror: boolean | 'blue-green';
  /** Keeps users on one side by cookies, whatever else is asked for or where requests are not told apart. */
  readonly sessionAffinity: boolean | 'without-match';
}

const weightsAlone: Capabilities = { weights: true, match: false, mirror: false, sessionAffinity: false };

const gatewayApi: Capabilities = { weights: true, match: true, mirror: 'blue-green', sessionAffinity: 'without-match' };

const capabilities: Readonly<Record<string, Capabilities>> = {
  istio: { weights: true, match: true, mirror: true, sessionAffinity: true },
  'gatewayapi:v1': gatewayApi,
  'gatewayapi:v1beta1': gatewayApi,
  kubernetes: { weights: false, match: false, mirror: false, sessionAffinity: false },
  knative: weightsAlone,
};

/** Names of the routers, as `spec.provider` gives them. */
export const routerNames: readonly string[] = Object.keys(capabilities);

/** Flagger takes anything that begins like this for one of them. @see routers spec 2 */
const prefixes = ['gatewayapi:v1beta1', 'gatewayapi:v1'] as const;

/** Name of the router that a Canary's provider means, be there such a router or not. */
export function routerOf(canary: Canary, meshProvider: string): string {
  const provider = providerOf(canary, meshProvider);
  return prefixes.find((prefix) => provider.startsWith(prefix)) ?? provider;
}

/** What the router of a Canary can do for it, or undefined when there is no such router. */
export function capabilitiesOf(canary: Canary, meshProvider: string): Capabilities | undefined {
  const router = routerOf(canary, meshProvider);
  const isTcp = canary.spec.service?.appProtocol?.toLowerCase() === 'tcp';
  return router === 'istio' && isTcp ? weightsAlone : capabilities[router];
}

/** Names of the routers that can do this, for people. */
export function routersThat(can: (capabilities: Capabilities) => boolean): string {
  return routerNames.filter((name) => can(capabilities[name]!)).join(', ');
}

/** Whether the provider can divide traffic. Without that a revision is tested beside the traffic, and promoted. */
export function splitsTraffic(canary: Canary, meshProvider: string): boolean {
  return capabilitiesOf(canary, meshProvider)?.weights ?? true;
}

export interface EffectiveStrategy {
  readonly name: 'canary' | 'blue-green' | 'ab-testing';
  readonly iterations: number;
  /** What is left out of what the Canary asks for, in Flagger's words. */
  readonly remarks: readonly string[];
}

/** The strategy a provider carries out for a Canary. @see engine spec 6, step 25 */
export function effectiveStrategy(canary: Canary, meshProvider: string): EffectiveStrategy {
  const { match = [], iterations = 0 } = analysisOf(canary);
  if (splitsTraffic(canary, meshProvider)) {
    return { name: strategyOf(canary), iterations: Math.max(0, iterations), remarks: [] };
  }
  return {
    name: 'blue-green',
    iterations: iterations < 1 ? 10 : iterations,
    remarks: [
      ...(match.length > 0 ? ['A/B testing is not supported when using the kubernetes provider'] : []),
      ...(iterations < 1
        ? [
            'Progressive traffic is not supported when using the kubernetes provider',
            'Setting canaryAnalysis.iterations: 10',
          ]
        : []),
    ],
  };
}
