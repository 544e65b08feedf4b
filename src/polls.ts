import { createHash } from 'node:crypto';
import { messageOf } from './errors.ts';
import type { Log } from './log.ts';
import { backoffMs, pause } from './pace.ts';
import { pollPrefix, type WantedPoll } from './watch/images.ts';

/** A Schedule of Temporal, as far as polls care. */
export interface PollSchedule {
  readonly id: string;
  readonly intervalMs: number;
  readonly paused: boolean;
  /** Why it is paused. */
  readonly note: string;
}

/** Schedules of Temporal that start `imagePoll`. Each call may be repeated. */
export interface PollSchedules {
  list(prefix: string): AsyncIterable<PollSchedule>;
  create(id: string, poll: WantedPoll, timing: PollTiming): Promise<void>;
  setInterval(id: string, timing: PollTiming): Promise<void>;
  pause(id: string, note: string): Promise<void>;
  /** Goes on, and looks once at once: what was missed meanwhile is not waited for. */
  resume(id: string): Promise<void>;
  remove(id: string): Promise<void>;
}

export interface PollTiming {
  readonly intervalMs: number;
  /** When in the interval; the same for the same poll, so that many of them do not meet. */
  readonly offsetMs: number;
  /** Up to this much later. */
  readonly jitterMs: number;
  /** Set while people want nothing changed. */
  readonly pausedBecause?: string;
}

/** What we write when we pause one; a Schedule that people paused has another note, and stays paused. */
const suspended = 'image updates are suspended';

export interface PollsOptions {
  readonly schedules: PollSchedules;
  /** What is to be polled now; undefined while that is not known yet. */
  readonly wanted: () => ReadonlyMap<string, WantedPoll> | undefined;
  /** Only Schedules of this namespace are ours; '' for all. */
  readonly namespace: string;
  readonly log: Log;
  /** Longest time between two comparisons, in milliseconds, for what was changed in Temporal. */
  readonly everyMs?: number;
}

export interface Polls {
  /** Something may have changed. */
  wake(): void;
  run(signal: AbortSignal): Promise<void>;
}

/**
 * Keeps Schedules in line with what Canaries and ImageTriggers ask for. Between releases nothing of ours runs: Temporal
 * itself waits for the next look.
 */
export function createPolls(options: PollsOptions): Polls {
  const { schedules, wanted, namespace, log, everyMs = 3_600_000 } = options;
  const prefix = namespace === '' ? pollPrefix : `${pollPrefix}${namespace}/`;
  let awake = new AbortController();
  let dirty = false;

  /** Whether it could be done: not before all is listed, or what is not seen yet would be taken for gone. */
  async function settle(): Promise<boolean> {
    const polls = wanted();
    if (polls === undefined) return false;
    const known = new Map<string, PollSchedule>();
    for await (const schedule of schedules.list(prefix)) known.set(schedule.id, schedule);
    for (const id of known.keys()) if (!polls.has(id)) await schedules.remove(id);
    for (const [id, poll] of polls) await settleOne(id, poll, known.get(id));
    return true;
  }

  async function settleOne(id: string, poll: WantedPoll, schedule: PollSchedule | undefined): Promise<void> {
    const timing = timingOf(id, poll);
    if (!schedule) return schedules.create(id, poll, timing);
    if (schedule.intervalMs !== poll.intervalMs) await schedules.setInterval(id, timing);
    if (poll.suspended && !schedule.paused) await schedules.pause(id, suspended);
    if (!poll.suspended && schedule.paused && schedule.note === suspended) await schedules.resume(id);
  }

  return {
    wake() {
      dirty = true;
      awake.abort();
    },
    async run(signal) {
      for (let failures = 0; !signal.aborted;) {
        awake = new AbortController();
        dirty = false;
        let waitMs = everyMs * (0.9 + 0.2 * Math.random());
        try {
          if (!(await settle())) waitMs = 500;
          failures = 0;
        } catch (error) {
          failures += 1;
          if (failures === 1) log.warn('polls of registries are not up to date', { error: messageOf(error) });
          waitMs = backoffMs(failures, 1_000, 60_000);
        }
        if (!dirty) await pause(waitMs, AbortSignal.any([signal, awake.signal]));
        // Several changes at once, as of a chart, are one.
        if (dirty) await pause(200, signal);
      }
    },
  };
}

function timingOf(id: string, { intervalMs, suspended: isSuspended }: WantedPoll): PollTiming {
  const share = createHash('sha256').update(id).digest().readUInt32BE(0) / 2 ** 32;
  return {
    intervalMs,
    offsetMs: Math.floor((share * intervalMs) / 1000) * 1000,
    jitterMs: Math.floor(intervalMs / 10),
    ...(isSuspended ? { pausedBecause: suspended } : {}),
  };
}
