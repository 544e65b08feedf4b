import { neededReplicas } from './capacity.ts';
import { askPeople } from './approvals.ts';
import { askGate, gate } from './gates.ts';
import { primaryName, targetName } from './names.ts';
import { carryOut, enterPhase, normal, record } from './plans.ts';
import { onPrimary, strandsTraffic, weightsNow, type World } from './world.ts';
import type { Settings, Weights } from './observation.ts';
import type { Step } from './plan.ts';
import type { Action, Release } from './state.ts';

/** The way from `Progressing` to `Promoting`: the last question, and the copy of the revision to the primary. */

/** The ladder is climbed, or someone said so: the last question, and the copy. */
export function promote(release: Release, { settings }: World, now: number): Action {
  const { lastAppliedSpec: revision } = release.status;
  return (
    askPromotion(release, settings, now) ??
    copy(release, settings, release.weights, promotion(release, settings, revision))
  );
}

/** Asks the gates for promotion, or waits for them. Undefined when they are open. */
export function askPromotion(release: Release, settings: Settings, now: number): Action | undefined {
  if (release.promoted?.force) return undefined;
  switch (gate(release, settings, 'confirm-promotion')) {
    case 'unknown':
      return askGate(settings, 'confirm-promotion', 'Progressing', 'ask whether to promote');
    case 'closed':
      return { type: 'wait', until: release.dueAt, why: 'waiting for approval to promote' };
    case 'open':
      return askPeople(release, settings, 'promotion', now);
  }
}

/** The copy, onto a primary that is large enough for all the traffic there is. */
function promotion(release: Release, settings: Settings, revision: string): Step[] {
  if (!settings.hasAutoscaler) return [{ do: 'promote', revision }];
  const replicas = neededReplicas(release, settings);
  return [
    { do: 'ensure-autoscaler', mode: 'update', floor: replicas },
    { do: 'promote', revision, replicas },
  ];
}

/** Without analysis: traffic to the primary, and the copy. No gate is asked, but people are. */
export function skip(release: Release, { settings }: World, now: number): Action {
  const asked = release.promoted?.force ? undefined : askPeople(release, settings, 'promotion', now);
  if (asked) return asked;
  // A primary without pods gets its traffic back like after any promotion: once it is ready.
  const weights = strandsTraffic(release, onPrimary) ? weightsNow(release) : onPrimary;
  return copy(release, settings, weights, [
    { do: 'set-weights', weights },
    ...promotion(release, settings, release.status.lastAppliedSpec),
  ]);
}

/** The primary runs the revision already, and only the status does not say so: a plan was cut short. */
export function sayPromoted(release: Release, settings: Settings, revision: string): Action {
  return copy({ ...release, status: { ...release.status, lastAppliedSpec: revision } }, settings, release.weights, []);
}

function copy(release: Release, settings: Settings, weights: Weights, steps: readonly Step[]): Action {
  const message = `Copying ${targetName(release, settings)} template spec to ${primaryName(release, settings)}`;
  return carryOut('promote', message, 'promoted', [
    ...steps,
    ...record(release, normal(message)),
    // The hash goes with the copy, not with the end of the promotion: a release that fails later has changed the
    // primary all the same (Q29).
    enterPhase(settings, 'Promoting', {
      lastPromotedSpec: release.status.lastAppliedSpec,
      canaryWeight: shownWeight(settings, weights),
    }),
  ]);
}

/** Where iterations are counted, the status has no weight. @see engine spec 9.4 */
export function shownWeight({ analysis }: Settings, weights: Weights): number {
  return analysis.strategy === 'canary' ? weights.canary : 0;
}
