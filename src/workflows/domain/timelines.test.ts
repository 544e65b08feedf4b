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
import { setRevision, type Act, type Script } from '../../simulation/world.ts';

const halt = 'W Halt shop.prod advancement';
const advance = (weight: number) => `Advance shop.prod canary weight ${weight}`;
const begun = 'New revision detected! Scaling up shop.prod';
const starting = 'Starting canary analysis for shop.prod';
const copying = 'Copying shop.prod template spec to shop-primary.prod';
const routing = 'Routing all traffic to primary';
const completed = 'Promotion completed! Scaling down shop.prod';
const failed = 'W Canary failed! Scaling down shop.prod';
const unready = (what: string) =>
  `W ${what} not ready: waiting for rollout to finish: 0 of 1 (readyThreshold 100%) updated replicas are available`;

/** From a Canary at rest that runs `v1:1`; `v1:2` comes at second 1. */
const timeline = (script: Partial<Script> = {}) =>
  playCanary({ start: settled, acts: [release('v1:2', 1_000)], ...script });

describe('initialization', () => {
  it('awaits the primary, turns traffic to it, and only then parks the target', () => {
    const { lines, world, outcomes } = playCanary({ acts: [] });
    expect(events(lines)).toEqual([
      'all the metrics providers are available!',
      unready('shop-primary.prod'),
      'all the metrics providers are available!',
      'Initialization done! shop.prod',
    ]);
    expect(statuses(lines)).toEqual(['Initializing 0 0', 'Initialized 0 0']);
    expect(world).toMatchObject({ targetReplicas: 0, routes: { primary: 100, canary: 0 } });
    expect(world.status).toMatchObject({ lastAppliedSpec: 'v1:1', lastPromotedSpec: 'v1:1' });
    expect(alerts(lines)).toEqual(['info New Deployment detected, initialization completed.']);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['initialized']);
  });

  it('tells which metrics provider does not answer, and goes on', () => {
    const { lines, world } = playCanary({ acts: [], metricsDown: () => 'prometheus not available: refused' });
    expect(events(lines)[0]).toBe('W Error checking metric providers: prometheus not available: refused');
    expect(world.status.phase).toBe('Initialized');
  });

  it('Q11: awaits the primary when analysis is skipped too, and asks no metrics provider', () => {
    const { lines, world } = playCanary({ acts: [], settings: settings({}, { skipAnalysis: true }) });
    expect(events(lines)).toEqual([unready('shop-primary.prod'), 'Initialization done! shop.prod']);
    expect(lines.find((line) => line.kind === 'weights')?.at).toBeGreaterThanOrEqual(1_000);
    expect(world.status.phase).toBe('Initialized');
  });

  it('Q34: a broken first version is mended by the next one', () => {
    const { lines, world } = playCanary({ revision: 'v1:1-neverready', acts: [release('v1:2', 300_000)] });
    expect(statuses(lines, 300_000)).toEqual(['Initialized 0 0']);
    expect(world).toMatchObject({ primaryRevision: 'v1:2', targetReplicas: 0 });
    expect(events(lines)).not.toContain(begun);
  });

  it.each([
    { primary: 'v1:0', hash: '', then: 'Succeeded' },
    { primary: 'v1:1', hash: 'v1:1', then: 'Initialized' },
  ])(
    'Q51: a primary that was there before and runs $primary while the target is v1:1 ends $then',
    ({ primary, hash, then }) => {
      const { lines, world } = playCanary({ start: { primaryRevision: primary, primaryOurs: false }, acts: [] });
      const initialized = lines.find((line) => line.kind === 'phase' && line.phase === 'Initialized');
      expect(initialized).toMatchObject({ status: { lastAppliedSpec: hash, lastPromotedSpec: hash } });
      // Nobody gave it another template before it was judged.
      expect(weights(lines)).toEqual(then === 'Succeeded' ? [0, 10, 20, 30, 0] : [0]);
      expect(world).toMatchObject({ primaryRevision: 'v1:1', targetReplicas: 0 });
      expect(world.status).toMatchObject({ phase: then, lastAppliedSpec: 'v1:1', lastPromotedSpec: 'v1:1' });
    },
  );

  it('goes on where a lost worker left it', () => {
    const lost: Act = { atMs: 500, do: () => undefined, forget: true };
    const { world } = playCanary({ acts: [lost] });
    expect(world.status.phase).toBe('Initialized');
  });
});

