import { describe, expect, it } from '@jest/globals';
import { lookedAt, observed, releaseIn } from '../../../test/support/releases.ts';
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
import type { Act, Script, State } from '../../simulation/world.ts';
import { decide } from './release.ts';
import type { AnalysisSettings, HookType, Settings } from './observation.ts';

/* Flagger's own tests of its scheduler, row by row, played by our rules. @see engine spec 21.1 and 21.3 */

const kinds = ['Deployment', 'DaemonSet'] as const;
type Kind = (typeof kinds)[number] | 'Service';

const rules = (kind: Kind, analysis: Partial<AnalysisSettings> = {}, more: Partial<Settings> = {}) =>
  settings(
    { threshold: 10, stepWeight: 10, maxWeight: 50, ...analysis },
    { target: { kind, name: 'shop' }, parks: kind !== 'Service', ...more },
  );

const fromRest = (kind: Kind, analysis: Partial<AnalysisSettings> = {}, script: Partial<Script> = {}) =>
  playCanary({ start: settled, acts: [release('v1:2', 1_000)], settings: rules(kind, analysis), ...script });

const at = (weight: number) => (world: Readonly<State>) => world.routes?.canary === weight;
const told = (lines: ReturnType<typeof fromRest>['lines']) =>
  events(lines).filter((event) => !event.includes('not ready: waiting'));

describe.each(kinds)('a %s', (kind) => {
  it(`TestScheduler_${kind}Init: one look makes the primary`, () => {
    const { decisions, world } = playCanary({ acts: [], settings: rules(kind) });
    const [look, create] = decisions.map(({ action }) => action);
    expect(look!.type).toBe('look');
    expect(create).toMatchObject({ plan: { verb: 'initialize' } });
    expect(world.primaryRevision).toBe('v1:1');
  });

  it(`TestScheduler_${kind}NewRevision: the target is parked after initialization, and up for the next template`, () => {
    expect(playCanary({ acts: [], settings: rules(kind) }).world.targetReplicas).toBe(0);
    const { decisions } = fromRest(kind);
    const scaleUp = decisions.find(({ action }) => action.type === 'carry-out' && action.plan.verb === 'scaleUp');
    expect(scaleUp?.action).toMatchObject({
      plan: { steps: expect.arrayContaining([{ do: 'scale-target', to: 'up' }]) },
    });
  });

  it(`TestScheduler_${kind}Rollback: failed checks at the threshold roll back without another check`, () => {
    const found = observed({ canaryWeight: 20, failedChecks: 10 }, {}, rules(kind));
    const { lines, world } = playCanary({
      settings: rules(kind),
      revision: 'v1:2',
      acts: [{ atMs: 1, do: () => undefined }],
      start: {
        status: found.canary!.status,
        weights: { primary: 80, canary: 20 },
        primaryRevision: 'v1:1',
        targetReplicas: 1,
      },
    });
    expect(world.status).toMatchObject({ phase: 'Failed', failedChecks: 0 });
    expect(lines.some((line) => line.kind === 'action' && line.action === 'analyse')).toBe(false);
  });

  it(`TestScheduler_${kind}SkipAnalysis: promoted without a check`, () => {
    const { lines } = fromRest(kind, {}, { settings: rules(kind, {}, { skipAnalysis: true }) });
    expect(statuses(lines).at(-1)).toBe('Succeeded 0 0');
    expect(weights(lines)).toEqual([]);
  });

  it(`TestScheduler_${kind}NewRevisionReset: a second template in mid-run sends all traffic back, not mirrored`, () => {
    const { lines } = fromRest(
      kind,
      {},
      {
        acts: [release('v1:2', 1_000), { atMs: 0, when: at(10), do: (world) => void (world.targetRevision = 'v1:3') }],
      },
    );
    const [first, reset] = lines.filter((line) => line.kind === 'weights');
    expect([first, reset]).toMatchObject([{ canary: 10 }, { primary: 100, canary: 0 }]);
    expect(reset).not.toHaveProperty('mirrored', true);
  });

  it(`TestScheduler_${kind}Promotion: a change in mid-run restarts, and then the new one is promoted`, () => {
    const { lines, world } = fromRest(
      kind,
      {},
      {
        acts: [
          release('v1:2', 1_000),
          { atMs: 0, when: at(20), do: (state) => void (state.targetRevision = 'v1:2+config') },
        ],
      },
    );
    expect(told(lines)).toContain('New revision detected! Restarting analysis for shop.prod');
    expect(weights(lines)).toEqual([10, 20, 0, 10, 20, 30, 40, 50, 0]);
    expect(world).toMatchObject({ primaryRevision: 'v1:2+config', status: { phase: 'Succeeded' } });
  });

  it(`TestScheduler_${kind}Promotion: live weights edited to 60/40 are not gone on from, as they are there (Q53)`, () => {
    const edit: Act = { atMs: 0, when: at(20), do: (state) => void (state.routes = { primary: 60, canary: 40 }) };
    const { lines, world } = fromRest(kind, {}, { acts: [release('v1:2', 1_000), edit] });
    expect(told(lines)).toContain('W Traffic weights were changed to 60/40 by someone else, restoring 80/20');
    // Flagger takes 40 for its own: it goes to 50, and promotes what nobody has judged at 20, 30 and 40.
    expect(weights(lines)).toEqual([10, 20, 20, 30, 40, 50, 0]);
    expect(lines.filter((line) => line.kind === 'action' && line.action === 'analyse')).toHaveLength(5);
    expect(world).toMatchObject({ primaryRevision: 'v1:2', status: { phase: 'Succeeded' } });
  });

  it(`TestScheduler_${kind}Mirroring: the first step is 100/0 mirrored, the second 90/10 not mirrored`, () => {
    const { lines } = fromRest(kind, { mirror: true });
    const [first, second] = lines.filter((line) => line.kind === 'weights');
    expect(first).toMatchObject({ primary: 100, canary: 0, mirrored: true });
    expect(second).toMatchObject({ primary: 90, canary: 10 });
    expect(second).not.toHaveProperty('mirrored');
  });

  it(`TestScheduler_${kind}ABTesting: 0/100 from the first iteration, promotion after the last`, () => {
    const { lines, world } = fromRest(kind, { strategy: 'ab-testing', iterations: 10 });
    expect(weights(lines)).toEqual([100, 0]);
    expect(statuses(lines).slice(-3)).toEqual(['Promoting 0 0 iteration 10', 'Finalising 0 0', 'Succeeded 0 0']);
    expect(world.primaryRevision).toBe('v1:2');
  });

  it(`TestScheduler_${kind}Alerts: initialization and the new revision are alerted`, () => {
    const { lines } = playCanary({ settings: rules(kind) });
    expect(alerts(lines).slice(0, 2)).toEqual([
      `info New ${kind} detected, initialization completed.`,
      'info New revision detected, progressing canary analysis.',
    ]);
  });
});

