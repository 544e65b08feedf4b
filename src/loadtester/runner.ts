/** Something to run in the background. `run` must not reject. */
export interface Job {
  readonly key: string;
  run(): Promise<void>;
}

/** Starts queued jobs a moment later, and never two of one key at the same time. */
export interface Runner<J extends Job> {
  /** Queues a job. Of several jobs with one key that wait, the last is kept. */
  add(job: J): void;
  /** Forgets what waits and takes nothing more; returns the number of jobs forgotten. */
  stop(): number;
}

export interface RunnerOptions<J extends Job> {
  /** Told of a job that is dropped because one of its key still runs. */
  readonly onSkipped: (job: J) => void;
  /** Time that jobs are collected for, in milliseconds. Flagger's is 100. */
  readonly tickMs?: number;
}

export function createRunner<J extends Job>({ onSkipped, tickMs = 100 }: RunnerOptions<J>): Runner<J> {
  const waiting = new Map<string, J>();
  const running = new Set<string>();
  let tick: NodeJS.Timeout | undefined;
  let stopped = false;

  function startAll(): void {
    tick = undefined;
    const jobs = [...waiting.values()];
    waiting.clear();
    for (const job of jobs) {
      if (running.has(job.key)) onSkipped(job);
      else void start(job);
    }
  }

  async function start(job: Job): Promise<void> {
    running.add(job.key);
    try {
      await job.run();
    } finally {
      running.delete(job.key);
    }
  }

  return {
    add(job) {
      if (stopped) return;
      waiting.set(job.key, job);
      tick ??= setTimeout(startAll, tickMs);
    },
    stop() {
      stopped = true;
      clearTimeout(tick);
      const forgotten = waiting.size;
      waiting.clear();
      return forgotten;
    },
  };
}
