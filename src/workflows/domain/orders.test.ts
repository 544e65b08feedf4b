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
import { lookedAt, observed, releaseIn } from '../../../test/support/releases.ts';
import type { Act, Script, State } from '../../simulation/world.ts';
import { begin, decide } from './release.ts';
import { evolve } from './evolve.ts';
import { refusal } from './obey.ts';
import { progress, describe as tell } from './progress.ts';
import { orderKinds, type Order, type OrderKind } from './orders.ts';
import type { Phase } from './observation.ts';
import type { Release } from './state.ts';

const ada: Order = { by: 'ada' };
const order = (kind: OrderKind, when: (world: Readonly<State>) => boolean, what: Order = ada): Act => ({
  atMs: 0,
  when,
  do: () => undefined,
  order: { kind, order: what },
});
const at =
  (weight: number) =>
  ({ status }: Readonly<State>) =>
    status.canaryWeight === weight;
const timeline = (acts: readonly Act[], script: Partial<Script> = {}) =>
  playCanary({ start: settled, ...script, acts: [release('v1:2', 1_000), ...acts] });
const judgments = (lines: ReturnType<typeof timeline>['lines']) =>
  lines.filter((line) => line.kind === 'action' && line.action === 'analyse').map((line) => line.at);

describe('an order in each phase', () => {
  const begun = 'the promotion has begun: the primary already runs revision v1:2';
  const nothing = (kind: OrderKind, phase: Phase) =>
    `there is nothing to ${kind}: the Canary is ${phase || 'not initialized'}`;
  const atRest: Phase[] = ['', 'Initializing', 'Initialized', 'Succeeded', 'Failed'];
  const notPaused = 'the release is not paused';

  const asked: Order = { ...ada, weight: 20 };
  const waits = 'all steps are done, and the promotion waits for approval';
  /** What each order meets in a phase; `retry` is no different while a release is in flight. */
  const table: Record<Phase, Partial<Record<OrderKind, string | undefined>>> = {
    ...(Object.fromEntries(
      [...atRest, 'Waiting', 'Terminating', 'Terminated'].map((phase) => [
        phase,
        Object.fromEntries(orderKinds.map((kind) => [kind, nothing(kind, phase as Phase)])),
      ]),
    ) as Record<Phase, object>),
    Progressing: { retry: nothing('retry', 'Progressing') },
    WaitingPromotion: { retry: nothing('retry', 'WaitingPromotion'), 'set-weight': waits, 'skip-step': waits },
    Promoting: Object.fromEntries(orderKinds.map((kind) => [kind, begun])),
    Finalising: Object.fromEntries(orderKinds.map((kind) => [kind, begun])),
  };
  // What they meet where people are asked is in approvals.test.ts.
  for (const phase of [...atRest, 'Waiting', 'Progressing', 'WaitingPromotion', 'Terminating', 'Terminated'] as const)
    Object.assign(table[phase], { approve: 'no approval is waited for', reject: 'no approval is waited for' });
  for (const phase of ['Promoting', 'Finalising'] as const) table[phase].retry = nothing('retry', phase);
  for (const phase of [...atRest, 'Waiting', 'Progressing', 'WaitingPromotion'] as const)
    table[phase].resume = notPaused;
  delete table.Waiting.abort;
  delete table.Failed.retry;
  for (const phase of ['Terminating', 'Terminated'] as const) table[phase].resume = notPaused;

  const rows = Object.entries(table).flatMap(([phase, refusals]) =>
    orderKinds.map((kind) => ({ phase: phase as Phase, kind, refused: refusals[kind] })),
  );

  it.each(rows)('$kind in "$phase": $refused', ({ phase, kind, refused }) => {
    const found = releaseIn(phase, phase === 'Progressing' || phase === 'WaitingPromotion' ? 10 : 0);
    expect(refusal(found, kind, asked)).toBe(refused);
    const after = evolve(found, { type: 'ordered', kind, order: { ...asked, id: 'a' }, now: 5 });
    const told = after.untold.map(({ message }) => message);
    if (refused) expect(told).toEqual([`Order ${kind} by ada refused: ${refused}`]);
    else expect(told.some((text) => text.includes('refused'))).toBe(false);
    expect(progress(after, '').orders).toEqual([{ id: 'a', kind, at: 5, ...(refused ? { refused } : {}) }]);
  });

  it('promote is refused while the canary is not ready', () => {
    const readiness = { ready: false, retriable: true, message: 'not ready', rolledOut: false } as const;
    const found = releaseIn('Progressing', 0, { target: { revision: 'v1:2', replicas: 1, available: 0, readiness } });
    expect(refusal(found, 'promote', ada)).toBe('the canary is not ready');
  });

  it('an order about another revision is refused, and names both', () => {
    expect(refusal(releaseIn('Progressing'), 'abort', { revision: 'v1:0' })).toBe(
      'the order is about revision v1:0, the release about v1:2',
    );
    expect(refusal(releaseIn('Progressing'), 'abort', { revision: 'v1:2' })).toBeUndefined();
  });

  it('in Waiting an order may name the revision that waits', () => {
    const found = lookedAt(observed({ phase: 'Waiting', lastAppliedSpec: 'v1:1' }));
    expect(refusal(found, 'abort', { revision: 'v1:2' })).toBeUndefined();
    expect(refusal(found, 'abort', { revision: 'v1:1' })).toContain('the release about v1:2');
    expect(progress(found, 'waits').revision).toBe('v1:2');
  });

  it('an order for a Canary that is gone is refused', () => {
    expect(refusal(lookedAt({ drift: [] }), 'abort', ada)).toBe('the Canary no longer exists');
  });

  it('an order during the way out is refused, and hears why it ends', () => {
    const found = { ...releaseIn('Progressing', 20), aborted: { at: 1, ...ada } };
    const action = decide(found, 1);
    if (action.type !== 'carry-out') throw new Error('an abort is carried out');
    const leaving = evolve(found, { type: 'carried-out', action, now: 2 });
    expect(refusal(leaving, 'promote', ada)).toBe('the release is ending already: aborted by ada');
  });
});

