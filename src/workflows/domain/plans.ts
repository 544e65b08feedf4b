import { promotedCondition } from './phases.ts';
import type { CanaryStatus, Phase, Settings } from './observation.ts';
import type { EventRecord, FailedCheck, Step, StatusPatch, Verb } from './plan.ts';
import type { AlertDraft, CarryOut, EventDraft, Release, Then } from './state.ts';

/** Puts steps together under a verb. The summary is what people read in the history. */
export function carryOut(
  verb: Verb,
  summary: string,
  then: Then,
  steps: readonly Step[],
  alerts: readonly AlertDraft[] = [],
): CarryOut {
  return { type: 'carry-out', plan: { verb, summary, steps }, then, alerts };
}

/** Records an event of this release. */
export function record(release: Release, ...drafts: readonly EventDraft[]): Step[] {
  return drafts.map((draft) => ({ do: 'record-event', event: { ...draft, scope: release.id } }));
}

/** Records an event about the Canary's spec as it stands: one Event, counted, however many runs tell it. */
export function recordOfSpec(release: Release, draft: EventDraft): Step {
  return { do: 'record-event', event: ofSpec(release, draft) };
}

/** Records an event about the Canary's spec as it stands, told once however many runs come upon it. */
export function recordOnce(release: Release, draft: EventDraft): Step {
  return { do: 'record-event', event: { ...ofSpec(release, draft), once: true } };
}

function ofSpec({ observation }: Release, draft: EventDraft): EventRecord {
  return { ...draft, scope: `${observation?.canary?.uid ?? ''}/${observation?.canary?.generation ?? 0}` };
}

export const normal = (message: string): EventDraft => ({ type: 'Normal', message });
export const warning = (message: string): EventDraft => ({ type: 'Warning', message });
export const alert = (severity: AlertDraft['severity'], message: string, meta = false): AlertDraft => ({
  severity,
  message,
  meta,
});
/** An alert that names the check which led to it, where one is known. */
export const alertOfCheck = (message: string, check: FailedCheck | undefined): AlertDraft => ({
  ...alert('error', message),
  ...(check ? { check } : {}),
});

/** Enters a phase, with the condition that belongs to it. */
export function enterPhase(settings: Settings, phase: Phase, fields: Partial<CanaryStatus> = {}): Step {
  const status: StatusPatch = { ...fields, phase, condition: promotedCondition(phase, settings.target.kind) };
  return { do: 'write-status', status };
}

export function writeStatus(status: StatusPatch): Step {
  return { do: 'write-status', status };
}
