import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Push } from './trigger.ts';

export type Outcome = 'accepted' | 'ignored' | 'duplicate' | 'malformed' | 'unauthorized' | 'error';

interface Named {
  readonly name: string;
  readonly type: string;
}

export interface Meters {
  count(receiver: Named, outcome: Outcome, reason?: string): void;
  age(receiver: Named, push: Push): void;
  heard(receiver: Named): void;
}

/** What is counted of events. No label is a text of the sender's. */
export function createMeters(registry: Registry): Meters {
  const registers = [registry];
  const events = new Counter({
    name: 'serin_events_received_total',
    help: 'Events that container registries sent, by how they were taken.',
    labelNames: ['receiver', 'source', 'outcome', 'reason'],
    registers,
  });
  const ages = new Histogram({
    name: 'serin_event_age_seconds',
    help: 'Time from a push, as its registry dates it, to its acceptance.',
    labelNames: ['receiver'],
    buckets: [0.5, 1, 2, 5, 15, 60, 300, 3600],
    registers,
  });
  const last = new Gauge({
    name: 'serin_receiver_last_event_timestamp_seconds',
    help: 'When a receiver last got an authenticated request.',
    labelNames: ['receiver'],
    registers,
  });
  return {
    count: ({ name, type }, outcome, reason = '') => events.inc({ receiver: name, source: type, outcome, reason }),
    age: ({ name }, push) => {
      if (push.occurredAt === undefined) return;
      ages.observe({ receiver: name }, Math.max(0, (Date.now() - Date.parse(push.occurredAt)) / 1000));
    },
    heard: ({ name }) => last.set({ receiver: name }, Date.now() / 1000),
  };
}