describe('an order that comes while the opposite is being done', () => {
  const done = (found: Release, kind: 'abort' | 'promote') => {
    const action = decide(found, 1);
    if (action.type !== 'carry-out') throw new Error(`expected a plan, got ${action.type}`);
    const ordered = evolve(found, { type: 'ordered', kind, order: ada, now: 2 });
    const after = evolve(ordered, { type: 'carried-out', action, overtaken: true, now: 3 });
    return { then: action.then, told: after.untold.at(-1)?.message };
  };
  const newer = { revision: 'v1:3', replicas: 1, available: 1, readiness: { ready: true } } as const;

  it.each([
    [
      'abort',
      'restarted',
      releaseIn('Progressing', 20, { target: newer }),
      'a newer revision has restarted the analysis',
    ],
    [
      'promote',
      'restarted',
      releaseIn('Progressing', 20, { target: newer }),
      'a newer revision has restarted the analysis',
    ],
    ['abort', 'promoted', { ...releaseIn('Progressing', 20), promoted: { at: 0 } }, 'the promotion has begun'],
    ['promote', 'way-out', { ...releaseIn('Progressing', 20), aborted: { at: 0, by: 'bob' } }, 'aborted by bob'],
  ] as const)('%s is answered by an event once the release is %s', (kind, then, found, why) => {
    expect(done(found, kind)).toEqual({ then, told: `Order ${kind} by ada could not be followed: ${why}` });
  });
});

describe('an order before the first look', () => {
  const fresh = begin({ id: 'run-1', canary: { namespace: 'prod', name: 'shop' } });

  it('is refused when an answer is wanted', () => {
    expect(refusal(fresh, 'abort', ada)).toBe('the release has only just begun; ask again in a moment');
  });

  it('is kept when it came as a signal, and followed once it is known what it is about', () => {
    const ordered = evolve(fresh, { type: 'ordered', kind: 'abort', order: ada, now: 0 });
    const known = evolve(ordered, { type: 'looked', observation: observed({ canaryWeight: 20 }), answered: 0, now: 1 });
    expect(known.early).toEqual([]);
    expect(decide(known, 1)).toMatchObject({ type: 'carry-out', plan: { verb: 'rollBack' } });
  });
});

