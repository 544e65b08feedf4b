import { describe, expect, it } from '@jest/globals';
import {
  alerts,
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
import { setRevision, type Act, type Script, type State } from '../../simulation/world.ts';

const timeline = (script: Partial<Script> = {}) =>
  playCanary({ start: settled, acts: [release('v1:2', 1_000)], ...script });

const when = (is: (world: Readonly<State>) => boolean, act: Act['do'], more: Partial<Act> = {}): Act => ({
  atMs: 0,
  when: is,
  do: act,
  ...more,
});
const set = (revision: string) => setRevision(revision, behaviour);
const at =
  (phase: string, weight: number) =>
  ({ status }: Readonly<State>) =>
    status.phase === phase && status.canaryWeight === weight;

describe('a newer revision in mid-release', () => {
  it('takes the traffic back and starts over, without a second alert', () => {
    const { lines, world, outcomes } = timeline({
      acts: [release('v1:2', 1_000), when(at('Progressing', 20), set('v1:3'))],
    });
    expect(events(lines).slice(3, 6)).toEqual([
      'Advance shop.prod canary weight 20',
      'New revision detected! Restarting analysis for shop.prod',
      'Starting canary analysis for shop.prod',
    ]);
    expect(weights(lines)).toEqual([10, 20, 0, 10, 20, 30, 0]);
    expect(world.status).toMatchObject({ phase: 'Succeeded', lastAppliedSpec: 'v1:3', lastPromotedSpec: 'v1:3' });
    expect(alerts(lines).filter((text) => text.includes('New revision'))).toHaveLength(1);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['unchanged', 'promoted']);
  });

  it('clears what the older one has failed', () => {
    const { lines } = timeline({
      acts: [release('v1:2-err50', 1_000), when(({ status }) => status.failedChecks === 1, set('v1:3'))],
    });
    expect(statuses(lines).slice(2, 4)).toEqual(['Progressing 10 1', 'Progressing 0 0']);
    expect(statuses(lines).at(-1)).toBe('Succeeded 0 0');
  });

  it('keeps the traffic where it serves when the primary has no pods', () => {
    const { lines, world } = timeline({
      acts: [
        release('v1:2', 1_000),
        when(at('Progressing', 20), (state) => {
          state.primaryAvailable = false;
          // A revision of which a pod is up at once.
          state.targetRevision = 'v1:3';
        }),
        { atMs: 100_000, do: (state) => void (state.primaryAvailable = true) },
      ],
    });
    const back = lines.find((line) => line.kind === 'weights' && line.canary === 0);
    expect(back?.at).toBeGreaterThanOrEqual(100_000);
    expect(events(lines)).toContain('W Traffic stays on the canary: the primary has no available pods to take it');
    expect(world.status).toMatchObject({ phase: 'Succeeded', lastPromotedSpec: 'v1:3' });
  });

  it('Q28: the copy is refused when the target has changed since it was judged', () => {
    const { lines, world } = timeline({
      // Nobody hints: the copy itself finds out.
      acts: [release('v1:2', 1_000), when(at('Progressing', 30), () => undefined)],
      hook: (_, __, state) => {
        (state as State).targetRevision = 'v1:3';
        return undefined;
      },
      settings: settings({ hooks: [hook('gate', 'confirm-promotion')] }),
    });
    expect(events(lines)).toContain('New revision detected! Restarting analysis for shop.prod');
    const copied = lines.filter((line) => line.kind === 'event' && line.message.startsWith('Copying'));
    expect(copied).toHaveLength(1);
    expect(world.status).toMatchObject({ phase: 'Succeeded', lastPromotedSpec: 'v1:3' });
  });

  it.each(['Promoting', 'Finalising'])('Q28: in %s it waits its turn, and is released afterwards', (phase) => {
    const { lines, world, outcomes } = timeline({
      acts: [release('v1:2', 1_000), when(({ status }) => status.phase === phase, set('v1:3'))],
    });
    expect(weights(lines)).toEqual([10, 20, 30, 0, 10, 20, 30, 0]);
    expect(events(lines).filter((event) => event.startsWith('Promotion completed'))).toHaveLength(2);
    expect(world.status).toMatchObject({ phase: 'Succeeded', lastPromotedSpec: 'v1:3' });
    expect(outcomes.at(-1)).toMatchObject({ outcome: 'promoted', revision: 'v1:3' });
  });

  it('Q30: canary pods that fail while the primary is healthy do not stop the promotion', () => {
    const { lines, world } = timeline({
      settings: settings({ stepWeightPromotion: 10 }),
      acts: [release('v1:2', 1_000), when(at('Promoting', 20), (state) => void (state.targetDown = true))],
    });
    expect(events(lines)).toContainEqual(expect.stringContaining('W canary deployment shop.prod not ready'));
    expect(world.status.phase).toBe('Succeeded');
    // Nor do requests wait with a canary that has no pods for their step to come.
    expect(weights(lines).slice(-2)).toEqual([20, 0]);
  });
});

