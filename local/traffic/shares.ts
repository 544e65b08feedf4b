/** The part of a VirtualService that decides who gets which requests. Source: Istio's reference, "Virtual Service". */
export interface HttpRoute {
  readonly match?: readonly Readonly<Record<string, unknown>>[];
  readonly route?: readonly { readonly destination: Destination; readonly weight?: number }[];
  readonly mirror?: Destination;
  readonly mirrorPercentage?: { readonly value?: number };
}

interface Destination {
  readonly host: string;
}

/**
 * What part of a VirtualService's requests each host gets, mirrored copies included; the parts add up to 1 without them.
 * A route with conditions takes `matchShare` of what the routes above it left, the last route takes the rest.
 */
export function shares(routes: readonly HttpRoute[], matchShare: number): ReadonlyMap<string, number> {
  const parts = new Map<string, number>();
  const give = (host: string, part: number) => parts.set(host, (parts.get(host) ?? 0) + part);
  let left = 1;
  for (const [index, { match = [], route = [], mirror, mirrorPercentage }] of routes.entries()) {
    const isLast = index === routes.length - 1;
    const part = isConditional(match) && !isLast ? left * matchShare : left;
    left -= part;
    for (const { destination, weight } of route) {
      // Istio gives a lone destination everything, whatever weight is written there.
      give(destination.host, route.length === 1 ? part : (part * (weight ?? 0)) / 100);
    }
    if (mirror) give(mirror.host, (part * (mirrorPercentage?.value ?? 100)) / 100);
  }
  return parts;
}

/** A condition that has nothing but a name matches every request. */
function isConditional(match: NonNullable<HttpRoute['match']>): boolean {
  return match.some((condition) => Object.keys(condition).some((field) => field !== 'name'));
}

/** Name and namespace of the Service behind a host, which may be short (`shop`) or full (`shop.prod.svc.cluster.local`). */
export function serviceOf(host: string, namespace: string): { readonly namespace: string; readonly name: string } {
  const [name = host, elsewhere] = host.split('.');
  return { name, namespace: elsewhere ?? namespace };
}
