import { resources, type KubernetesObject } from '../clients/kubernetes.ts';
import { readOnce } from '../clients/read-once.ts';
import { failure, failureType, messageOf } from '../errors.ts';
import { parseCanary, type Canary } from '../schemas/canary.ts';
import { targetKindOf } from '../schemas/targets.ts';
import { validate } from '../schemas/validate.ts';
import type { MetricCheck, Observation, ObservedCanary, Problem, Settings } from '../workflows/domain/observation.ts';
import type { CanaryRef } from './contract.ts';
import type { Deps } from './deps.ts';
import { hasFinalizer } from './finalizer.ts';
import { createParts } from './parts.ts';
import { providers } from './routers/index.ts';
import { settingsOf, settingsOfUnreadable } from './settings.ts';
import { canaryStatus, conditionMessage, storedStatus } from './status.ts';
import { unheededOf } from './unheeded.ts';
import type { WorkloadView } from './workloads/workload.ts';

/** A look at the world, with the Canary it is about. */
export interface Sight {
  readonly observation: Observation;
  /** Absent when there is none, or none that can be read. */
  readonly canary?: Canary;
}

export type Observe = (ref: CanaryRef, ask: { readonly metricsProviders: boolean }) => Promise<Sight>;

/** What a look needs to know beside the cluster. */
export interface LookSources {
  metricChecks(canary: Canary): readonly MetricCheck[];
  /** Why a metrics provider cannot be used, if one cannot. */
  metricsProvidersError(canary: Canary): Promise<string | undefined>;
  /** Alerts are heard even of Canaries that name nobody to hear them. */
  readonly hasGlobalNotifier: boolean;
}

/** Reads all that decisions depend on, side by side and each object once, and writes nothing. */
export function createObserve(deps: Deps, sources: LookSources): Observe {
  return (ref, ask) => createLook(readingOnce(deps), sources)(ref, ask);
}

/** Of one look: its parts see the same version of whatever more than one of them asks for. */
function readingOnce(deps: Deps): Deps {
  const kubernetes = readOnce(deps.kubernetes);
  return { ...deps, kubernetes, mesh: deps.mesh === deps.kubernetes ? kubernetes : readOnce(deps.mesh) };
}

function createLook(deps: Deps, sources: LookSources): Observe {
  const parts = createParts(deps);

  return async (ref, ask) => {
    const object = await readCanary(deps, ref);
    if (!object) return { observation: { drift: [] } };
    const parsed = parseCanary(object);
    if ('problem' in parsed) {
      const canary = observedCanary(object, settingsOfUnreadable(object.spec, deps.settings));
      return { observation: { canary, drift: [], problem: invalid(parsed.problem) } };
    }
    const { canary } = parsed;
    const settings = settingsOf(canary, deps.settings, sources);
    const world = await readWorld(object, canary, ask);
    const unheeded = unheededOf(canary, deps.settings);
    const observed = {
      ...observedCanary(object, settings),
      ...(unheeded.length > 0 && { unheeded: unheeded.join('; ') }),
    };
    return { canary, observation: { canary: observed, ...world } };
  };

  async function readWorld(
    object: KubernetesObject,
    canary: Canary,
    ask: { readonly metricsProviders: boolean },
  ): Promise<Omit<Observation, 'canary'>> {
    const [rival, workload, autoscaler, router, routes, metricsProviders] = await Promise.all([
      tried(() => checkRivals(object)),
      tried(() => lookAtWorkload(canary)),
      tried(async () => parts.autoscaler(canary)?.drift(canary)),
      tried(() => parts.router(canary).drift(canary)),
      tried(() => parts.router(canary).getWeights(canary)),
      ask.metricsProviders ? askMetricsProviders(canary) : undefined,
    ]);
    const seen = workload.found;
    const problem =
      specProblem(canary) ??
      [rival, workload, autoscaler, router, routes].map((one) => one.problem).find((one) => one !== undefined);
    return {
      target: seen?.target,
      primary: seen?.primary,
      routes: routes.found,
      drift: [...(seen?.drift ?? []), ...(autoscaler.found ?? []), ...(router.found ?? [])],
      problem,
      metricsProviders,
    };
  }

  async function lookAtWorkload(canary: Canary): Promise<WorkloadView & { readonly drift: readonly string[] }> {
    const view = await parts.workload(canary).look(canary);
    const missing =
      view.primary || view.primaryIsPart ? [] : [`${canary.spec.targetRef.kind} ${canary.spec.targetRef.name}-primary`];
    const services = view.pods ? await parts.services.drift(canary, view.pods) : [];
    return { ...view, drift: [...missing, ...(view.drift ?? []), ...services] };
  }

  function specProblem(canary: Canary): Problem | undefined {
    const error = validate(canary, { ...deps.settings, providers }).find(({ level }) => level === 'error');
    return error && invalid(error.message);
  }

  /** Of two Canaries with one target, or one apex, the older one has it (Q40). */
  async function checkRivals(canary: KubernetesObject): Promise<void> {
    const { name, namespace } = canary.metadata;
    const { items } = await deps.kubernetes.list(resources.canaries, namespace);
    const older = items.filter((other) => other.metadata.name !== name && !isDeleting(other) && isOlder(other, canary));
    for (const other of older) {
      const whose = `of canary ${other.metadata.name}.${namespace}, which is older`;
      const { kind, target, apex } = claims(canary);
      if (claims(other).kind === kind && claims(other).target === target) {
        const text = `${kind} ${target}.${namespace} is the target ${whose}; give one of the two another spec.targetRef`;
        throw failure('Conflict', text);
      }
      if (claims(other).apex === apex) {
        const text = `service ${apex}.${namespace} is the apex ${whose}; give one of the two another spec.service.name`;
        throw failure('Conflict', text);
      }
    }
  }

  async function askMetricsProviders(canary: Canary): Promise<{ readonly error?: string }> {
    const error = await sources.metricsProvidersError(canary);
    return error === undefined ? {} : { error };
  }
}

