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
import { lookedAt, observed, releaseIn } from '../../../test/support/releases.ts';
import { setRevision, type Act, type Script, type State } from '../../simulation/world.ts';
import { begin, decide } from './release.ts';
import { evolve } from './evolve.ts';
import type { ObservedWorkload, Phase, Readiness } from './observation.ts';
import type { Event, Release } from './state.ts';
import type { Step } from './plan.ts';

const when = (is: (world: Readonly<State>) => boolean, act: Act['do'], more: Partial<Act> = {}): Act => ({
  atMs: 0,
  when: is,
  do: act,
  ...more,
});
const at =
  (weight: number) =>
  ({ status }: Readonly<State>) =>
    status.canaryWeight === weight;
const timeline = (acts: readonly Act[], script: Partial<Script> = {}) =>
  playCanary({ start: settled, acts: [release('v1:2', 1_000), ...acts], ...script });
const suspended = (on: boolean) => (world: State) => {
  world.settings = { ...world.settings, suspend: on };
  world.generation += 1;
};
const judgments = (lines: ReturnType<typeof timeline>['lines']) =>
  lines.filter((line) => line.kind === 'action' && line.action === 'analyse').map((line) => line.at);

describe('suspension (9.7)', () => {
  const skipped = 'skipping canary run as object is suspended';

  it('Q46: is told once, stops everything where it is, and goes on from the live weights', () => {
    const { lines, outcomes } = timeline([when(at(20), suspended(true)), { atMs: 60_000, do: suspended(false) }]);
    expect(events(lines).filter((event) => event === skipped)).toHaveLength(1);
    expect(weights(lines)).toEqual([10, 20, 30, 0]);
    expect(judgments(lines).filter((time) => time > 12_000)).toEqual([70_000, 80_000]);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['unchanged', 'suspended', 'promoted']);
  });

  it('a revision that came meanwhile is seen afterwards', () => {
    const { lines, world } = timeline([
      when(at(20), suspended(true)),
      { atMs: 40_000, do: setRevision('v1:3', behaviour) },
      { atMs: 60_000, do: suspended(false) },
    ]);
    expect(weights(lines)).toEqual([10, 20, 0, 10, 20, 30, 0]);
    expect(world.status.lastPromotedSpec).toBe('v1:3');
  });

  it('a way out that has begun is gone to its end', () => {
    const { world } = timeline([
      when(at(20), () => undefined, { order: { kind: 'abort', order: {} } }),
      when(({ routes, status }) => routes?.canary === 0 && status.canaryWeight === 20, suspended(true)),
    ]);
    expect(world.status.phase).toBe('Failed');
    expect(world.targetReplicas).toBe(0);
  });

  it('at rest, nothing is repaired and nothing begins', () => {
    const { lines, outcomes } = playCanary({
      start: settled,
      settings: settings({}, { suspend: true }),
      acts: [release('v1:2', 1_000)],
    });
    expect(new Set(events(lines))).toEqual(new Set([skipped]));
    expect(outcomes.at(-1)?.outcome).toBe('suspended');
  });
});

describe('something that a person has to mend', () => {
  const missing = 'deployment shop.prod get query error: deployments.apps "shop" not found';

  it('at rest: it is told, shown as Stalled, and the run ends', () => {
    const { lines, world, outcomes } = playCanary({
      start: settled,
      acts: [{ atMs: 1_000, do: (state) => void (state.targetMissing = true) }],
    });
    expect(events(lines)).toEqual([`W ${missing}`]);
    expect(world.stalled).toBe(missing);
    expect(outcomes.at(-1)).toMatchObject({ outcome: 'held', reason: missing });
  });

  it('at rest: once it is mended, the condition goes', () => {
    const { world } = playCanary({
      start: settled,
      acts: [
        { atMs: 1_000, do: (state) => void (state.targetMissing = true) },
        { atMs: 50_000, do: (state) => void (state.targetMissing = false) },
      ],
    });
    expect(world.stalled).toBeUndefined();
  });

  it('in mid-release: told at each tick, traffic untouched, and the release goes on when it is mended', () => {
    const { lines, world } = timeline([
      when(at(20), (state) => void (state.targetMissing = true)),
      { atMs: 45_000, do: (state) => void (state.targetMissing = false) },
    ]);
    expect(events(lines).filter((event) => event === `W ${missing}`).length).toBeGreaterThanOrEqual(3);
    expect(weights(lines)).toEqual([10, 20, 30, 0]);
    expect(world.stalled).toBeUndefined();
    expect(world.status.phase).toBe('Succeeded');
  });

  it('Q4: a spec that became invalid holds the release, in the words of the reason', () => {
    const message = 'invalid canary spec: stepWeight: expected a number';
    const found = lookedAt(
      observed({ canaryWeight: 20 }, { target: undefined, problem: { reason: 'InvalidSpec', message } }),
    );
    const action = decide(found, 0);
    expect(action).toMatchObject({ type: 'carry-out', plan: { verb: 'tell' } });
    const steps: readonly Step[] = action.type === 'carry-out' ? action.plan.steps : [];
    expect(steps).toEqual([
      { do: 'write-status', status: { stalled: { reason: 'InvalidSpec', message } } },
      { do: 'record-event', event: { type: 'Warning', message, scope: 'uid/1' } },
    ]);
  });

  it('a Canary that is being deleted is let go, in any phase', () => {
    const { canary } = observed({ canaryWeight: 20 });
    const found = lookedAt({ ...observed({ canaryWeight: 20 }), canary: { ...canary!, deleting: true } });
    expect(decide(found, 0)).toEqual({ type: 'rest' });
    expect(decide(lookedAt({ drift: [] }), 0)).toEqual({ type: 'rest' });
  });
});

