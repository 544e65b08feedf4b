import { resources, type KubernetesObject } from '../clients/kubernetes.ts';
import { failure, failureType, messageOf } from '../errors.ts';
import { canaryField, type Log } from '../log.ts';
import { parseCanary, type Canary } from '../schemas/canary.ts';
import type { ObservedTarget } from '../schemas/canary-status.ts';
import type { Phase, Traffic } from '../workflows/domain/observation.ts';
import { planTimeoutMs, type EventRecord, type Plan, type PlanFailure, type Step } from '../workflows/domain/plan.ts';
import { during, retryOnConflict } from './attempts.ts';
import type { CanaryRef } from './contract.ts';
import type { Deps } from './deps.ts';
import { createRecordEvent } from './events.ts';
import { createSetFinalizer } from './finalizer.ts';
import { noMeters, type ReleaseMeters } from './meters.ts';
import type { Parts } from './parts.ts';
import { createRemarks, type Remark } from './remarks.ts';
import { rivalRemark } from './rival.ts';
import { canaryStatus, createWriteStatus, storedStatus } from './status.ts';

/** @param key names the call: the same for all its retries */
export type CarryOut = (ref: CanaryRef, plan: Plan, key: string) => Promise<PlanFailure | null>;

/**
 * Carries out the steps of a plan in order, up to the first that fails. A failure that people have to mend, or that is
 * still there after a few tries, is an answer; what only time can mend is thrown, so that the whole plan is tried again.
 * An event that the API server refuses is logged instead: no traffic stays where it is for want of words.
 */
