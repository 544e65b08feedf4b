import { messageOf } from '../errors.ts';
import { loadReceivers } from '../triggers/receivers.ts';
import { CommandError, text, UsageError, type Command } from './command.ts';

export const hookUrl: Command = {
  usage: '<receiver>',
  summary: 'The address of a receiver, as its sender has to be told. It may be a secret.',
  options: {
    receivers: { type: 'string', text: 'receivers file; default SERIN_RECEIVERS' },
    base: { type: 'string', text: 'what goes before it, such as https://hooks.example.com' },
  },
  async run(given, terminal) {
    const [name, ...more] = given.words;
    if (name === undefined || more.length > 0) throw new UsageError('name one receiver');
    const path = text(given, 'receivers') ?? terminal.env.SERIN_RECEIVERS;
    if (!path) throw new UsageError('name a receivers file with --receivers or SERIN_RECEIVERS');
    const base = (text(given, 'base') ?? '').replace(/\/+$/, '');
    try {
      const receivers = await loadReceivers(path, { env: terminal.env });
      const receiver = receivers.find((one) => one.name === name);
      if (!receiver) throw new Error(`${path} has ${receivers.map((one) => one.name).join(', ')}, not ${name}`);
      terminal.out(`${base}${await receiver.address()}`);
      return 0;
    } catch (error) {
      throw new CommandError(messageOf(error));
    }
  },
};
