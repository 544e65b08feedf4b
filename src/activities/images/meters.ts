import { Counter, Histogram, type Registry } from 'prom-client';

/** What is counted of questions to registries. */
export function imageMeters(registry: Registry) {
  const registers = [registry];
  return {
    resolve: new Histogram({
      name: 'serin_resolve_seconds',
      help: 'Time that a registry takes to say what a tag points to.',
      labelNames: ['receiver'],
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    }),
    missed: new Counter({
      name: 'serin_poll_found_missed_event_total',
      help: 'Images that were applied because a look at the registry found them, and no event had told of them.',
      labelNames: ['receiver'],
      registers,
    }),
  };
}
