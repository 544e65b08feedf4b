import { Counter, Histogram, type Registry } from 'prom-client';

/**
 * What is counted of questions to registries.
 *
 * @param receivers names of those that can be asked about
 */
export function imageMeters(registry: Registry, receivers: readonly string[] = []) {
  const registers = [registry];
  const missed = new Counter({
    name: 'serin_poll_found_missed_event_total',
    help: 'Images that a look at the registry found and no event had told of: written, or told to the tool that owns them.',
    labelNames: ['receiver'],
    registers,
  });
  // A series that is there from the start lets `increase()` see the first one.
  for (const receiver of receivers) missed.inc({ receiver }, 0);
  return {
    missed,
    resolve: new Histogram({
      name: 'serin_resolve_seconds',
      help: 'Time that a registry takes to say what a tag points to.',
      labelNames: ['receiver'],
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    }),
  };
}
