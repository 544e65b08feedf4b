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
  /**
   * Keeps users on one side by cookies, whatever else is asked for or where requests are not told apart; with both asked for
   * the Canary is refused, or goes without cookies as in Flagger.
   */
  readonly sessionAffinity: boolean | 'without-match' | 'ignored-with-match';
  /** What is left of it for a Canary with `appProtocol: tcp`, where that makes a difference. */
  readonly overTcp?: Omit<Capabilities, 'overTcp'>;
}

/** What a provider can do, and what it needs and is called. */
export interface Provider extends Capabilities {
  /** The API of another product that it writes to, by the name of `SERIN_PROVIDERS`; absent for Kubernetes' own. */
  readonly api?: string;
  /** Whatever begins with its name means it. */
  readonly isPrefix?: true;
}

/** Which provider carries out what. */
export interface ProviderSettings {
  /** Provider of a Canary that names none. */
  readonly meshProvider: string;
  /** What there is, by the name of `spec.provider`; a router says of itself what it can do. */
  readonly providers: ReadonlyMap<string, Provider>;
  /** APIs of other products that may be used, by the names of `SERIN_PROVIDERS`; any, if not given. */
  readonly apis?: readonly string[];
}

/** Divides traffic, and nothing more. */
export const weightsAlone: Capabilities = { weights: true, match: false, mirror: false, sessionAffinity: false };

/**
 * Name of the router that a Canary's provider means, be there such a router or not. Of several names that a provider begins
 * with the longest counts.
 *
 * @see routers spec 2
 */
export function routerOf(canary: Canary, { meshProvider, providers }: RouterNames): string {
  const provider = providerOf(canary, meshProvider);
  if (providers.has(provider)) return provider;
  const prefixes = [...providers].filter(([name, { isPrefix }]) => isPrefix && provider.startsWith(name));
  return prefixes.map(([name]) => name).sort((one, other) => other.length - one.length)[0] ?? provider;
}

type RouterNames = Pick<ProviderSettings, 'meshProvider' | 'providers'>;

/** What the router of a Canary can do for it, or undefined when there is no such router. */
export function capabilitiesOf(canary: Canary, settings: ProviderSettings): Capabilities | undefined {
  const can = settings.providers.get(routerOf(canary, settings));
  const isTcp = canary.spec.service?.appProtocol?.toLowerCase() === 'tcp';
  return isTcp && can?.overTcp ? can.overTcp : can;
}

/** Whether users are kept on one side by cookies. What the provider leaves out beside `match` is not in force. */
export function keepsUsers(canary: Canary, settings: ProviderSettings): boolean {
  const { match = [], sessionAffinity } = analysisOf(canary);
  if (sessionAffinity === undefined) return false;
  return match.length === 0 || capabilitiesOf(canary, settings)?.sessionAffinity === true;
}

/** Whether copies of requests go to the canary. Where requests are told apart there are none, whoever the provider is. */
export function mirrors(canary: Canary): boolean {
  const { match = [], mirror = false } = analysisOf(canary);
  return mirror && match.length === 0;
}

/** Whether the provider can divide traffic. Without that a revision is tested beside the traffic, and promoted. */
export function splitsTraffic(canary: Canary, settings: ProviderSettings): boolean {
  return capabilitiesOf(canary, settings)?.weights ?? true;
}

export interface EffectiveStrategy {
  readonly name: 'canary' | 'blue-green' | 'ab-testing';
  readonly iterations: number;
  /** What is left out of what the Canary asks for, in Flagger's words. */
  readonly remarks: readonly string[];
}

/** The strategy a provider carries out for a Canary. @see engine spec 6, step 25 */
export function effectiveStrategy(canary: Canary, settings: ProviderSettings): EffectiveStrategy {
  const { match = [], iterations = 0 } = analysisOf(canary);
  if (splitsTraffic(canary, settings)) {
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
