import { canaryOf } from './canary.ts';
import type { Command } from './command.ts';
import { nowOf } from './now.ts';
import { print } from './output.ts';
import { withReleases } from './releases.ts';

export const get: Command = {
  usage: '<namespace>/<canary>',
  summary: 'What the last release of a Canary does, or came to.',
  options: {},
  async run(given, terminal) {
    const found = await withReleases(terminal, (releases) => releases.get(canaryOf(given)));
    const { progress, unanswered } = found;
    print(terminal, given, found, () => [
      {
        CANARY: found.canary,
        PHASE: progress?.phase ?? found.phase,
        WEIGHT: `${progress?.canaryWeight ?? found.weight}`,
        'FAILED CHECKS': progress ? `${progress.failedChecks}/${progress.threshold}` : '',
        RUN: found.status,
        DOING: nowOf(found),
      },
    ]);
    if (unanswered !== undefined) terminal.err(`the release does not answer: ${unanswered}`);
    return unanswered === undefined ? 0 : 1;
  },
};