describe('a plan that cannot be carried out', () => {
  const no = { reason: 'Unavailable', message: 'VirtualService shop.prod update error: no answer' };
  const failing = (step: Step['do'], is: (world: Readonly<State>) => boolean) =>
    when(is, (state) => void (state.breakStep = { do: step, ...no }), { hints: false });

  it('is told, shown as Stalled, tried again after an interval, and the condition goes', () => {
    const { lines, world } = timeline([failing('set-weights', at(10))]);
    expect(events(lines)).toContain(`W ${no.message}`);
    expect(weights(lines)).toEqual([10, 20, 30, 0]);
    expect(lines.find((line) => line.kind === 'weights' && line.canary === 20)?.at).toBe(22_000);
    expect(world.stalled).toBeUndefined();
    expect(world.status.phase).toBe('Succeeded');
  });

  it('a weight whose status could not be written is still told, and judged over a whole interval', () => {
    const { lines } = timeline([failing('write-status', at(10))]);
    expect(weights(lines)).toEqual([10, 20, 30, 0]);
    expect(events(lines)).toContain('Advance shop.prod canary weight 20');
    expect(statuses(lines)).toContain('Progressing 20 0');
    const set = lines.find((line) => line.kind === 'weights' && line.canary === 20)?.at ?? 0;
    expect(judgments(lines).filter((time) => time > set)[0]).toBeGreaterThanOrEqual(set + 10_000);
  });

  it('a copy whose status could not be written is not made again, and the promotion goes on', () => {
    const { lines, world } = playCanary({
      start: settled,
      acts: [release('v1:2-slow', 1_000), failing('write-status', at(30))],
    });
    expect(events(lines).filter((event) => event.startsWith('Copying'))).toHaveLength(1);
    expect(judgments(lines)).toHaveLength(3);
    expect(world.status).toMatchObject({ phase: 'Succeeded', lastPromotedSpec: 'v1:2-slow' });
  });

  it('once copied, the release is a promotion, whatever the status still says', () => {
    const found = { ...releaseIn('Progressing', 30), copied: 'v1:2' };
    const aborted = evolve(found, { type: 'ordered', kind: 'abort', order: {}, now: 1 });
    expect(aborted.aborted).toBeUndefined();
    expect(aborted.untold[0]?.message).toContain('the promotion has begun');
  });

  it('Q7: what was told before it failed is not told again', () => {
    const { lines } = timeline([failing('scale-target', ({ status }) => status.phase === 'Initialized')]);
    expect(events(lines).filter((event) => event.startsWith('New revision'))).toHaveLength(1);
    expect(alerts(lines).filter((text) => text.includes('New revision'))).toHaveLength(1);
    expect(statuses(lines).at(-1)).toBe('Succeeded 0 0');
  });

  it('Q7: a rollback that fails is tried again within seconds, with one event and one alert', () => {
    const { lines, world } = playCanary({
      start: settled,
      acts: [release('v1:2-err50', 1_000), failing('set-weights', ({ status }) => status.failedChecks === 1)],
    });
    const rolling = 'W Rolling back shop.prod failed checks threshold reached 2';
    expect(events(lines).filter((event) => event === rolling)).toHaveLength(1);
    expect(events(lines)).toContain(`W ${no.message}`);
    expect(alerts(lines).filter((text) => text.startsWith('error'))).toHaveLength(1);
    expect(lines.find((line) => line.kind === 'weights' && line.canary === 0)?.at).toBe(27_000);
    expect(world.status).toMatchObject({ phase: 'Failed', failedChecks: 0 });
  });

  it('a way out that was decided on is gone, although whoever asked for it has changed their mind', () => {
    let asked = 0;
    const { world, lines } = timeline([failing('set-weights', at(20))], {
      settings: settings({ hooks: [hook('panic', 'rollback')] }),
      hook: () => (++asked === 3 ? undefined : 'no'),
    });
    expect(events(lines).filter((event) => event.startsWith('W Rollback check'))).toHaveLength(1);
    expect(world.status.phase).toBe('Failed');
  });

  it('an activity that gave up is told, and tried again after an interval: no spinning', () => {
    const found = releaseIn('Progressing', 20);
    const failed = evolve(found, {
      type: 'failed',
      action: { type: 'look', metricsProviders: false, why: '' },
      ...no,
      now: 0,
    });
    const told = decide(failed, 0);
    expect(told).toMatchObject({ type: 'carry-out', plan: { verb: 'tell' } });
    if (told.type !== 'carry-out') return;
    const after = evolve(failed, { type: 'carried-out', action: told, now: 0 });
    expect(decide(after, 0)).toMatchObject({ type: 'wait', until: 10_000 });
    expect(decide(after, 10_000).type).toBe('look');
  });

  it('a look that gave up before anything is known waits as well, until a message comes', () => {
    const action = { type: 'look', metricsProviders: true, why: '' } as const;
    const fresh = evolve(lookedAt({ drift: [] }), { type: 'interrupted', now: 0 });
    const failed = evolve({ ...fresh, observation: undefined }, { type: 'failed', action, ...no, now: 0 });
    expect(decide(failed, 1).type).toBe('wait');
    const hinted = evolve(failed, { type: 'hinted', hint: { source: 'watch', eventId: '1' }, now: 2 });
    expect(decide(hinted, 2).type).toBe('look');
  });

  it('is tried again at once when a message came meanwhile: it was decided on without knowing of it', () => {
    const found = releaseIn('Succeeded', 0, { drift: ['Service shop'] });
    const action = decide(found, 0);
    if (action.type !== 'carry-out') throw new Error('drift is repaired');
    const gone = { step: 0, reason: 'NotFound', message: 'namespaces "prod" not found' };
    const plan = { type: 'carried-out', action, failure: gone, now: 2 } as const;
    const look = { type: 'failed', action: { type: 'look', metricsProviders: false, why: '' }, ...no, now: 2 } as const;
    const messages: Event[] = [
      { type: 'hinted', hint: { source: 'watch', eventId: 'Canary/shop@9' }, now: 1 },
      { type: 'ordered', kind: 'abort', order: { by: 'ann' }, now: 1 },
    ];
    for (const failure of [plan, look]) {
      expect(decide(evolve({ ...found, untold: [] }, failure), 3)).not.toMatchObject({ type: 'look' });
      for (const message of messages)
        expect(decide(evolve(evolve(found, message), { ...failure, overtaken: true }), 3)).toMatchObject({
          type: 'look',
        });
    }
  });

  it('people who cannot be reached do not hold up a release', () => {
    const notices = [{ kind: 'alert', id: 'a', severity: 'info', message: 'x', meta: false } as const];
    const found = { ...releaseIn('Progressing', 20), notices };
    const failed = evolve(found, { type: 'failed', action: { type: 'notify', notices, why: '' }, ...no, now: 0 });
    expect(decide(failed, 0)).toMatchObject({ type: 'wait', why: 'next check at weight 20' });
  });
});

