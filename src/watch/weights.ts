/*
 * Where traffic goes, as far as a Canary tells. Strategies that count iterations write no weight to its status, but Flagger
 * shows the one in force all the same. The starter reads no routes, so it follows from how far a release is.
 */

/** What of a Canary says where its traffic goes. */
export interface Weighing {
  /** `spec.provider`; '' where none is named. */
  readonly provider: string;
  /** Iterations that the analysis asks for; 0 where weights grow instead. */
  readonly wanted: number;
  /** Requests are told apart. */
  readonly matches: boolean;
  /** Iterations begun. */
  readonly done: number;
  /** Percent, as the status says it. */
  readonly stated: number;
}

export function viewWeighing(
  spec: Readonly<Record<string, unknown>>,
  status: Readonly<Record<string, unknown>>,
): Weighing {
  const { iterations, match } = map(spec.analysis ?? spec.canaryAnalysis);
  return {
    provider: typeof spec.provider === 'string' ? spec.provider : '',
    wanted: number(iterations),
    matches: Array.isArray(match) && match.length > 0,
    done: number(status.iterations),
    stated: number(status.canaryWeight),
  };
}

/** Phases of a release whose canary may have all the traffic. */
const underWay: ReadonlySet<string> = new Set(['Progressing', 'WaitingPromotion', 'Promoting']);

/**
 * Percent of traffic that the canary has; in an A/B test, of the requests that match.
 *
 * @see engine spec 9.4, 9.5 and 19, and routers spec 4: without a mesh, a canary that is tested counts as having it all
 */
export function weightInForce(phase: string, weighing: Weighing, meshProvider: string): number {
  const { provider, wanted, matches, done, stated } = weighing;
  // A promotion in steps, and one that failed, say how much there is.
  if (stated > 0 || !underWay.has(phase)) return stated;
  if ((provider || meshProvider) === 'kubernetes') return done > 0 ? 100 : 0;
  if (wanted <= 0) return stated;
  const isSwitched = matches ? phase !== 'Progressing' || done > 0 : done > wanted;
  return isSwitched ? 100 : 0;
}

function number(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

function map(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
