import { describe, expect, it } from '@jest/globals';
import {
  alerts,
  approval,
  behaviour,
  events,
  hook,
  playCanary,
  release,
  settings,
  settled,
  statuses,
  weights,
} from '../../../test/support/script.ts';
import type { Act, Script } from '../../simulation/world.ts';
import { describe as tell, progress } from './progress.ts';
import { evolve } from './evolve.ts';
import { refusal } from './obey.ts';
import { decide } from './release.ts';
import type { Approval } from './observation.ts';
import type { Order, OrderKind } from './orders.ts';
import type { Release } from './state.ts';

const says = (atMs: number, kind: OrderKind, order: Order): Act => ({
  atMs,
  do: () => undefined,
  order: { kind, order },
});
const asking = (approvals: readonly Approval[], acts: readonly Act[] = [], more: Partial<Script> = {}) =>
  playCanary({
    start: settled,
    settings: settings({ approvals }),
    acts: [release('v1:2', 1_000), ...acts],
    endMs: 600_000,
    ...more,
  });
/** The events about people, in order. */
const words = (lines: ReturnType<typeof asking>['lines']) =>
  events(lines).filter((text) => /approv|Approv|reject/.test(text));
const judged = (lines: ReturnType<typeof asking>['lines']) =>
  lines.filter((line) => line.kind === 'action' && line.action === 'analyse').map(({ at }) => at);
/** The release as it was at the last decision before this moment. */
const before = (played: ReturnType<typeof asking>, ms: number): Release =>
  played.decisions.filter(({ now }) => now < ms).at(-1)!.release;