describe('a release that does well', () => {
  it('climbs, promotes, returns traffic and closes the books (9.2)', () => {
    const rules = settings({ hooks: [hook('smoke', 'pre-rollout')] });
    const { lines, world, outcomes } = timeline({ settings: rules });
    expect(events(lines)).toEqual([
      begun,
      starting,
      'Pre-rollout check smoke passed',
      advance(10),
      advance(20),
      advance(30),
      copying,
      routing,
      completed,
    ]);
    expect(statuses(lines)).toEqual([
      'Progressing 0 0',
      'Progressing 10 0',
      'Progressing 20 0',
      'Progressing 30 0',
      'Promoting 30 0',
      'Finalising 0 0',
      'Succeeded 0 0',
    ]);
    expect(weights(lines)).toEqual([10, 20, 30, 0]);
    expect(world).toMatchObject({ primaryRevision: 'v1:2', targetReplicas: 0 });
    expect(world.status).toMatchObject({ lastAppliedSpec: 'v1:2', lastPromotedSpec: 'v1:2' });
    expect(alerts(lines)).toEqual([
      'info New revision detected, progressing canary analysis.',
      'info Canary analysis completed successfully, promotion finished.',
    ]);
    expect(outcomes.at(-1)).toMatchObject({ outcome: 'promoted', revision: 'v1:2', phase: 'Succeeded' });
  });

  it('BC-01: the primary runs the new revision before the phase says Succeeded', () => {
    const { lines, world } = timeline({ settings: settings({ stepWeight: 15, maxWeight: 61 }) });
    expect(weights(lines)).toEqual([15, 30, 45, 60, 75, 0]);
    const copy = lines.findIndex((line) => line.kind === 'event' && line.message === copying);
    const success = lines.findIndex((line) => line.kind === 'phase' && line.phase === 'Succeeded');
    expect(copy).toBeLessThan(success);
    expect(world.primaryRevision).toBe('v1:2');
  });

  it('spends a whole interval at each weight, and none where waiting has no meaning', () => {
    const { lines } = timeline();
    const at = lines.flatMap((line) => (line.kind === 'weights' ? [line.at] : []));
    expect(at).toEqual([2_000, 12_000, 22_000, 33_000]);
    expect(lines.at(-1)?.at).toBe(34_000);
  });

  it('judges each weight once', () => {
    const { lines } = timeline();
    expect(lines.filter((line) => line.kind === 'action' && line.action === 'analyse')).toHaveLength(3);
  });

  it('returns traffic in steps, with the primary ready before each (stepWeightPromotion 10)', () => {
    const { lines } = timeline({ settings: settings({ stepWeightPromotion: 10 }) });
    expect(weights(lines)).toEqual([10, 20, 30, 20, 10, 0]);
    expect(events(lines)).toEqual(
      expect.arrayContaining([80, 90, 100].map((weight) => `Advance shop.prod primary weight ${weight}`)),
    );
    expect(statuses(lines).slice(-5)).toEqual([
      'Promoting 30 0',
      'Promoting 20 0',
      'Promoting 10 0',
      'Finalising 0 0',
      'Succeeded 0 0',
    ]);
  });

  it('steps of 100 and 50: the phases of Flagger’s own test', () => {
    const { lines } = timeline({ settings: settings({ stepWeight: 100, maxWeight: 100, stepWeightPromotion: 50 }) });
    expect(statuses(lines)).toEqual([
      'Progressing 0 0',
      'Progressing 100 0',
      'Promoting 100 0',
      'Promoting 50 0',
      'Finalising 0 0',
      'Succeeded 0 0',
    ]);
  });

  it('Q12: somebody else returned the traffic during a stepped promotion: it is complete', () => {
    const byHand: Act = {
      atMs: 0,
      when: ({ status }) => status.phase === 'Promoting' && status.canaryWeight === 20,
      do: (world) => void (world.routes = { primary: 100, canary: 0 }),
    };
    const { lines, world } = timeline({
      settings: settings({ stepWeightPromotion: 10 }),
      acts: [release('v1:2', 1_000), byHand],
    });
    expect(weights(lines)).toEqual([10, 20, 30, 20]);
    expect(world.status).toMatchObject({ phase: 'Succeeded', canaryWeight: 0 });
  });

  it('tells once at each tick that pods are not ready, and begins when they are', () => {
    const { lines } = timeline({ acts: [release('v1:2-slow', 1_000)] });
    expect(events(lines).slice(0, 5)).toEqual([
      begun,
      unready('canary deployment shop.prod'),
      unready('canary deployment shop.prod'),
      starting,
      advance(10),
    ]);
    expect(lines.find((line) => line.kind === 'weights')?.at).toBe(31_000);
  });

  it('tells once at each tick that the primary is not ready after the copy, and gives it traffic when it is', () => {
    const { lines } = timeline({ acts: [release('v1:2-slow', 1_000)] });
    const [from, to] = [copying, routing].map((event) => events(lines).indexOf(event));
    const waited = unready('shop-primary.prod');
    expect(events(lines).slice(from! + 1, to)).toEqual([waited, waited]);
    expect(statuses(lines).slice(-3)).toEqual(['Promoting 30 0', 'Finalising 0 0', 'Succeeded 0 0']);
  });

  it('Q17: says once that it cannot advance, and does not spin', () => {
    const { lines, world } = timeline({ settings: settings({ stepWeight: 0 }), endMs: 300_000 });
    const stuck = 'W analysis cannot advance: next step weight is 0';
    const held = 'W Release of shop.prod has been held for 61 s: analysis cannot advance: next step weight is 0';
    expect(events(lines)).toEqual([begun, stuck, held]);
    expect(world.status.phase).toBe('Progressing');
    expect(lines.length).toBeLessThan(300);
  });

  it('D-01: repeated steps hold the weight, say so, and still roll back when checks fail', () => {
    const acts = [release('v1:2', 1_000), { atMs: 100_000, do: setRevision('v1:3-err50', behaviour) }];
    const { lines, world } = timeline({ settings: settings({ stepWeight: 0, stepWeights: [5, 20, 20, 50] }), acts });
    expect(events(lines)).toContain('W analysis cannot advance: next step weight is 0');
    expect(world.status).toMatchObject({ phase: 'Failed', lastAppliedSpec: 'v1:3-err50' });
  });
});