describe('foreign hands', () => {
  it('Q53: a foreign weight is told with both, put back, and the step judged anew from then on', () => {
    const { lines } = timeline([{ atMs: 15_000, do: (state) => void (state.routes = { primary: 50, canary: 50 }) }]);
    expect(events(lines)).toContain('W Traffic weights were changed to 50/50 by someone else, restoring 80/20');
    expect(weights(lines)).toEqual([10, 20, 20, 30, 0]);
    expect(judgments(lines)).toEqual([12_000, 25_000, 35_000]);
  });

  it('is not fought for ever: a repair that does not hold is left until something changes', () => {
    const stubborn = releaseIn('Succeeded', 0, {
      drift: ['Service shop'],
      target: { revision: 'v1:2', replicas: 0, available: 0, readiness: { ready: true } },
    });
    const first = decide(stubborn, 0);
    if (first.type !== 'carry-out') throw new Error('drift is repaired');
    expect(first.plan.verb).toBe('repair');
    const repaired = evolve(stubborn, { type: 'carried-out', action: first, now: 0 });
    const again = evolve(repaired, { type: 'looked', observation: stubborn.observation!, answered: 0, now: 1 });
    expect(decide(again, 1).type).toBe('rest');
    const hinted = evolve(again, { type: 'hinted', hint: { source: 'watch', eventId: '1' }, now: 2 });
    const seen = evolve(hinted, { type: 'looked', observation: stubborn.observation!, answered: 1, now: 3 });
    expect(decide(seen, 3)).toMatchObject({ plan: { verb: 'repair' } });
  });

  it('is repaired again when it came back while it was being repaired', () => {
    const found = releaseIn('Succeeded', 0, { drift: ['Service shop'] });
    const action = decide(found, 0);
    if (action.type !== 'carry-out') throw new Error('drift is repaired');
    const hinted = evolve(found, { type: 'hinted', hint: { source: 'watch', eventId: '1' }, now: 1 });
    const repaired = evolve(hinted, { type: 'carried-out', action, overtaken: true, now: 2 });
    const seen = evolve(repaired, { type: 'looked', observation: found.observation!, answered: 1, now: 3 });
    expect(decide(seen, 3)).toMatchObject({ plan: { verb: 'repair' } });
  });

  it('drift at rest is repaired with the traffic where it belongs', () => {
    const { lines, world } = playCanary({
      start: settled,
      acts: [{ atMs: 1_000, do: (state) => void (state.drift = ['Service shop-canary']) }],
    });
    expect(lines).toContainEqual({ at: 1_000, kind: 'action', action: 'repair' });
    expect(world.routes).toEqual({ primary: 100, canary: 0 });
    expect(world.drift).toEqual([]);
  });

  it('weights are not put back on a canary that has no pods', () => {
    const gone = {
      revision: 'v1:2',
      replicas: 1,
      available: 0,
      readiness: { ready: false, retriable: true, message: 'not ready', rolledOut: true },
    } as const;
    const found = lookedAt(observed({ canaryWeight: 20 }, { target: gone, routes: { primary: 100, canary: 0 } }));
    expect(decide(found, 0)).toMatchObject({ plan: { verb: 'tell' } });
  });

  it('Q52: pods of a target that was scaled up at rest are named, once', () => {
    const found = releaseIn('Succeeded', 0);
    const action = decide(found, 0);
    expect(action).toMatchObject({ type: 'carry-out', once: 'scaled/1' });
    if (action.type !== 'carry-out') return;
    expect(decide(evolve(found, { type: 'carried-out', action, now: 0 }), 0)).toEqual({ type: 'rest' });
  });
});

