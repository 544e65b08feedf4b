import type { Canary } from '../../schemas/canary.ts';
import type { ObservedTarget } from '../../schemas/canary-status.ts';
import type { ObservedPrimary, ObservedWorkload } from '../../workflows/domain/observation.ts';
import type { Deps } from '../deps.ts';

/**
 * Who holds the pods of a target: one implementation for each kind in `index.ts`. Each operation may be repeated; a
 * repetition changes nothing. Failures carry the text of Flagger's event.
 */
export interface Workload {
  /**
   * The target and the primary as they are now.
   *
   * @throws `NotFound` when there is no target
   * @throws `InvalidSpec` when the target's selector has none of the selector labels
   * @throws `Conflict` when the primary's name belongs to something else
   */
  look(canary: Canary): Promise<WorkloadView>;

  /**
   * What the status of this Canary is to remember of the target: undefined where it is at another revision than the
   * status names, or is of a kind without generations, or without templates that get new defaults.
   */
  observedTarget(canary: Canary): Promise<ObservedTarget | undefined>;

  /**
   * What Services need to know about the pods; undefined for a target that has none of its own, whose Services are not
   * made by Serin. Fails as `look` does.
   */
  pods(canary: Canary): Promise<Pods | undefined>;

  /**
   * Creates the primary from the last promoted template, or the target's when nothing was promoted yet. While the
   * Canary initializes and nobody is sent to the primary yet, an existing one of ours follows the target (Q34).
   * Afterwards copies of configuration that are gone are made anew.
   *
   * @returns what people should know, in sentences
   */
  ensurePrimary(canary: Canary, key: string): Promise<readonly string[]>;

  /**
   * Copies the target's template to the primary, and keeps it for the day the primary must be created anew.
   *
   * @param key what a retry of the same step has in common with it
   * @param replicas least number of replicas for a primary that an autoscaler scales
   * @returns what people should know, in sentences
   * @throws `Conflict` when the target no longer is `revision`
   */
  promote(canary: Canary, revision: string, key: string, replicas?: number): Promise<readonly string[]>;

  scaleToZero(canary: Canary): Promise<void>;

  /** Brings the target to the capacity a release starts with. @see engine spec 10.4 */
  scaleUp(canary: Canary): Promise<void>;

  /**
   * Gives the target the replicas that the primary has. A target or primary that is missing counts as reverted.
   *
   * @see engine spec 10.8
   */
  revert(canary: Canary): Promise<void>;
}

export interface WorkloadView {
  /** Undefined for a target that has no pods of its own, such as a Service. */
  readonly pods: Pods | undefined;
  /** The primary is a part of the target, and no object that could be missing. */
  readonly primaryIsPart?: true;
  /** Generated objects of this kind of target that are missing or differ, as `<Kind> <name>`; the primary excepted. */
  readonly drift?: readonly string[];
  readonly target: ObservedWorkload;
  readonly primary?: ObservedPrimary;
}

export type Labels = Readonly<Record<string, string>>;

/** How the pods of a target and of its primary are told apart, and where they listen. */
export interface Pods {
  /** The selector label: the first of the configured ones that the target selects its pods by. */
  readonly label: string;
  /** Labels that select the target's pods. */
  readonly target: Labels;
  /** Labels that select the primary's pods. */
  readonly primary: Labels;
  /** Ports of all containers but side cars, in the order of the template. */
  readonly ports: readonly ContainerPort[];
}

export interface ContainerPort {
  readonly container: string;
  /** Position in the container's list. */
  readonly index: number;
  readonly name?: string;
  readonly port: number;
  readonly protocol: string;
}

export type CreateWorkload = (deps: Deps) => Workload;
