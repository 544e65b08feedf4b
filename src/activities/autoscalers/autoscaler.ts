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

  /**
   * Creates the primary's scaler, and with `update` also copies what changed since. Fails as `drift` does.
   *
   * @param floor replicas below which the primary's scaler must not go, 0 for its own minimum again; undefined leaves
   *   in force what was asked for last. Never above the scaler's own maximum. What is in force is no drift.
   */
  ensure(canary: Canary, mode: 'create' | 'update', floor?: number): Promise<void>;

  /** Replicas below which the target's scaler does not go; 0 when it may scale to nothing, undefined when not known. */
  minimum(canary: Canary): Promise<number | undefined>;

  /** Keeps the target's scaler from scaling up a target that is parked. A scaler that is missing counts as paused. */
  pause(canary: Canary): Promise<void>;

  /** Ends `pause`. A scaler that is missing counts as resumed. */
  resume(canary: Canary): Promise<void>;
}

export type CreateAutoscaler = (deps: Deps) => Autoscaler;