describe('an order that is repeated', () => {
  it('with the same id is done once, and answered like the first time', () => {
    const twice: Order = { ...ada, id: 'a' };
    const once = evolve(releaseIn('Progressing', 20), { type: 'ordered', kind: 'pause', order: twice, now: 1 });
    expect(refusal(once, 'pause', twice)).toBeUndefined();
    const again = evolve(once, { type: 'ordered', kind: 'pause', order: twice, now: 2 });
    expect(again).toEqual({ ...once, turn: once.turn + 1 });
  });

  it('a late repetition of a pause does not pause what has been resumed', () => {
    const pause: Order = { ...ada, id: 'a' };
    let found = evolve(releaseIn('Progressing', 20), { type: 'ordered', kind: 'pause', order: pause, now: 1 });
    found = evolve(found, { type: 'ordered', kind: 'resume', order: ada, now: 2 });
    found = evolve(found, { type: 'ordered', kind: 'pause', order: pause, now: 3 });
    expect(found.paused).toBeUndefined();
  });

  it('remembers no more than a hundred ids', () => {
    let found = releaseIn('Progressing', 20);
    for (let id = 0; id < 150; id += 1) {
      const kind = id % 2 === 0 ? 'pause' : 'resume';
      found = evolve(found, { type: 'ordered', kind, order: { id: `${id}` }, now: id });
    }
    expect(found.orderIds).toHaveLength(100);
  });
});

describe('a release that is paused', () => {
  it('keeps its weight, goes on being judged, and climbs on when it is resumed', () => {
    const { lines, world } = timeline([
      order('pause', at(20)),
      { atMs: 60_000, do: () => undefined, order: { kind: 'resume', order: { ...ada, reason: 'all good' } } },
    ]);
    expect(events(lines)).toEqual(expect.arrayContaining(['Paused by ada at weight 20', 'Resumed by ada: all good']));
    expect(judgments(lines).filter((time) => time > 12_000 && time < 60_000)).toEqual([22_000, 32_000, 42_000, 52_000]);
    expect(weights(lines)).toEqual([10, 20, 30, 0]);
    expect(world.status.phase).toBe('Succeeded');
  });

  it('is judged anew when it is resumed, at once, and never before a whole interval', () => {
    const late = timeline([
      order('pause', at(20)),
      { atMs: 55_000, do: () => undefined, order: { kind: 'resume', order: ada } },
    ]);
    expect(judgments(late.lines)).toContain(55_000);
    const soon = timeline([
      order('pause', at(20)),
      { atMs: 15_000, do: () => undefined, order: { kind: 'resume', order: ada } },
    ]);
    expect(judgments(soon.lines)).toEqual([12_000, 22_000, 32_000]);
  });

  it('can still roll back', () => {
    let bad = false;
    const { lines, world } = timeline(
      [order('pause', at(20)), { atMs: 40_000, do: () => void (bad = true), hints: false }],
      { behaviour: (revision) => ({ ...behaviour(revision), readings: { 'request-success-rate': bad ? 50 : 100 } }) },
    );
    expect(world.status).toMatchObject({ phase: 'Failed', canaryWeight: 0 });
    expect(weights(lines)).toEqual([10, 20, 0]);
  });

  it('gives no traffic to a canary that has none yet', () => {
    const { lines, world } = timeline([order('pause', ({ status }) => status.phase === 'Progressing')], {
      endMs: 200_000,
    });
    expect(weights(lines)).toEqual([]);
    expect(world.status.phase).toBe('Progressing');
  });

  it('says so to whoever asks', () => {
    const paused = evolve(releaseIn('Progressing', 20), { type: 'ordered', kind: 'pause', order: ada, now: 1 });
    expect(progress(paused, 'paused by ada')).toEqual({
      phase: 'Progressing',
      revision: 'v1:2',
      canaryWeight: 20,
      failedChecks: 0,
      threshold: 2,
      paused: true,
      orders: [],
      doing: 'paused by ada',
    });
  });
});