describe('before a rollout', () => {
  const asked = [approval({ before: 'rollout', quorum: 2, approvers: ['ada', 'bob', 'cyd'] })];
  const halt = 'W Halt shop.prod advancement waiting for approval managers: 2 of ada, bob, cyd have to approve';

  it('two people have to approve, and then it begins', () => {
    const { lines } = asking(asked, [
      says(60_000, 'approve', { by: 'ada', reason: 'tested' }),
      says(90_000, 'approve', { by: 'bob' }),
    ]);
    expect(statuses(lines).slice(0, 2)).toEqual(['Waiting 0 0', 'Progressing 0 0']);
    expect(words(lines)).toEqual([
      halt,
      'Approved by ada, managers (1 of 2): tested',
      'Approved by bob, managers (2 of 2)',
    ]);
    const begins = lines.find((line) => line.kind === 'event' && line.message.startsWith('New revision detected!'));
    expect(begins?.at).toBe(90_000);
    expect(alerts(lines)[0]).toBe('warn Canary is waiting for approval.');
    expect(statuses(lines).at(-1)).toBe('Succeeded 0 0');
  });

  it('one person counts once, however they spell their name', () => {
    const { lines } = asking(asked, [
      says(60_000, 'approve', { by: 'ada', id: 'one' }),
      says(61_000, 'approve', { by: 'ada', id: 'one' }),
      says(62_000, 'approve', { by: ' Ada ', id: 'two' }),
    ]);
    expect(words(lines)).toEqual([
      halt,
      'Approved by ada, managers (1 of 2)',
      'W Order approve by  Ada  refused:  Ada  has approved managers (1 of 2) already',
    ]);
    expect(statuses(lines)).toEqual(['Waiting 0 0']);
  });

  it.each<[Order, string]>([
    [{ by: 'dan' }, 'dan is none of those who decide on managers: ada, bob, cyd'],
    [{}, 'who is it? approve needs a name in "by"'],
    [{ by: 'ada', gate: 'owners' }, 'approval owners is not waited for, but managers'],
    [{ by: 'ada', revision: 'v1:1' }, 'the order is about revision v1:1, the release about v1:2'],
  ])('%j is refused: %s', (order, refused) => {
    const played = asking(asked, [says(60_000, 'approve', order)]);
    expect(refusal(before(played, 50_000), 'approve', order)).toBe(refused);
    expect(words(played.lines).at(-1)).toBe(`W Order approve by ${order.by ?? 'someone'} refused: ${refused}`);
  });

  it('waits without asking anybody anything, and says for whom', () => {
    const played = asking(asked, [says(300_000, 'approve', { by: 'ada' })]);
    const idle = played.lines.filter((line) => line.kind === 'action' && line.at > 12_000 && line.at < 300_000);
    expect(idle).toEqual([]);
    const waiting = played.decisions.filter(({ now }) => now < 300_000).at(-1)!;
    expect(tell(waiting.action)).toBe('waiting for approval managers (0 of 2)');
    expect(waiting.action).toEqual({ type: 'wait', why: 'waiting for approval managers (0 of 2)' });
    expect(progress(before(played, 600_000), '').approvals).toEqual([
      {
        name: 'managers',
        before: 'rollout',
        quorum: 2,
        votes: [{ by: 'ada', at: 300_000 }],
        approvers: ['ada', 'bob', 'cyd'],
        otherwise: 'keep-waiting',
      },
    ]);
  });

  it('what was approved of one revision counts for no other', () => {
    const { lines } = asking(asked, [
      says(60_000, 'approve', { by: 'ada' }),
      release('v1:3', 70_000),
      says(80_000, 'approve', { by: 'bob' }),
      says(90_000, 'approve', { by: 'ada' }),
    ]);
    expect(words(lines)).toEqual([
      halt,
      'Approved by ada, managers (1 of 2)',
      halt,
      'Approved by bob, managers (1 of 2)',
      'Approved by ada, managers (2 of 2)',
    ]);
    expect(lines.find((line) => line.kind === 'phase' && line.phase === 'Progressing')?.at).toBe(90_000);
  });

  it('one who says no ends it, and it does not begin again', () => {
    const { lines, outcomes } = asking(asked, [
      says(60_000, 'approve', { by: 'ada' }),
      says(70_000, 'reject', { by: 'cyd', reason: 'freeze' }),
    ]);
    expect(words(lines).at(-1)).toBe('W Rolling back shop.prod approval managers rejected by cyd: freeze');
    expect(statuses(lines).at(-1)).toBe('Failed 0 0');
    expect(outcomes.at(-1)).toMatchObject({
      outcome: 'rolled back',
      reason: 'approval managers rejected by cyd: freeze',
    });
  });

  it('a target that goes back cancels what was asked', () => {
    const { lines } = asking(asked, [release('v1:1', 60_000)]);
    expect(statuses(lines)).toEqual(['Waiting 0 0', 'Succeeded 0 0']);
  });

  it('beside a gate: it is asked first, and again at each tick, and both have to agree', () => {
    const gate = (open: number) => (_: unknown, now: number) => (now < open ? 'closed' : undefined);
    const { lines } = asking([approval({ before: 'rollout' })], [says(95_000, 'approve', { by: 'ada' })], {
      settings: settings({ hooks: [hook('change', 'confirm-rollout')], approvals: [approval({ before: 'rollout' })] }),
      hook: gate(40_000),
    });
    expect(events(lines).slice(0, 3)).toEqual([
      'W Halt shop.prod advancement waiting for approval change',
      'Confirm-rollout check change passed',
      'W Halt shop.prod advancement waiting for approval managers: 1 has to approve',
    ]);
    expect(lines.find((line) => line.kind === 'phase' && line.phase === 'Progressing')?.at).toBe(95_000);
    const asks = lines.filter((line) => line.kind === 'action' && line.action === 'call-hooks').length;
    expect(asks).toBeGreaterThanOrEqual(8);
  });
});

