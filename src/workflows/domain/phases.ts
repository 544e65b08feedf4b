import type { Phase } from './observation.ts';
import type { Condition } from './plan.ts';

/** Phases in which a Canary needs nothing until something changes. */
export function isAtRest(phase: Phase): boolean {
  return phase === 'Initialized' || phase === 'Succeeded' || phase === 'Failed';
}

/** Phases in which a revision is under analysis. */
export function isAnalysing(phase: Phase): boolean {
  return phase === 'Progressing' || phase === 'WaitingPromotion';
}

/** The `Promoted` condition that goes with a phase. @see Flagger, pkg/canary/status.go */
export function promotedCondition(phase: Phase, kind: string): Condition {
  switch (phase) {
    case 'Initialized':
      return { status: 'True', reason: phase, message: `${kind} initialization completed.` };
    case 'Waiting':
    case 'WaitingPromotion':
      return { status: 'Unknown', reason: phase, message: 'Waiting for approval.' };
    case 'Progressing':
      return { status: 'Unknown', reason: phase, message: 'New revision detected, progressing canary analysis.' };
    case 'Promoting':
      return {
        status: 'Unknown',
        reason: phase,
        message: 'Canary analysis completed, starting primary rolling update.',
      };
    case 'Finalising':
      return {
        status: 'Unknown',
        reason: phase,
        message: 'Canary analysis completed, routing all traffic to primary.',
      };
    case 'Succeeded':
      return {
        status: 'True',
        reason: phase,
        message: 'Canary analysis completed successfully, promotion finished.',
      };
    case 'Failed':
      return {
        status: 'False',
        reason: phase,
        // The second sentence is ours: setting the same revision again is no change, and nothing else would say so.
        message:
          `Canary analysis failed, ${kind} scaled to zero. ` +
          'Unchanged, its revision begins again by the order retry alone.',
      };
    case 'Terminating':
    case 'Terminated':
      return { status: 'Unknown', reason: phase, message: `${kind} is being reverted.` };
    case '':
    case 'Initializing':
      return { status: 'Unknown', reason: 'Initializing', message: `New ${kind} detected, starting initialization.` };
  }
}
