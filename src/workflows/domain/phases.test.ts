import { describe, expect, it } from '@jest/globals';
import { isAnalysing, isAtRest, promotedCondition } from './phases.ts';
import type { Phase } from './observation.ts';

const failed =
  'Canary analysis failed, Deployment scaled to zero. Unchanged, its revision begins again by the order retry alone.';

describe('the Promoted condition', () => {
  it.each<{ phase: Phase; status: string; message: string }>([
    { phase: 'Initializing', status: 'Unknown', message: 'New Deployment detected, starting initialization.' },
    { phase: 'Initialized', status: 'True', message: 'Deployment initialization completed.' },
    { phase: 'Waiting', status: 'Unknown', message: 'Waiting for approval.' },
    { phase: 'Progressing', status: 'Unknown', message: 'New revision detected, progressing canary analysis.' },
    { phase: 'WaitingPromotion', status: 'Unknown', message: 'Waiting for approval.' },
    { phase: 'Promoting', status: 'Unknown', message: 'Canary analysis completed, starting primary rolling update.' },
    { phase: 'Finalising', status: 'Unknown', message: 'Canary analysis completed, routing all traffic to primary.' },
    { phase: 'Succeeded', status: 'True', message: 'Canary analysis completed successfully, promotion finished.' },
    { phase: 'Failed', status: 'False', message: failed },
  ])('of $phase is $status', ({ phase, status, message }) => {
    expect(promotedCondition(phase, 'Deployment')).toEqual({ status, reason: phase, message });
  });

  it('stands at Initializing before the first write', () => {
    expect(promotedCondition('', 'Deployment').reason).toBe('Initializing');
  });
});

it('knows where a Canary is at rest and where it is analysed', () => {
  const phases: Phase[] = ['', 'Initializing', 'Initialized', 'Waiting', 'Progressing', 'WaitingPromotion'].concat(
    'Promoting',
    'Finalising',
    'Succeeded',
    'Failed',
    'Terminating',
    'Terminated',
  ) as Phase[];
  expect(phases.filter(isAtRest)).toEqual(['Initialized', 'Succeeded', 'Failed']);
  expect(phases.filter(isAnalysing)).toEqual(['Progressing', 'WaitingPromotion']);
});
