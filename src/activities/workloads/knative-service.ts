import { resources } from '../../clients/kubernetes.ts';
import { failure } from '../../errors.ts';
import type { Canary } from '../../schemas/canary.ts';
import type { ObservedWorkload, Readiness } from '../../workflows/domain/observation.ts';
import { retryOnConflict, during } from '../attempts.ts';
import type { Deps } from '../deps.ts';
import {
  hashOf,
  isPinned,
  latestOf,
  named,
  primaryOf,
  readService,
  rememberedPrimary,
  withPrimary,
  writeService,
  type KnativeService,
} from '../knative/service.ts';
import { authorOf, fullName, isInitializing } from './target.ts';
import type { Workload } from './workload.ts';

interface Revision {
  readonly status?: { readonly conditions?: readonly Condition[] };
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
}

/**
 * Targets of kind Service of Knative, which makes a revision of each change: the newest one is the canary, the one in an
 * annotation the primary. Pods come and go with the requests, so there is nothing to scale.
 *
 * @see engine spec 13; unlike in Flagger traffic is pinned to the first primary once that is ready, not before, and a
 *   Service that cannot be read counts as nothing at all (Q22)
 */
export function createKnativeWorkload({ kubernetes }: Deps): Workload {
  return {
    async look(canary) {
      const service = await readService(kubernetes, canary);
      const [latest, primary] = [latestOf(canary, service), primaryOf(service)];
      const target = await observe(canary, service, latest);
      if (primary === undefined) return { pods: undefined, primaryIsPart: true, target };
      return {
        pods: undefined,
        primaryIsPart: true,
        target,
        primary: {
          ...(await observe(canary, service, primary)),
          equalsTarget: primary === latest,
          ours: isFree(canary, service, primary),
        },
      };
    },

    pods: () => Promise.resolve(undefined),
    observedTarget: () => Promise.resolve(undefined),

    async ensurePrimary(canary) {
      await retryOnConflict(async () => {
        const live = await readService(kubernetes, canary);
        const current = primaryOf(live);
        if (current !== undefined && !isFree(canary, live, current)) return;
        await writeService(kubernetes, canary, live, withPrimary(live, rememberedPrimary(canary, live)));
      });
      return [];
    },

    async promote(canary, revision) {
      await retryOnConflict(async () => {
        const live = await readService(kubernetes, canary);
        const latest = latestOf(canary, live);
        if (hashOf(latest) !== revision) {
          throw failure('Conflict', `target changed: ${named(canary)} is at ${latest}, which is not what was analysed`);
        }
        await writeService(kubernetes, canary, live, moved(withPrimary(live, latest), primaryOf(live), latest));
      });
      return [];
    },

    // Knative scales with the requests.
    scaleToZero: () => Promise.resolve(),
    scaleUp: () => Promise.resolve(),
    revert: () => Promise.resolve(),
  };

  async function observe(
    canary: Canary,
    { metadata, status }: KnativeService,
    name: string,
  ): Promise<ObservedWorkload> {
    const readiness = await readinessOf(canary, name, status?.latestReadyRevisionName === name);
    // One replica says: there is something. Without requests it has no pods, and gets some with the first.
    return {
      revision: hashOf(name),
      ...authorOf({ metadata }),
      replicas: 1,
      available: readiness.ready ? 1 : 0,
      readiness,
    };
  }

  /** Never final: a revision that is not ready gets no traffic from Knative either. */
  async function readinessOf(canary: Canary, name: string, rolledOut: boolean): Promise<Readiness> {
    const what = `Knative Revision ${fullName(canary, name)}`;
    const unready = (message: string): Readiness => ({ ready: false, retriable: true, message, rolledOut });
    const found = (await during(`${what} get query error`, () =>
      kubernetes.get(resources.knativeRevisions, canary.metadata.namespace, name),
    )) as Revision | undefined;
    if (!found) return unready(`${what} get query error: revisions.serving.knative.dev "${name}" not found`);
    const ready = found.status?.conditions?.find(({ type }) => type === 'Ready');
    if (ready?.status === 'True') return { ready: true };
    const why = [ready?.reason, ready?.message].filter(Boolean).join(': ');
    return unready(`${what} is not ready${why ? ` (${why})` : ''}`);
  }
}

/** Chosen by this Canary while it initializes, and no traffic is pinned to it yet: the primary may follow the target (Q34). */
function isFree(canary: Canary, { spec }: KnativeService, primary: string): boolean {
  if (!isInitializing(canary)) return false;
  return !(spec.traffic ?? []).some((target) => isPinned(target) && target.revisionName === primary);
}

/** What was pinned to the old primary is pinned to the new one in the same write, so that both never disagree. */
function moved(service: KnativeService, from: string | undefined, to: string): KnativeService {
  const { traffic } = service.spec;
  if (!traffic || from === undefined) return service;
  const follow = (target: (typeof traffic)[number]) =>
    isPinned(target) && target.revisionName === from && !target.tag ? { ...target, revisionName: to } : target;
  return { ...service, spec: { ...service.spec, traffic: traffic.map(follow) } };
}
