import type { KubernetesObject, Resource } from '../../clients/kubernetes.ts';
import type { Canary } from '../../schemas/canary.ts';
import type { LabelSelector, PodTemplate } from './primary-template.ts';

/** An object that makes pods after a template; everything that is not read travels along untouched. */
export interface PodController extends KubernetesObject {
  spec: {
    selector: LabelSelector;
    template: PodTemplate;
    [field: string]: unknown;
  };
}

export interface ReadinessRule {
  /** Percent of updated pods that must be available. */
  readonly thresholdPercent: number;
  /** Seconds that a rollout may take without getting anywhere. */
  readonly deadlineSeconds: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export type PodReadiness =
  | { readonly ready: true }
  | {
      readonly ready: false;
      readonly retriable: boolean;
      /** What is missing, in Flagger's words. */
      readonly text: string;
      /** The rollout of this template finished once. */
      readonly rolledOut: boolean;
    };

/** What one kind of target has of its own; the rest is `pod-workload.ts`. */
export interface PodKind<Found extends PodController = PodController> {
  readonly resource: Resource;
  /** As event texts name it, such as `deployment`. */
  readonly word: string;
  /** Flagger's name of the step that makes the primary. */
  readonly creating: string;
  /** What follows the list of labels where the selector has none of them. */
  readonly selectorErrorEnd: string;
  /** Whether rules of scheduling that mean the target's pods mean the primary's in the primary. */
  readonly rewritesScheduling: boolean;
  /** @throws `InvalidSpec` for a target that cannot be released */
  check(canary: Canary, target: Found): void;
  /** The template as its author wrote it, without what parks it. */
  template(found: Found): PodTemplate;
  /** How it rolls out, as the primary does after it. */
  rollout(found: Found): object;
  /** Pods that there should be; 0 when parked. */
  replicas(found: Found): number;
  available(found: Found): number;
  readiness(found: Found, rule: ReadinessRule): PodReadiness;
  /** The whole text of an event on pods that are not ready. */
  notReady(which: 'primary' | 'canary', name: string, readiness: Extract<PodReadiness, { ready: false }>): string;
  /** How many pods there are, where a number says so: otherwise the nodes do. */
  readonly counted?: Counted<Found>;
  /** The merge patch that takes all pods away, and the one that gives them back. */
  readonly park: (replicas: 0) => object;
  readonly unpark: (replicas: number) => object;
  readonly words: {
    readonly park: (name: string) => string;
    readonly unpark: (name: string, replicas: number) => string;
    readonly revert: (name: string, replicas: number) => string;
  };
}

export interface Counted<Found> {
  /** `spec.replicas`, as it is written. */
  written(found: Found): number | undefined;
}
