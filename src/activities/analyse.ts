import type { HookCall } from '../workflows/domain/plan.ts';
import type { Call } from './activity-call.ts';
import type { Activities, CanaryRef } from './contract.ts';
import type { Observe } from './look.ts';
import { noMeters, type ReleaseMeters } from './meters.ts';
import type { ReadMetrics } from './metrics/checks.ts';
import type { CallHooks } from './webhooks.ts';

type Analyse = (
  ref: CanaryRef,
  revision: string,
  hooks: readonly HookCall[],
  call: Call,
) => ReturnType<Activities['analyse']>;

/** @see engine spec 6, step 24 */
export function createAnalyse(
  observe: Observe,
  callHooks: CallHooks,
  readMetrics: ReadMetrics,
  meters: ReleaseMeters = noMeters,
): Analyse {
  return async (ref, revision, hooks, { key, signal }) => {
    const { observation, canary } = await observe(ref, { metricsProviders: false });
    const { target, problem } = observation;
    const isExaminable = !problem && target?.revision === revision && target.readiness.ready;
    if (!canary || !isExaminable) return { observation };
    const begunAt = performance.now();
    const answers = await callHooks(canary, hooks, 'first-no', key, signal);
    // As in Flagger: what a failed hook says is enough, and nobody needs to wait for the readings.
    const isRefused = answers.some(({ error }) => error !== undefined);
    const readings = isRefused ? [] : await readMetrics(canary, signal);
    meters.analysed(canary, (performance.now() - begunAt) / 1000, readings);
    return { observation, examination: { hooks: answers, readings } };
  };
}
