import { describe, expect, it } from '@jest/globals';
import type { Line } from '../../src/simulation/world.ts';
import { events, statuses } from '../support/script.ts';
import { difference } from './difference.ts';
import { differences } from './differences.ts';
import { changes, isReadiness, readRecording, scenarios, type Recording, type WeightAt } from './recording.ts';
import { replay } from './replay.ts';

describe('a release that Flagger was recorded doing', () => {
  it.each(scenarios.map((scenario) => ({ scenario })))(
    '$scenario: the same, but for what is listed',
    ({ scenario }) => {
      const recording = readRecording(scenario);
      const lines = upToTheEndOf(recording, replay(recording).lines);
      const found = compare(recording, lines);
      const listed = (differences[scenario] ?? []).flatMap((entry) => entry.lines);
      expect([...found].sort()).toEqual([...listed].sort());
    },
  );

  it('lists differences of recorded scenarios only', () => {
    expect(scenarios).toEqual(expect.arrayContaining(Object.keys(differences)));
  });
});

function compare({ settings, ...recording }: Recording, lines: readonly Line[]): string[] {
  const ours = lines.flatMap((line): WeightAt[] =>
    line.kind === 'weights' ? [{ second: line.at / 1_000, canary: line.canary, mirrored: line.mirrored ?? false }] : [],
  );
  const { intervalMs } = settings.analysis;
  const named = (name: string, before: readonly string[], after: readonly string[]) =>
    difference(before, after).map((line) => line.replace(' ', ` ${name}: `));
  return [
    ...named('event', recording.events.filter(isNoReadiness), events(lines).filter(isNoReadiness)),
    ...named('weight', weightChanges(recording.weights), weightChanges(ours)),
    ...named('status', recording.statuses, changes(statuses(lines))),
    ...named('hurried', hurried(recording.weights, intervalMs), hurried(ours, intervalMs)),
  ];
}

const isNoReadiness = (event: string) => !isReadiness(event);

function weightChanges(weights: readonly WeightAt[]): string[] {
  return changes(weights.map(({ canary, mirrored }) => `${canary}${mirrored ? ' mirrored' : ''}`));
}

/** Weights that made room for a higher one before they had been in force for an interval, with room for jitter. */
function hurried(weights: readonly WeightAt[], intervalMs: number): string[] {
  return weights.flatMap(({ second, canary }, index) => {
    const next = weights[index + 1];
    if (!next || canary === 0 || next.canary <= canary) return [];
    return next.second - second < (intervalMs / 1_000) * 0.8
      ? [`weight ${canary} was not judged over an interval`]
      : [];
  });
}

/** Some recordings were stopped in mid-release: the play is cut where it reaches the same status for the last time. */
function upToTheEndOf({ cut, statuses: recorded }: Recording, lines: readonly Line[]): readonly Line[] {
  if (!cut) return lines;
  const end = lines.filter((line) => line.kind === 'phase' && statuses([line])[0] === recorded.at(-1)).at(-1);
  return lines.filter(({ at }) => at <= (end?.at ?? Infinity));
}
