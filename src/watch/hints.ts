import { createHash } from 'node:crypto';
import type { CanaryRef } from '../activities/contract.ts';
import { configKey, configReferences } from '../schemas/config-references.ts';
import { canaryDefaults } from '../schemas/defaults.ts';
import { parseDuration } from '../schemas/duration.ts';
import { targetKindOf } from '../schemas/targets.ts';
import type { KubernetesObject, ManagedFields } from '../clients/kubernetes.ts';
import { traceAnnotation } from '../images/memory.ts';
import { viewWishes, type ImageWishes } from './images.ts';
import { viewWeighing, type Weighing } from './weights.ts';

/*
 * Which changes deserve a hint. A needless hint costs a look, a missing one costs a release; so whatever may have been done
 * by someone else counts, and what was surely done by us does not, or every step of a release would cause another look.
 */

/** What is kept of a Canary: what hints, the index and the metrics need. */
export interface CanaryView {
  readonly canary: CanaryRef;
  readonly uid: string;
  readonly generation: number;
  readonly deleting: boolean;
  /** Digest of `status`, and whether someone else than us may have written it last. */
  readonly status: string;
  readonly statusByOthers: boolean;
  readonly target: string;
  /** As `targetKindOf` names it. */
  readonly targetKind: string;
  /** Name of the apex Service. */
  readonly apex: string;
  readonly autoscaler?: string;
  readonly phase: string;
  readonly weighing: Weighing;
  /** When the status was written last, in milliseconds since the epoch; undefined if it was not. */
  readonly transitionedAt?: number;
  readonly intervalMs: number;
  /** Seconds that pods may take to become ready. */
  readonly progressDeadlineSeconds: number;
  readonly suspended: boolean;
  readonly images?: ImageWishes;
}

/** What is kept of a workload: one digest per kind of change. */
export interface WorkloadView {
  readonly uid: string;
  readonly template: string;
  /** Configuration that its pods read, by `configmap/<name>` and `secret/<name>`. */
  readonly configs: readonly string[];
  readonly ready: boolean;
  readonly parked: boolean;
  /** Reason of the `Progressing` condition, where it says that a rollout is over, one way or the other; else ''. */
  readonly progressing: string;
  readonly deleting: boolean;
  /** The trace that its template came with, as a header has it; '' for none. */
  readonly trace: string;
}

/** What is kept of an object that Serin generates or copies. */
export interface GeneratedView {
  readonly uid: string;
  /** Digest of everything but status and bookkeeping. */
  readonly content: string;
  readonly byOthers: boolean;
  /** When we wrote it last, in whole seconds; '' if we never did. */
  readonly writtenAt: string;
}

function transition(time: string): { readonly transitionedAt?: number } {
  const at = Date.parse(time);
  return Number.isNaN(at) ? {} : { transitionedAt: at };
}

/** Reads a Canary without trusting it: one that cannot be understood must not stop the others. */
export function viewCanary(object: KubernetesObject, ours: string): CanaryView {
  const spec = map(object.spec);
  const status = map(object.status);
  const targetRef = map(spec.targetRef);
  const target = text(targetRef.name);
  const autoscaler = text(map(spec.autoscalerRef).name);
  const { metadata } = object;
  const images = viewWishes(object);
  return {
    canary: { namespace: metadata.namespace ?? '', name: metadata.name },
    uid: metadata.uid ?? '',
    generation: metadata.generation ?? 0,
    deleting: metadata.deletionTimestamp !== undefined,
    status: digest(status),
    statusByOthers: writtenByOthers(object, ours, (subresource) => subresource === 'status'),
    target,
    targetKind: targetKindOf({ kind: text(targetRef.kind), apiVersion: text(targetRef.apiVersion) }),
    apex: text(map(spec.service).name) || target,
    ...(autoscaler === '' ? {} : { autoscaler }),
    phase: text(status.phase),
    weighing: viewWeighing(spec, status),
    ...transition(text(status.lastTransitionTime)),
    intervalMs: parseDuration(text(map(spec.analysis ?? spec.canaryAnalysis).interval)) || canaryDefaults.intervalMs,
    progressDeadlineSeconds:
      typeof spec.progressDeadlineSeconds === 'number'
        ? spec.progressDeadlineSeconds
        : canaryDefaults.progressDeadlineSeconds,
    suspended: spec.suspend === true,
    ...(images ? { images } : {}),
  };
}

/** Why a change of a Canary deserves a hint, or undefined. */
export function canaryChange(before: CanaryView | undefined, after: CanaryView | undefined): string | undefined {
  if (after === undefined) return 'deleted';
  if (before === undefined || before.uid !== after.uid) return 'created';
  if (before.deleting !== after.deleting) return 'deletion';
  if (before.generation !== after.generation) return 'spec';
  return before.status !== after.status && after.statusByOthers ? 'status' : undefined;
}

