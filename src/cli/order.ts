import type { Order, OrderKind } from '../workflows/messages.ts';
import { canaryOf, nameOf } from './canary.ts';
import { text, UsageError, type Command, type Given, type Option, type Terminal } from './command.ts';
import { print } from './output.ts';
import { withReleases } from './releases.ts';

const options: Readonly<Record<string, Option>> = {
  reason: { type: 'string', short: 'r', text: 'why; told in an Event' },
  by: { type: 'string', text: 'who asks; default SERIN_ACTOR, or else USER. Recorded, not verified' },
  revision: { type: 'string', text: 'refused when the release is about another one' },
  id: { type: 'string', text: 'an id that is repeated is answered the same, and done once' },
};

/** A command that sends one kind of order and prints what the release does then. */
export function orderCommand(
  kind: OrderKind,
  summary: string,
  more: {
    readonly usage?: string;
    readonly options?: Command['options'];
    readonly read?: (given: Given) => Order;
  } = {},
): Command {
  return {
    usage: `<namespace>/<canary>${more.usage ?? ''}`,
    summary,
    options: { ...options, ...more.options },
    async run(given, terminal) {
      const canary = canaryOf(given);
      const order = { ...common(given, terminal), ...more.read?.(given) };
      const progress = await withReleases(terminal, (releases) => releases.order(canary, kind, order));
      print(terminal, given, progress, () => [
        {
          CANARY: nameOf(canary),
          PHASE: progress.phase,
          WEIGHT: `${progress.canaryWeight}`,
          DOING: `${progress.paused ? 'paused; ' : ''}${progress.doing}`,
        },
      ]);
      return 0;
    },
  };
}

function common(given: Given, { env }: Terminal): Order {
  const by = text(given, 'by') ?? (env.SERIN_ACTOR || env.USER);
  const [reason, revision, id] = [text(given, 'reason'), text(given, 'revision'), text(given, 'id')];
  return {
    ...(by ? { by } : {}),
    ...(reason ? { reason } : {}),
    ...(revision ? { revision } : {}),
    ...(id ? { id } : {}),
  };
}

/** The percentage behind the Canary. */
export function weightIn({ words }: Given): Order {
  const [, word = ''] = words;
  if (!/^\d+$/.test(word)) throw new UsageError(`"${word}" is no weight; write a whole number of percent`);
  return { weight: Number(word) };
}