describe('Q29: a canary that fails by its deadline while it is promoted', () => {
  const stuck = when(at('Promoting', 30), (state) => {
    state.targetReadyAt = Infinity;
    state.targetSince = -600_000;
  });

  it.each([
    { then: 'is promoted all the same, and going back afterwards is a release', is: 'Succeeded' },
    { then: 'is promoted all the same, and going back at once waits its turn', is: 'Finalising' },
  ])('$then', ({ is }) => {
    const { lines, world } = timeline({
      acts: [release('v1:2', 1_000), stuck, when(({ status }) => status.phase === is, set('v1:1'))],
    });
    expect(events(lines)).toContainEqual(expect.stringContaining('W canary deployment shop.prod not ready'));
    expect(statuses(lines).filter((status) => status.startsWith('Failed'))).toEqual([]);
    expect(events(lines).filter((event) => event.startsWith('Copying'))).toHaveLength(2);
    expect(world).toMatchObject({ targetRevision: 'v1:1', primaryRevision: 'v1:1' });
    expect(world.status).toMatchObject({ phase: 'Succeeded', lastAppliedSpec: 'v1:1', lastPromotedSpec: 'v1:1' });
  });
});

describe('a target that goes back to the promoted revision', () => {
  const reverted = 'Target reverted to the promoted revision, analysis cancelled for shop.prod';

  it('Q27, BC-15: ends the release, and the abandoned revision can be released again', () => {
    const { lines, world, outcomes } = timeline({
      acts: [
        release('v1:2', 1_000),
        when(at('Progressing', 20), set('v1:1')),
        when(({ status }) => status.phase === 'Succeeded', set('v1:2')),
      ],
    });
    expect(weights(lines)).toEqual([10, 20, 0, 10, 20, 30, 0]);
    expect(events(lines)).toContain(reverted);
    expect(outcomes.map(({ outcome }) => outcome)).toContain('cancelled');
    expect(world).toMatchObject({ primaryRevision: 'v1:2' });
    expect(world.status).toMatchObject({ phase: 'Succeeded', lastPromotedSpec: 'v1:2' });
  });

  it('scales the canary down and claims no failure', () => {
    const { lines, world } = timeline({ acts: [release('v1:2', 1_000), when(at('Progressing', 20), set('v1:1'))] });
    expect(world).toMatchObject({ targetReplicas: 0, primaryRevision: 'v1:1' });
    expect(statuses(lines).at(-1)).toBe('Succeeded 0 0');
    expect(events(lines).some((event) => event.includes('failed'))).toBe(false);
  });

  it('after a failure it is remembered, so that the failed revision can be tried again (Q5)', () => {
    const { lines, world } = timeline({
      acts: [release('v1:2-err50', 1_000), release('v1:1', 100_000), release('v1:2-err50', 200_000)],
    });
    expect(events(lines, 100_000)[0]).toBe('New revision detected! Scaling up shop.prod');
    expect(lines.find((line) => line.kind === 'event' && line.at >= 100_000)?.at).toBe(200_000);
    expect(world.status.phase).toBe('Failed');
  });
});

