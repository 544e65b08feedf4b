import { setTimeout as sleep } from 'node:timers/promises';
import { resources } from '../../clients/kubernetes.ts';
import { failure } from '../../errors.ts';
import type { Canary } from '../../schemas/canary.ts';
import { primaryTargetName, progressDeadlineSeconds, readyThreshold, serviceNames } from '../../schemas/defaults.ts';
import type { ObservedWorkload, Readiness } from '../../workflows/domain/observation.ts';
import { during, retryOnConflict } from '../attempts.ts';
import { autoscalers } from '../autoscalers/index.ts';
import { createConfigTracker, type Tracked } from '../configs/tracker.ts';
import type { Deps } from '../deps.ts';
import { controllerOf } from '../ownership.ts';
import { revisionOf, sameJson } from '../revision.ts';
import { observedTarget, revisionOfTarget } from './baseline.ts';
import { restoreCopies } from './missing-copies.ts';
import type { PodController, PodKind } from './pod-kind.ts';
import { causeOf } from './pod-trouble.ts';
import { checkPrimary, equalsTarget, newPrimary, podsOf, promotedPrimary, promotionId, type Pair } from './primary.ts';
import { createPromotedTemplates } from './promoted-template.ts';
import { authorOf, fullName, imageOf, isInitializing } from './target.ts';
import type { Workload } from './workload.ts';

/**
 * When to look again after a target with an autoscaler was parked. An HPA controller that had decided on replicas by then
 * writes them all the same, for it tries again after a conflict; from then on it sees zero, and keeps away.
 *
 * @see Kubernetes, pkg/controller/podautoscaler/horizontal.go
 */
const lateWritersMs = [100, 400] as const;

