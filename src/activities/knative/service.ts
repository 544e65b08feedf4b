import { resources, type Kubernetes, type KubernetesObject } from '../../clients/kubernetes.ts';
import { failure } from '../../errors.ts';
import type { Canary } from '../../schemas/canary.ts';
import { during } from '../attempts.ts';
import { revisionOf, sameJson } from '../revision.ts';
import { fullName, isInitializing } from '../workloads/target.ts';

/** A Service of Knative's: target, primary and route in one object. @see engine spec 13, routers spec 19 */
export interface KnativeService extends KubernetesObject {
  readonly spec: { readonly traffic?: readonly TrafficTarget[]; readonly [field: string]: unknown };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly latestCreatedRevisionName?: string;
    readonly latestReadyRevisionName?: string;
    readonly traffic?: readonly TrafficTarget[];
  };
}

export interface TrafficTarget {
  /** Whichever revision became ready last; absent means no. */
  readonly latestRevision?: boolean;
  readonly revisionName?: string;
  /** Of all requests; absent means none. */
  readonly percent?: number;
  /** Gives the revision an address of its own. */
  readonly tag?: string;
}

/** The annotation with the name of the revision that is the primary. */
export const primaryAnnotation = 'flagger.app/primary-revision';

/** @throws `NotFound` when there is none */
export async function readService(kubernetes: Kubernetes, canary: Canary): Promise<KnativeService> {
  const { name } = canary.spec.targetRef;
  const found = await findService(kubernetes, canary);
  if (found) return found;
  throw failure('NotFound', `${named(canary)} get query error: services.serving.knative.dev "${name}" not found`);
}

export async function findService(kubernetes: Kubernetes, canary: Canary): Promise<KnativeService | undefined> {
  const { metadata, spec } = canary;
  const found = await during(`${named(canary)} get query error`, () =>
    kubernetes.get(resources.knativeServices, metadata.namespace, spec.targetRef.name),
  );
  return found as KnativeService | undefined;
}

/** Writes it over `live`, if they differ. @throws `Conflict` when it was written since it was read */
export async function writeService(
  kubernetes: Kubernetes,
  canary: Canary,
  live: KnativeService,
  next: KnativeService,
): Promise<void> {
  if (sameJson(live, next)) return;
  await during(`${named(canary)} update query error`, () => kubernetes.replace(resources.knativeServices, next));
}

/** As event texts name it. */
export function named(canary: Canary): string {
  return `Knative Service ${fullName(canary, canary.spec.targetRef.name)}`;
}

/** Name of the primary's revision; undefined while none was chosen. */
export function primaryOf({ metadata }: KnativeService): string | undefined {
  return metadata.annotations?.[primaryAnnotation] || undefined;
}

/** Name of the newest revision, ready or not. @throws `NotFound` before Knative has made the first one */
export function latestOf(canary: Canary, { status }: KnativeService): string {
  const latest = status?.latestCreatedRevisionName;
  if (latest) return latest;
  throw failure('NotFound', `${named(canary)} has no revision yet`);
}

/** Hash of a revision's name, as a status keeps it. */
export function hashOf(revisionName: string): string {
  return revisionOf({ revisionName });
}

/**
 * The revision to take for the primary of a Service without the annotation: the newest while nobody was sent to a
 * primary yet, from then on the one that was promoted last. Never the newest just because it is (unlike in Flagger):
 * that may be a canary which nobody has judged.
 *
 * @throws `Conflict` when nothing tells which one that was
 */
export function rememberedPrimary(canary: Canary, service: KnativeService): string {
  if (isInitializing(canary)) return latestOf(canary, service);
  const routed = (service.spec.traffic ?? []).filter(isPinned).map(({ revisionName = '' }) => revisionName);
  const { latestCreatedRevisionName = '', latestReadyRevisionName = '', traffic = [] } = service.status ?? {};
  const serving = traffic.map(({ revisionName = '' }) => revisionName);
  const known = [...new Set([...routed, ...serving, latestReadyRevisionName, latestCreatedRevisionName])];
  const promoted = known.find((name) => name !== '' && hashOf(name) === canary.status?.lastPromotedSpec);
  // A hash of Flagger's cannot be told apart; but its route names the primary and nothing else.
  const only = new Set(routed).size === 1 ? routed[0] : undefined;
  const found = promoted ?? only;
  if (found) return found;
  const cure = `set it to the name of the revision that serves`;
  throw failure('Conflict', `${named(canary)} primary revision annotation not found: ${primaryAnnotation}; ${cure}`);
}

/** With this revision as the primary; the rest stays. */
export function withPrimary(service: KnativeService, revisionName: string): KnativeService {
  const { metadata } = service;
  return {
    ...service,
    metadata: { ...metadata, annotations: { ...metadata.annotations, [primaryAnnotation]: revisionName } },
  };
}

/** A share of the traffic that stays with one revision. */
export function isPinned({ latestRevision, revisionName }: TrafficTarget): boolean {
  return latestRevision !== true && Boolean(revisionName);
}
