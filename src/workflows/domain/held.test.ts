import { describe, expect, it } from '@jest/globals';
import { alerts, events, playCanary, release, settings, settled, weights } from '../../../test/support/script.ts';
import type { Act, Play, Script, State } from '../../simulation/world.ts';
import { decide } from './release.ts';
import { evolve } from './evolve.ts';

/*
 * Q49: whatever keeps a release from going on, and has no deadline of its own, is told to whoever gets alerts: once, after
 * the progress deadline, which here is a minute.
 */
const deadlineMs = 60_000;
const at =
  (weight: number) =>
  ({ status }: Readonly<State>) =>
    status.canaryWeight === weight;
const breakPrimary = (world: State) => void (world.primaryReadyAt = Infinity);
const timeline = (acts: readonly Act[], script: Partial<Script> = {}) =>
  playCanary({ start: settled, acts: [release('v1:2', 1_000), ...acts], endMs: 600_000, ...script });

const held = ({ lines }: Play) => alerts(lines).filter((alert) => alert.includes('has been held'));
const primary =
  'shop-primary.prod not ready: waiting for rollout to finish: 0 of 1 (readyThreshold 100%) updated replicas are available';

interface Case {
  readonly when: string;
  readonly played: () => Play;
  /** Milliseconds at which it began to hold. */
  readonly sinceMs: number;
  readonly says: string;
}

const cases: readonly Case[] = [
  {
    when: 'the primary breaks in mid-release',
    played: () => timeline([{ atMs: 0, when: at(20), do: breakPrimary }]),
    sinceMs: 12_000,
    says: `Release of shop.prod has been held for # s: ${primary}`,
  },
  {
    when: 'traffic cannot leave the canary, for want of a primary',
    played: () => {
      const stop: Act['order'] = { kind: 'abort', order: { by: 'ada' } };
      const gone = (world: State) => void Object.assign(world, { primaryAvailable: false, primaryReadyAt: Infinity });
      return timeline([
        { atMs: 0, when: at(20), do: gone },
        { atMs: 25_000, do: () => undefined, order: stop },
      ]);
    },
    sinceMs: 12_000,
    says: 'Release of shop.prod has been held for # s: Traffic stays on the canary: the primary has no available pods to take it',
  },
  {
    when: 'a revision is pending because the primary is not ready',
    played: () => timeline([], { acts: [{ atMs: 0, do: breakPrimary, hints: false }, release('v1:2', 1_000)] }),
    sinceMs: 1_000,
    says: `Release of shop.prod has been held for # s: ${primary}`,
  },
  {
    when: 'the primary never becomes ready while initializing',
    played: () => playCanary({ revision: 'v1:1-neverready', acts: [], endMs: 600_000 }),
    sinceMs: 0,
    says: `Initialization of shop.prod has been held for # s: ${primary}`,
  },
  {
    when: 'a step of nothing leads nowhere',
    played: () => timeline([], { settings: settings({ stepWeight: 0 }) }),
    sinceMs: 2_000,
    says: 'Release of shop.prod has been held for # s: analysis cannot advance: next step weight is 0',
  },
  {
    when: 'repeated steps lead nowhere, though each judgment is good and the cluster keeps changing',
    played: () => {
      const noise = Array.from({ length: 500 }, (_, index): Act => ({
        atMs: 5_000 + index * 700,
        do: () => undefined,
      }));
      return timeline(noise, { settings: settings({ stepWeight: 0, stepWeights: [5, 20, 20, 50] }) });
    },
    sinceMs: 12_000,
    says: 'Release of shop.prod has been held for # s: analysis cannot advance: next step weight is 0',
  },
  {
    when: 'the target is not ready to serve again, and so the Canary cannot go',
    played: () => {
      const never: Act['do'] = (world) => void Object.assign(world, { deleting: true, targetDown: true });
      return playCanary({
        start: settled,
        settings: settings({}, { revertOnDeletion: true }),
        acts: [
          { atMs: 1_000, do: () => undefined },
          { atMs: 5_000, do: never },
        ],
        endMs: 600_000,
      });
    },
    sinceMs: 5_000,
    says: 'Deletion of shop.prod has been held for # s: canary not ready during finalizing: ',
  },
];

describe.each(cases)('when $when', ({ played, sinceMs, says }) => {
  const play = played();
  const [before = '', after = ''] = says.split('#');

  it('people are told once, after the deadline, with why', () => {
    expect(held(play)).toEqual([expect.stringContaining(`warn ${before}`)]);
    expect(held(play)[0]).toContain(after);
    const line = play.lines.find(
      ({ kind, ...rest }) => kind === 'alert' && 'message' in rest && rest.message.includes('held'),
    );
    const late = line!.at - sinceMs - deadlineMs;
    expect(late).toBeGreaterThanOrEqual(0);
    expect(late).toBeLessThanOrEqual(21_000);
  });

  it('it is an event too', () => {
    expect(events(play.lines).filter((event) => event.includes('has been held'))).toHaveLength(1);
  });

  it('a run of earlier rules goes on as its history says', () => {
    const isAlert = ({ action }: Play['decisions'][number]) => action.type === 'carry-out' && action.once === 'frozen';
    const decision = play.decisions.find(isAlert)!;
    const before = { ...decision.release, rules: 3, frozenSince: undefined } as const;
    const looked = { type: 'looked', observation: before.observation!, answered: before.hinted, now: 1 } as const;
    const after = evolve(before, looked);
    expect(after.frozenSince).toBeUndefined();
    expect(decide(after, decision.now)).not.toMatchObject({ once: 'frozen' });
  });
});

describe('nobody is woken', () => {
  it('when it is over before the deadline, also when it comes again', () => {
    const outage = (fromMs: number): Act[] => [
      { atMs: fromMs, do: breakPrimary },
      { atMs: fromMs + 40_000, do: (world) => void (world.primaryReadyAt = world.now) },
    ];
    const play = timeline([...outage(5_000), ...outage(50_000), ...outage(100_000)], {
      settings: settings({ stepWeight: 1, maxWeight: 30 }),
    });
    expect(held(play)).toEqual([]);
    expect(weights(play.lines).at(-1)).toBe(0);
  });

  it('when an outage is seen at the ends of a long interval alone', () => {
    const moment = (atMs: number): Act[] => [
      { atMs, do: breakPrimary },
      { atMs: atMs + 1_000, do: (world) => void (world.primaryReadyAt = world.now) },
    ];
    const play = timeline([...moment(10_000), ...moment(290_000)], { settings: settings({ intervalMs: 300_000 }) });
    expect(held(play)).toEqual([]);
  });

  it('by what has a deadline of its own: pods of a revision, and of its promotion', () => {
    for (const revision of ['v1:2-crash', 'v1:2-badprimary']) {
      const play = timeline([], { acts: [release(revision, 1_000)] });
      expect(held(play)).toEqual([]);
      expect(alerts(play.lines).at(-1)).toMatch(/^error (Progress deadline exceeded|Promotion failed)/);
    }
  });

  it('by a release that is paused, or waits for people', () => {
    const pause: Act['order'] = { kind: 'pause', order: {} };
    const play = timeline([{ atMs: 0, when: at(20), do: () => undefined, order: pause }]);
    expect(held(play)).toEqual([]);
  });
});