describe('before more traffic', () => {
  const asked = [approval({ before: 'traffic-increase' })];

  it('each step needs a consent of its own', () => {
    const { lines } = asking(
      asked,
      [50_000, 100_000, 150_000].map((at) => says(at, 'approve', { by: 'ada' })),
    );
    const steps = lines.filter((line) => line.kind === 'weights' && line.canary > 0);
    expect(steps.map(({ at }) => at)).toEqual([50_000, 100_000, 150_000]);
    expect(weights(lines)).toEqual([10, 20, 30, 0]);
    expect(words(lines).filter((text) => text.startsWith('W Halt'))).toHaveLength(3);
    expect(statuses(lines).at(-1)).toBe('Succeeded 0 0');
  });

  it('is judged at each tick while it waits, and rolls back', () => {
    const { lines } = asking(
      asked,
      [says(20_000, 'approve', { by: 'ada' }), { atMs: 105_000, do: () => undefined, hints: false }],
      {
        behaviour: (revision) => ({
          ...behaviour(revision),
          get readings() {
            return { 'request-success-rate': revision === 'v1:2' && late() ? 50 : 100 };
          },
        }),
        metricsDown: (now) => {
          clock = now;
          return undefined;
        },
      },
    );
    expect(judged(lines).length).toBeGreaterThan(6);
    expect(statuses(lines).at(-1)).toBe('Failed 0 0');
    expect(weights(lines)).toEqual([10, 0]);
  });
  let clock = 0;
  const late = () => clock > 100_000;

  it('consent is followed at once, after one more look', () => {
    const { lines } = asking(asked, [says(20_000, 'approve', { by: 'ada' }), says(76_000, 'approve', { by: 'ada' })]);
    expect(judged(lines)).toContain(76_000);
    expect(lines.find((line) => line.kind === 'weights' && line.canary === 20)?.at).toBe(76_000);
  });

  it('set-weight and skip-step ask for it too, and the canary is judged meanwhile', () => {
    for (const kind of ['set-weight', 'skip-step'] as const) {
      const { lines } = asking(asked, [
        says(20_000, 'approve', { by: 'ada' }),
        says(22_000, kind, { by: 'bob', weight: 20 }),
        says(100_000, 'approve', { by: 'ada' }),
      ]);
      expect(weights(lines).slice(0, 2)).toEqual([10, 20]);
      expect(lines.find((line) => line.kind === 'weights' && line.canary === 20)?.at).toBe(100_000);
      expect(judged(lines).filter((at) => at > 22_000 && at < 100_000).length).toBeGreaterThan(5);
    }
  });

  it('less traffic needs nobody', () => {
    const { lines } = asking(asked, [
      says(20_000, 'approve', { by: 'ada' }),
      says(50_000, 'approve', { by: 'ada' }),
      says(70_000, 'set-weight', { by: 'bob', weight: 5 }),
    ]);
    expect(weights(lines)).toEqual([10, 20, 5]);
  });
});

