/** What of a reference to a target tells its kind. */
export interface TargetRef {
  readonly kind: string;
  readonly apiVersion?: string;
}

/** The only version of Knative's Services that a Canary may name. */
export const knativeServing = 'serving.knative.dev/v1';

/** Whether a reference is to a Knative Service, and not to one of Kubernetes. @see engine spec 13 */
export function isKnativeService({ kind, apiVersion }: TargetRef): boolean {
  return kind === 'Service' && apiVersion === knativeServing;
}

/** A kind of target by a name of its own: two products have Services. */
export function targetKindOf(ref: TargetRef): string {
  return isKnativeService(ref) ? 'Knative Service' : ref.kind;
}
