import { setTimeout as sleep } from 'node:timers/promises';
import { parseDuration } from '../schemas/duration.ts';
import { canaryOf } from './canary.ts';
import { text, UsageError, type Command, type Screen } from './command.ts';
import { nowOf } from './now.ts';
import { withReleases, type Releases } from './releases.ts';
import type { StoryLine } from './story.ts';

type Seen = Awaited<ReturnType<Releases['get']>>;

/** Shortest time between two looks, in milliseconds: each is a question to the worker. */
const shortestMs = 250;

export const watch: Command = {
  usage: '<namespace>/<canary>',
  summary: 'Watch a release live until it ends. Where the output is no terminal, a line for each change.',
  options: {
    every: { type: 'string', text: 'a duration between two looks; default 1s' },
    follow: { type: 'boolean', short: 'f', text: 'go on with the releases that come after it' },
  },
  async run(given, terminal) {
    const canary = canaryOf(given);
    const everyMs = parseDuration(text(given, 'every') ?? '1s');
    if (everyMs === undefined) throw new UsageError('--every is no duration; write one such as 1s or 500ms');
    return withReleases(terminal, async (releases) => {
      let before = '';
      let story: readonly StoryLine[] = [];
      for (;;) {
        const seen = await releases.get(canary);
        const line = lineOf(seen);
        if (line !== before) {
          if (terminal.screen) story = await releases.story(canary, seen.run);
          else terminal.out(`${new Date().toISOString()}  ${line}`);
          before = line;
        }
        terminal.screen?.draw(pictureOf(seen, story, terminal.screen, new Date()));
        if (seen.status !== 'RUNNING' && given.options.follow !== true) return 0;
        await sleep(Math.max(shortestMs, everyMs));
      }
    });
  },
};

/** All that may change, in one line. */
function lineOf(seen: Seen): string {
  const { canary, phase, weight, progress } = seen;
  if (!progress) return `${canary}  ${phase}  ${weight} %  ${nowOf(seen)}`;
  const { failedChecks, threshold } = progress;
  return `${canary}  ${progress.phase}  ${progress.canaryWeight} %  ${failedChecks}/${threshold} failed  ${nowOf(seen)}`;
}

/** What the terminal shows, line by line. */
export function pictureOf(seen: Seen, story: readonly StoryLine[], { columns, rows }: Size, now: Date): string[] {
  const { canary, progress } = seen;
  const weight = progress?.canaryWeight ?? seen.weight;
  const width = Math.max(10, Math.min(50, columns - 24));
  const filled = Math.round((weight / 100) * width);
  const head = [
    `${canary}   ${progress?.phase ?? seen.phase}   ${now.toISOString().slice(11, 19)} UTC`,
    '',
    `canary    ${'█'.repeat(filled)}${'░'.repeat(width - filled)}  ${weight} %`,
    ...(progress ? [`checks    ${progress.failedChecks} of ${progress.threshold} failed`] : []),
    `revision  ${seen.revision}${seen.image ? `   ${seen.image}` : ''}`,
    ...(progress?.approvals ?? []).map(
      ({ name, votes, quorum, deadline }) =>
        `approval  ${name}: ${votes.length} of ${quorum}` +
        `${votes.length > 0 ? ` (${votes.map(({ by }) => by).join(', ')})` : ''}${deadline ? `, until ${deadline}` : ''}`,
    ),
    `now       ${nowOf(seen)}`,
    '',
  ];
  const room = Math.max(0, rows - head.length - 1);
  const last = story.slice(Math.max(0, story.length - room));
  const lines = [...head, ...last.map(({ at, kind, text }) => `${at.slice(11, 19)}  ${kind.padEnd(7)}  ${text}`)];
  return lines.map((line) => (line.length > columns ? `${line.slice(0, Math.max(0, columns - 1))}…` : line));
}

type Size = Pick<Screen, 'columns' | 'rows'>;