describe('BC-14: pods that come later', () => {
  const growing = { ready: false, retriable: false, message: '10 of 14 available', rolledOut: true } as const;
  const grown = (available: number) => {
    const found = lookedAt(
      observed(
        { canaryWeight: 20 },
        { target: { revision: 'v1:2', replicas: 10, available: 10, readiness: { ready: true } } },
      ),
    );
    const target = { revision: 'v1:2', replicas: 14, available, readiness: growing };
    return evolve(found, {
      type: 'looked',
      observation: observed({ canaryWeight: 20 }, { target }),
      answered: 0,
      now: 0,
    });
  };

  it('an autoscaler that asks for more does not end a release, deadline or not', () => {
    expect(decide(grown(10), 0)).toMatchObject({ plan: { verb: 'tell' } });
  });

  it('but the loss of pods that were there does', () => {
    expect(decide(grown(9), 0)).toMatchObject({ plan: { verb: 'rollBack' } });
  });
});

describe('Q15: the deadline of a DaemonSet, whose spec was written long ago,', () => {
  const rules = settings({}, { target: { kind: 'DaemonSet', name: 'shop' } });
  const minutes = (count: number) => count * 60_000;
  const pods = (available: number, readiness: Readiness) => ({ revision: 'v1:2', replicas: 3, available, readiness });
  const lacking = (message: string, rolledOut: boolean) =>
    pods(2, { ready: false, retriable: false, message, rolledOut });
  const ready = pods(3, { ready: true });
  const lostPod = lacking('2 of 3 pods are available', true);
  const newNode = lacking('2 out of 3 new pods have been updated', false);
  const begun = () => begin({ id: 'run-1', canary: { namespace: 'prod', name: 'shop' } });
  const see = (release: Release, now: number, target: ObservedWorkload) =>
    evolve(release, {
      type: 'looked',
      observation: observed({ canaryWeight: 20 }, { target }, rules),
      answered: 0,
      now,
    });
  const plan = (release: Release, now: number) => decide({ ...release, ticked: true }, now);

  it.each([
    ['loses a pod', lostPod],
    ['gets a node', newNode],
  ])('runs anew when a canary that was ready %s', (_, target) => {
    const without = see(see(begun(), 0, ready), minutes(20), target);
    expect(plan(without, minutes(20))).toMatchObject({ plan: { verb: 'tell' } });
    expect(plan(without, minutes(21) - 1)).toMatchObject({ plan: { verb: 'tell' } });
    expect(plan(without, minutes(21))).toMatchObject({ plan: { verb: 'rollBack' } });
    const again = see(see(without, minutes(21), ready), minutes(30), target);
    expect(plan(again, minutes(30))).toMatchObject({ plan: { verb: 'tell' } });
  });

  it('runs from where a release that was suspended goes on, and for a canary that never was ready', () => {
    const resumed = see(begun(), minutes(60), newNode);
    expect(plan(resumed, minutes(60))).toMatchObject({ plan: { verb: 'tell' } });
    expect(plan(see(resumed, minutes(61), newNode), minutes(61))).toMatchObject({ plan: { verb: 'rollBack' } });
  });

  it('runs anew when a promoted primary that was ready loses a pod while it takes its traffic back', () => {
    const promoting = (release: Release, now: number, primary: ObservedWorkload) =>
      evolve(release, {
        type: 'looked',
        observation: observed(
          { phase: 'Promoting', canaryWeight: 20 },
          { primary: { ...primary, equalsTarget: true, ours: true } },
          rules,
        ),
        answered: 0,
        now,
      });
    const without = promoting(promoting(begun(), 0, ready), minutes(20), lostPod);
    expect(plan(without, minutes(20))).toMatchObject({ plan: { verb: 'tell' } });
    expect(plan(without, minutes(21))).toMatchObject({ ending: { kind: 'failed-promotion' } });
  });

  it('is what it was for a release that began under earlier rules', () => {
    const found = { ...see(see(begun(), 0, ready), minutes(20), lostPod), rules: 3 } as const;
    expect(plan(found, minutes(20))).toMatchObject({ plan: { verb: 'rollBack' } });
  });
});

