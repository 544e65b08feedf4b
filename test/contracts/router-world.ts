import type { Deps } from '../../src/activities/deps.ts';
import type { KubernetesObject } from '../../src/clients/kubernetes.ts';
import type { Canary } from '../../src/schemas/canary.ts';
import type { Weights } from '../../src/workflows/domain/observation.ts';

/**
 * What the suite needs to know of a provider, and a cluster to try it in. All Canaries of a world have one name and one
 * namespace, hence one route. What a provider cannot do is absent, and not tested.
 */
export interface RouterWorld {
  readonly deps: Deps;
  /** A Canary whose objects are not there yet, in a namespace of its own. */
  readonly canary: Canary;
  /** A Canary that this provider cannot serve, and words of the refusal that name the field at fault. */
  readonly impossible?: { readonly canary: Canary; readonly field: string };
  /** Names of all generated objects, as `<Kind> <name>`, in no particular order. Empty when there are none. */
  readonly objects: readonly string[];
  /** Puts what has to be there before the router into the cluster. */
  prepare?(): Promise<void>;
  /** Reverting takes all that was made back; otherwise it goes away with the Canary. */
  readonly leavesNothing?: true;
  /** All generated objects that exist, straight from the API server. */
  stored(): Promise<readonly KubernetesObject[]>;

  /** Absent where nothing divides traffic: `setWeights` does nothing then, and the primary has all of it. */
  readonly split?: Split;
  readonly mirroring?: Mirroring;
  readonly matching?: Matching;
  readonly affinity?: Affinity;
  readonly takeover?: Takeover;
}

/** A route that divides traffic by weight. */
export interface Split {
  /** The Canary of the world after its author changed something that the route shows, if it can show anything. */
  readonly edited?: Canary;
  /** The object with the weights, straight from the API server. */
  route(): Promise<KubernetesObject | undefined>;
  /** The weights as they are written in the rule that divides; undefined where no weight is written. */
  written(route: KubernetesObject): WrittenWeights;
  /** Changes a generated object by hand, beside its weights, and names it as `<Kind> <name>`. */
  tamper(): Promise<string>;
  /** Writes other weights by hand into the rule that divides. */
  shove(weights: Weights): Promise<void>;
  /** Deletes the object with the weights. */
  removeRoute(): Promise<void>;
}

export interface WrittenWeights {
  readonly primary: unknown;
  readonly canary: unknown;
}

/** Copies of requests go to the canary. */
export interface Mirroring {
  /** Asks for a mirror. */
  readonly canary: Canary;
  /** The Service that gets copies of the requests that the rule that divides is for, as the route has it. */
  copiesTo(route: KubernetesObject): unknown;
}

/** A/B testing: matching requests are told apart from the others. */
export interface Matching {
  /** Asks for an A/B test. */
  readonly canary: Canary;
  /** The weights written for the requests that match, and for all others; undefined where a Service is no destination. */
  audiences(route: KubernetesObject): { readonly matching: WrittenWeights; readonly others: WrittenWeights };
}

/** Users are kept on one side by cookies. */
export interface Affinity {
  /** Asks for a cookie of the canary alone, called `sid`. */
  readonly canary: Canary;
  /** Asks for a cookie of the primary as well, called `pid`. Absent where the provider has none. */
  readonly withPrimary?: Canary;
  /** All rules in the order in which the data plane tries them. */
  rules(route: KubernetesObject): readonly CookieRule[];
}

export interface CookieRule {
  /** Regular expression for the `Cookie` header; undefined when the rule does not look at it. */
  readonly cookie: string | undefined;
  readonly weights: WrittenWeights;
  /** The `Set-Cookie` that a user gets with an answer of the primary, and with one of the canary. */
  readonly sets: { readonly primary: string | undefined; readonly canary: string | undefined };
}

/** An existing route is taken over, and given back. */
export interface Takeover {
  /** Writes a route by hand, as it was before there was a Canary. It has nothing to do with the Canary's Services. */
  plant(): Promise<void>;
  /** What the remark on a takeover has to mention of the route that was there. */
  readonly dropped: readonly string[];
}