/** Targets that make pods after a template. What their kinds have of their own is data. @see engine spec 10 and 11 */
export function createPodWorkload(kind: PodKind, deps: Deps): Workload {
  const { kubernetes, settings } = deps;
  const { resource, word } = kind;
  const tracker = createConfigTracker(kubernetes, settings);
  const scalers = new Map([...autoscalers].map(([kind, create]) => [kind, create(deps)]));
  const promoted = createPromotedTemplates(kubernetes);

  return {
    async look(canary) {
      const pair = await readPair(canary);
      const tracked = await tracker.collect(canary, kind.template(pair.target));
      const [target, primary] = await Promise.all([
        observe(canary, pair.target, 'canary', tracked),
        pair.primary && observe(canary, pair.primary, 'primary'),
      ]);
      if (!pair.primary || !primary) return { pods: podsOf(pair), target };
      const [ours, { same, missing }] = await Promise.all([
        isOurs(canary, pair.primary),
        tracker.copies(canary, pair.primary.spec.template, tracked),
      ]);
      // Its template and its configuration are the target's. One without copies reads what the target reads.
      const isEqual = equalsTarget(pair, pair.primary) && same;
      return {
        pods: podsOf(pair),
        drift: missing.map(({ kind, name }) => `${kind} ${name}-primary`),
        target,
        primary: { ...primary, equalsTarget: isEqual, ours },
      };
    },

    async pods(canary) {
      return podsOf(await readPair(canary));
    },

    async observedTarget(canary) {
      if (!canary.status?.lastAppliedSpec) return undefined;
      const target = await read(canary, canary.spec.targetRef.name);
      return target && observedTarget(kind, canary, target);
    },

    async ensurePrimary(canary, key) {
      return during(`${kind.creating} failed`, () =>
        retryOnConflict(async () => {
          const pair = await readPair(canary);
          if (!pair.primary) return create(pair, key);
          const template = kind.template(pair.target);
          if (!isInitializing(canary)) {
            const released = (await promoted.find(canary)) ?? template;
            return restoreCopies(tracker, canary, pair.primary.spec.template, released);
          }
          if (!(await isOurs(canary, pair.primary))) return [];
          return copyTarget(pair, pair.primary, await tracker.collect(canary, template), key);
        }),
      );
    },

    async promote(canary, revision, key, replicas) {
      return retryOnConflict(async () => {
        const pair = await readPair(canary);
        const tracked = await tracker.collect(canary, kind.template(pair.target));
        const current = revisionOfTarget(kind, canary, pair.target, tracked.checksums);
        if (current !== revision) {
          const name = fullName(canary, canary.spec.targetRef.name);
          throw failure('Conflict', `target changed: ${word} ${name} is at ${current}, analysed was ${revision}`);
        }
        return copyTarget(pair, pair.primary ?? missing(canary, primaryTargetName(canary)), tracked, key, replicas);
      });
    },

    async scaleToZero(canary) {
      const wrote = await park(canary);
      if (!wrote || !canary.spec.autoscalerRef) return;
      for (const waitMs of lateWritersMs) {
        await sleep(waitMs);
        await park(canary);
      }
    },

    async scaleUp(canary) {
      await retryOnConflict(async () => {
        const target = await readTarget(canary);
        if (kind.replicas(target) !== 0) return;
        const replicas = await startReplicas(canary);
        const name = fullName(canary, target.metadata.name);
        await during(kind.words.unpark(name, replicas), () => write(target, kind.unpark(replicas)));
      });
    },

    async revert(canary) {
      await retryOnConflict(() => revertOnce(canary));
    },
  };

  /** Whether there was anything to park. */
  async function park(canary: Canary): Promise<boolean> {
    return retryOnConflict(async () => {
      const target = await readTarget(canary);
      if (kind.replicas(target) === 0) return false;
      await during(kind.words.park(fullName(canary, target.metadata.name)), () => write(target, kind.park(0)));
      return true;
    });
  }

  /** @see engine spec 10.8 */
  async function revertOnce(canary: Canary): Promise<void> {
    const [target, primary] = await Promise.all([
      read(canary, canary.spec.targetRef.name),
      read(canary, primaryTargetName(canary)),
    ]);
    if (!target) return;
    const wanted = await revertedReplicas(canary, target, primary);
    if (kind.replicas(target) === wanted) return;
    const name = fullName(canary, target.metadata.name);
    await during(kind.words.revert(name, wanted), () => write(target, kind.unpark(wanted)));
  }

  async function revertedReplicas(canary: Canary, target: PodController, primary: PodController | undefined) {
    // Without a primary, or where nobody counts, there is nothing to learn from: the target only must not stay at zero.
    if (kind.counted && primary) return kind.replicas(primary) || 1;
    return kind.replicas(target) || (await startReplicas(canary, 1));
  }

  async function create(pair: Pair, key: string): Promise<readonly string[]> {
    const { canary, target } = pair;
    const promotedOnce = await promoted.find(canary);
    const template = promotedOnce ?? kind.template(target);
    const tracked = await tracker.collect(canary, template);
    // With a template of before comes the configuration of before, if it is still there.
    const remarks = await tracker.copy(canary, tracked, promotedOnce && 'keep');
    const revision = promotedOnce
      ? (canary.status?.lastPromotedSpec ?? '')
      : revisionOfTarget(kind, canary, target, tracked.checksums);
    const id = promotionId(revision, tracked, key);
    const primary = newPrimary(pair, tracker.rewrite(template, tracked), id.key);
    if (!promotedOnce) await promoted.keep(canary, revision, template);
    await during(`creating ${word} ${fullName(canary, primary.metadata.name)} failed`, () =>
      kubernetes.create(resource, primary),
    );
    return remarks;
  }

  async function copyTarget(
    pair: Pair,
    primary: PodController,
    tracked: Tracked,
    key: string,
    replicas?: number,
  ): Promise<readonly string[]> {
    const { canary } = pair;
    const template = kind.template(pair.target);
    const revision = revisionOfTarget(kind, canary, pair.target, tracked.checksums);
    const id = promotionId(revision, tracked, key);
    const next = promotedPrimary(pair, primary, tracker.rewrite(template, tracked), id, replicas);
    // Kept before the primary runs it: from then on it must be possible to bring it back.
    await promoted.keep(canary, revision, template);
    const remarks = await tracker.copy(canary, tracked);
    if (!sameJson(primary, next)) {
      await during(`updating ${word} ${fullName(canary, primary.metadata.name)} template spec failed`, () =>
        kubernetes.replace(resource, next),
      );
    }
    await promoted.forgetOthers(canary, revision);
    return remarks;
  }

  async function readPair(canary: Canary): Promise<Pair> {
    const [target, primary] = await Promise.all([readTarget(canary), read(canary, primaryTargetName(canary))]);
    const pair = { kind, canary, target, primary, settings };
    kind.check(canary, target);
    if (primary) checkPrimary(pair, primary);
    return pair;
  }

  async function readTarget(canary: Canary): Promise<PodController> {
    const { name } = canary.spec.targetRef;
    return (await read(canary, name)) ?? missing(canary, name);
  }

  async function read(canary: Canary, name: string): Promise<PodController | undefined> {
    const found = await during(`${word} ${fullName(canary, name)} get query error`, () =>
      kubernetes.get(resource, canary.metadata.namespace, name),
    );
    return found as PodController | undefined;
  }

  /**
   * Made by this Canary and free to be made anew: once the apex sends clients to it, a primary serves, and only a
   * promotion may change it, even when the status that said so was lost (Q51).
   */
  async function isOurs(canary: Canary, primary: PodController): Promise<boolean> {
    if (controllerOf(primary)?.uid !== canary.metadata.uid) return false;
    if (!isInitializing(canary)) return true;
    const apex = await kubernetes.get(resources.services, canary.metadata.namespace, serviceNames(canary).apex);
    const selected = (apex?.spec as { selector?: unknown } | undefined)?.selector;
    return !sameJson(selected, primary.spec.selector.matchLabels);
  }

  async function observe(
    canary: Canary,
    found: PodController,
    which: 'primary' | 'canary',
    tracked?: Tracked,
  ): Promise<ObservedWorkload> {
    return {
      revision:
        which === 'canary'
          ? revisionOfTarget(kind, canary, found, tracked?.checksums)
          : revisionOf(kind.template(found)),
      ...(which === 'canary' ? { ...imageOf(kind.template(found)), ...authorOf(found) } : {}),
      ...configsOf(tracked),
      replicas: kind.replicas(found),
      available: kind.available(found),
      readiness: await readinessOf(canary, found, which),
    };
  }

  /** That nothing is tracked any more is worth saying: the status forgets what was. */
  function configsOf(tracked: Tracked | undefined): Pick<ObservedWorkload, 'configs'> {
    const configs = tracked?.checksums ?? (tracked && settings.configTracking ? {} : undefined);
    return configs ? { configs } : {};
  }

  async function readinessOf(canary: Canary, found: PodController, which: 'primary' | 'canary'): Promise<Readiness> {
    if (which === 'primary' && kind.replicas(found) === 0 && (await autoscalerMinimum(canary)) !== 0) {
      const what = `halt ${fullName(canary, canary.metadata.name)} advancement`;
      const message = `${what}: primary ${word} is scaled to zero`;
      return { ready: false, retriable: true, message, rolledOut: false };
    }
    const readiness = kind.readiness(found, {
      thresholdPercent: readyThreshold(canary, which),
      deadlineSeconds: progressDeadlineSeconds(canary),
      now: Date.now(),
    });
    if (readiness.ready) return readiness;
    const { retriable, rolledOut } = readiness;
    const message = kind.notReady(which, fullName(canary, found.metadata.name), readiness);
    const cause = retriable ? undefined : await causeOf(kubernetes, found);
    return { ready: false, retriable, message, rolledOut, ...(cause === undefined ? {} : { cause }) };
  }

  /** @see engine spec 10.4 */
  async function startReplicas(canary: Canary, withoutPrimary?: number): Promise<number> {
    if (canary.spec.autoscalerRef) return Math.max(1, (await autoscalerMinimum(canary)) ?? 1);
    if (!kind.counted) return 1;
    const name = primaryTargetName(canary);
    const primary = await read(canary, name);
    if (!primary && withoutPrimary !== undefined) return withoutPrimary;
    return kind.replicas(primary ?? missing(canary, name)) || 1;
  }

  async function autoscalerMinimum(canary: Canary): Promise<number | undefined> {
    const { kind } = canary.spec.autoscalerRef ?? {};
    return kind === undefined ? undefined : scalers.get(kind)?.minimum(canary);
  }

  /** A write that comes late, from a process that was frozen meanwhile, must not undo a newer one. */
  async function write({ metadata }: PodController, patch: object): Promise<void> {
    const { name, namespace, resourceVersion } = metadata;
    await kubernetes.patch(resource, namespace, name, { metadata: { resourceVersion }, ...patch });
  }

  function missing(canary: Canary, name: string): never {
    const why = `${resource.plural}.apps "${name}" not found`;
    throw failure('NotFound', `${word} ${fullName(canary, name)} get query error: ${why}`);
  }
}