describe('a primary that breaks on what it was promoted to', () => {
  const broken = { ready: false, retriable: false, message: 'shop-primary.prod not ready', rolledOut: false } as const;
  const primary = (available: number) => ({
    revision: 'p',
    replicas: 1,
    available,
    readiness: broken,
    equalsTarget: true,
    ours: true,
  });
  const found = (revision: string, available: number) =>
    lookedAt(
      observed(
        { phase: 'Promoting', canaryWeight: 30 },
        { primary: primary(available), target: { revision, replicas: 1, available: 1, readiness: { ready: true } } },
      ),
    );
  const weightsOf = (release: ReturnType<typeof found>) => {
    const action = decide(release, 0);
    return action.type === 'carry-out'
      ? action.plan.steps.flatMap((step) => (step.do === 'set-weights' ? [step.weights] : []))
      : [];
  };

  it.each([
    { when: 'the judged canary', revision: 'v1:2', available: 1, canary: 100 },
    {
      when: 'Q28: a canary that nobody has judged, not while the primary has pods',
      revision: 'v1:3',
      available: 1,
      canary: 30,
    },
    {
      when: 'Q28: a canary that nobody has judged, when there is nobody else',
      revision: 'v1:3',
      available: 0,
      canary: 100,
    },
  ])('gives the traffic to $when', ({ revision, available, canary }) => {
    expect(weightsOf(found(revision, available))).toEqual([{ primary: 100 - canary, canary }]);
  });
});