export function createCarryOut(
  { kubernetes, settings }: Pick<Deps, 'kubernetes' | 'settings'>,
  parts: Parts,
  log: Pick<Log, 'info' | 'warn'>,
  meters: ReleaseMeters = noMeters,
): CarryOut {
  const writeStatus = createWriteStatus(kubernetes, undefined, observeTarget);
  const record = createRecordEvent(kubernetes, log);
  const setFinalizer = createSetFinalizer(kubernetes);
  const remarksOn = createRemarks({ kubernetes, settings }, log, (canary) => parts.workload(canary).pods(canary));

  return async (ref, plan, key) => {
    const begunAt = Date.now();
    let done = 0;
    try {
      const object = await read(ref);
      if (plan.verb === 'initialize' || plan.verb === 'scaleUp') await remark(object, await remarksOn(object));
      const rival = rivalRemark(object, begunAt);
      if (rival !== undefined) await remark(object, [rival]);
      for (const step of plan.steps) {
        // Another attempt is at work by now, or the release has moved on: what is left of this one is out of date.
        if (Date.now() - begunAt > planTimeoutMs) throw failure('Unavailable', 'carrying out the plan took too long');
        await inWordsOf(plan, step, object, () => perform(object, step, `${key}/${done}`));
        done++;
      }
      return null;
    } catch (error) {
      const reason = failureType(error);
      if (reason === undefined || reason === 'Unavailable') throw error;
      return { step: done, reason, message: messageOf(error) };
    }
  };

  async function read({ namespace, name }: CanaryRef): Promise<KubernetesObject> {
    const what = `failed to get canary ${name}.${namespace}`;
    const found = await during(what, () => kubernetes.get(resources.canaries, namespace, name));
    if (!found) throw failure('NotFound', `${what}: canaries.flagger.app "${name}" not found`);
    return found;
  }

  async function perform(object: KubernetesObject, step: Step, key: string): Promise<void> {
    const ref = { namespace: object.metadata.namespace ?? '', name: object.metadata.name };
    switch (step.do) {
      case 'record-event':
        return recordEvent(object, step.event, step.event.once ? undefined : key);
      case 'write-status':
        await writeStatus(ref, step.status);
        return count(object, step.status.phase);
      case 'ensure-services':
      case 'ensure-apex': {
        const canary = parsed(object);
        const pods = await parts.workload(canary).pods(canary);
        if (!pods) return;
        const remarks = await parts.services.ensure(canary, pods, step.do === 'ensure-apex' ? 'apex' : 'inner');
        return remark(object, remarks);
      }
      case 'ensure-primary': {
        const canary = parsed(object);
        return remark(object, await parts.workload(canary).ensurePrimary(canary, key));
      }
      case 'ensure-autoscaler': {
        const canary = parsed(object);
        return ensureAutoscaler(canary, step);
      }
      case 'ensure-routes': {
        const canary = parsed(object);
        const traffic = trafficOf(step);
        return remark(object, await retryOnConflict(() => parts.router(canary).ensure(canary, traffic)));
      }
      case 'set-weights': {
        const canary = parsed(object);
        return retryOnConflict(() => parts.router(canary).setWeights(canary, trafficOf(step)));
      }
      case 'scale-target': {
        const canary = parsed(object);
        const [workload, autoscaler] = [parts.workload(canary), parts.autoscaler(canary)];
        // An autoscaler that is awake would bring a parked target back, and one that sleeps does not follow its load.
        if (step.to === 'zero') {
          await autoscaler?.pause(canary);
          return workload.scaleToZero(canary);
        }
        await autoscaler?.resume(canary);
        return workload.scaleUp(canary);
      }
      case 'promote': {
        const canary = parsed(object);
        const remarks = await parts.workload(canary).promote(canary, step.revision, key, step.replicas);
        return remark(object, remarks);
      }
      case 'revert-target': {
        const canary = parsed(object);
        await during('failed to resume target scaler during finalizing', async () =>
          parts.autoscaler(canary)?.resume(canary),
        );
        return during('failed to revert target', () => parts.workload(canary).revert(canary));
      }
      case 'revert-apex': {
        const canary = parsed(object);
        const pods = await parts.workload(canary).pods(canary);
        if (!pods) return;
        return during('failed revert router', () => parts.services.revert(canary, pods));
      }
      case 'revert-routes': {
        const canary = parsed(object);
        return during('failed to revert mesh', () => retryOnConflict(() => parts.router(canary).revert(canary)));
      }
      case 'set-finalizer':
        // The last moment that is sure to come; without a finalizer the look that finds the Canary gone does it.
        if (!step.present && object.metadata.deletionTimestamp !== undefined)
          await remark(object, await parts.clearMesh(ref));
        return setFinalizer(ref, step.present);
    }
  }

  /** It saves releases that nobody asked for; for want of it no status is left unwritten. */
  async function observeTarget(object: KubernetesObject): Promise<ObservedTarget | undefined> {
    try {
      const canary = parsed(object);
      return await parts.workload(canary).observedTarget(canary);
    } catch (error) {
      const reason = failureType(error);
      if (reason === undefined || reason === 'Unavailable') throw error;
      return undefined;
    }
  }

  /** Retries find the phase written, and count nothing. */
  function count(object: KubernetesObject, phase: Phase | undefined): void {
    const result = parseCanary(object);
    if (phase !== undefined && 'canary' in result) meters.entered(result.canary, phaseOf(object), phase);
  }

  async function ensureAutoscaler(canary: Canary, { mode, floor }: EnsureAutoscaler): Promise<void> {
    try {
      await parts.autoscaler(canary)?.ensure(canary, mode, floor);
    } catch (error) {
      // One that is gone holds nothing back: that must not keep a release from ending.
      if (floor !== 0 || failureType(error) !== 'NotFound') throw error;
    }
  }

  async function recordEvent(object: KubernetesObject, event: EventRecord, occurrence?: string): Promise<void> {
    try {
      await record(object, event, occurrence);
    } catch (error) {
      const reason = failureType(error);
      if (reason === undefined || reason === 'Unavailable') throw error;
      const { namespace = '', name } = object.metadata;
      const canary = canaryField({ namespace, name });
      log.warn('event refused', { canary, type: event.type, message: event.message, error: messageOf(error) });
    }
  }

  /** What is left out of what the Canary asks for is said once for each version of the spec. */
  async function remark(object: KubernetesObject, remarks: readonly (string | Remark)[]): Promise<void> {
    const { uid = '', generation = 0 } = object.metadata;
    for (const one of remarks) {
      const { type, message }: Remark = typeof one === 'string' ? { type: 'Warning', message: one } : one;
      await recordEvent(object, { type, message, scope: `${uid}/${generation}` });
    }
  }
}

type EnsureAutoscaler = Extract<Step, { do: 'ensure-autoscaler' }>;

function phaseOf(object: KubernetesObject): Phase {
  return canaryStatus(storedStatus(object)).phase;
}

function trafficOf({ weights, cookies }: Extract<Step, { weights: unknown }>): Traffic {
  return cookies ? { ...weights, cookies } : weights;
}

/** Status and events can be written for a Canary that cannot be read; nothing else can be done for it. */
function parsed(object: KubernetesObject): Canary {
  const result = parseCanary(object);
  if ('problem' in result) throw failure('InvalidSpec', `invalid canary spec: ${result.problem}`);
  return result.canary;
}

/** Flagger puts words of its own around two errors of the initialization. @see engine spec 6, steps 10 and 12 */
function inWordsOf(plan: Plan, step: Step, object: KubernetesObject, work: () => Promise<void>): Promise<void> {
  if (plan.verb !== 'initialize') return work();
  const { name, namespace } = object.metadata;
  if (step.do === 'write-status') return during(`failed to sync canary ${name}.${namespace} status`, work);
  if (step.do !== 'scale-target') return work();
  const { kind, name: target } = (object.spec as Canary['spec'] | undefined)?.targetRef ?? {};
  return during(`scaling down canary ${kind} ${target}.${namespace} failed`, work);
}
