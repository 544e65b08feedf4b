import { Counter, Gauge, Registry } from 'prom-client';
import { taskTypes, type TaskType } from './tasks.ts';

/** How a task ended; `skipped`: one of its key was still running. */
export type TaskOutcome = 'succeeded' | 'failed' | 'skipped';

/** The load tester's own metrics. */
export interface LoadTesterMetrics {
  readonly registry: Registry;
  count(type: TaskType, outcome: TaskOutcome): void;
}

/** @param running number of commands that run now */
export function createMetrics(running: () => number): LoadTesterMetrics {
  const registry = new Registry();
  const tasks = new Counter({
    name: 'serin_loadtester_tasks_total',
    help: 'Tasks that ended, by type and outcome.',
    labelNames: ['type', 'outcome'],
    registers: [registry],
  });
  new Gauge({
    name: 'serin_loadtester_commands_running',
    help: 'Commands that run now.',
    registers: [registry],
    collect() {
      this.set(running());
    },
  });
  // A series that is there from the start lets `increase()` see the first failure.
  for (const type of taskTypes.keys()) {
    for (const outcome of ['succeeded', 'failed'] satisfies TaskOutcome[]) tasks.inc({ type, outcome }, 0);
  }
  return { registry, count: (type, outcome) => tasks.inc({ type, outcome }) };
}