describe('a worker that is lost with its state', () => {
  const lostIn = (is: (world: Readonly<State>) => boolean, script: Partial<Script> = {}) =>
    timeline([when(is, () => undefined, { forget: true })], script);

  it.each<{ phase: Phase; weight: number; rules?: object }>([
    { phase: 'Progressing', weight: 0 },
    { phase: 'Progressing', weight: 10 },
    { phase: 'Progressing', weight: 30 },
    { phase: 'Promoting', weight: 30 },
    { phase: 'Promoting', weight: 20, rules: { stepWeightPromotion: 10 } },
    { phase: 'Finalising', weight: 0 },
  ])('in $phase at $weight: the release begun again from the status ends the same', ({ phase, weight, rules = {} }) => {
    const { lines, world } = lostIn(({ status }) => status.phase === phase && status.canaryWeight === weight, {
      settings: settings(rules),
    });
    const climbed = weights(lines).slice(0, 3);
    expect(climbed).toEqual([10, 20, 30]);
    expect(world).toMatchObject({ primaryRevision: 'v1:2', targetReplicas: 0 });
    expect(world.status).toMatchObject({ phase: 'Succeeded', lastPromotedSpec: 'v1:2' });
    expect(events(lines).filter((event) => event.startsWith('Copying'))).toHaveLength(1);
  });

  it('Q2: judges the weight it finds after a whole interval', () => {
    const lost: Act = { atMs: 19_000, do: () => undefined, forget: true };
    const { lines } = timeline([lost]);
    expect(judgments(lines)).toEqual([12_000, 29_000, 39_000]);
  });

  it('in Finalising: the data plane still gets its time before the canary goes', () => {
    const { lines } = lostIn(({ status }) => status.phase === 'Finalising', {
      settings: settings({}, { drainMs: 5_000 }),
    });
    const back = lines.find((line) => line.kind === 'weights' && line.canary === 0)?.at ?? 0;
    expect(lines.find((line) => line.kind === 'phase' && line.phase === 'Succeeded')?.at).toBeGreaterThanOrEqual(
      back + 5_000,
    );
  });

  it('with a canary that was scaled away: it is scaled up again, and gets no traffic before', () => {
    const parked = { revision: 'v1:2', replicas: 0, available: 0, readiness: { ready: true } } as const;
    const found = lookedAt(observed({ canaryWeight: 0 }, { target: parked }));
    const action = decide(found, 0);
    expect(action).toMatchObject({ type: 'carry-out', plan: { verb: 'scaleUp' } });
    if (action.type !== 'carry-out') return;
    const scaled = evolve(found, { type: 'carried-out', action, now: 0 });
    const still = evolve(scaled, { type: 'looked', observation: found.observation!, answered: 0, now: 1 });
    expect(decide(still, 1)).toMatchObject({ type: 'carry-out', plan: { verb: 'tell' } });
  });

  it('in Waiting: the gate is asked again, silently', () => {
    const { lines } = lostIn(({ status }) => status.phase === 'Waiting', {
      settings: settings({ hooks: [hook('gate', 'confirm-rollout')] }),
      hook: (_, now) => (now > 30_000 ? undefined : 'closed'),
    });
    expect(events(lines).filter((event) => event.includes('waiting for approval'))).toHaveLength(1);
    expect(statuses(lines).at(-1)).toBe('Succeeded 0 0');
  });

  it('in WaitingPromotion: it goes on waiting at its weight', () => {
    const { lines } = lostIn(({ status }) => status.phase === 'WaitingPromotion', {
      settings: settings({ hooks: [hook('gate', 'confirm-promotion')] }),
      hook: (_, now) => (now > 90_000 ? undefined : 'closed'),
    });
    expect(weights(lines)).toEqual([10, 20, 30, 0]);
    expect(events(lines).filter((event) => event.includes('promotion approval'))).toHaveLength(1);
  });

  it('in the middle of a rollback: a canary that has failed gets no traffic back', () => {
    const found = lookedAt(observed({ canaryWeight: 20, failedChecks: 2 }, { routes: { primary: 100, canary: 0 } }));
    const action = decide(found, 0);
    expect(action).toMatchObject({ type: 'carry-out', plan: { verb: 'rollBack' } });
  });

  it('in a repair: it goes on repairing', () => {
    const broken = { ready: false, retriable: false, message: 'not ready', rolledOut: false } as const;
    const primary = { revision: 'p', replicas: 1, available: 0, readiness: broken, equalsTarget: false, ours: true };
    expect(decide(lookedAt(observed({ canaryWeight: 100 }, { primary })), 0)).toMatchObject({
      plan: { verb: 'promote' },
    });
  });
});

