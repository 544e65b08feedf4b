import { resources } from '../../clients/kubernetes.ts';
import { failure, failureType, messageOf } from '../../errors.ts';
import type { Canary } from '../../schemas/canary.ts';
import { primaryTargetName, progressDeadlineSeconds, readyThreshold, serviceNames } from '../../schemas/defaults.ts';
import type { ObservedWorkload, Readiness } from '../../workflows/domain/observation.ts';
import { during, retryOnConflict } from '../attempts.ts';
import { autoscalers } from '../autoscalers/index.ts';
import type { Deps } from '../deps.ts';
import { controllerOf } from '../ownership.ts';
import { revisionOf, sameJson } from '../revision.ts';
import { podTrouble } from './pod-trouble.ts';
import { checkPrimary, equalsTarget, newPrimary, podsOf, promotedPrimary, type Pair } from './primary-deployment.ts';
import { createPromotedTemplates } from './promoted-template.ts';
import { deploymentReadiness, type Deployment } from './readiness.ts';
import type { Workload } from './workload.ts';

/** Targets of kind Deployment. @see engine spec 10 */
export function createDeploymentWorkload(deps: Deps): Workload {
  const { kubernetes, settings } = deps;
  const scalers = new Map([...autoscalers].map(([kind, create]) => [kind, create(deps)]));
  const promoted = createPromotedTemplates(kubernetes);

  return {
    async look(canary) {
      const pair = await readPair(canary);
      const [target, primary] = await Promise.all([
        observe(canary, pair.target, 'canary'),
        pair.primary && observe(canary, pair.primary, 'primary'),
      ]);
      if (!pair.primary || !primary) return { pods: podsOf(pair), target };
      const ours = await isOurs(canary, pair.primary);
      return {
        pods: podsOf(pair),
        target,
        primary: { ...primary, equalsTarget: equalsTarget(pair, pair.primary), ours },
      };
    },

    async pods(canary) {
      return podsOf(await readPair(canary));
    },

    async ensurePrimary(canary, key) {
      await during('createPrimaryDeployment failed', () =>
        retryOnConflict(async () => {
          const pair = await readPair(canary);
          if (!pair.primary) return create(pair, key);
          if (!isInitializing(canary) || !(await isOurs(canary, pair.primary))) return;
          await copyTarget(pair, pair.primary, key);
        }),
      );
    },

    async promote(canary, revision, key, replicas) {
      await retryOnConflict(async () => {
        const pair = await readPair(canary);
        const current = revisionOf(pair.target.spec.template);
        if (current !== revision) {
          const name = fullName(canary, canary.spec.targetRef.name);
          throw failure('Conflict', `target changed: deployment ${name} is at ${current}, analysed was ${revision}`);
        }
        await copyTarget(pair, pair.primary ?? missing(canary, primaryTargetName(canary)), key, replicas);
      });
    },

    async scaleToZero(canary) {
      await retryOnConflict(async () => {
        const target = await readTarget(canary);
        if (target.spec.replicas === 0) return;
        const name = fullName(canary, target.metadata.name);
        await during(`deployment ${name} patch query error`, () => scale(target, 0));
      });
    },

    async scaleUp(canary) {
      await retryOnConflict(async () => {
        const target = await readTarget(canary);
        if (target.spec.replicas !== 0) return;
        const replicas = await startReplicas(canary);
        const name = fullName(canary, target.metadata.name);
        await during(`scaling up ${name} to ${replicas} failed`, () => scale(target, replicas));
      });
    },

    async revert(canary) {
      await retryOnConflict(() => revertOnce(canary));
    },
  };

  /** @see engine spec 10.8 */
  async function revertOnce(canary: Canary): Promise<void> {
    const [target, primary] = await Promise.all([
      read(canary, canary.spec.targetRef.name),
      read(canary, primaryTargetName(canary)),
    ]);
    if (!target) return;
    // Without a primary there is nothing to learn from: the target only must not stay at zero.
    const replicas = primary ? primary.spec.replicas || 1 : target.spec.replicas || (await startReplicas(canary, 1));
    if (target.spec.replicas === replicas) return;
    const name = fullName(canary, target.metadata.name);
    await during(`scale failed: scaling ${name} to ${replicas} failed`, () => scale(target, replicas));
  }

  async function create(pair: Pair, key: string): Promise<void> {
    const { canary, target } = pair;
    const template = (await promoted.find(canary)) ?? target.spec.template;
    const primary = newPrimary(pair, template, key);
    await promoted.keep(canary, template);
    await during(`creating deployment ${fullName(canary, primary.metadata.name)} failed`, () =>
      kubernetes.create(resources.deployments, primary),
    );
  }

  async function copyTarget(pair: Pair, primary: Deployment, key: string, replicas?: number): Promise<void> {
    const { canary, target } = pair;
    const { template } = target.spec;
    const next = promotedPrimary(pair, primary, key, replicas);
    // Kept before the primary runs it: from then on it must be possible to bring it back.
    await promoted.keep(canary, template);
    if (!sameJson(primary, next)) {
      await during(`updating deployment ${fullName(canary, primary.metadata.name)} template spec failed`, () =>
        kubernetes.replace(resources.deployments, next),
      );
    }
    await promoted.forgetOthers(canary, template);
  }

  async function readPair(canary: Canary): Promise<Pair> {
    const [target, primary] = await Promise.all([readTarget(canary), read(canary, primaryTargetName(canary))]);
    const pair = { canary, target, primary, settings };
    if (primary) checkPrimary(pair, primary);
    return pair;
  }

  async function readTarget(canary: Canary): Promise<Deployment> {
    const { name } = canary.spec.targetRef;
    return (await read(canary, name)) ?? missing(canary, name);
  }

  async function read(canary: Canary, name: string): Promise<Deployment | undefined> {
    const found = await during(`deployment ${fullName(canary, name)} get query error`, () =>
      kubernetes.get(resources.deployments, canary.metadata.namespace, name),
    );
    return found as Deployment | undefined;
  }

  /**
   * Made by this Canary and free to be made anew: once the apex sends clients to it, a primary serves, and only a
   * promotion may change it, even when the status that said so was lost (Q51).
   */
  async function isOurs(canary: Canary, primary: Deployment): Promise<boolean> {
    if (controllerOf(primary)?.uid !== canary.metadata.uid) return false;
    if (!isInitializing(canary)) return true;
    const apex = await kubernetes.get(resources.services, canary.metadata.namespace, serviceNames(canary).apex);
    const selected = (apex?.spec as { selector?: unknown } | undefined)?.selector;
    return !sameJson(selected, primary.spec.selector.matchLabels);
  }

  async function observe(canary: Canary, found: Deployment, which: 'primary' | 'canary'): Promise<ObservedWorkload> {
    return {
      revision: revisionOf(found.spec.template),
      replicas: found.spec.replicas ?? 1,
      available: found.status?.availableReplicas ?? 0,
      readiness: await readinessOf(canary, found, which),
    };
  }

  async function readinessOf(canary: Canary, found: Deployment, which: 'primary' | 'canary'): Promise<Readiness> {
    if (which === 'primary' && found.spec.replicas === 0 && (await autoscalerMinimum(canary)) !== 0) {
      const what = `halt ${fullName(canary, canary.metadata.name)} advancement`;
      const message = `${what}: primary deployment is scaled to zero`;
      return { ready: false, retriable: true, message, rolledOut: false };
    }
    const readiness = deploymentReadiness(found, {
      thresholdPercent: readyThreshold(canary, which),
      deadlineSeconds: progressDeadlineSeconds(canary),
      now: Date.now(),
    });
    if (readiness.ready) return readiness;
    const { retriable, rolledOut, text } = readiness;
    const what = `${fullName(canary, found.metadata.name)} not ready: ${text}`;
    const message = which === 'primary' ? what : `canary deployment ${what}`;
    const cause = retriable ? undefined : await causeOf(found);
    return { ready: false, retriable, message, rolledOut, ...(cause === undefined ? {} : { cause }) };
  }

  async function causeOf({ metadata, spec }: Deployment): Promise<string | undefined> {
    const labels = Object.entries(spec.selector.matchLabels ?? {});
    const labelSelector = labels.map(([key, value]) => `${key}=${value}`).join(',');
    try {
      const { items } = await kubernetes.list(resources.pods, metadata.namespace, { labelSelector });
      return podTrouble(items);
    } catch (error) {
      // That it is not ready is known without the pods; whoever may not read them should still learn that.
      if (failureType(error) !== 'Unauthorized') throw error;
      return `its pods could not be read: ${messageOf(error)}`;
    }
  }

  /** @see engine spec 10.4 */
  async function startReplicas(canary: Canary, withoutPrimary?: number): Promise<number> {
    if (canary.spec.autoscalerRef) return Math.max(1, (await autoscalerMinimum(canary)) ?? 1);
    const name = primaryTargetName(canary);
    const primary = await read(canary, name);
    if (!primary && withoutPrimary !== undefined) return withoutPrimary;
    return (primary ?? missing(canary, name)).spec.replicas || 1;
  }

  async function autoscalerMinimum(canary: Canary): Promise<number | undefined> {
    const { kind } = canary.spec.autoscalerRef ?? {};
    return kind === undefined ? undefined : scalers.get(kind)?.minimum(canary);
  }

  /** A write that comes late, from a process that was frozen meanwhile, must not undo a newer one. */
  async function scale({ metadata }: Deployment, replicas: number): Promise<void> {
    const { name, namespace, resourceVersion } = metadata;
    await kubernetes.patch(resources.deployments, namespace, name, {
      metadata: { resourceVersion },
      spec: { replicas },
    });
  }
}

function isInitializing({ status }: Canary): boolean {
  const phase = status?.phase ?? '';
  return phase === '' || phase === 'Initializing';
}

function fullName({ metadata }: Canary, name: string): string {
  return `${name}.${metadata.namespace}`;
}

function missing(canary: Canary, name: string): never {
  const why = `deployments.apps "${name}" not found`;
  throw failure('NotFound', `deployment ${fullName(canary, name)} get query error: ${why}`);
}