describe('a primary that is not ready', () => {
  it('Q5, Q6: when idle, holds the new revision until it is, without a rollback', () => {
    const { lines, world } = timeline({
      acts: [
        { atMs: 500, do: (state) => void (state.primaryAvailable = false), hints: false },
        release('v1:2', 1_000),
        { atMs: 60_000, do: (state) => void (state.primaryAvailable = true) },
      ],
    });
    expect(events(lines)[0]).toContain('W shop-primary.prod not ready');
    expect(weights(lines)).toEqual([10, 20, 30, 0]);
    expect(world.status).toMatchObject({ phase: 'Succeeded', lastPromotedSpec: 'v1:2' });
  });

  it('Q5: after a failure, the revision that came while it was unready for a moment is not lost', () => {
    const { lines, world } = timeline({
      acts: [
        release('v1:2-err50', 1_000),
        { atMs: 99_000, do: (state) => void (state.primaryAvailable = false), hints: false },
        release('v1:3', 100_000),
        { atMs: 130_000, do: (state) => void (state.primaryAvailable = true) },
      ],
    });
    expect(statuses(lines, 90_000)).toEqual([
      'Progressing 0 0',
      'Progressing 10 0',
      'Progressing 20 0',
      'Progressing 30 0',
      'Promoting 30 0',
      'Finalising 0 0',
      'Succeeded 0 0',
    ]);
    expect(statuses(lines).filter((status) => status.startsWith('Failed'))).toEqual(['Failed 0 0']);
    expect(events(lines, 99_000)[0]).toContain('W shop-primary.prod not ready');
    expect(lines.find((line) => line.kind === 'phase' && line.at >= 99_000)?.at).toBeGreaterThanOrEqual(130_000);
    expect(world.status.lastPromotedSpec).toBe('v1:3');
  });

  it.each(['Initialized', 'Succeeded'] as const)(
    'Q6: beyond its deadline, in %s: nothing is rolled back, no traffic moves, and the revision stays pending',
    (phase) => {
      const { lines, world, decisions } = timeline({
        start: { ...settled, status: { ...settled.status, phase } },
        acts: [
          {
            atMs: 500,
            do: (state) => Object.assign(state, { primaryReadyAt: Infinity, primarySince: -600_000 }),
            hints: false,
          },
          release('v1:2', 1_000),
          { atMs: 100_000, do: (state) => void (state.primaryReadyAt = 0) },
        ],
      });
      const beyondHope = decisions.some(({ release: { observation } }) => {
        const { readiness } = observation?.primary ?? {};
        return readiness?.ready === false && !readiness.retriable;
      });
      expect(beyondHope).toBe(true);
      expect(events(lines)[0]).toContain('W shop-primary.prod not ready');
      expect(events(lines).filter((event) => /roll|fail/i.test(event) && !event.includes('rollout'))).toEqual([]);
      expect(lines.find((line) => line.kind === 'weights' || line.kind === 'phase')?.at).toBeGreaterThanOrEqual(
        100_000,
      );
      expect(weights(lines)).toEqual([10, 20, 30, 0]);
      expect(world.status).toMatchObject({ phase: 'Succeeded', lastPromotedSpec: 'v1:2' });
    },
  );

  it('in mid-release, holds the weight; a rollback waits until there are pods to take the traffic', () => {
    const { lines, world } = timeline({
      acts: [
        release('v1:2', 1_000),
        when(at('Progressing', 20), (state) => void (state.primaryAvailable = false)),
        { atMs: 60_000, do: () => undefined, order: { kind: 'abort', order: { by: 'ada' } } },
        { atMs: 100_000, do: (state) => void (state.primaryAvailable = true) },
      ],
    });
    expect(events(lines)).toContain('W Traffic stays on the canary: the primary has no available pods to take it');
    expect(lines.find((line) => line.kind === 'weights' && line.canary === 0)?.at).toBeGreaterThanOrEqual(100_000);
    expect(world.status.phase).toBe('Failed');
  });
});

