/** Something that is measured: one file, one benchmark. */
export interface Benchmark {
  /** One line for people. */
  readonly about: string;
  run(sizes: Sizes, say: Say): Promise<Figure[]>;
}

/** Says what is going on. */
export type Say = (line: string) => void;

export interface Sizes {
  /** Releases, one after another, whose reaction is timed. */
  readonly releases: number;
  /** Numbers of Canaries at rest, from small to large. */
  readonly canaries: readonly number[];
  /** Time for which requests of a settled system are counted, in seconds. */
  readonly idleSeconds: number;
  /** Releases in flight at the same time. */
  readonly inFlight: number;
  /** Time for which pushes are sent, in seconds. */
  readonly pushSeconds: number;
  /** Interval of the ten-step release whose duration is measured, in seconds. */
  readonly intervalSeconds: number;
}

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: 'ms' | 's' | 'a minute' | 'events' | 'KiB' | 'MiB' | '%' | '';
  /** The largest value that meets the target. Figures without one explain the others. */
  readonly atMost?: number;
}

/** The value below which `percent` of the samples lie, by nearest rank. NaN when there are none. */
export function percentile(samples: readonly number[], percent: number): number {
  const sorted = [...samples].sort((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? NaN;
}

export const median = (samples: readonly number[]) => percentile(samples, 50);