describe('a weight that is ordered', () => {
  const weight = (to: number, more: Order = {}): Order => ({ ...ada, ...more, weight: to });

  it.each([
    [0, 'weight has to be a whole number from 1 to 30, the maximum of the analysis'],
    [31, 'weight has to be a whole number from 1 to 30, the maximum of the analysis'],
    [12.5, 'weight has to be a whole number from 1 to 30, the maximum of the analysis'],
    [10, 'the canary has 10 percent already'],
    [30, undefined],
  ])('%s: %s', (to, refused) => {
    expect(refusal(releaseIn('Progressing', 10), 'set-weight', weight(to))).toBe(refused);
  });

  it('is refused where iterations are counted', () => {
    const found = lookedAt(observed({ iterations: 1 }, {}, settings({ strategy: 'blue-green', iterations: 3 })));
    expect(refusal(found, 'set-weight', weight(20))).toBe('there are no weights to set in blue-green');
  });

  it('comes at once, is judged for a whole interval, and the ladder goes on from there', () => {
    const { lines } = timeline([order('set-weight', at(10), weight(25, { reason: 'traffic is low' }))]);
    expect(weights(lines)).toEqual([10, 25, 35, 0]);
    expect(events(lines)).toContain('Weight 25 ordered by ada: traffic is low');
    expect(events(lines)).toContain('Advance shop.prod canary weight 25');
    const moved = lines.find((line) => line.kind === 'weights' && line.canary === 25)!.at;
    const judged = judgments(lines).find((time) => time > moved)!;
    expect(judged - moved).toBeGreaterThanOrEqual(10_000);
  });

  it('goes down as well, and nobody is asked for that', () => {
    const { lines } = timeline([order('set-weight', at(20), weight(5))], {
      settings: settings({ hooks: [hook('more', 'confirm-traffic-increase')] }),
    });
    expect(weights(lines)).toEqual([10, 20, 5, 15, 25, 35, 0]);
  });

  it('waits for a gate that keeps traffic from increasing', () => {
    const { lines } = timeline([order('set-weight', at(10), weight(30))], {
      settings: settings({ hooks: [hook('more', 'confirm-traffic-increase')] }),
      hook: (_, now, { status }) => (now > 40_000 || status.canaryWeight < 10 ? undefined : 'closed'),
    });
    const at30 = lines.find((line) => line.kind === 'weights' && line.canary === 30)!.at;
    expect(at30).toBeGreaterThan(40_000);
  });

  it('that cannot be followed any more is told', () => {
    const found = evolve(releaseIn('Progressing', 10), {
      type: 'ordered',
      kind: 'set-weight',
      order: weight(20),
      now: 1,
    });
    const aborted = evolve(found, { type: 'ordered', kind: 'abort', order: ada, now: 2 });
    const action = decide(aborted, 2);
    expect(action).toMatchObject({ type: 'carry-out', plan: { verb: 'rollBack' } });
    if (action.type !== 'carry-out') return;
    const after = evolve(aborted, { type: 'carried-out', action, now: 3 });
    expect(after.untold.map(({ message }) => message)).toContain(
      'Order set-weight by ada could not be followed: aborted by ada',
    );
  });
});

describe('a step that is skipped', () => {
  it('is not waited for, and the next one is', () => {
    const { lines } = timeline([order('skip-step', at(10), { ...ada, reason: 'seen enough' })]);
    expect(weights(lines)).toEqual([10, 20, 30, 0]);
    expect(events(lines)).toContain('Step skipped by ada at weight 10: seen enough');
    const [first, second, third] = lines.filter((line) => line.kind === 'weights').map((line) => line.at);
    expect(second! - first!).toBeLessThan(5_000);
    expect(third! - second!).toBeGreaterThanOrEqual(10_000);
  });

  it('at the last weight is followed by the promotion, through its gate', () => {
    const { lines, world } = timeline([order('skip-step', at(30))], {
      settings: settings({ hooks: [hook('gate', 'confirm-promotion')] }),
    });
    expect(events(lines)).toContain('Confirm-promotion check gate passed');
    expect(world.status.phase).toBe('Succeeded');
  });

  it('is refused before there is one, and while the release is paused', () => {
    expect(refusal(releaseIn('Progressing'), 'skip-step', ada)).toBe(
      'the canary gets no traffic yet: there is no step to skip',
    );
    const paused = evolve(releaseIn('Progressing', 10), { type: 'ordered', kind: 'pause', order: ada, now: 1 });
    expect(refusal(paused, 'skip-step', ada)).toBe('the release is paused by ada; resume it first');
  });
});

