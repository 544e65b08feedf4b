import type { Order, OrderKind } from '../workflows/messages.ts';
import { actorOf, actorOptions } from './actor.ts';
import { canaryOf, nameOf } from './canary.ts';
import { text, UsageError, type Command, type Given, type Option, type Terminal } from './command.ts';
import { print } from './output.ts';
import { withReleases } from './releases.ts';

const options: Readonly<Record<string, Option>> = {
  reason: { type: 'string', short: 'r', text: 'why; told in an Event' },
  ...actorOptions,
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

function common(given: Given, terminal: Terminal): Order {
  const [reason, revision, id] = [text(given, 'reason'), text(given, 'revision'), text(given, 'id')];
  return {
    ...actorOf(given, terminal),
    ...(reason ? { reason } : {}),
    ...(revision ? { revision } : {}),
    ...(id ? { id } : {}),
  };
}

/** Which of several approvals is meant. */
export const gateOption: Command['options'] = {
  gate: { type: 'string', text: 'name of the approval, where several are waited for' },
};

export function gateIn(given: Given): Order {
  const gate = text(given, 'gate');
  return gate === undefined ? {} : { gate };
}

/** The percentage behind the Canary. */
export function weightIn({ words }: Given): Order {
  const [, word = ''] = words;
  if (!/^\d+$/.test(word)) throw new UsageError(`"${word}" is no weight; write a whole number of percent`);
  return { weight: Number(word) };
}