describe('a release that does badly', () => {
  it('rolls back once the threshold is reached, without a further check (9.2)', () => {
    const { lines, world, outcomes } = timeline({ acts: [release('v1:2-err50', 1_000)] });
    const check = `${halt} success rate 50.00% < 99%`;
    expect(events(lines)).toEqual([
      begun,
      starting,
      advance(10),
      check,
      check,
      'W Rolling back shop.prod failed checks threshold reached 2',
      failed,
    ]);
    expect(statuses(lines)).toEqual([
      'Progressing 0 0',
      'Progressing 10 0',
      'Progressing 10 1',
      'Progressing 10 2',
      'Failed 0 0',
    ]);
    expect(alerts(lines).at(-1)).toBe('error Failed checks threshold reached 2');
    expect(world).toMatchObject({ primaryRevision: 'v1:1', targetReplicas: 0, routes: { primary: 100, canary: 0 } });
    expect(world.status).toMatchObject({ lastAppliedSpec: 'v1:2-err50', lastPromotedSpec: 'v1:1' });
    expect(outcomes.at(-1)).toMatchObject({ outcome: 'rolled back', reason: '2 failed checks' });
  });

  it('counts failed checks over the whole run, good ticks between them or not (9.1)', () => {
    let asked = 0;
    const { lines } = timeline({
      settings: settings({ hooks: [hook('load', 'rollout')] }),
      hook: () => ([1, 3].includes(++asked) ? 'exit status 1' : undefined),
    });
    const check = `${halt} external check load failed exit status 1`;
    expect(events(lines).slice(2, 6)).toEqual([advance(10), check, advance(20), check]);
    expect(statuses(lines).slice(-2)).toEqual(['Progressing 20 2', 'Failed 0 0']);
  });

  it('Q39: keeps the count of a run that succeeded', () => {
    let asked = 0;
    const { lines } = timeline({
      settings: settings({ hooks: [hook('load', 'rollout')] }),
      hook: () => (++asked === 1 ? 'no' : undefined),
    });
    expect(statuses(lines).at(-1)).toBe('Succeeded 0 1');
  });

  it('a pre-rollout hook that says no counts, opens again at the next tick, and gives the canary no traffic', () => {
    const { lines } = timeline({
      settings: settings({ hooks: [hook('smoke', 'pre-rollout')] }),
      hook: () => 'exit status 1',
    });
    const check = `${halt} pre-rollout check smoke failed exit status 1`;
    expect(events(lines).slice(1, 5)).toEqual([starting, check, starting, check]);
    expect(weights(lines)).toEqual([]);
    expect(statuses(lines).at(-1)).toBe('Failed 0 0');
  });

  it('Q8, Q56: pods that never become ready end it at the deadline, and the cause is told', () => {
    const crash = (revision: string) => ({
      ...behaviour(revision),
      cause: 'container shop: exit code 137 (OOMKilled)',
    });
    const { lines, world } = timeline({ acts: [release('v1:2-crash', 1_000)], behaviour: crash });
    const text = unready('canary deployment shop.prod').slice(2);
    expect(events(lines).slice(-3)).toEqual([
      `W ${text}`,
      `W Rolling back shop.prod progress deadline exceeded ${text}: container shop: exit code 137 (OOMKilled)`,
      failed,
    ]);
    expect(alerts(lines).at(-1)).toBe(
      `error Progress deadline exceeded ${text}: container shop: exit code 137 (OOMKilled)`,
    );
    expect(weights(lines)).toEqual([]);
    expect(world.status).toMatchObject({ phase: 'Failed', failedChecks: 0 });
    expect(lines.at(-1)?.at).toBeLessThan(1_000 + 60_000 + 12_000);
  });

  it('Q55: an outage of the metrics provider holds the weight and costs nothing', () => {
    const down = (now: number) => (now > 10_000 && now < 30_000 ? 'connection refused' : undefined);
    const { lines, world } = timeline({ metricsDown: down, settings: settings({ threshold: 3 }) });
    const text = 'W Prometheus query failed: connection refused';
    expect(events(lines).slice(2, 6)).toEqual([advance(10), text, text, advance(20)]);
    expect(world.status).toMatchObject({ phase: 'Succeeded', failedChecks: 0 });
  });

  it('Q55: as many checks without a verdict as the threshold, in a row, roll back', () => {
    const { lines } = timeline({ metricsDown: (now) => (now > 10_000 ? 'connection refused' : undefined) });
    const text = 'W Prometheus query failed: connection refused';
    expect(events(lines).slice(3)).toEqual([text, text, 'W Rolling back shop.prod no verdict for 2 checks', failed]);
    expect(alerts(lines).at(-1)).toBe('error No verdict for 2 checks');
    expect(statuses(lines).at(-1)).toBe('Failed 0 0');
  });

  it('Q55: a check with a verdict ends the row', () => {
    const down = (now: number) => (now === 12_000 || now === 32_000 ? 'connection refused' : undefined);
    const { lines, world } = timeline({ metricsDown: down });
    expect(events(lines).filter((event) => event.includes('query failed'))).toHaveLength(2);
    expect(world.status.phase).toBe('Succeeded');
  });

  it('no values is a bad reading', () => {
    const silent = (revision: string) => ({ ...behaviour(revision), readings: { 'request-success-rate': undefined } });
    const { lines } = timeline({ behaviour: silent });
    expect(statuses(lines).slice(-2)).toEqual(['Progressing 10 2', 'Failed 0 0']);
  });

  it('post-rollout hooks hear of it, and cannot change it', () => {
    const { lines, world } = timeline({
      settings: settings({ hooks: [hook('notes', 'post-rollout')] }),
      hook: (call) => (call.phase === 'Failed' ? 'gone' : undefined),
      acts: [release('v1:2-err50', 1_000)],
    });
    expect(events(lines).slice(-2)).toEqual([failed, 'W Post-rollout hook notes failed gone']);
    expect(world.status.phase).toBe('Failed');
  });

  it('BC-10, Q31: the same revision set again starts nothing and writes nothing', () => {
    const again: Act = { atMs: 200_000, do: () => undefined };
    const { lines, outcomes } = timeline({ acts: [release('v1:2-err50', 1_000), again] });
    expect(lines.filter(({ at, kind }) => at >= 200_000 && kind !== 'action')).toEqual([]);
    expect(outcomes.at(-1)).toMatchObject({
      outcome: 'unchanged',
      reason: 'this revision has failed, and is unchanged',
    });
  });

  it('BC-16: the next revision is judged by readings of its own', () => {
    const { lines, world } = timeline({ acts: [release('v1:2-err50', 1_000), release('v1:3', 200_000)] });
    expect(
      lines.filter((line) => line.at >= 200_000 && line.kind === 'action' && line.action === 'analyse'),
    ).toHaveLength(3);
    expect(world.status).toMatchObject({ phase: 'Succeeded', lastPromotedSpec: 'v1:3' });
  });
});