describe('a Deployment', () => {
  it.each([
    ['TestScheduler_DeploymentPromotionPrimaryNotReady', 'Promoting', 50],
    ['TestScheduler_DeploymentPromotionFailedAfterTrafficShift', 'Finalising', 0],
  ] as const)('%s: all traffic goes to the healthy canary, which keeps its replicas', (_, phase, canaryWeight) => {
    const { status } = observed({ phase, canaryWeight, lastPromotedSpec: 'v1:2' }).canary!;
    const { lines, world } = playCanary({
      settings: rules('Deployment'),
      revision: 'v1:2',
      start: {
        status,
        weights: { primary: 100 - canaryWeight, canary: canaryWeight },
        primaryRevision: 'v1:2',
        targetReplicas: 1,
      },
      acts: [{ atMs: 0, do: (state) => Object.assign(state, { primaryReadyAt: Infinity, primarySince: -600_000 }) }],
    });
    expect(statuses(lines)).toEqual(['Failed 100 0']);
    expect(weights(lines)).toEqual([100]);
    expect(world).toMatchObject({ targetReplicas: 1, routes: { primary: 0, canary: 100 } });
  });

  it('TestScheduler_DeploymentAnalysisPhases: the phases and weights of a release in two promotion steps', () => {
    const { lines } = playCanary({
      settings: rules('Deployment', { stepWeight: 100, maxWeight: 100, stepWeightPromotion: 50 }),
    });
    expect(statuses(lines)).toEqual([
      'Initializing 0 0',
      'Initialized 0 0',
      'Progressing 0 0',
      'Progressing 100 0',
      'Promoting 100 0',
      'Promoting 50 0',
      'Finalising 0 0',
      'Succeeded 0 0',
    ]);
  });

  it('TestScheduler_DeploymentBlueGreenAnalysisPhases: one iteration, the switch, the promotion', () => {
    const { lines } = playCanary({ settings: rules('Deployment', { strategy: 'blue-green', iterations: 1 }) });
    expect(statuses(lines)).toEqual([
      'Initializing 0 0',
      'Initialized 0 0',
      'Progressing 0 0',
      'Progressing 0 0 iteration 1',
      'Progressing 0 0 iteration 2',
      'Promoting 0 0 iteration 2',
      'Finalising 0 0',
      'Succeeded 0 0',
    ]);
  });
});

