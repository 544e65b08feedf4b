import { resources } from '../clients/kubernetes.ts';
import { failure } from '../errors.ts';
import { parseCanary } from '../schemas/canary.ts';
import { inActivity, type InCall } from './activity-call.ts';
import { createVerifyActors, type TokenIssuer } from './actors.ts';
import { createAnalyse } from './analyse.ts';
import { createCarryOut } from './carry-out.ts';
import type { Activities } from './contract.ts';
import type { Deps } from './deps.ts';
import { createObserve } from './look.ts';
import { createMetricsProvidersError, createReadMetrics, metricChecks } from './metrics/checks.ts';
import { canaryField, type Log } from '../log.ts';
import { noMeters, type ReleaseMeters } from './meters.ts';
import { createNotify, type NotifyOptions } from './notify.ts';
import { createParts } from './parts.ts';
import { createCallHooks } from './webhooks.ts';

export interface ActivityOptions extends Omit<NotifyOptions, 'log'> {
  /** How an activity learns which call it answers; default: from Temporal. */
  readonly inCall?: InCall;
  /** Counts releases and readings. */
  readonly meters?: ReleaseMeters;
  /** Whose tokens tell who a person is. */
  readonly issuers?: readonly TokenIssuer[];
  /** Keeps what has happened in a run. Without it nothing is kept, and no release asks for it. */
  readonly archive?: Activities['archive'];
}

/** Everything the worker registers for releases. */
export function createActivities(
  deps: Deps,
  log: Pick<Log, 'info' | 'warn'>,
  { inCall = inActivity, meters = noMeters, issuers = [], archive, ...options }: ActivityOptions = {},
): Activities {
  const parts = createParts(deps);
  const observe = createObserve(deps, {
    metricChecks,
    metricsProvidersError: createMetricsProvidersError(deps),
    hasGlobalNotifier: options.globalNotifier !== undefined,
  });
  const callHooks = createCallHooks(deps);
  const examine = createAnalyse(observe, callHooks, createReadMetrics(deps), meters);
  const perform = createCarryOut(deps, parts, log, meters);
  const notify = createNotify(deps, { log, ...options });
  const carryOut: Activities['promote'] = (ref, plan) => inCall(({ key }) => perform(ref, plan, key));

  return {
    // A release that was begun when there was a sink may still ask.
    archive: archive ?? (() => Promise.resolve()),
    verifyActors: createVerifyActors(deps.http, issuers),
    look: async (ref, ask) => {
      const { observation } = await observe(ref, ask);
      if (!observation.canary) {
        meters.gone(ref);
        for (const left of await parts.clearMesh(ref))
          log.warn('objects of a deleted canary are left', { canary: canaryField(ref), left });
      }
      return observation;
    },
    analyse: (ref, revision, hooks) => inCall((call) => examine(ref, revision, hooks, call)),
    callHooks: (ref, hooks, until) =>
      inCall(async ({ key, signal }) => {
        const object = await deps.kubernetes.get(resources.canaries, ref.namespace, ref.name);
        // Nothing comes of an answer about a Canary that is gone, and none of its hooks is left.
        if (!object) return [];
        const parsed = parseCanary(object);
        if ('problem' in parsed) throw failure('InvalidSpec', `invalid canary spec: ${parsed.problem}`);
        const answers = await callHooks(parsed.canary, hooks, until, key, signal);
        meters.asked(ref);
        return answers;
      }),
    notify: (ref, notices) => inCall(() => notify(ref, notices)),
    initialize: carryOut,
    repair: carryOut,
    scaleUp: carryOut,
    shiftTraffic: carryOut,
    promote: carryOut,
    finish: carryOut,
    rollBack: carryOut,
    tell: carryOut,
    revert: carryOut,
  };
}