describe('analysis that is skipped (9.6)', () => {
  const skipping = settings({ hooks: [hook('notes', 'post-rollout')] }, { skipAnalysis: true });

  it('BC-13: promotes once pods are ready; the primary is awaited (Q11) and post-rollout hooks hear of it', () => {
    const { lines, world } = timeline({ settings: skipping });
    expect(events(lines)).toEqual([
      begun,
      copying,
      'Post-rollout check notes passed',
      'Promotion completed! Canary analysis was skipped for shop.prod',
    ]);
    expect(statuses(lines)).toEqual(['Progressing 0 0', 'Promoting 0 0', 'Succeeded 0 0']);
    expect(alerts(lines).at(-1)).toBe('info Canary analysis was skipped, promotion finished.');
    expect(world).toMatchObject({ primaryRevision: 'v1:2', targetReplicas: 0 });
  });

  it('BC-08, BC-13: does not promote pods that are not ready', () => {
    const phases: string[] = [];
    const { lines, world } = timeline({
      settings: skipping,
      hook: (call) => void phases.push(call.phase),
      acts: [release('v1:2-crash', 1_000)],
    });
    expect(world).toMatchObject({ primaryRevision: 'v1:1' });
    expect(statuses(lines).at(-1)).toBe('Failed 0 0');
    expect(phases).toEqual(['Failed']);
  });

  it('Q11: a primary that breaks on what it was promoted to is no success, and the canary gets the traffic', () => {
    const { lines, world, outcomes } = timeline({ settings: skipping, acts: [release('v1:2-badprimary', 1_000)] });
    expect(statuses(lines)).toEqual(['Progressing 0 0', 'Promoting 0 0', 'Failed 100 0']);
    expect(events(lines)).toContainEqual(expect.stringContaining('Promotion of shop.prod failed, primary not ready'));
    expect(events(lines)).not.toContainEqual(expect.stringContaining('Promotion completed'));
    expect(world).toMatchObject({ targetReplicas: 1, routes: { primary: 0, canary: 100 } });
    expect(outcomes.at(-1)?.outcome).toBe('promotion failed');
  });

  it('BC-09: mends a primary that is broken', () => {
    const { world } = playCanary({
      settings: skipping,
      start: { ...settled, primaryRevision: 'v1:1-broken' },
      acts: [{ atMs: 0, do: (world) => void (world.primaryReadyAt = Infinity) }, release('v1:2', 100_000)],
    });
    expect(world).toMatchObject({ primaryRevision: 'v1:2' });
    expect(world.status.phase).toBe('Succeeded');
  });

  it('BC-07: switched on when checks have failed already, it promotes', () => {
    const skip: Act = {
      atMs: 0,
      when: ({ status }) => status.failedChecks === 1,
      do: (world) => void (world.settings = { ...world.settings, skipAnalysis: true }),
    };
    const { lines, world } = timeline({ acts: [release('v1:2-err50', 1_000), skip] });
    expect(weights(lines)).toEqual([10, 0]);
    expect(world.status).toMatchObject({ phase: 'Succeeded', lastPromotedSpec: 'v1:2-err50', failedChecks: 1 });
  });

  describe('BC-07: switched on when the last check that may fail has failed, and nobody has acted on it yet', () => {
    const reached = (more: Partial<Script> = {}) =>
      playCanary({
        settings: settings({ threshold: 2 }, { skipAnalysis: true }),
        revision: 'v1:2-err50',
        start: {
          ...settled,
          status: {
            ...settled.status,
            phase: 'Progressing',
            canaryWeight: 10,
            failedChecks: 2,
            lastAppliedSpec: 'v1:2-err50',
          },
          weights: { primary: 90, canary: 10 },
          targetReplicas: 1,
        },
        acts: [],
        ...more,
      });

    it('it promotes', () => {
      const { lines, world } = reached();
      expect(events(lines)).toEqual([copying, 'Promotion completed! Canary analysis was skipped for shop.prod']);
      expect(world).toMatchObject({ primaryRevision: 'v1:2-err50', routes: { primary: 100, canary: 0 } });
      expect(world.status).toMatchObject({ phase: 'Succeeded', lastPromotedSpec: 'v1:2-err50' });
    });

    it('but not before its pods are ready', () => {
      const down: Act = { atMs: 0, do: (world) => void (world.targetDown = true) };
      const up: Act = { atMs: 100_000, do: (world) => void (world.targetDown = false) };
      const { lines, world } = reached({ acts: [down, up] });
      expect(lines.find((line) => line.kind === 'event' && line.message === copying)?.at).toBe(100_000);
      expect(world.status.phase).toBe('Succeeded');
      expect(reached({ acts: [down] }).world.primaryRevision).toBe('v1:1');
    });
  });

  it('switched on in mid-release, the data plane gets its time before the canary goes', () => {
    const skip: Act = {
      atMs: 0,
      when: ({ status }) => status.canaryWeight === 20,
      do: (world) => void (world.settings = { ...world.settings, skipAnalysis: true }),
    };
    const { lines } = timeline({ settings: settings({}, { drainMs: 30_000 }), acts: [release('v1:2', 1_000), skip] });
    expect(lines.find((line) => line.kind === 'weights' && line.canary === 0)?.at).toBe(12_000);
    expect(lines.find((line) => line.kind === 'phase' && line.phase === 'Succeeded')?.at).toBe(42_000);
  });

  it('switched on while the primary has no pods, the canary keeps its traffic until the primary is back', () => {
    const skip: Act = {
      atMs: 0,
      when: ({ status }) => status.canaryWeight === 20,
      do: (world) => {
        world.primaryReadyAt = Infinity;
        world.settings = { ...world.settings, skipAnalysis: true };
      },
    };
    const { lines, world } = timeline({ acts: [release('v1:2', 1_000), skip] });
    expect(events(lines)).toEqual(expect.arrayContaining([copying, routing]));
    expect(weights(lines)).toEqual([10, 20, 0]);
    const back = lines.find((line) => line.kind === 'weights' && line.canary === 0)?.at ?? 0;
    expect(back).toBeGreaterThanOrEqual(world.primaryReadyAt);
    expect(world.status.phase).toBe('Succeeded');
  });
});