describe('a Service', () => {
  it.each([
    ['TestScheduler_ServicePromotion', { stepWeight: 20, maxWeight: 50 }, [80, 60, 40, 100]],
    ['TestScheduler_ServicePromotionMaxWeight', { stepWeight: 50, maxWeight: 100 }, [50, 0, 100]],
    [
      'TestScheduler_ServicePromotionWithWeightsHappyCase',
      { stepWeight: 0, stepWeights: [1, 2, 10, 80] },
      [99, 98, 90, 20, 100],
    ],
    [
      'TestScheduler_ServicePromotionWithWeightsOverflow',
      { stepWeight: 0, stepWeights: [1, 2, 10, 200] },
      [99, 98, 90, 0, 100],
    ],
  ] as const)('%s: primary weights, step by step', (_, analysis, expected) => {
    const start = { ...settled, targetReplicas: 1 };
    const { lines, world } = fromRest('Service', analysis, { start });
    expect(weights(lines).map((canary) => 100 - canary)).toEqual(expected);
    expect(statuses(lines).slice(-3)).toEqual([expect.stringMatching(/^Promoting/), 'Finalising 0 0', 'Succeeded 0 0']);
    expect(world.primaryRevision).toBe('v1:2');
    expect(told(lines).some((event) => event.includes('replicas while no release runs'))).toBe(false);
  });
});

