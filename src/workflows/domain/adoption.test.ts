import { describe, expect, it } from '@jest/globals';
import { playCanary, settings, settled, events, weights } from '../../../test/support/script.ts';
import type { CanaryStatus, Phase, Weights } from './observation.ts';

/** A Canary whose status Flagger wrote: its hashes mean nothing to us. */
const left = (phase: Phase, fields: Partial<CanaryStatus> = {}): CanaryStatus => ({
  phase,
  canaryWeight: 0,
  failedChecks: 0,
  iterations: 0,
  lastAppliedSpec: '7b59f45745',
  lastPromotedSpec: 'd44555d48',
  ...fields,
});

interface Take {
  status: CanaryStatus;
  target?: string;
  canaryWeight?: number;
  replicas?: number;
  primary?: string;
}

function takeOver({ status, target = 'v1:1', canaryWeight = 0, replicas = 0, primary = 'v1:1' }: Take) {
  const split = { primary: 100 - canaryWeight, canary: canaryWeight };
  return playCanary({
    revision: target,
    start: { ...settled, status, weights: split, targetReplicas: replicas, primaryRevision: primary },
    acts: [],
  });
}

describe('taking over from Flagger', () => {
  it.each<{ phase: Phase }>([{ phase: 'Initialized' }, { phase: 'Succeeded' }, { phase: 'Failed' }])(
    '$phase with a primary like the target: nothing is pending, nothing starts',
    ({ phase }) => {
      const { lines, world } = takeOver({ status: left(phase) });
      expect(events(lines)).toEqual([]);
      expect(world.status).toEqual(left(phase, { lastAppliedSpec: 'v1:1', lastPromotedSpec: 'v1:1' }));
    },
  );

  it.each<{ phase: Phase }>([{ phase: 'Initialized' }, { phase: 'Succeeded' }])(
    '$phase with a target that the primary does not run: that is the release which is pending',
    ({ phase }) => {
      const { lines, world } = takeOver({ status: left(phase), target: 'v1:2' });
      expect(events(lines)[0]).toBe('New revision detected! Scaling up shop.prod');
      expect(world.status).toMatchObject({ phase: 'Succeeded', lastPromotedSpec: 'v1:2' });
    },
  );

  it('Failed with a target that the primary does not run: what failed stays failed', () => {
    const { lines, world } = takeOver({ status: left('Failed'), target: 'v1:2' });
    expect(events(lines)).toEqual([]);
    expect(world.status).toMatchObject({ phase: 'Failed', lastAppliedSpec: 'v1:2' });
    expect(world.status.lastPromotedSpec).toMatch(/^v1:/);
  });

  it('Progressing at 20: the release goes on from there', () => {
    const { lines, world } = takeOver({
      status: left('Progressing', { canaryWeight: 20 }),
      target: 'v1:2',
      canaryWeight: 20,
      replicas: 1,
    });
    expect(weights(lines)).toEqual([30, 0]);
    expect(world.status).toMatchObject({ phase: 'Succeeded', lastAppliedSpec: 'v1:2', lastPromotedSpec: 'v1:2' });
  });

  it.each([{ found: 'without' }, { found: 'with' }])(
    'Initializing, as Flagger leaves it before any hash, $found a primary: initialized, and nothing starts',
    ({ found }) => {
      const status = left('Initializing', { lastAppliedSpec: '', lastPromotedSpec: '' });
      const primaryRevision = found === 'with' ? 'v1:1' : undefined;
      const { lines, world } = playCanary({
        start: { ...settled, status, primaryRevision, targetReplicas: 1 },
        acts: [],
      });
      expect(events(lines).at(-1)).toBe('Initialization done! shop.prod');
      expect(events(lines)).not.toContainEqual(expect.stringContaining('New revision'));
      expect(world).toMatchObject({ primaryRevision: 'v1:1', targetReplicas: 0 });
      expect(world.status).toMatchObject({ phase: 'Initialized', lastAppliedSpec: 'v1:1', lastPromotedSpec: 'v1:1' });
    },
  );

  it('Waiting: the gate is asked again and the release begins', () => {
    const { lines, world } = takeOver({ status: left('Waiting'), target: 'v1:2' });
    expect(weights(lines)).toEqual([10, 20, 30, 0]);
    expect(world.status.phase).toBe('Succeeded');
  });

  it.each<{ phase: Phase; primary: string }>([
    { phase: 'WaitingPromotion', primary: 'v1:1' },
    { phase: 'Promoting', primary: 'v1:2' },
  ])(
    'Q14: $phase says weight 0, and the traffic that is on the canary stays there until the primary takes it back',
    ({ phase, primary }) => {
      const { lines, world } = takeOver({
        status: left(phase),
        target: 'v1:2',
        canaryWeight: 30,
        replicas: 1,
        primary,
      });
      expect(weights(lines)).toEqual([0]);
      expect(events(lines)).not.toContainEqual(expect.stringContaining('by someone else'));
      expect(world.status).toMatchObject({ phase: 'Succeeded', lastPromotedSpec: 'v1:2' });
    },
  );

  const strategies = {
    ab: settings({ strategy: 'ab-testing', iterations: 3 }),
    bg: settings({ strategy: 'blue-green', iterations: 3 }),
    mirror: settings({ mirror: true }),
  };
  const iteration = (count: string) => `Advance shop.prod canary iteration ${count}`;

  it.each<{
    what: string;
    rules: keyof typeof strategies;
    iterations: number;
    routes: Weights;
    phase: Phase;
    first: string;
  }>([
    {
      what: 'A/B testing in iteration 2',
      rules: 'ab',
      iterations: 2,
      routes: { primary: 0, canary: 100 },
      phase: 'Progressing',
      first: iteration('3/3'),
    },
    {
      what: 'blue/green in iteration 1',
      rules: 'bg',
      iterations: 1,
      routes: { primary: 100, canary: 0 },
      phase: 'Progressing',
      first: iteration('2/3'),
    },
    {
      what: 'blue/green after the switch',
      rules: 'bg',
      iterations: 4,
      routes: { primary: 0, canary: 100 },
      phase: 'Progressing',
      first: 'Copying shop.prod template spec to shop-primary.prod',
    },
    {
      what: 'blue/green that waits for approval after the switch',
      rules: 'bg',
      iterations: 2,
      routes: { primary: 0, canary: 100 },
      phase: 'WaitingPromotion',
      first: iteration('3/3'),
    },
    {
      what: 'a canary that is judged on copies',
      rules: 'mirror',
      iterations: 0,
      routes: { primary: 100, canary: 0, mirrored: true },
      phase: 'Progressing',
      first: 'Advance shop.prod canary weight 10',
    },
  ])('$what goes on from there, with the traffic where it is', ({ rules, iterations, routes, phase, first }) => {
    const { lines, world } = playCanary({
      settings: strategies[rules],
      revision: 'v1:2',
      start: {
        ...settled,
        status: left(phase, { iterations }),
        weights: routes,
        targetReplicas: 1,
        primaryRevision: 'v1:1',
      },
      acts: [],
    });
    expect(events(lines)[0]).toBe(first);
    const before = lines.slice(
      0,
      lines.findIndex((line) => line.kind === 'event'),
    );
    const isMove = before.some((line) => line.kind === 'weights');
    expect(isMove).toBe(rules === 'mirror');
    expect(world.status).toMatchObject({ phase: 'Succeeded', lastPromotedSpec: 'v1:2' });
    expect(weights(lines).at(-1) ?? 0).toBe(0);
  });

  it('a Canary that Flagger was letting go is let go', () => {
    const { world } = playCanary({
      settings: settings({}, { revertOnDeletion: true }),
      start: { ...settled, status: left('Terminating'), finalizer: true, deleting: true },
      acts: [],
    });
    expect(world).toMatchObject({ deleted: true, targetReplicas: 1 });
  });

  it('Finalising: the books are closed', () => {
    const { lines, world } = takeOver({ status: left('Finalising'), replicas: 1 });
    expect(events(lines)).toEqual(['Promotion completed! Scaling down shop.prod']);
    expect(world.status).toMatchObject({ phase: 'Succeeded', lastAppliedSpec: 'v1:1', lastPromotedSpec: 'v1:1' });
  });

  it.each<{ phase: Phase }>([{ phase: 'Promoting' }, { phase: 'Finalising' }])(
    '$phase with a target that has changed since: the promotion ends and the newer revision is released',
    ({ phase }) => {
      const { lines, world } = takeOver({ status: left(phase), target: 'v1:3', primary: 'v1:2', replicas: 1 });
      expect(events(lines)).toContain('Promotion completed! Scaling down shop.prod');
      expect(weights(lines)).toEqual([10, 20, 30, 0]);
      expect(world.status).toMatchObject({ phase: 'Succeeded', lastPromotedSpec: 'v1:3' });
    },
  );

  it('Failed after a failed promotion: the canary keeps the traffic', () => {
    const { lines, world } = takeOver({
      status: left('Failed', { canaryWeight: 100 }),
      canaryWeight: 100,
      replicas: 1,
    });
    expect(weights(lines)).toEqual([]);
    expect(world.routes).toEqual({ primary: 0, canary: 100 });
    expect(world.status).toMatchObject({ phase: 'Failed', canaryWeight: 100 });
  });

  it('our own hashes are left alone', () => {
    const { lines } = playCanary({ start: settled, acts: [] });
    expect(lines.filter(({ kind }) => kind === 'phase')).toEqual([]);
  });
});
