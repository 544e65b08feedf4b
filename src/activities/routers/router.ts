import type { Canary } from '../../schemas/canary.ts';
import type { Capabilities } from '../../schemas/providers.ts';
import type { Traffic, Weights } from '../../workflows/domain/observation.ts';
import type { Api } from '../api.ts';
import type { Deps } from '../deps.ts';

/**
 * Who carries traffic to the primary and the canary. Every provider in `index.ts` keeps this contract, and
 * `test/contracts/router.ts` holds it to it.
 */
export interface Router {
  /**
   * What the Canary asks for and the cluster does not have, as `<Kind> <name>`: objects that are missing or differ.
   * Weights are not compared. Writes nothing.
   *
   * @throws `InvalidSpec` when the Canary asks for what this provider cannot do; the message names the field
   */
  drift(canary: Canary): Promise<readonly string[]>;

  /**
   * Creates what is missing and repairs what differs, and leaves this traffic in place.
   * Repeating it with the same traffic changes nothing. Answers with what people should know, such as what an object
   * that was there before loses.
   *
   * @throws `Conflict` when the route was written since it was read
   * @see Flagger, `Reconcile` in pkg/router; unlike there a repair keeps the weights (engine spec, Q53)
   */
  ensure(canary: Canary, traffic: Traffic): Promise<readonly string[]>;

  /** Weights in force now, and whether requests are mirrored; undefined while there is no route. */
  getWeights(canary: Canary): Promise<Weights | undefined>;

  /**
   * Sends `traffic.canary` percent of requests to the canary and the rest to the primary, mirrored or not, each user
   * kept where the cookies say. For A/B testing the percentages are those of the requests that match.
   * Repeating it with the same traffic changes nothing.
   *
   * @throws `NotFound` when the route is missing
   * @throws `Conflict` when the route was written since it was read
   * @see Flagger, `SetRoutes` in pkg/router
   */
  setWeights(canary: Canary, traffic: Traffic): Promise<void>;

  /**
   * Gives the objects that were there before the Canary back their content, where it is known, and leaves the others,
   * which go away with the Canary. Repeating it changes nothing; a route that is missing counts as reverted.
   *
   * @see Flagger, `Finalize` in pkg/router
   */
  revert(canary: Canary): Promise<void>;
}

export type CreateRouter = (deps: Deps) => Router;

/** A provider: what it can do, for Canaries to be checked against, what it needs, and who does it. */
export interface RouterKind {
  readonly can: Capabilities;
  /** The API of the product that it writes to; absent where Kubernetes' own are enough. */
  readonly api?: Api;
  /** Whatever begins with the name of this provider means it, as in Flagger, unless a longer name is known. */
  readonly isPrefix?: true;
  readonly create: CreateRouter;
}