describe('TestWebhooks', () => {
  const all: readonly HookType[] = [
    'confirm-rollout',
    'pre-rollout',
    'rollout',
    'confirm-traffic-increase',
    'confirm-promotion',
    'post-rollout',
  ];
  const hooks = all.map((type) => hook(type, type));

  /** Every event as its listeners hear it, with the phase in the payload; and every call of a hook, with the phase in its. */
  function played(analysis: Partial<AnalysisSettings>, acts: readonly Act[]) {
    const calls: string[] = [];
    const { decisions } = playCanary({
      settings: rules('Deployment', { hooks, ...analysis }, { listeners: { alerts: false, events: true } }),
      hook: ({ type, phase }) => void calls.push(`${type} ${phase}`),
      acts,
    });
    const sent = decisions.flatMap(({ action }) => (action.type === 'notify' ? action.notices : []));
    return { calls, heard: sent.flatMap((sent) => (sent.kind === 'event' ? [`${sent.phase}: ${sent.message}`] : [])) };
  }

  // Serin writes the phase before it tells anything, so these are Initializing here; the recordings show the same of Flagger.
  const initialization = [
    'Initializing: all the metrics providers are available!',
    expect.stringMatching(/^Initializing: shop-primary\.prod not ready: waiting for rollout to finish: 0 of 1/),
    'Initializing: all the metrics providers are available!',
    'Initialized: Initialization done! shop.prod',
    'Initialized: Confirm-rollout check confirm-rollout passed',
    'Progressing: New revision detected! Scaling up shop.prod',
  ];

  it('skip-analysis: the exact sequence of events and calls, each with its phase', () => {
    const skip: Act = {
      atMs: 30_000,
      do: (world) => void (world.settings = { ...world.settings, skipAnalysis: true }),
    };
    const { calls, heard } = played({}, [skip, release('v1:2')]);
    expect(heard).toEqual([
      ...initialization,
      'Progressing: Copying shop.prod template spec to shop-primary.prod',
      'Succeeded: Post-rollout check post-rollout passed',
      'Succeeded: Promotion completed! Canary analysis was skipped for shop.prod',
    ]);
    expect(calls).toEqual(['confirm-rollout Initialized', 'post-rollout Succeeded']);
  });

  it('canary: the exact sequence of events and calls, each with its phase', () => {
    const { calls, heard } = played({ stepWeight: 100, maxWeight: 100, stepWeightPromotion: 50 }, [release('v1:2')]);
    expect(heard).toEqual([
      ...initialization,
      'Progressing: Starting canary analysis for shop.prod',
      'Progressing: Pre-rollout check pre-rollout passed',
      'Progressing: Confirm-traffic-increase check confirm-traffic-increase passed',
      'Progressing: Advance shop.prod canary weight 100',
      'Progressing: Confirm-traffic-increase check confirm-traffic-increase passed',
      'Progressing: Confirm-promotion check confirm-promotion passed',
      'Progressing: Copying shop.prod template spec to shop-primary.prod',
      'Promoting: Advance shop.prod primary weight 50',
      'Promoting: Advance shop.prod primary weight 100',
      'Succeeded: Post-rollout check post-rollout passed',
      'Succeeded: Promotion completed! Scaling down shop.prod',
    ]);
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

describe('quirks that are settled in the rules', () => {
  it('Q1: an interval that is edited in mid-release moves the next judgment, and none overlaps another', () => {
    const edit: Act = {
      atMs: 0,
      when: at(20),
      do: (world) => void (world.settings = rules('Deployment', { intervalMs: 20_000 })),
    };
    const { lines } = fromRest('Deployment', {}, { acts: [release('v1:2', 1_000), edit] });
    const checks = lines.flatMap((line) => (line.kind === 'action' && line.action === 'analyse' ? [line.at] : []));
    const gaps = checks.slice(1).map((time, index) => time - checks[index]!);
    expect(gaps).toEqual([10_000, 20_000, 20_000, 20_000]);
  });

  it('Q3: a first write that fails is tried again', () => {
    const fail: Act = {
      atMs: 0,
      do: (world) => void (world.breakStep = { do: 'write-status', reason: 'Conflict', message: 'modified' }),
    };
    expect(playCanary({ acts: [fail], settings: rules('Deployment') }).world.status.phase).toBe('Initialized');
  });

  it('Q32: what follows a status write is told, although the worker is lost right after it', () => {
    const succeeded = ({ status }: Readonly<State>) => status.phase === 'Finalising';
    const lost: Act = { atMs: 0, when: succeeded, do: () => undefined, forget: true };
    const hooks = [hook('done', 'post-rollout')];
    const { lines } = fromRest('Deployment', { hooks }, { acts: [release('v1:2', 1_000), lost] });
    expect(told(lines).slice(-2)).toEqual([
      'Post-rollout check done passed',
      'Promotion completed! Scaling down shop.prod',
    ]);
    expect(alerts(lines).at(-1)).toBe('info Canary analysis completed successfully, promotion finished.');
  });

  it('Q39: failed checks read 0 after a rollback, and keep their count after a success', () => {
    let calls = 0;
    const once: Pick<Script, 'hook'> = { hook: ({ type }) => (type === 'rollout' && ++calls === 1 ? 'no' : undefined) };
    const hooks = [hook('load', 'rollout')];
    expect(statuses(fromRest('Deployment', { hooks }, once).lines).at(-1)).toBe('Succeeded 0 1');
    const rolledBack = fromRest('Deployment', {}, { acts: [release('v1:2-err50', 1_000)] });
    expect(statuses(rolledBack.lines).at(-1)).toBe('Failed 0 0');
  });

  it('Q45: pods go only after the data plane has had time to hear that no route leads to them', () => {
    const { lines } = fromRest('Deployment', {}, { settings: rules('Deployment', {}, { drainMs: 3_000 }) });
    const back = lines.find((line) => line.kind === 'weights' && line.canary === 0)?.at ?? NaN;
    const closed = lines.find((line) => line.kind === 'phase' && line.phase === 'Succeeded')?.at ?? NaN;
    expect(closed - back).toBeGreaterThanOrEqual(3_000);
  });

  it('Q49: a release that cannot go on is alerted once, after the progress deadline, and goes on when it can', () => {
    const away: Act = { atMs: 0, when: at(20), do: (world) => void (world.targetMissing = true) };
    const back: Act = { atMs: 300_000, do: (world) => void (world.targetMissing = false) };
    const { lines, world } = fromRest('Deployment', {}, { acts: [release('v1:2', 1_000), away, back] });
    const held = alerts(lines).filter((alert) => alert.includes('has been held for'));
    expect(held).toEqual([
      'warn Release of shop.prod has been held for 60 s: deployment shop.prod get query error: ' +
        'deployments.apps "shop" not found',
    ]);
    expect(world.status.phase).toBe('Succeeded');
  });

  it('Q50: between two judgments nothing is asked', () => {
    const { decisions } = fromRest('Deployment');
    const inBetween = decisions.filter(({ action }) => action.type === 'wait' && action.why.startsWith('next check'));
    expect(inBetween.length).toBeGreaterThan(0);
    for (const { now, action } of inBetween)
      expect(action.type === 'wait' && (action.until ?? 0) - now).toBeGreaterThanOrEqual(9_000);
  });

  it('Q28, Q29: reverting after a promotion that failed starts a release of what was reverted to', () => {
    const found = releaseIn('Failed', 0, {
      target: { revision: 'v1:1', replicas: 0, available: 0, readiness: { ready: true } },
    });
    const failed = lookedAt({
      ...found.observation!,
      canary: {
        ...found.observation!.canary!,
        status: { ...found.observation!.canary!.status, lastAppliedSpec: 'v1:2', lastPromotedSpec: 'v1:2' },
      },
    });
    expect(decide(failed, 0)).toMatchObject({ plan: { verb: 'scaleUp' } });
  });
});
