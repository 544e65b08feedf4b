import { metricChecks } from '../activities/metrics/checks.ts';
import { providers } from '../activities/routers/index.ts';
import { settingsOf } from '../activities/settings.ts';
import { parseCanary } from '../schemas/canary.ts';
import { formatDuration } from '../schemas/duration.ts';
import { validate } from '../schemas/validate.ts';
import { play } from '../simulation/world.ts';
import type { Line } from '../simulation/script.ts';
import { CommandError, text, UsageError, type Command } from './command.ts';
import { objectsIn } from './files.ts';
import { print } from './output.ts';
import { parseScenario, scriptOf } from './scenario.ts';
import { settingsIn } from './settings.ts';

/** One thing that happens in a play. */
export interface TimelineEntry {
  /** Since its beginning, as Go writes it. */
  readonly at: string;
  readonly kind: 'event' | 'warning' | 'traffic' | 'status' | 'alert';
  readonly text: string;
}

/** What a Canary would do in a world. */
export interface Timeline {
  readonly entries: readonly TimelineEntry[];
  /** What each run came to. The last one did not end when it is missing. */
  readonly outcomes: readonly { readonly outcome: string; readonly reason: string }[];
  readonly ended: boolean;
}

export const simulate: Command = {
  usage: '<file>',
  summary: 'Play the Canary of a manifest against a scripted world: the timeline that a release would follow.',
  options: {
    world: { type: 'string', short: 'w', text: 'YAML file with what happens; default: a new revision that is good' },
    canary: { type: 'string', text: 'name of the Canary, where the file has several' },
  },
  // oxlint-disable-next-line typescript/require-await -- a failure is a rejection, as with the other commands
  async run(given, terminal) {
    const [file, ...rest] = given.words;
    if (file === undefined || rest.length > 0) throw new UsageError('name one file');
    const world = text(given, 'world');
    const timeline = timelineOf(
      canaryIn(file, text(given, 'canary')),
      world === undefined ? {} : objectsIn(world)[0],
      terminal.env,
    );
    print(terminal, given, timeline, () =>
      timeline.entries.map(({ at, kind, text }) => ({ TIME: at, WHAT: kind, TEXT: text })),
    );
    for (const { outcome, reason } of timeline.outcomes)
      terminal.err(outcome === reason ? outcome : `${outcome}: ${reason}`);
    if (!timeline.ended) terminal.err('not over when the play was cut; give the world a later "until"');
    return timeline.ended ? 0 : 1;
  },
};

/**
 * Plays a Canary by the rules of real releases.
 *
 * @param world as a file of `--world` has it
 * @throws CommandError when the Canary or the world cannot be read, or the Canary is one that nothing is done about
 */
export function timelineOf(
  manifest: unknown,
  world: unknown,
  env: Readonly<Record<string, string | undefined>> = {},
): Timeline {
  const parsed = parseCanary(manifest);
  if ('problem' in parsed) throw new CommandError(`the Canary cannot be read: ${parsed.problem}`);
  const { canary } = parsed;
  const worker = settingsIn(env);
  const error = validate(canary, { ...worker, providers }).find(({ level }) => level === 'error');
  if (error) throw new CommandError(`nothing would happen: ${error.message}`);
  const read = parseScenario(world);
  if ('problem' in read) throw new CommandError(`the world cannot be read: ${read.problem}`);
  const settings = settingsOf(canary, worker, { metricChecks, hasGlobalNotifier: true });
  const { name, namespace = 'default' } = canary.metadata;
  const { lines, outcomes, unfinished } = play(scriptOf({ namespace, name }, settings, read.scenario));
  return {
    entries: lines.flatMap(entryOf),
    outcomes: outcomes.map(({ outcome, reason }) => ({ outcome, reason })),
    ended: !unfinished,
  };
}

function canaryIn(file: string, name: string | undefined): unknown {
  const canaries = objectsIn(file).filter((object) => (object as { kind?: unknown }).kind === 'Canary');
  const named = (object: unknown) => (object as { metadata?: { name?: string } }).metadata?.name ?? '';
  const chosen = name === undefined ? canaries : canaries.filter((object) => named(object) === name);
  if (chosen.length === 1) return chosen[0];
  if (chosen.length === 0) throw new CommandError(`${file} has no Canary${name === undefined ? '' : ` ${name}`}`);
  throw new CommandError(`${file} has several Canaries: say which with --canary ${canaries.map(named).join(', ')}`);
}

function entryOf(line: Line): TimelineEntry[] {
  const at = Number.isFinite(line.at) ? formatDuration(line.at) : '';
  switch (line.kind) {
    case 'event':
      return [{ at, kind: line.type === 'Warning' ? 'warning' : 'event', text: line.message }];
    case 'weights': {
      const copies = line.mirrored ? ', which also gets copies of requests' : '';
      return [{ at, kind: 'traffic', text: `${line.primary} % primary, ${line.canary} % canary${copies}` }];
    }
    case 'phase': {
      const { phase, canaryWeight, failedChecks, iterations } = line.status;
      const iteration = iterations > 0 ? `, iteration ${iterations}` : '';
      return [
        { at, kind: 'status', text: `${phase}, weight ${canaryWeight}, failed checks ${failedChecks}${iteration}` },
      ];
    }
    case 'alert':
      return [{ at, kind: 'alert', text: `${line.severity}: ${line.message}` }];
    case 'action':
    case 'reverted':
      return [];
  }
}