describe('outages', () => {
  it('Q54: a late judgment shifts the steps after it; none is shortened', () => {
    const { lines } = timeline([{ atMs: 13_000, do: (state) => void (state.downUntil = 45_000), hints: false }]);
    const set = lines.flatMap((line) => (line.kind === 'weights' ? [line.at] : []));
    expect(set.slice(0, 4)).toEqual([2_000, 12_000, 45_000, 56_000]);
  });

  it('hints that come faster than looks put nothing off that is due', () => {
    const found = { ...lookedAt(observed({ canaryWeight: 20 }), 20_000), dueAt: 20_000 };
    const hinted = evolve(found, { type: 'hinted', hint: { source: 'watch', eventId: 'one' }, now: 20_001 });
    expect(decide(hinted, 20_001).type).toBe('analyse');
    // What was not looked at since it came due is looked at first, and so is what is not due.
    expect(decide({ ...hinted, lookedAt: 19_999 }, 20_001).type).toBe('look');
    expect(decide({ ...hinted, dueAt: 30_000 }, 20_001).type).toBe('look');
    // A release that began before goes on as it did.
    expect(decide({ ...hinted, rules: 1 }, 20_001).type).toBe('look');
  });

  it('what fails for a reason that a hint told of before is looked at again at once', () => {
    const drifted = observed({ canaryWeight: 20 }, { drift: ['Service shop'] }, settings({ intervalMs: 600_000 }));
    const found = { ...lookedAt(drifted, 20_000), dueAt: 20_000 };
    const hinted = evolve(found, { type: 'hinted', hint: { source: 'watch', eventId: 'gone' }, now: 20_001 });
    const action = decide(hinted, 20_001);
    expect(action).toMatchObject({ type: 'carry-out', plan: { verb: 'repair' } });
    if (action.type !== 'carry-out') return;
    const failure = { step: 0, reason: 'NotFound', message: 'failed to get canary shop.prod: not found' };
    const failed = evolve(hinted, { type: 'carried-out', action, failure, now: 20_002 });
    expect(decide(failed, 20_002).type).toBe('look');
  });

  it('nothing ends, and nothing is waited for, while a hint is not answered', () => {
    const hint = { source: 'watch', eventId: 'one' };
    for (const status of [{ phase: 'Succeeded', lastPromotedSpec: 'v1:2' }, { phase: 'Failed' }] as const) {
      const found = observed(status);
      const target = { ...found.target!, replicas: 0, available: 0 };
      const atRest = { ...lookedAt({ ...found, target }, 20_000), dueAt: 10_000 };
      expect(decide(atRest, 20_000).type).toBe('rest');
      expect(decide(evolve(atRest, { type: 'hinted', hint, now: 20_001 }), 20_001).type).toBe('look');
    }
  });

  it('hints that are doubled or come from the past change nothing', () => {
    const found = releaseIn('Progressing', 20);
    const hint = { source: 'watch', eventId: 'one' };
    const once = evolve(found, { type: 'hinted', hint, now: 1 });
    expect(evolve(once, { type: 'hinted', hint, now: 2 }).hinted).toBe(once.hinted);
    expect(decide(once, 2).type).toBe('look');
  });

  it.each([
    [4, 500],
    [3, 100],
  ] as const)(
    'by rules %d a hint is known again after %d hints, itself among them, and not after one more',
    (rules, most) => {
      const hint = (id: number) =>
        ({ type: 'hinted', hint: { source: 'watch', eventId: String(id) }, now: id }) as const;
      let release: Release = { ...releaseIn('Progressing', 20), rules };
      for (let id = 1; id <= most; id += 1) release = evolve(release, hint(id));
      expect(evolve(release, hint(1)).hinted).toBe(release.hinted);
      release = evolve(release, hint(most + 1));
      expect(evolve(release, hint(1)).hinted).toBe(release.hinted + 1);
    },
  );
});

describe('listeners', () => {
  it('event webhooks hear the texts in order, with the phase that is being entered', () => {
    const rules = settings({}, { listeners: { alerts: false, events: true } });
    const { decisions } = timeline([], { settings: rules });
    const sent = decisions.flatMap(({ action }) => (action.type === 'notify' ? action.notices : []));
    const heard = sent.flatMap((notice) => (notice.kind === 'event' ? [`${notice.phase}: ${notice.message}`] : []));
    expect(heard[0]).toBe('Progressing: New revision detected! Scaling up shop.prod');
    expect(heard.at(-1)).toBe('Succeeded: Promotion completed! Scaling down shop.prod');
    expect(new Set(sent.map(({ id }) => id)).size).toBe(sent.length);
  });

  it('BC-37: alerts carry the severities that recipients choose by', () => {
    const { lines } = timeline([], {
      settings: settings({ hooks: [hook('gate', 'confirm-rollout')] }),
      hook: (_, now) => (now > 20_000 ? undefined : 'closed'),
      acts: [release('v1:2-err50', 1_000)],
    });
    expect(alerts(lines).map((text) => text.split(' ')[0])).toEqual(['warn', 'info', 'error']);
  });

  it('nobody is sent anything when nobody listens', () => {
    const rules = settings({}, { listeners: { alerts: false, events: false } });
    const { decisions } = timeline([], { settings: rules });
    expect(decisions.some(({ action }) => action.type === 'notify')).toBe(false);
  });
});

