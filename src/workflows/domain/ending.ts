import { hookCalls } from './gates.ts';
import { hasFailedPromotion } from './idle.ts';
import { canaryName, revisionInFlight, targetName } from './names.ts';
import { alert, alertOfCheck, carryOut, enterPhase, normal, record, warning, writeStatus } from './plans.ts';
import { halt, onPrimary, strandsTraffic, weightsNow } from './world.ts';
import { taken } from './taken.ts';
import type { CanaryStatus, Phase, Settings, Weights } from './observation.ts';
import type { Step } from './plan.ts';
import type { Action, CarryOut, Ending, EventDraft, Release } from './state.ts';

/** A way out of a release, before its first stage. */
export type Way = Omit<Ending, 'stage' | 'answers'>;

/** All traffic to the primary, the canary scaled down, phase `Failed`. */
export function rolledBack(because: string): Way {
  return { kind: 'rollback', because, reasons: [], alerts: [] };
}

/** The target went back to the promoted revision: there is nothing left to analyse (Q27, Q36). */
export function cancelled(release: Release, settings: Settings): Way {
  const message = `Target reverted to the promoted revision, analysis cancelled for ${targetName(release, settings)}`;
  return { kind: 'cancelled', because: 'the target was reverted', reasons: [normal(message)], alerts: [] };
}

/** The primary broke on the promoted revision: the healthy canary keeps, or gets, the traffic. */
export function promotionFailed(release: Release, settings: Settings, why: string): Way {
  const message = `Promotion of ${targetName(release, settings)} failed, primary not ready: ${why}`;
  return {
    kind: 'failed-promotion',
    because: why,
    reasons: [warning(why), warning(message)],
    alerts: [alert('error', `Promotion failed, primary not ready: ${why}`)],
  };
}

/** The first stage of a way out: traffic, and why. */
export function beginEnding(release: Release, settings: Settings, way: Way): Action {
  const kind = keepsTraffic(release) ? 'failed-promotion' : way.kind;
  const revision = revisionInFlight(release);
  return leave(release, settings, { ...way, kind, stage: 'traffic', answers: [], revision });
}

/** A repair that is given up leaves traffic where it was: on the canary, while the primary is not ready (Q6). */
function keepsTraffic(release: Release): boolean {
  return (release.repairing || hasFailedPromotion(release)) && !release.observation?.primary?.readiness.ready;
}

function leave(release: Release, settings: Settings, ending: Ending): Action {
  const held = strands(release, ending);
  if (held) return halt(release, held);
  return { ...wayOut(release, settings, ending), ending };
}

/** The stages after the first. */
export function finish(release: Release, settings: Settings, now: number): Action {
  const ending = release.ending;
  if (!ending) throw new Error('finish is only asked of a release that is ending');
  switch (ending.stage) {
    case 'traffic':
      return leave(release, settings, ending);
    case 'close':
      if (now < release.drainUntil) {
        return { type: 'wait', until: release.drainUntil, why: 'the data plane hears of the new routes' };
      }
      return close(release, settings, ending);
    case 'hooks':
      return {
        type: 'call-hooks',
        moment: 'post-rollout',
        hooks: hookCalls(settings, 'post-rollout', finalPhase(ending)),
        until: 'first-no',
        why: 'post-rollout hooks',
      };
    case 'tell':
      return carryOut(
        'tell',
        'the last words',
        'told',
        record(release, ...lastWords(release, settings, ending)),
        ending.kind === 'promoted' ? [promotedAlert(settings)] : [],
      );
  }
}

/** Traffic must not leave pods that serve for pods that do not. Such a way out waits, and says so. */
function strands(release: Release, { kind }: Ending): string | undefined {
  return kind !== 'failed-promotion' && strandsTraffic(release, onPrimary) ? strandedText : undefined;
}

export const strandedText = 'Traffic stays on the canary: the primary has no available pods to take it';

