import { text, type Command } from './command.ts';
import { print } from './output.ts';
import { withReleases } from './releases.ts';

export const list: Command = {
  usage: '',
  summary: 'Releases that are running; with --all the last one of each Canary.',
  options: { all: { type: 'boolean', short: 'a', text: 'also Canaries at rest' } },
  async run(given, terminal) {
    const query = { namespace: text(given, 'namespace'), all: given.options.all === true };
    const found = await withReleases(terminal, (releases) => releases.list(query));
    print(terminal, given, found, () =>
      found.map(({ canary, status, phase, weight, revision, started }) => ({
        CANARY: canary,
        PHASE: phase,
        WEIGHT: `${weight}`,
        REVISION: revision,
        RUN: status,
        STARTED: started,
      })),
    );
    if (found.length === 0) terminal.err(query.all ? 'there are no releases' : 'no release is running');
    return 0;
  },
};