describe('before a promotion', () => {
  it('waits at the last weight, judged at each tick, until people agree', () => {
    const { lines } = asking([approval()], [says(200_000, 'approve', { by: 'ada' })]);
    expect(statuses(lines).slice(-4)).toEqual([
      'WaitingPromotion 30 0',
      'Promoting 30 0',
      'Finalising 0 0',
      'Succeeded 0 0',
    ]);
    expect(lines.find((line) => line.kind === 'phase' && line.phase === 'Promoting')?.at).toBe(200_000);
    expect(judged(lines).filter((at) => at < 200_000).length).toBeGreaterThan(15);
    expect(alerts(lines)).toContain('warn Canary promotion is waiting for approval.');
  });

  it('promote leaves out the analysis, but not the people; by force it leaves out both', () => {
    const held = asking([approval()], [says(15_000, 'promote', { by: 'ada' })]);
    expect(statuses(held.lines).at(-1)).toBe('WaitingPromotion 20 0');
    expect(judged(held.lines).length).toBeGreaterThan(10);
    const forced = asking([approval()], [says(15_000, 'promote', { by: 'ada', force: true })]);
    expect(statuses(forced.lines).at(-1)).toBe('Succeeded 0 0');
  });

  it('who made the change may not approve it, but may say no', () => {
    const four = [approval({ excludesAuthor: true })];
    const author: Act = {
      atMs: 0,
      do: (world) => {
        world.author = 'ada';
      },
      hints: false,
    };
    const { lines } = asking(four, [
      author,
      says(100_000, 'approve', { by: 'Ada' }),
      says(110_000, 'approve', { by: 'bob' }),
    ]);
    expect(words(lines)).toEqual([
      'W Halt shop.prod advancement waiting for promotion approval managers: 1, but not its author, has to approve',
      'W Order approve by Ada refused: Ada made this change, and may not approve managers',
      'Approved by bob, managers (1 of 1)',
    ]);
    const no = asking(four, [author, says(100_000, 'reject', { by: 'ada' })]);
    expect(statuses(no.lines).at(-1)).toBe('Failed 0 0');
  });

  it('where nobody knows who made the change, nobody may approve: the refusal says how to mend it', () => {
    const { lines } = asking([approval({ excludesAuthor: true })], [says(100_000, 'approve', { by: 'bob' })]);
    expect(words(lines).at(-1)).toBe(
      'W Order approve by bob refused: nobody knows who made this change, and who did may not approve managers: ' +
        'name them in the annotation serin.dev/author of the target',
    );
  });

  it('of several all have to be given, and who may decide on several says which', () => {
    const two = [approval({ name: 'dev', approvers: ['ada'] }), approval({ name: 'ops', approvers: ['bob', 'ada'] })];
    const { lines } = asking(two, [
      says(100_000, 'approve', { by: 'ada' }),
      says(110_000, 'approve', { by: 'ada', gate: 'dev' }),
      says(120_000, 'approve', { by: 'bob' }),
    ]);
    expect(words(lines).slice(2)).toEqual([
      'W Order approve by ada refused: several approvals are waited for; say which as "gate": dev, ops',
      'Approved by ada, dev (1 of 1)',
      'Approved by bob, ops (1 of 1)',
    ]);
    expect(statuses(lines).at(-1)).toBe('Succeeded 0 0');
  });

  it.each(['blue-green', 'ab-testing'] as const)('%s asks before the last step, and goes on from there', (strategy) => {
    const { lines } = asking([approval()], [says(200_000, 'approve', { by: 'ada' })], {
      settings: settings({ strategy, iterations: 3, stepWeight: 0, approvals: [approval()] }),
    });
    expect(statuses(lines).filter((text) => text.startsWith('WaitingPromotion'))[0]).toBe(
      'WaitingPromotion 0 0 iteration 3',
    );
    expect(statuses(lines).at(-1)).toBe('Succeeded 0 0');
    expect(lines.find((line) => line.kind === 'phase' && line.phase === 'Promoting')!.at).toBeLessThanOrEqual(210_000);
  });

  it('is asked for where analysis is skipped too', () => {
    const { lines } = asking([approval()], [says(200_000, 'approve', { by: 'ada' })], {
      settings: settings({ approvals: [approval()] }, { skipAnalysis: true }),
    });
    expect(lines.find((line) => line.kind === 'phase' && line.phase === 'Promoting')?.at).toBe(200_000);
  });
});

describe('a deadline that passes', () => {
  const within = { ms: 60_000, text: '1m' };
  const told = (lines: ReturnType<typeof asking>['lines']) => words(lines).slice(1);

  describe.each(['rollout', 'traffic-increase', 'promotion'] as const)('before %s', (moment) => {
    const asked = (otherwise: Approval['otherwise']) => [approval({ before: moment, deadline: within, otherwise })];
    const since = (lines: ReturnType<typeof asking>['lines']) =>
      lines.find((line) => line.kind === 'event' && line.message.includes('approval managers'))!.at;

    it('approve: it goes on, and says why', () => {
      const { lines } = asking(asked('approve'));
      const late = 'W Approval managers was not given within 1m: it counts as given';
      expect(words(lines)[1]).toBe(late);
      const at = lines.find((line) => line.kind === 'event' && `W ${line.message}` === late)!.at;
      expect(at - since(lines)).toBeGreaterThanOrEqual(60_000);
      expect(at - since(lines)).toBeLessThanOrEqual(70_000);
      expect(statuses(lines).at(-1)).toBe('Succeeded 0 0');
    });

    it('reject: it rolls back', () => {
      const { lines } = asking(asked('reject'));
      expect(told(lines)).toEqual(['W Rolling back shop.prod approval managers was not given within 1m']);
      expect(statuses(lines).at(-1)).toBe('Failed 0 0');
    });

    it('keep waiting: it is told once, and people may still decide', () => {
      const late = 'W Approval managers was not given within 1m: it is still waited for';
      const { lines } = asking(asked('keep-waiting'), [says(300_000, 'approve', { by: 'ada' })]);
      expect(told(lines).slice(0, 2)).toEqual([late, 'Approved by ada, managers (1 of 1)']);
      expect(alerts(lines)).toContain(`warn ${late.slice(2)}`);
    });

    it('counts for nothing once people have decided', () => {
      const at = moment === 'promotion' ? 80_000 : 30_000;
      const { lines } = asking(asked('reject'), [says(at, 'approve', { by: 'ada' })]);
      expect(told(lines)[0]).toBe('Approved by ada, managers (1 of 1)');
    });
  });
});