describe('what cannot be told', () => {
  const begun = releaseIn('Progressing', 10);
  const refused = (told: typeof begun, now: number) => {
    const action = decide(told, now);
    if (action.type !== 'carry-out') throw new Error(`expected a plan, got ${action.type}`);
    const failure = { step: 0, reason: 'NotFound', message: 'failed to get canary shop.prod: not found' };
    return evolve(told, { type: 'carried-out', action, failure, now });
  };

  it('is not tried again without a pause, so that a Canary that went away costs no endless requests', () => {
    const ordered = evolve(begun, { type: 'ordered', kind: 'resume', order: { by: 'ann' }, now: 1_000 });
    expect(decide(ordered, 1_000)).toMatchObject({ type: 'carry-out', plan: { verb: 'tell' } });
    const silent = refused(ordered, 1_000);
    expect(decide(silent, 1_001)).toMatchObject({ type: 'wait' });
    expect(decide({ ...silent, holdUntil: 0, stale: false }, 1_001)).not.toMatchObject({ type: 'carry-out' });
  });

  it('a Canary that is gone then lets the run end', () => {
    const ordered = evolve(begun, { type: 'ordered', kind: 'resume', order: { by: 'ann' }, now: 1_000 });
    const silent = refused(ordered, 1_000);
    const later = evolve(silent, { type: 'woke', now: silent.holdUntil });
    expect(decide(later, silent.holdUntil)).toMatchObject({ type: 'look' });
    const gone = evolve(later, {
      type: 'looked',
      observation: { drift: [] },
      answered: later.hinted,
      now: silent.holdUntil,
    });
    expect(decide(gone, silent.holdUntil)).toEqual({ type: 'rest' });
  });
});

describe('BC-06: an API server that drops what a release remembers', () => {
  it('starts nothing at rest, however often somebody looks', () => {
    const target = {
      ...{ revision: 'v1:2', replicas: 0, available: 0, readiness: { ready: true } as const },
      configs: { 'secret/api-key': '3930f0692c2295eb' },
    };
    const pruned = observed({ phase: 'Succeeded', lastPromotedSpec: 'v1:2' }, { target });
    let found = lookedAt(pruned);
    for (let tick = 1; tick <= 10; tick += 1) {
      expect(decide(found, tick)).toEqual({ type: 'rest' });
      const hint = { source: 'watch', eventId: `${tick}` };
      found = evolve(found, { type: 'hinted', hint, now: tick });
      expect(decide(found, tick).type).toBe('look');
      found = evolve(found, { type: 'looked', observation: pruned, answered: tick, now: tick });
    }
  });

  it('in a release, is told for as long as it is so, and nothing begins twice', () => {
    const message =
      'failed after retries: canary shop.prod: the API server dropped status.trackedConfigs; update the ' +
      'CustomResourceDefinition canaries.flagger.app';
    const dropped = { do: 'write-status', reason: 'InvalidSpec', message } as const;
    const ticks = Array.from({ length: 10 }, (_, tick): Act => {
      return { atMs: tick * 10_000, do: (state) => void (state.breakStep = dropped), hints: false };
    });
    const { lines, world } = timeline(ticks);
    const told = (text: string) => events(lines).filter((event) => event.startsWith(text)).length;
    expect(told(`W ${message}`)).toBeGreaterThanOrEqual(10);
    expect([told('New revision detected!'), told('Copying'), told('Promotion completed!')]).toEqual([1, 1, 1]);
    expect(world.stalled).toBeUndefined();
    expect(world.status).toMatchObject({ phase: 'Succeeded', lastPromotedSpec: 'v1:2' });
  });
});

it('Q46, Q52: what is told once for a spec is told once by all runs together', () => {
  const target = { revision: 'v1:2', replicas: 2, available: 2, readiness: { ready: true } } as const;
  const atRest = { phase: 'Initialized', lastAppliedSpec: 'v1:2', lastPromotedSpec: 'v1:2' } as const;
  for (const rules of [settings(), settings({}, { suspend: true })]) {
    const action = decide(lookedAt(observed(atRest, { target }, rules)), 5_000);
    expect(action).toMatchObject({ plan: { steps: [{ do: 'record-event', event: { scope: 'uid/1', once: true } }] } });
  }
});
