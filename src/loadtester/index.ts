import { collectDefaultMetrics } from 'prom-client';
import { messageOf } from '../errors.ts';
import { createLog } from '../log.ts';
import { listen } from '../server.ts';
import { createCommands } from './command.ts';
import { readFlags, usage, type LoadTesterSettings } from './flags.ts';
import { createMetrics } from './metrics.ts';
import { createLoadTester } from './server.ts';

/** Time that commands get to end after SIGTERM. The pod's grace period has to be longer. */
const drainMs = 60_000;

/** Serves until SIGTERM or SIGINT, then lets what runs end, and leaves nothing behind. A second signal ends it at once. */
async function serve(settings: LoadTesterSettings): Promise<void> {
  const log = createLog(settings.logLevel, settings.encoding === 'console' ? toConsole : undefined);
  const commands = createCommands();
  const metrics = createMetrics(() => commands.running);
  collectDefaultMetrics({ register: metrics.registry });
  const loadTester = createLoadTester({ ...settings, log, commands, metrics });
  const server = await listen(loadTester.handler, settings);
  log.info('load tester started', { host: settings.host || 'every address', port: server.port });

  const signal = await nextSignal();
  void nextSignal().then(() => {
    commands.killAll();
    process.exit(1);
  });
  log.info('load tester stopping', { signal, commands: commands.running });
  loadTester.stop();
  await Promise.all([server.close(drainMs), Promise.race([commands.idle(), wait(drainMs)])]);
  commands.killAll();
  log.info('load tester stopped', { killed: commands.running });
}

function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const once = (signal: NodeJS.Signals) => {
      process.off('SIGTERM', once).off('SIGINT', once);
      resolve(signal);
    };
    process.on('SIGTERM', once).on('SIGINT', once);
  });
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** zap's other encoding: tabs between the fields, for reading at a terminal. */
function toConsole(line: string): void {
  const { level, ts, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  process.stderr.write(`${[ts, level, msg, JSON.stringify(fields)].join('\t')}\n`);
}

const args = process.argv.slice(2);
if (args.some((arg) => /^--?h(elp)?$/.test(arg))) process.stdout.write(usage);
else {
  try {
    await serve(readFlags(args, process.env));
    process.exit(0);
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    process.exit(2);
  }
}
