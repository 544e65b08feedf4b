import { describe, expect, it } from '@jest/globals';
import {
  alerts,
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
import { behaviour } from '../../../test/support/script.ts';
import type { AnalysisSettings, HookType } from './observation.ts';

const timeline = (script: Partial<Script> = {}) =>
  playCanary({ start: settled, acts: [release('v1:2', 1_000)], ...script });

/** A Canary with one gate of this type, open between these milliseconds. */
function gated(type: HookType, isOpen: (now: number) => boolean, script: Partial<Script> = {}, muted = false) {
  return timeline({
    settings: settings({ hooks: [hook('gate', type, muted)] }),
    hook: (_, now) => (isOpen(now) ? undefined : 'closed'),
    ...script,
  });
}

const asked = (lines: ReturnType<typeof timeline>['lines']) =>
  lines.filter((line) => line.kind === 'action' && line.action === 'call-hooks').length;

describe('confirm-rollout', () => {
  const waits = 'W Halt shop.prod advancement waiting for approval gate';

  it('holds the release before anything is scaled up, told once, asked at every tick', () => {
    const { lines, world } = gated('confirm-rollout', (now) => now > 35_000);
    expect(events(lines).slice(0, 3)).toEqual([
      waits,
      'Confirm-rollout check gate passed',
      'New revision detected! Scaling up shop.prod',
    ]);
    expect(statuses(lines).slice(0, 2)).toEqual(['Waiting 0 0', 'Progressing 0 0']);
    expect(alerts(lines).slice(0, 2)).toEqual([
      'warn Canary is waiting for approval.',
      'info New revision detected, progressing canary analysis.',
    ]);
    expect(asked(lines)).toBe(5);
    expect(world.status.phase).toBe('Succeeded');
  });

  it('muteAlert keeps the alert back, and the event not', () => {
    const { lines } = gated('confirm-rollout', (now) => now > 35_000, {}, true);
    expect(events(lines)[0]).toBe(waits);
    expect(alerts(lines)[0]).toBe('info New revision detected, progressing canary analysis.');
  });

  it('runs whatever the target is when it opens', () => {
    const { world } = gated('confirm-rollout', (now) => now > 35_000, {
      acts: [release('v1:2', 1_000), release('v1:3', 20_000)],
    });
    expect(world.status).toMatchObject({ phase: 'Succeeded', lastPromotedSpec: 'v1:3' });
  });

  it('Q36, BC-15: a target that goes back to the promoted version leaves Waiting, without the gate', () => {
    const { lines, world } = gated('confirm-rollout', () => false, {
      acts: [release('v1:2', 1_000), release('v1:1', 20_000)],
    });
    expect(events(lines)).toEqual([
      waits,
      'Target reverted to the promoted revision, analysis cancelled for shop.prod',
    ]);
    expect(world.status).toMatchObject({ phase: 'Succeeded', lastAppliedSpec: 'v1:1', lastPromotedSpec: 'v1:1' });
  });

  it('first hook that says no ends the round, and those before it have said yes', () => {
    const { lines } = timeline({
      settings: settings({ hooks: [hook('one', 'confirm-rollout'), hook('gate', 'confirm-rollout')] }),
      hook: ({ name }, now) => (name === 'gate' && now < 25_000 ? 'closed' : undefined),
    });
    const passed = 'Confirm-rollout check one passed';
    expect(events(lines).slice(0, 3)).toEqual([passed, waits, passed]);
  });

  it('Q9: rollback hooks are asked while it waits, and the revision that was given up does not begin again', () => {
    const { lines, world } = timeline({
      settings: settings({ hooks: [hook('gate', 'confirm-rollout'), hook('panic', 'rollback')] }),
      hook: ({ type }, now) => (type === 'rollback' && now > 25_000 ? undefined : 'closed'),
      endMs: 300_000,
    });
    expect(events(lines).slice(-3)).toEqual([
      'W Rollback check panic passed',
      'W Rolling back shop.prod manual webhook invoked',
      'W Canary failed! Scaling down shop.prod',
    ]);
    expect(world.status).toMatchObject({ phase: 'Failed', lastAppliedSpec: 'v1:2', lastPromotedSpec: 'v1:1' });
    expect(statuses(lines)).toEqual(['Waiting 0 0', 'Failed 0 0']);
  });
});

describe('confirm-traffic-increase', () => {
  const waits = 'W Halt shop.prod advancement waiting for traffic increase approval gate';

  it('Q13: holds the weight, told at every tick, with one alert for a stretch', () => {
    const { lines } = gated('confirm-traffic-increase', (now) => now < 15_000 || now > 45_000);
    expect(events(lines).slice(0, 9)).toEqual([
      'New revision detected! Scaling up shop.prod',
      'Starting canary analysis for shop.prod',
      'Confirm-traffic-increase check gate passed',
      'Advance shop.prod canary weight 10',
      'Confirm-traffic-increase check gate passed',
      'Advance shop.prod canary weight 20',
      waits,
      waits,
      waits,
    ]);
    expect(alerts(lines).filter((alert) => alert.startsWith('warn'))).toEqual([
      'warn Canary traffic increase is waiting for approval.',
    ]);
    expect(statuses(lines).at(-1)).toBe('Succeeded 0 0');
  });

  it('a second stretch is alerted again', () => {
    const { lines } = gated('confirm-traffic-increase', (now) => (now > 15_000 && now < 25_000) || now > 45_000);
    expect(alerts(lines).filter((alert) => alert.startsWith('warn'))).toHaveLength(2);
  });

  it('closed from the start, the canary gets no traffic and is not opened again and again', () => {
    const { lines, world } = gated('confirm-traffic-increase', () => false, { endMs: 45_000 });
    expect(events(lines).slice(1)).toEqual([
      'Starting canary analysis for shop.prod',
      waits,
      waits,
      waits,
      waits,
      waits,
    ]);
    expect(weights(lines)).toEqual([]);
    expect(world.status.phase).toBe('Progressing');
  });

  it('is asked once more before the promotion, where nothing increases', () => {
    const { lines } = gated('confirm-traffic-increase', () => true);
    expect(events(lines).filter((event) => event === 'Confirm-traffic-increase check gate passed')).toHaveLength(4);
  });
});

describe('confirm-promotion', () => {
  const waits = 'W Halt shop.prod advancement waiting for promotion approval gate';

  it('Q14: waits with the traffic where it is, and says so', () => {
    const { lines, world } = gated('confirm-promotion', (now) => now > 65_000);
    expect(statuses(lines).slice(3)).toEqual([
      'Progressing 30 0',
      'WaitingPromotion 30 0',
      'Promoting 30 0',
      'Finalising 0 0',
      'Succeeded 0 0',
    ]);
    expect(events(lines).slice(5, 8)).toEqual([
      waits,
      'Confirm-promotion check gate passed',
      'Copying shop.prod template spec to shop-primary.prod',
    ]);
    expect(alerts(lines)).toContain('warn Canary promotion is waiting for approval.');
    expect(world.status.iterations).toBe(0);
  });

  it('goes on being judged, and rolls back on bad readings, without the gate', () => {
    const spoils: Act = {
      atMs: 0,
      when: ({ status }) => status.phase === 'WaitingPromotion',
      do: () => void (bad = true),
      hints: false,
    };
    let bad = false;
    const { lines, world } = gated('confirm-promotion', () => false, {
      behaviour: (revision) => ({
        readyAfterMs: 1_000,
        readings: { 'request-success-rate': bad && revision === 'v1:2' ? 50 : 100 },
      }),
      acts: [release('v1:2', 1_000), spoils],
    });
    expect(statuses(lines).slice(-3)).toEqual(['WaitingPromotion 30 1', 'WaitingPromotion 30 2', 'Failed 0 0']);
    expect(world.primaryRevision).toBe('v1:1');
  });

  it('BC-15: a target that goes back ends the release without the gate', () => {
    const { lines, world } = gated('confirm-promotion', () => false, {
      acts: [release('v1:2', 1_000), release('v1:1', 100_000)],
    });
    expect(events(lines).at(-1)).toBe('Target reverted to the promoted revision, analysis cancelled for shop.prod');
    expect(world).toMatchObject({ targetReplicas: 0, routes: { primary: 100, canary: 0 } });
    expect(lines.at(-1)?.at).toBeLessThan(100_000 + 20_000);
  });

  it('a newer revision starts the analysis over', () => {
    const { world, lines } = gated('confirm-promotion', (now) => now > 200_000, {
      acts: [release('v1:2', 1_000), { atMs: 100_000, do: setRevision('v1:3', behaviour) }],
    });
    expect(weights(lines)).toEqual([10, 20, 30, 0, 10, 20, 30, 0]);
    expect(world.status).toMatchObject({ phase: 'Succeeded', lastPromotedSpec: 'v1:3' });
  });

  it('opens for the first yes and is passed once: the primary is copied once', () => {
    const { lines } = gated('confirm-promotion', (now) => now > 65_000);
    expect(events(lines).filter((event) => event.startsWith('Copying'))).toHaveLength(1);
  });
});

describe('a canary that fails while a gate is closed is not held by it', () => {
  /** Good until the release has come this far, bad from then on. */
  function spoilt(
    type: HookType,
    analysis: Partial<AnalysisSettings>,
    isOpen: (world: Readonly<State>) => boolean,
    comeSoFar: NonNullable<Act['when']>,
  ) {
    let bad = false;
    return playCanary({
      start: settled,
      settings: settings({ hooks: [hook('gate', type)], ...analysis }),
      hook: (_, __, world) => (isOpen(world) ? undefined : 'closed'),
      behaviour: (revision) => ({
        readyAfterMs: 1_000,
        readings: { 'request-success-rate': bad && revision === 'v1:2' ? 50 : 100 },
      }),
      acts: [release('v1:2', 1_000), { atMs: 0, when: comeSoFar, do: () => void (bad = true), hints: false }],
      endMs: 600_000,
    });
  }
  const waitsForPromotion: NonNullable<Act['when']> = ({ status }) => status.phase === 'WaitingPromotion';
  const never = () => false;
  const beforeAnyTraffic = ({ routes }: Readonly<State>) => routes?.canary === 0;

  it('for more traffic', () => {
    // The first step is open: without traffic there would be nothing to judge.
    const { lines, world } = spoilt('confirm-traffic-increase', {}, beforeAnyTraffic, (_, since) =>
      events(since).some((event) => event.includes('waiting for traffic increase approval')),
    );
    expect(weights(lines)).toEqual([10, 0]);
    expect(events(lines).slice(-2)).toEqual([
      'W Rolling back shop.prod failed checks threshold reached 2',
      'W Canary failed! Scaling down shop.prod',
    ]);
    expect(world).toMatchObject({ primaryRevision: 'v1:1', targetReplicas: 0, status: { phase: 'Failed' } });
  });

  it.each<{
    when: string;
    strategy: AnalysisSettings['strategy'];
    isOpen: (world: Readonly<State>) => boolean;
    moved: readonly number[];
  }>([
    { when: 'in A/B testing', strategy: 'ab-testing', isOpen: never, moved: [100, 0] },
    // Until the switch the canary is tested beside the traffic.
    { when: 'in blue/green before the switch', strategy: 'blue-green', isOpen: never, moved: [] },
    { when: 'in blue/green after it', strategy: 'blue-green', isOpen: beforeAnyTraffic, moved: [100, 0] },
  ])('for the promotion, $when', ({ strategy, isOpen, moved }) => {
    const { lines, world } = spoilt('confirm-promotion', { strategy, iterations: 2 }, isOpen, waitsForPromotion);
    expect(statuses(lines)).toContain('WaitingPromotion 0 0 iteration 1');
    expect(weights(lines)).toEqual(moved);
    expect(events(lines).at(-1)).toBe('W Canary failed! Scaling down shop.prod');
    expect(world).toMatchObject({ primaryRevision: 'v1:1', targetReplicas: 0, status: { phase: 'Failed' } });
  });
});

describe('rollback hooks', () => {
  const panic = (when: (now: number) => boolean, script: Partial<Script> = {}) =>
    timeline({
      settings: settings({ hooks: [hook('panic', 'rollback')] }),
      hook: (_, now) => (when(now) ? undefined : 'closed'),
      ...script,
    });

  it('BC-12: a yes rolls back, and the event names the hook', () => {
    const { lines, outcomes } = panic((now) => now > 20_000);
    expect(events(lines).slice(-3)).toEqual([
      'W Rollback check panic passed',
      'W Rolling back shop.prod manual webhook invoked',
      'W Canary failed! Scaling down shop.prod',
    ]);
    expect(alerts(lines).at(-1)).toBe('warn Rolling back manual webhook invoked');
    expect(outcomes.at(-1)?.reason).toBe('rollback requested by webhook panic');
  });

  it('a no is told at every tick, and asked once a tick', () => {
    const { lines } = panic(() => false);
    const no = 'Rollback hook panic not signaling a rollback';
    expect(events(lines)).toEqual([
      'New revision detected! Scaling up shop.prod',
      no,
      'Starting canary analysis for shop.prod',
      'Advance shop.prod canary weight 10',
      no,
      'Advance shop.prod canary weight 20',
      no,
      'Advance shop.prod canary weight 30',
      no,
      'Copying shop.prod template spec to shop-primary.prod',
      'Routing all traffic to primary',
      'Promotion completed! Scaling down shop.prod',
    ]);
  });

  it('Q9: is asked while pods are not ready', () => {
    const { lines } = panic((now) => now > 15_000, { acts: [release('v1:2-neverready', 1_000)] });
    expect(events(lines).at(-1)).toBe('W Canary failed! Scaling down shop.prod');
    expect(lines.at(-1)?.at).toBeLessThan(40_000);
  });

  it('Q9: is asked when analysis is skipped', () => {
    const rules = settings({ hooks: [hook('panic', 'rollback')] }, { skipAnalysis: true });
    const { world } = panic(() => true, { settings: rules });
    expect(world.status.phase).toBe('Failed');
    expect(world.primaryRevision).toBe('v1:1');
  });

  describe('Q38: the threshold is told as well when it was reached, whatever the rollback is for', () => {
    /** Both checks have failed, and a worker was lost before anybody acted on it. */
    const reached = (script: Partial<Script>) =>
      playCanary({
        revision: 'v1:2',
        start: {
          ...settled,
          status: {
            ...settled.status,
            phase: 'Progressing',
            canaryWeight: 20,
            failedChecks: 2,
            lastAppliedSpec: 'v1:2',
          },
          weights: { primary: 80, canary: 20 },
          targetReplicas: 1,
        },
        acts: [],
        ...script,
      });
    const threshold = 'W Rolling back shop.prod failed checks threshold reached 2';

    it('a hook', () => {
      const { lines, outcomes } = reached({
        settings: settings({ hooks: [hook('panic', 'rollback')] }),
        hook: () => undefined,
      });
      expect(events(lines)).toEqual([
        'W Rollback check panic passed',
        'W Rolling back shop.prod manual webhook invoked',
        threshold,
        'W Canary failed! Scaling down shop.prod',
      ]);
      expect(alerts(lines)).toEqual([
        'warn Rolling back manual webhook invoked',
        'error Failed checks threshold reached 2',
      ]);
      expect(outcomes.at(-1)?.reason).toBe('rollback requested by webhook panic');
    });

    it('the deadline', () => {
      const late: Act = {
        atMs: 0,
        do: (world) => Object.assign(world, { targetReadyAt: Infinity, targetSince: -600_000 }),
      };
      const { lines } = reached({ acts: [late] });
      const why =
        'canary deployment shop.prod not ready: waiting for rollout to finish: 0 of 1 (readyThreshold 100%) updated ' +
        'replicas are available';
      expect(events(lines)).toEqual([
        `W ${why}`,
        `W Rolling back shop.prod progress deadline exceeded ${why}`,
        threshold,
        'W Canary failed! Scaling down shop.prod',
      ]);
      expect(alerts(lines)).toEqual([
        `error Progress deadline exceeded ${why}`,
        'error Failed checks threshold reached 2',
      ]);
    });

    it('the threshold itself, once', () => {
      const { lines } = reached({});
      expect(events(lines)).toEqual([threshold, 'W Canary failed! Scaling down shop.prod']);
      expect(alerts(lines)).toEqual(['error Failed checks threshold reached 2']);
    });
  });
});

describe('hooks in their order', () => {
  it('each is called with the phase of its moment, as often as Flagger calls it', () => {
    const calls: string[] = [];
    const types: HookType[] = [
      'confirm-rollout',
      'pre-rollout',
      'rollout',
      'confirm-traffic-increase',
      'confirm-promotion',
    ];
    timeline({
      settings: settings({
        stepWeight: 100,
        maxWeight: 100,
        hooks: [...types, 'post-rollout' as const].map((type) => hook(type, type)),
      }),
      hook: ({ type, phase }) => void calls.push(`${type} ${phase}`),
    });
    expect(calls).toEqual([
      'confirm-rollout Initialized',
      'pre-rollout Progressing',
      'confirm-traffic-increase Progressing',
      'rollout Progressing',
      'confirm-traffic-increase Progressing',
      'confirm-promotion Progressing',
      'post-rollout Succeeded',
    ]);
  });
});