/** @throws `Unavailable` when it cannot be read, for want of rights too: nothing can be told on a Canary nobody can see */
async function readCanary({ kubernetes }: Deps, { namespace, name }: CanaryRef): Promise<KubernetesObject | undefined> {
  try {
    return await kubernetes.get(resources.canaries, namespace, name);
  } catch (error) {
    if (failureType(error) !== 'Unauthorized') throw error;
    throw failure('Unavailable', `failed to get canary ${name}.${namespace}: ${messageOf(error)}`, error);
  }
}

function observedCanary(object: KubernetesObject, settings: Settings): ObservedCanary {
  const { uid = '', generation = 0 } = object.metadata;
  const stored = storedStatus(object);
  const [stalled, warned] = [conditionMessage(stored, 'Stalled'), conditionMessage(stored, 'Warning')];
  return {
    uid,
    generation,
    deleting: isDeleting(object),
    finalizer: hasFinalizer(object),
    settings,
    status: canaryStatus(stored),
    ...(stalled === undefined ? {} : { stalled }),
    ...(warned === undefined ? {} : { warned }),
  };
}

function invalid(reason: string): Problem {
  return { reason: 'InvalidSpec', message: `invalid canary spec: ${reason}` };
}

/** What people have to mend comes back as a problem; what a retry may mend is thrown. */
async function tried<T>(look: () => Promise<T>): Promise<{ readonly found?: T; readonly problem?: Problem }> {
  try {
    return { found: await look() };
  } catch (error) {
    const reason = failureType(error);
    if (reason === undefined || reason === 'Unavailable') throw error;
    return { problem: { reason, message: messageOf(error) } };
  }
}

function claims({ spec }: KubernetesObject): { kind?: string; target?: string; apex?: string } {
  const { targetRef, service } = (spec ?? {}) as {
    targetRef?: { kind?: string; apiVersion?: string; name?: string };
    service?: { name?: string };
  };
  return {
    kind: targetRef?.kind && targetKindOf({ ...targetRef, kind: targetRef.kind }),
    target: targetRef?.name,
    apex: service?.name || targetRef?.name,
  };
}

function isOlder({ metadata: one }: KubernetesObject, { metadata: other }: KubernetesObject): boolean {
  const [born, otherBorn] = [one.creationTimestamp ?? '', other.creationTimestamp ?? ''];
  return born === otherBorn ? one.name < other.name : born < otherBorn;
}

function isDeleting({ metadata }: KubernetesObject): boolean {
  return metadata.deletionTimestamp !== undefined;
}
