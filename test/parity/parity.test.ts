import { describe, expect, it } from '@jest/globals';
import type { Line } from '../../src/simulation/world.ts';
import { difference } from './difference.ts';
import { differences, promotedWithTheCopy } from './differences.ts';
import { readRecording, scenarios, type Recording, type WeightAt } from './recording.ts';
import { replay } from './replay.ts';
import { storyOf, tell } from './story.ts';

describe('a release that Flagger was recorded doing', () => {
  it.each(scenarios.map((scenario) => ({ scenario })))(
    '$scenario: the same, but for what is listed',
    ({ scenario }) => {
      const recording = readRecording(scenario);
      const found = compare(recording, replay(recording).lines);
      const listed = (differences[scenario] ?? []).flatMap((entry) => entry.lines);
      expect([...found].sort()).toEqual([...listed].sort());
    },
  );

  it('lists differences of recorded scenarios only', () => {
    expect(scenarios).toEqual(expect.arrayContaining(Object.keys(differences)));
  });
});

function compare({ settings, story, weights, cut }: Recording, lines: readonly Line[]): string[] {
  const recorded = tell(story, promotedWithTheCopy.revise);
  const played = tell(storyOf(lines));
  const end = cut ? endOf(recorded, played) : played.length;
  const ours = lines.flatMap((line): WeightAt[] =>
    line.kind === 'weights' ? [{ second: line.at / 1_000, canary: line.canary, mirrored: line.mirrored ?? false }] : [],
  );
  const { intervalMs } = settings.analysis;
  return [
    ...difference(recorded, played.slice(0, end)),
    ...difference(hurried(weights, intervalMs), hurried(ours, intervalMs)),
  ];
}

/** Some recordings were stopped in mid-release: the play is cut where it reaches the same status for the last time. */
function endOf(recorded: readonly string[], played: readonly string[]): number {
  const last = recorded.findLast((line) => line.startsWith('status: '));
  return last === undefined ? played.length : played.lastIndexOf(last) + 1;
}

/** Weights that made room for a higher one before they had been in force for an interval, with room for jitter. */
function hurried(weights: readonly WeightAt[], intervalMs: number): string[] {
  return weights.flatMap(({ second, canary }, index) => {
    const next = weights[index + 1];
    if (!next || canary === 0 || next.canary <= canary) return [];
    return next.second - second < (intervalMs / 1_000) * 0.8
      ? [`hurried: weight ${canary} was not judged over an interval`]
      : [];
  });
}