describe('a retry', () => {
  const failed = ({ status }: Readonly<State>) => status.phase === 'Failed';

  it('BC-10, BC-16: releases the same revision again, judged by new readings alone', () => {
    let mended = false;
    const { lines, world } = playCanary({
      start: settled,
      behaviour: (revision) => behaviour(mended ? 'v1:2' : revision),
      acts: [
        release('v1:2-err50', 1_000),
        {
          atMs: 0,
          when: failed,
          do: () => void (mended = true),
          hints: false,
          order: { kind: 'retry', order: { ...ada, reason: 'the database is back' } },
        },
      ],
    });
    expect(events(lines)).toContain('Retry ordered by ada: the database is back');
    expect(world.status).toMatchObject({ phase: 'Succeeded', lastPromotedSpec: 'v1:2-err50', failedChecks: 0 });
  });

  it('BC-10: nothing begins by itself', () => {
    const { lines } = playCanary({ start: settled, acts: [release('v1:2-err50', 1_000)] });
    expect(events(lines).filter((event) => event.startsWith('New revision'))).toHaveLength(1);
  });

  it('is refused once the target is back at what was promoted, or is suspended', () => {
    const found = observed({ phase: 'Failed' });
    const back = { ...found, target: { ...found.target!, revision: 'v1:1' } };
    expect(refusal(lookedAt(back), 'retry', ada)).toBe('the target is back at the promoted revision');
    const suspended = observed({ phase: 'Failed' }, {}, settings({}, { suspend: true }));
    expect(refusal(lookedAt(suspended), 'retry', ada)).toBe('the Canary is suspended');
  });

  it.each<[string, Partial<Script>, Act]>([
    [
      'a gate, and is aborted there',
      {
        settings: settings({ hooks: [hook('go', 'confirm-rollout')] }),
        hook: (_, now) => (now > 80_000 ? 'no' : undefined),
      },
      { atMs: 200_000, do: () => undefined, order: { kind: 'abort', order: ada } },
    ],
    [
      'people, who say no',
      {
        settings: settings({
          approvals: [approval({ before: 'rollout', otherwise: 'approve', deadline: { ms: 90_000, text: '90s' } })],
        }),
      },
      { atMs: 200_000, do: () => undefined, order: { kind: 'reject', order: ada } },
    ],
  ])('that is held by %s, does not begin again by itself', (_, script, end) => {
    const bad = release('v1:2-err50', 1_000);
    const retry: Act = { atMs: 180_000, do: () => undefined, order: { kind: 'retry', order: ada } };
    const { lines, world } = playCanary({ start: settled, endMs: 900_000, ...script, acts: [bad, retry, end] });
    expect(statuses(lines, 180_000)).toEqual(['Waiting 0 0', 'Failed 0 0']);
    expect(world.status.phase).toBe('Failed');
  });

  it('that comes while the run that failed says its last words is followed by the next one', () => {
    const ended: Release = { ...releaseIn('Failed'), ended: { kind: 'rollback', reason: '2 failed checks' } };
    const ordered = evolve(ended, { type: 'ordered', kind: 'retry', order: ada, now: 1 });
    expect(ordered.untold).toEqual([]);
    expect(decide(ordered, 1)).toEqual({ type: 'start-over' });
    const next = begin({ id: 'run-2', canary: ordered.canary, retry: ordered.retried });
    const known = evolve(next, { type: 'looked', observation: observed({ phase: 'Failed' }), answered: 0, now: 2 });
    expect(decide(known, 2)).toMatchObject({ type: 'carry-out', plan: { verb: 'scaleUp' } });
  });
});