describe('a promotion that breaks the primary (9.8)', () => {
  const broken = (then: Act[] = [], script: Partial<Script> = {}) =>
    timeline({ acts: [release('v1:2-badprimary', 1_000), ...then], ...script });
  const isBroken = ({ status }: Readonly<State>) => status.phase === 'Failed' && status.canaryWeight === 100;

  it('gives the healthy canary all traffic, tells people, and tears nothing down', () => {
    const { lines, world, outcomes } = broken();
    const text =
      'shop-primary.prod not ready: waiting for rollout to finish: 0 of 1 (readyThreshold 100%) updated replicas are available';
    expect(events(lines).slice(-2)).toEqual([
      `W ${text}`,
      `W Promotion of shop.prod failed, primary not ready: ${text}`,
    ]);
    expect(alerts(lines).at(-1)).toBe(`error Promotion failed, primary not ready: ${text}`);
    expect(statuses(lines).at(-1)).toBe('Failed 100 0');
    expect(world).toMatchObject({ routes: { primary: 0, canary: 100 }, targetReplicas: 1 });
    expect(outcomes.at(-1)?.outcome).toBe('promotion failed');
  });

  it('Q29: the status says what the primary runs', () => {
    const { world } = broken();
    expect(world.status.lastPromotedSpec).toBe('v1:2-badprimary');
  });

  it('Q6: the next revision is a repair: ready, copied, and only then the traffic returns', () => {
    const { lines, world } = broken([when(isBroken, set('v1:3'))]);
    expect(weights(lines)).toEqual([10, 20, 30, 100, 0]);
    expect(events(lines).slice(-4)).toEqual(
      [
        'New revision detected! Scaling up shop.prod',
        'Copying shop.prod template spec to shop-primary.prod',
        'Routing all traffic to primary',
        'Promotion completed! Scaling down shop.prod',
      ].filter(Boolean),
    );
    expect(world).toMatchObject({ primaryRevision: 'v1:3', routes: { primary: 100, canary: 0 }, targetReplicas: 0 });
  });

  it('Q6: a repair behind a confirm-rollout gate leaves the traffic on the canary while it waits', () => {
    const closed = { now: false };
    const { lines, world } = broken(
      [
        when(isBroken, (state) => {
          closed.now = true;
          set('v1:3')(state);
        }),
        when(
          ({ status }) => status.phase === 'Waiting',
          () => void (closed.now = false),
          { hints: false },
        ),
      ],
      { settings: settings({ hooks: [hook('gate', 'confirm-rollout')] }), hook: () => (closed.now ? 'no' : undefined) },
    );
    expect(statuses(lines)).toContain('Waiting 100 0');
    expect(weights(lines)).toEqual([10, 20, 30, 100, 0]);
    expect(world.status).toMatchObject({ phase: 'Succeeded', lastPromotedSpec: 'v1:3' });
  });

  it('Q6: a repair that is given up leaves the traffic on the canary', () => {
    const { lines, world } = broken([
      when(isBroken, set('v1:3-slow')),
      when(at('Progressing', 100), () => undefined, { order: { kind: 'abort', order: { by: 'ada' } } }),
    ]);
    expect(weights(lines)).toEqual([10, 20, 30, 100]);
    expect(events(lines)).toContain('W Rolling back shop.prod aborted by ada');
    expect(world.status).toMatchObject({ phase: 'Failed', canaryWeight: 100 });
    expect(world.targetReplicas).toBe(1);
  });

  it('Q6: a newer revision during a repair becomes the repair, with the traffic where it is', () => {
    const { lines, world } = broken([when(isBroken, set('v1:3-slow')), when(at('Progressing', 100), set('v1:4'))]);
    expect(weights(lines)).toEqual([10, 20, 30, 100, 0]);
    const back = lines.find((line) => line.kind === 'weights' && line.canary === 0 && line.at > 60_000);
    expect(back?.at).toBeGreaterThanOrEqual(world.primaryReadyAt);
    expect(world.status).toMatchObject({ phase: 'Succeeded', lastPromotedSpec: 'v1:4' });
  });

  it('Q35: foreign hands on the routes are put right, with the traffic on the canary', () => {
    const { lines, world } = broken([
      when(isBroken, (state) => {
        state.primaryReadyAt = 0;
        state.routes = { primary: 100, canary: 0 };
      }),
    ]);
    expect(events(lines).at(-1)).toBe('W Traffic weights were changed to 100/0 by someone else, restoring 0/100');
    expect(world.routes).toEqual({ primary: 0, canary: 100 });
  });
});
