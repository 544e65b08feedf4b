import { describe, expect, it } from '@jest/globals';
import { playCanary, release, settings, settled } from '../../../test/support/script.ts';
import type { Act, Play } from '../../simulation/world.ts';
import type { AnalysisSettings, Settings } from './observation.ts';

/* A primary that its autoscaler has scaled in while the canary had the traffic cannot take it back. @see Flagger, issue 1600 */

/** A primary of 8 pods, and an autoscaler that brings the canary to so many once it has traffic. */
function scaled(canary: number, analysis: Partial<AnalysisSettings>, more: Partial<Settings> = {}): Play {
  const grow: Act = {
    atMs: 0,
    when: ({ status }) => status.canaryWeight > 0 || status.iterations > 0,
    do: (world) => void (world.targetReplicas = canary),
  };
  return playCanary({
    settings: settings(analysis, { hasAutoscaler: true, ...more }),
    start: { ...settled, primaryReplicas: 8 },
    acts: [release('v1:2', 1_000), grow],
  });
}

/** Floors of the primary's autoscaler, and the replicas it is promoted with, in order. */
const asked = ({ decisions }: Play) =>
  decisions.flatMap(({ action }) =>
    action.type === 'carry-out'
      ? action.plan.steps.flatMap((step) => {
          if (step.do === 'ensure-autoscaler' && step.floor !== undefined) return [`floor ${step.floor}`];
          return step.do === 'promote' ? [`promote ${step.replicas ?? 'as it is'}`] : [];
        })
      : [],
  );

describe('a primary of 8 pods that takes its traffic back', () => {
  const canary = { strategy: 'canary' } as const;
  const blueGreen = { strategy: 'blue-green', iterations: 2 } as const;
  const ab = { strategy: 'ab-testing', iterations: 2 } as const;
  const meshless = { splitsTraffic: false, provider: 'kubernetes' };

  it.each<{
    when: string;
    of: number;
    analysis: Partial<AnalysisSettings>;
    more?: Partial<Settings>;
    then: readonly string[];
  }>([
    {
      when: 'from a canary with a share: what both have been scaled to for theirs',
      of: 3,
      analysis: canary,
      then: ['floor 8', 'floor 11', 'promote 11', 'floor 0'],
    },
    {
      when: 'from a canary that has had all of it: the larger of the two, here itself',
      of: 3,
      analysis: { ...canary, stepWeight: 50, maxWeight: 100 },
      then: ['floor 8', 'floor 8', 'promote 8', 'floor 0'],
    },
    {
      when: 'from blue/green after the switch: the larger of the two, here itself',
      of: 3,
      analysis: blueGreen,
      then: ['floor 8', 'floor 8', 'promote 8', 'floor 0'],
    },
    {
      when: 'from blue/green after the switch: the larger of the two, here the canary',
      of: 12,
      analysis: blueGreen,
      then: ['floor 8', 'floor 12', 'promote 12', 'floor 0'],
    },
    {
      when: 'from A/B testing, in which it goes on serving whoever does not match: both together',
      of: 3,
      analysis: ab,
      then: ['floor 8', 'floor 11', 'promote 11', 'floor 0'],
    },
    {
      when: 'that it never gave away: itself',
      of: 3,
      analysis: blueGreen,
      more: meshless,
      then: ['floor 8', 'promote 8', 'floor 0'],
    },
  ])('$when', ({ of, analysis, more, then }) => {
    const played = scaled(of, analysis, more);
    expect(asked(played)).toEqual(then);
    expect(played.world).toMatchObject({ primaryRevision: 'v1:2', status: { phase: 'Succeeded' } });
  });

  it('without an autoscaler: as many as its manifest says', () => {
    expect(asked(scaled(3, canary, { hasAutoscaler: false }))).toEqual(['promote as it is']);
  });

  it('is held at 8 until the release is given up, and decides alone again afterwards', () => {
    const played = playCanary({
      settings: settings({}, { hasAutoscaler: true }),
      start: { ...settled, primaryReplicas: 8 },
      acts: [release('v1:2-err50', 1_000)],
    });
    expect(asked(played)).toEqual(['floor 8', 'floor 0']);
    expect(played.world.status.phase).toBe('Failed');
  });
});