describe('a promotion that is ordered', () => {
  it('by force goes past a closed gate', () => {
    const { lines, world } = timeline([order('promote', at(10), { ...ada, force: true })], {
      settings: settings({ hooks: [hook('gate', 'confirm-promotion')] }),
      hook: () => 'closed',
    });
    expect(events(lines)).toContain('Promotion ordered by ada at weight 10, past closed gates');
    expect(world.status.phase).toBe('Succeeded');
  });

  it('skips the rest of the ladder', () => {
    const { lines, world } = timeline([order('promote', at(10), { ...ada, reason: 'hotfix' })]);
    expect(events(lines).slice(-4)).toEqual([
      'Promotion ordered by ada at weight 10: hotfix',
      'Copying shop.prod template spec to shop-primary.prod',
      'Routing all traffic to primary',
      'Promotion completed! Scaling down shop.prod',
    ]);
    expect(weights(lines)).toEqual([10, 0]);
    expect(world.status.lastPromotedSpec).toBe('v1:2');
  });

  it('ends a pause', () => {
    const { world } = timeline([order('pause', at(10)), order('promote', at(10))]);
    expect(world.status.phase).toBe('Succeeded');
  });

  it('is held by a promotion gate', () => {
    const { lines, world } = timeline([order('promote', at(10))], {
      settings: settings({ hooks: [hook('gate', 'confirm-promotion')] }),
      hook: (_, now) => (now > 40_000 ? undefined : 'closed'),
    });
    expect(statuses(lines)).toContain('WaitingPromotion 10 0');
    expect(lines.find((line) => line.kind === 'event' && line.message.startsWith('Copying'))?.at).toBeGreaterThan(
      40_000,
    );
    expect(world.status.phase).toBe('Succeeded');
  });

  it('mends a primary that broke in mid-release', () => {
    const { lines, world } = timeline([
      { atMs: 0, when: at(20), do: (state) => void (state.primaryReadyAt = Infinity) },
      order('promote', ({ now }) => now >= 30_000),
    ]);
    expect(weights(lines)).toEqual([10, 20, 0]);
    expect(world).toMatchObject({ primaryRevision: 'v1:2' });
    expect(world.status.phase).toBe('Succeeded');
  });
});

describe('an abort', () => {
  it('rolls back at once, tells who and why, and does not count as failed checks', () => {
    const { lines, world, outcomes } = timeline([order('abort', at(20), { ...ada, reason: 'wrong image' })]);
    expect(events(lines).slice(-2)).toEqual([
      'W Rolling back shop.prod aborted by ada: wrong image',
      'W Canary failed! Scaling down shop.prod',
    ]);
    expect(alerts(lines).at(-1)).toBe('warn Rolling back aborted by ada: wrong image');
    expect(weights(lines)).toEqual([10, 20, 0]);
    expect(lines.at(-1)?.at).toBe(13_000);
    expect(world.status).toMatchObject({ phase: 'Failed', lastAppliedSpec: 'v1:2' });
    expect(outcomes.at(-1)?.reason).toBe('aborted by ada: wrong image');
  });

  it('in Waiting gives the revision up, without beginning it again', () => {
    const { lines, world } = timeline([order('abort', ({ status }) => status.phase === 'Waiting')], {
      settings: settings({ hooks: [hook('gate', 'confirm-rollout')] }),
      hook: () => 'closed',
      endMs: 300_000,
    });
    expect(statuses(lines)).toEqual(['Waiting 0 0', 'Failed 0 0']);
    expect(world.status.lastAppliedSpec).toBe('v1:2');
  });

  it('ends the pause after a plan that failed', () => {
    const { lines } = timeline([
      {
        atMs: 0,
        when: at(10),
        do: (state) => void (state.breakStep = { do: 'set-weights', reason: 'Unavailable', message: 'no answer' }),
      },
      order('abort', ({ now }) => now >= 12_000),
    ]);
    expect(lines.at(-1)?.at).toBeLessThan(14_000);
    expect(statuses(lines).at(-1)).toBe('Failed 0 0');
  });

  it('what was interrupted for it is looked at afresh, and then it is followed', () => {
    const aborted = evolve(releaseIn('Progressing', 20), { type: 'ordered', kind: 'abort', order: ada, now: 1 });
    const interrupted = evolve(aborted, { type: 'interrupted', now: 2 });
    expect(decide(interrupted, 2).type).toBe('look');
    const seen = evolve(interrupted, {
      type: 'looked',
      observation: observed({ canaryWeight: 20 }),
      answered: 0,
      now: 3,
    });
    const action = decide(seen, 3);
    expect(action).toMatchObject({ type: 'carry-out', plan: { verb: 'rollBack' } });
    expect(tell(action)).toBe('aborted by ada');
  });
});
