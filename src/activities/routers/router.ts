import type { Canary } from '../../schemas/canary.ts';
import type { Weights } from '../../workflows/domain/observation.ts';
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
   * Creates what is missing and repairs what differs, and leaves these weights in place.
   * Repeating it with the same weights changes nothing.
   *
   * @throws `Conflict` when the route was written since it was read
   * @see Flagger, `Reconcile` in pkg/router; unlike there a repair keeps the weights (engine spec, Q53)
   */
  ensure(canary: Canary, weights: Weights): Promise<void>;

  /** Weights in force now, or undefined while there is no route. */
  getWeights(canary: Canary): Promise<Weights | undefined>;

  /**
   * Sends `weights.canary` percent of requests to the canary and the rest to the primary.
   * Repeating it with the same weights changes nothing.
   *
   * @throws `NotFound` when the route is missing
   * @throws `Conflict` when the route was written since it was read
   * @see Flagger, `SetRoutes` in pkg/router
   */
  setWeights(canary: Canary, weights: Weights): Promise<void>;
}

export type CreateRouter = (deps: Deps) => Router;