function wayOut(release: Release, settings: Settings, ending: Ending): CarryOut {
  const failedChecks = release.status.failedChecks;
  const counted: EventDraft[] =
    ending.kind === 'rollback' && failedChecks >= settings.analysis.threshold
      ? [warning(`Rolling back ${canaryName(release)} failed checks threshold reached ${failedChecks}`)]
      : [];
  const countedAlerts =
    counted.length > 0 ? [alertOfCheck(`Failed checks threshold reached ${failedChecks}`, release.failedCheck)] : [];
  const weights = trafficAfter(release, ending);
  const verb = ending.kind === 'rollback' || ending.kind === 'cancelled' ? 'rollBack' : 'shiftTraffic';
  const after = ending.kind === 'rollback' ? [warning(`Canary failed! Scaling down ${canaryName(release)}`)] : [];
  return carryOut(
    verb,
    ending.because,
    'way-out',
    [...record(release, ...ending.reasons, ...counted), { do: 'set-weights', weights }, ...record(release, ...after)],
    [...ending.alerts, ...countedAlerts],
  );
}

function trafficAfter(release: Release, { kind }: Ending): Weights {
  const { observation, status } = release;
  const { splitsTraffic } = observation?.canary?.settings ?? {};
  if (kind !== 'failed-promotion' || splitsTraffic === false) return onPrimary;
  // Without a healthy canary either, moving traffic helps nobody.
  const healthy = (observation?.target?.available ?? 0) > 0;
  // Pods of a newer revision, which nobody has judged, get it only when there is nobody else (Q28).
  const judged = observation?.target?.revision === status.lastAppliedSpec;
  const alone = (observation?.primary?.available ?? 0) === 0;
  return healthy && (judged || alone) ? { primary: 0, canary: 100 } : weightsNow(release);
}

function close(release: Release, settings: Settings, ending: Ending): Action {
  const { status } = release;
  const hooks = hookCalls(settings, 'post-rollout', finalPhase(ending)).length > 0;
  const steps: Step[] = [];
  if (ending.kind !== 'failed-promotion') steps.push({ do: 'scale-target', to: 'zero' });
  // From here on the primary's autoscaler decides alone again.
  if (settings.hasAutoscaler) steps.push({ do: 'ensure-autoscaler', mode: 'update', floor: 0 });
  steps.push(
    ...recovered(release),
    enterPhase(settings, finalPhase(ending), {
      canaryWeight: ending.kind === 'failed-promotion' ? release.weights.canary : 0,
      iterations: 0,
      ...(ending.kind === 'promoted' ? {} : { failedChecks: 0 }),
      ...(ending.kind === 'cancelled' ? givenUp(release, status.lastPromotedSpec) : {}),
      // A revision that was given up before it began is remembered, or it would begin again at once.
      ...(ending.kind === 'rollback' ? givenUp(release, ending.revision ?? status.lastAppliedSpec) : {}),
    }),
  );
  if (!hooks) steps.push(...record(release, ...lastWords(release, settings, ending)));
  const alerts = ending.kind === 'promoted' && !hooks ? [promotedAlert(settings)] : [];
  const verb = ending.kind === 'rollback' ? 'rollBack' : 'finish';
  return { ...carryOut(verb, closingWord(ending), 'closed', steps, alerts), ending };
}

/** What kept checks from being made is nobody's trouble any more. */
function recovered({ rules, stall, observation }: Release): Step[] {
  return rules >= 4 && !stall && observation?.canary?.stalled !== undefined ? [writeStatus({ stalled: null })] : [];
}

function givenUp({ observation }: Release, revision: string): Partial<CanaryStatus> {
  const target = observation?.target;
  return target?.revision === revision ? taken(target) : { lastAppliedSpec: revision };
}

function lastWords(release: Release, settings: Settings, ending: Ending): EventDraft[] {
  const hooks = ending.answers.map(({ name, error }) =>
    error === undefined
      ? normal(`Post-rollout check ${name} passed`)
      : warning(`Post-rollout hook ${name} failed ${error}`),
  );
  if (ending.kind !== 'promoted') return hooks;
  const target = targetName(release, settings);
  const done = settings.skipAnalysis
    ? `Promotion completed! Canary analysis was skipped for ${target}`
    : `Promotion completed! Scaling down ${target}`;
  return [...hooks, normal(done)];
}

function promotedAlert(settings: Settings) {
  return settings.skipAnalysis
    ? alert('info', 'Canary analysis was skipped, promotion finished.')
    : alert('info', 'Canary analysis completed successfully, promotion finished.');
}

function finalPhase({ kind }: Ending): Phase {
  return kind === 'rollback' || kind === 'failed-promotion' ? 'Failed' : 'Succeeded';
}

function closingWord({ kind, because }: Ending): string {
  return kind === 'promoted' ? 'promotion completed' : because;
}
