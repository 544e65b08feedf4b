import { canaryOf } from './canary.ts';
import { text, UsageError, type Command } from './command.ts';
import { print } from './output.ts';
import { withReleases } from './releases.ts';

export const history: Command = {
  usage: '<namespace>/<canary>',
  summary: 'Runs of a Canary that Temporal still keeps, newest first, and what each came to.',
  options: {
    audit: { type: 'boolean', text: 'all that happened in them instead, as JSON lines, oldest first' },
    run: { type: 'string', text: 'with --audit: this run only' },
  },
  async run(given, terminal) {
    if (given.options.audit === true) {
      const canary = canaryOf(given);
      const records = await withReleases(terminal, (releases) => releases.records(canary, text(given, 'run')));
      records.forEach((record) => terminal.out(JSON.stringify(record)));
      return 0;
    }
    if (text(given, 'run') !== undefined)
      throw new UsageError('--run goes with --audit; "serin why --run" tells of one run');
    const runs = await withReleases(terminal, (releases) => releases.history(canaryOf(given)));
    print(terminal, given, runs, () =>
      runs.map(({ run, started, result, outcome, status }) => ({
        STARTED: started,
        RUN: run,
        OUTCOME: (result?.outcome ?? outcome) || status,
        REVISION: result?.revision.slice(0, 15) ?? '',
        REASON: result?.reason ?? '',
      })),
    );
    return 0;
  },
};

export const why: Command = {
  usage: '<namespace>/<canary>',
  summary: 'What a run told, read and was ordered to do, with times: the last one that did anything, or --run.',
  options: { run: { type: 'string', text: 'the run, as `history` names it' } },
  async run(given, terminal) {
    const story = await withReleases(terminal, (releases) => releases.story(canaryOf(given), text(given, 'run')));
    print(terminal, given, story, () => story.map(({ at, kind, text }) => ({ TIME: at, WHAT: kind, TEXT: text })));
    return 0;
  },
};
