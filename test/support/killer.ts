import { setTimeout as sleep } from 'node:timers/promises';
import type { RemoteStack } from '../../local/control.ts';
import type { Chance } from './chance.ts';

/** What is killed: ours, and what ours cannot do without. */
export const victims = ['worker', 'starter', 'temporal', 'kube-apiserver'] as const;

export type Victim = (typeof victims)[number];

export interface Kill<Moment> {
  readonly victim: Victim;
  readonly moment: Moment;
  /** Milliseconds from the kill to the new start. */
  readonly downMs: number;
  /** Milliseconds from the kill until it was ready again. */
  readonly backMs: number;
}

/** Moments in a row that are left alone for the sake of those at which nobody was killed yet. */
const mostPassedOver = 3;

/** Kills servers with SIGKILL when releases come to the moments it waits for, and starts them again after a while. */
export interface Killer<Moment extends string> {
  /**
   * A release has come to this moment. Ignored while something is down already, or nobody is left to be killed there, and
   * now and then where somebody has been killed before, while others are still to come.
   */
  reached(moment: Moment): void;
  /** Kills that are still planned. */
  readonly left: number;
  readonly kills: readonly Kill<Moment>[];
  /** Moments at which nobody was killed yet. */
  readonly untouched: readonly Moment[];
  /** Does something of the test's own while everything is up, and keeps it so. */
  quietly<T>(work: () => Promise<T>): Promise<T>;
  /** Resolves when everything is up; nothing is killed from then on. */
  end(): Promise<void>;
}

/**
 * Plans two different victims for each moment, so that each victim is killed at about half of the moments. Chance decides
 * who, how long after the moment was reached, and for how long; which release gets there first, nobody decides.
 */
export function openKiller<Moment extends string>(
  stack: RemoteStack,
  moments: readonly Moment[],
  chance: Chance,
): Killer<Moment> {
  const planned = plan(moments, chance);
  const kills: Kill<Moment>[] = [];
  // Kills and quiet work take turns.
  let turn: Promise<unknown> = Promise.resolve();
  let busy = 0;
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    busy += 1;
    const result = turn.then(work).finally(() => (busy -= 1));
    turn = result.catch(() => undefined);
    return result;
  };
  const untouched = new Set(moments);
  /** Moments that came first while the test was at work itself: some of them come only once. */
  const missed = new Set<Moment>();
  let quiet = 0;
  let passedOver = 0;
  let ended = false;
  let broken: Error | undefined;

  const kill = async ({ victim, delayMs, downMs }: Planned, moment: Moment) => {
    await sleep(delayMs);
    const since = Date.now();
    await stack.server(victim).kill();
    await sleep(downMs);
    await bringBack(stack, victim);
    kills.push({ victim, moment, downMs, backMs: Date.now() - since });
  };

  const reached = (moment: Moment) => {
    if (ended) return;
    if (busy > 0) {
      if (quiet > 0 && untouched.has(moment)) missed.add(moment);
      return;
    }
    // Those nobody was killed at yet go first, but nobody waits for them for long.
    if (!untouched.has(moment) && untouched.size > 0 && passedOver < mostPassedOver) {
      passedOver += 1;
      return;
    }
    const next = planned.get(moment)?.shift();
    if (!next) return;
    passedOver = 0;
    untouched.delete(moment);
    inTurn(() => kill(next, moment)).catch((error: Error) => (broken ??= error));
  };

  return {
    kills,
    get left() {
      return [...planned.values()].flat().length;
    },
    get untouched() {
      return [...untouched];
    },
    reached,
    async quietly(work) {
      quiet += 1;
      try {
        return await inTurn(work);
      } finally {
        quiet -= 1;
        const [first] = missed;
        if (first !== undefined && busy === 0) {
          missed.clear();
          reached(first);
        }
      }
    },
    async end() {
      ended = true;
      await turn;
      if (broken) throw broken;
    },
  };
}

/**
 * Starts it again. With the API server, those who act for it are started anew too: after an outage they wait for up to a
 * minute before they look again, longer after each (client-go's back-off), and a test has no use for that time.
 */
export async function bringBack(stack: RemoteStack, victim: Victim): Promise<void> {
  await stack.server(victim).restart();
  if (victim !== 'kube-apiserver') return;
  const followers = ['kube-controller-manager', 'kube-scheduler', 'kwok'] as const;
  await Promise.all(followers.map((name) => stack.server(name).restart()));
}

interface Planned {
  readonly victim: Victim;
  readonly delayMs: number;
  readonly downMs: number;
}

function plan<Moment extends string>(moments: readonly Moment[], chance: Chance): Map<Moment, Planned[]> {
  const order = chance.shuffled(victims);
  const planned = (index: number): Planned => ({
    victim: order[index % order.length]!,
    delayMs: chance.between(0, 200),
    downMs: chance.between(500, 3_000),
  });
  const kills = chance.shuffled(moments).map((moment, index): [Moment, Planned[]] => {
    const distance = 1 + (Math.floor(index / order.length) % (order.length - 1));
    return [moment, chance.shuffled([planned(index), planned(index + distance)])];
  });
  return new Map(kills);
}