describe('where actors have to be verified', () => {
  const strict = (acts: readonly Act[]) =>
    asking([approval({ quorum: 2 })], acts, {
      settings: settings({ approvals: [approval({ quorum: 2 })] }, { verifiesActors: true }),
    });

  it('a name alone neither approves nor promotes, and may do all else', () => {
    const { lines } = strict([
      says(15_000, 'promote', { by: 'ada' }),
      says(16_000, 'pause', { by: 'ada' }),
      says(17_000, 'resume', { by: 'ada' }),
      says(100_000, 'approve', { by: 'ada' }),
    ]);
    expect(events(lines).filter((text) => text.includes('refused'))).toEqual([
      'W Order promote by ada refused: promote needs to know for sure who asks: send a signed token with it',
      'W Order approve by ada refused: approve needs to know for sure who asks: send a signed token with it',
    ]);
    expect(events(lines)).toContain('Paused by ada at weight 20');
  });

  it('a message cannot say of itself that it was verified', () => {
    const { lines } = strict([says(100_000, 'approve', { by: 'ada', verified: true })]);
    expect(words(lines).at(-1)).toContain('needs to know for sure');
  });

  it('whoever the token belongs to has approved, whoever the message says', () => {
    const { lines, decisions } = strict([
      says(100_000, 'approve', { by: 'eve', token: 'ada' }),
      says(110_000, 'approve', { token: 'bob' }),
    ]);
    expect(words(lines).slice(1)).toEqual([
      'Approved by ada (verified), managers (1 of 2)',
      'Approved by bob (verified), managers (2 of 2)',
    ]);
    expect(statuses(lines).at(-1)).toBe('Succeeded 0 0');
    const kept = decisions.filter(({ release }) => !release.unverified?.length);
    expect(JSON.stringify(kept.map(({ release }) => ({ ...release, usedTokens: [] })))).not.toContain('"token"');
  });

  it('an order that is sent twice, before its token was looked at, is followed once', () => {
    const found = before(strict([]), 100_000);
    const order = { token: 'ada', id: 'once' };
    const twice = [1, 2].reduce(
      (state) => evolve(state, { type: 'ordered', kind: 'approve', order, now: 100_000 }),
      found,
    );
    const action = decide(twice, 100_000);
    if (action.type !== 'verify') throw new Error(`expected to look at tokens, got ${action.type}`);
    const actors = [1, 2].map(() => ({ subject: 'ada', id: 'one' }));
    const after = evolve(twice, { type: 'verified', orders: action.orders, actors, now: 100_001 });
    expect(progress(after, '').orders).toEqual([{ id: 'once', kind: 'approve', at: 100_001 }]);
    expect(after.untold.map(({ message }) => message)).toEqual(['Approved by ada (verified), managers (1 of 2)']);
    expect(after.unverified).toEqual([]);
  });

  it('a token is good for one order', () => {
    const { lines } = strict([
      says(100_000, 'approve', { token: 'ada' }),
      says(110_000, 'promote', { token: 'ada', force: true }),
    ]);
    expect(events(lines).at(-1)).toBe('W Order promote by someone refused: this token has been used already');
  });
});