export function viewDeployment(object: KubernetesObject): WorkloadView {
  const { metadata } = object;
  const spec = map(object.spec);
  const status = map(object.status);
  const [replicas, updated] = [spec.replicas === undefined ? 1 : count(spec.replicas), count(status.updatedReplicas)];
  const conditions = Array.isArray(status.conditions) ? (status.conditions as Record<string, unknown>[]) : [];
  const reason = text(conditions.find(({ type }) => type === 'Progressing')?.reason);
  return {
    uid: metadata.uid ?? '',
    template: digest(spec.template),
    configs: configsOf(spec.template),
    ready:
      count(status.observedGeneration) >= (metadata.generation ?? 0) &&
      updated >= replicas &&
      count(status.replicas) <= updated &&
      count(status.availableReplicas) >= updated,
    parked: replicas === 0,
    progressing: endsOfRollouts.has(reason) ? reason : '',
    deleting: metadata.deletionTimestamp !== undefined,
    trace: metadata.annotations?.[traceAnnotation] ?? '',
  };
}

/** The pods of a DaemonSet are counted by the nodes that want one; parking it is a change of its template. */
export function viewDaemonSet(object: KubernetesObject): WorkloadView {
  const { metadata } = object;
  const { template } = map(object.spec);
  const status = map(object.status);
  const desired = count(status.desiredNumberScheduled);
  return {
    uid: metadata.uid ?? '',
    template: digest(template),
    configs: configsOf(template),
    ready:
      count(status.observedGeneration) >= (metadata.generation ?? 0) &&
      count(status.updatedNumberScheduled) >= desired &&
      count(status.numberAvailable) >= desired,
    parked: desired === 0,
    progressing: '',
    deleting: metadata.deletionTimestamp !== undefined,
    trace: metadata.annotations?.[traceAnnotation] ?? '',
  };
}

function configsOf(template: unknown): readonly string[] {
  const references = configReferences(template ?? {});
  return [...new Set(references.map(({ kind, name }) => configKey(kind, name)))];
}

/** The only reasons that a look makes something of; the others, on the way there, would cost a look each. */
const endsOfRollouts: ReadonlySet<string> = new Set(['NewReplicaSetAvailable', 'ProgressDeadlineExceeded']);

/** Why a change of a target or primary deserves a hint: whoever made it, since releases wait for these. */
export function workloadChange(before: WorkloadView | undefined, after: WorkloadView | undefined): string | undefined {
  if (after === undefined) return 'deleted';
  if (before === undefined || before.uid !== after.uid) return 'created';
  for (const aspect of ['template', 'parked', 'ready', 'progressing', 'deleting'] as const)
    if (before[aspect] !== after[aspect]) return aspect;
  return undefined;
}

export function viewGenerated(object: KubernetesObject, ours: string): GeneratedView {
  const { apiVersion: _version, kind: _kind, metadata, status: _status, ...content } = object;
  const { labels, annotations, ownerReferences } = metadata;
  return {
    uid: metadata.uid ?? '',
    content: digest([content, labels, annotations, ownerReferences]),
    byOthers: writtenByOthers(object, ours, (subresource) => subresource !== 'status'),
    writtenAt: newestOf((metadata.managedFields ?? []).filter(({ manager }) => manager === ours)),
  };
}

/** Why a change of a generated or copied object deserves a hint: somebody else changed it, or it is gone. */
export function generatedChange(
  before: GeneratedView | undefined,
  after: GeneratedView | undefined,
): string | undefined {
  if (after === undefined) return 'deleted';
  if (before === undefined || before.uid !== after.uid) return after.byOthers ? 'created' : undefined;
  if (before.content === after.content) return undefined;
  // Whoever only removes fields is not among the writers; but then we have not written since, either.
  return after.byOthers || before.writtenAt === after.writtenAt ? 'changed' : undefined;
}

/** What is kept of a Knative Service: where its traffic goes, and what has become of its revisions. */
export interface KnativeView extends GeneratedView {
  /** Digest of the newest revision's name and of the newest that is ready. */
  readonly revisions: string;
}

export function viewKnativeService(object: KubernetesObject, ours: string): KnativeView {
  const { traffic } = map(object.spec);
  const { latestCreatedRevisionName, latestReadyRevisionName } = map(object.status);
  return {
    ...viewGenerated({ ...object, spec: { traffic } }, ours),
    revisions: digest([latestCreatedRevisionName, latestReadyRevisionName]),
  };
}

/** Why a change of a Knative Service deserves a hint: a new revision, one that became ready, or traffic that somebody else moved. */
export function knativeChange(before: KnativeView | undefined, after: KnativeView | undefined): string | undefined {
  if (after && (before === undefined || before.uid !== after.uid)) return 'created';
  if (after && before?.revisions !== after.revisions) return 'revision';
  return generatedChange(before, after);
}

/**
 * Whether the newest of an object's writers, of the subresources asked for, may be someone else. Times are whole
 * seconds: where ours and another's are equal, the other one may have been later.
 */
function writtenByOthers(object: KubernetesObject, ours: string, counts: (subresource: string) => boolean): boolean {
  const entries = (object.metadata.managedFields ?? []).filter(({ subresource = '' }) => counts(subresource));
  const newest = newestOf(entries);
  const latest = entries.filter(({ time = '' }) => time === newest);
  return latest.length === 0 || latest.some(({ manager }) => manager !== ours);
}

function newestOf(entries: readonly ManagedFields[]): string {
  return entries.reduce((latest, { time = '' }) => (time > latest ? time : latest), '');
}

function digest(value: unknown): string {
  // An API server always writes an object's fields in the same order; another order would cost one needless look.
  return createHash('sha256')
    .update(JSON.stringify(value ?? null))
    .digest('base64');
}

function count(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

function map(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
