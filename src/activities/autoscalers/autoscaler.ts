import type { Canary } from '../../schemas/canary.ts';
import type { Deps } from '../deps.ts';

/** What scales a target: makes the primary a scaler of its own, after the target's. One for each kind in `index.ts`. */
export interface Autoscaler {
  /**
   * The primary's scaler, as `<Kind> <name>`, when it is missing or differs from the target's. Writes nothing.
   *
   * @throws `NotFound` when the target's scaler is missing
   * @throws `Conflict` when the name of the primary's scaler belongs to something else
   */
  drift(canary: Canary): Promise<readonly string[]>;

  /** Creates the primary's scaler, and with `update` also copies what changed since. Fails as `drift` does. */
  ensure(canary: Canary, mode: 'create' | 'update'): Promise<void>;
}

export type CreateAutoscaler = (deps: Deps) => Autoscaler;
