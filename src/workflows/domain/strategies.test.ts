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
} from '../../../test/support/script.ts';
import { setRevision, type Act, type Line, type Script, type State } from '../../simulation/world.ts';
import type { AnalysisSettings, Hook, Settings } from './observation.ts';

const begun = 'New revision detected! Scaling up shop.prod';
const starting = 'Starting canary analysis for shop.prod';
const copying = 'Copying shop.prod template spec to shop-primary.prod';
const toPrimary = 'Routing all traffic to primary';
const toCanary = 'Routing all traffic to canary';
const completed = 'Promotion completed! Scaling down shop.prod';
const failed = 'W Canary failed! Scaling down shop.prod';
const iteration = (count: string) => `Advance shop.prod canary iteration ${count}`;

type Given = Partial<AnalysisSettings> & { readonly more?: Partial<Settings> };

/** From a Canary at rest that runs `v1:1`; `v1:2` comes at second 1. */
const timeline = ({ more, ...analysis }: Given, script: Partial<Script> = {}) =>
  playCanary({ start: settled, acts: [release('v1:2', 1_000)], settings: settings(analysis, more), ...script });

/** The traffic in the order in which it came into force: primary/canary, and `m` while it is mirrored. */
const traffic = (lines: readonly Line[]) =>
  lines.flatMap((line) =>
    line.kind === 'weights' ? [`${line.primary}/${line.canary}${line.mirrored ? ' m' : ''}`] : [],
  );

const told = (lines: readonly Line[]) => events(lines).filter((event) => !event.includes('not ready: waiting'));

const stepsOf = ({ decisions }: ReturnType<typeof playCanary>) =>
  decisions.flatMap(({ action }) => (action.type === 'carry-out' ? action.plan.steps : []));

const cookiesGiven = (played: ReturnType<typeof playCanary>) =>
  stepsOf(played).flatMap((step) => (step.do === 'set-weights' ? [step.cookies] : []));

const canaryCookies = (played: ReturnType<typeof playCanary>) =>
  new Set(cookiesGiven(played).flatMap((cookies) => cookies?.canary ?? []));

/** A hook that refuses the given calls, counted from 1. */
function refusing(type: Hook['type'], ...calls: readonly number[]): Pick<Script, 'hook'> {
  let count = 0;
  return { hook: (call) => (call.type === type && calls.includes(++count) ? 'no' : undefined) };
}

const newRevision = (revision: string, when: (world: Readonly<State>) => boolean): Act => ({
  atMs: 0,
  when,
  do: setRevision(revision, behaviour),
});

const inIteration =
  (count: number) =>
  ({ status }: Readonly<State>) =>
    status.iterations === count;

describe('A/B testing', () => {
  const ab = { strategy: 'ab-testing', iterations: 2 } as const;

  it('sends whoever matches to the canary for N iterations, each judged, and promotes', () => {
    const { lines } = timeline(
      { ...ab, hooks: [hook('smoke', 'pre-rollout'), hook('load', 'rollout')] },
      refusing('rollout', 1),
    );
    expect(told(lines)).toEqual([
      begun,
      starting,
      'Pre-rollout check smoke passed',
      iteration('1/2'),
      'W Halt shop.prod advancement external check load failed no',
      iteration('2/2'),
      copying,
      toPrimary,
      completed,
    ]);
    expect(traffic(lines)).toEqual(['0/100', '100/0']);
    expect(statuses(lines)).toEqual([
      'Progressing 0 0',
      'Progressing 0 0 iteration 1',
      'Progressing 0 1 iteration 1',
      'Progressing 0 1 iteration 2',
      'Promoting 0 1 iteration 2',
      'Finalising 0 1',
      'Succeeded 0 1',
    ]);
  });

  it('rolls back in the middle, with everybody on the primary', () => {
    const { lines, world } = timeline(ab, { acts: [release('v1:2-err50', 1_000)] });
    expect(told(lines).slice(-2)).toEqual(['W Rolling back shop.prod failed checks threshold reached 2', failed]);
    expect(traffic(lines)).toEqual(['0/100', '100/0']);
    expect(world).toMatchObject({ targetReplicas: 0, status: { phase: 'Failed', iterations: 0 } });
  });

  it('starts over with a newer revision', () => {
    const { lines, world } = timeline(ab, { acts: [release('v1:2', 1_000), newRevision('v1:3', inIteration(2))] });
    expect(told(lines)).toContain('New revision detected! Restarting analysis for shop.prod');
    expect(traffic(lines)).toEqual(['0/100', '100/0', '0/100', '100/0']);
    expect(world.primaryRevision).toBe('v1:3');
  });

  it('Q18: iterations that are lowered below the count that was reached are complete', () => {
    const lower = (state: State) => void (state.settings = settings({ ...ab, iterations: 1 }));
    const acts: Act[] = [release('v1:2', 1_000), { atMs: 0, when: inIteration(2), do: lower }];
    const { world } = timeline({ ...ab, iterations: 4 }, { acts });
    expect(world.status.phase).toBe('Succeeded');
  });

  it('takes traffic back in steps where the promotion has some', () => {
    const { lines } = timeline({ ...ab, stepWeightPromotion: 50 });
    expect(traffic(lines)).toEqual(['0/100', '50/50', '100/0']);
    expect(told(lines).slice(-3)).toEqual([
      'Advance shop.prod primary weight 50',
      'Advance shop.prod primary weight 100',
      completed,
    ]);
  });

  it('a lost worker finds the iteration, and the traffic that belongs to it', () => {
    const forget: Act = { atMs: 0, when: inIteration(1), do: () => undefined, forget: true };
    const { lines } = timeline(ab, { acts: [release('v1:2', 1_000), forget] });
    expect(told(lines)).toEqual([begun, starting, iteration('1/2'), iteration('2/2'), copying, toPrimary, completed]);
    expect(traffic(lines)).toEqual(['0/100', '100/0']);
  });
});

describe('blue/green', () => {
  const bg = { strategy: 'blue-green', iterations: 2 } as const;

  it('tests beside the traffic, then with all of it, and promotes', () => {
    const { lines } = timeline(bg);
    expect(told(lines)).toEqual([
      begun,
      starting,
      iteration('1/2'),
      iteration('2/2'),
      toCanary,
      copying,
      toPrimary,
      completed,
    ]);
    expect(traffic(lines)).toEqual(['0/100', '100/0']);
    expect(statuses(lines)).toEqual([
      'Progressing 0 0',
      'Progressing 0 0 iteration 1',
      'Progressing 0 0 iteration 2',
      'Progressing 0 0 iteration 3',
      'Promoting 0 0 iteration 3',
      'Finalising 0 0',
      'Succeeded 0 0',
    ]);
  });

  it('with copies of requests: they begin with the first iteration and end with the switch', () => {
    const { lines } = timeline({ ...bg, mirror: true });
    expect(told(lines).slice(1, 5)).toEqual([
      starting,
      iteration('1/2'),
      iteration('2/2'),
      'Stop traffic mirroring and route all traffic to canary',
    ]);
    expect(traffic(lines)).toEqual(['100/0 m', '0/100', '100/0']);
  });

  it('Q42: copies that somebody switched off are switched on again before an iteration counts', () => {
    const off: Act = {
      atMs: 0,
      when: inIteration(1),
      do: (state) => void (state.routes = { primary: 100, canary: 0 }),
    };
    const { lines } = timeline({ ...bg, mirror: true }, { acts: [release('v1:2', 1_000), off] });
    expect(traffic(lines)).toEqual(['100/0 m', '100/0 m', '0/100', '100/0']);
    const at = (is: (line: Line) => boolean) => lines.find(is)?.at ?? NaN;
    const second = at((line) => line.kind === 'phase' && line.status.iterations === 2);
    const restored = lines.flatMap((line) => (line.kind === 'weights' && line.mirrored ? [line.at] : []))[1]!;
    expect(second - restored).toBeGreaterThanOrEqual(10_000);
  });

  it('Q42: an iteration whose copies could not be switched on does not count, and the tick ends there', () => {
    const breaks: Act = {
      atMs: 0,
      do: (state) => void (state.breakStep = { do: 'set-weights', reason: 'Unavailable', message: 'no route' }),
      hints: false,
    };
    const { lines } = timeline({ ...bg, mirror: true }, { acts: [breaks, release('v1:2', 1_000)] });
    const failedAt = lines.findIndex((line) => line.kind === 'event' && line.message === 'no route');
    const mirroredAt = lines.findIndex((line) => line.kind === 'weights' && line.mirrored);
    const counted = lines.flatMap((line, index) =>
      line.kind === 'phase' && line.status.iterations > 0 ? [index] : [],
    );
    expect(failedAt).toBeGreaterThan(0);
    expect(mirroredAt).toBeGreaterThan(failedAt);
    expect(counted[0]).toBeGreaterThan(mirroredAt);
    expect(told(lines).slice(1, 6)).toEqual([
      'W no route',
      starting,
      iteration('1/2'),
      iteration('2/2'),
      expect.anything(),
    ]);
    expect(traffic(lines)).toEqual(['100/0 m', '0/100', '100/0']);
    expect(lines.filter((line) => line.kind === 'action' && line.action === 'analyse')).toHaveLength(3);
  });

  it('an iteration is judged over a whole interval, also when it was paused and resumed in it', () => {
    const { lines } = timeline(bg, {
      acts: [
        release('v1:2', 1_000),
        { atMs: 2_001, do: () => undefined, order: { kind: 'pause', order: { by: 'ada' } } },
        { atMs: 2_002, do: () => undefined, order: { kind: 'resume', order: { by: 'ada' } } },
      ],
    });
    const at = (is: (line: Line) => boolean) => lines.find(is)?.at ?? NaN;
    const judged = at((line) => line.kind === 'action' && line.action === 'analyse');
    expect(judged - at((line) => line.kind === 'phase' && line.status.iterations === 1)).toBeGreaterThanOrEqual(10_000);
  });

  it('a failure after the switch takes traffic back', () => {
    const { lines, world } = timeline(
      { ...bg, threshold: 1, hooks: [hook('load', 'rollout')] },
      refusing('rollout', 3),
    );
    expect(traffic(lines)).toEqual(['0/100', '100/0']);
    expect(world.status.phase).toBe('Failed');
  });

  it('rolls back in the middle without ever having moved traffic', () => {
    const { lines } = timeline(bg, { acts: [release('v1:2-err50', 1_000)] });
    expect(traffic(lines)).toEqual([]);
    expect(told(lines).at(-1)).toBe(failed);
  });

  it('starts over with a newer revision, also after the switch', () => {
    const { lines, world } = timeline(bg, { acts: [release('v1:2', 1_000), newRevision('v1:3', inIteration(3))] });
    expect(traffic(lines)).toEqual(['0/100', '100/0', '0/100', '100/0']);
    expect(world.primaryRevision).toBe('v1:3');
  });

  it('Q37: asks to promote before the switch and before the copy; a closed gate repeats the last iteration', () => {
    const hooks = [hook('smoke', 'pre-rollout'), hook('gate', 'confirm-promotion')];
    const { lines } = timeline({ ...bg, hooks }, refusing('confirm-promotion', 1, 2));
    expect(told(lines)).toEqual([
      begun,
      starting,
      'Pre-rollout check smoke passed',
      iteration('1/2'),
      iteration('2/2'),
      'W Halt shop.prod advancement waiting for promotion approval gate',
      iteration('2/2'),
      iteration('2/2'),
      'Confirm-promotion check gate passed',
      toCanary,
      'Confirm-promotion check gate passed',
      copying,
      toPrimary,
      completed,
    ]);
    expect(alerts(lines).filter((alert) => alert.includes('approval'))).toHaveLength(1);
  });

  it('Q18: iterations that are lowered in mid-run lead to the promotion', () => {
    const lower = (state: State) => void (state.settings = settings({ ...bg, iterations: 1 }));
    const acts: Act[] = [release('v1:2', 1_000), { atMs: 0, when: inIteration(3), do: lower }];
    const { lines, world } = timeline({ ...bg, iterations: 5 }, { acts });
    expect(world.status.phase).toBe('Succeeded');
    expect(traffic(lines)).toEqual(['0/100', '100/0']);
    expect(told(lines)).toContain(toCanary);
  });

  it('Q18: a lost worker that finds fewer wanted than were made does not take them for the switch', () => {
    const lower = (state: State) => void (state.settings = settings({ ...bg, iterations: 1 }));
    const acts: Act[] = [release('v1:2', 1_000), { atMs: 0, when: inIteration(3), do: lower, forget: true }];
    const { lines } = timeline({ ...bg, iterations: 5 }, { acts });
    expect(traffic(lines)).toEqual(['0/100', '100/0']);
    expect(told(lines)).toContain(toCanary);
    expect(told(lines).filter((event) => event.includes('by someone else'))).toEqual([]);
  });

  it('a lost worker finds the switch that was made', () => {
    const forget: Act = { atMs: 0, when: inIteration(3), do: () => undefined, forget: true };
    const { lines } = timeline(bg, { acts: [release('v1:2', 1_000), forget] });
    expect(traffic(lines)).toEqual(['0/100', '100/0']);
    expect(told(lines).at(-1)).toBe(completed);
  });
});

describe('blue/green with the kubernetes provider', () => {
  const meshless = { splitsTraffic: false, provider: 'kubernetes' };
  const remarks = [
    'A/B testing is not supported when using the kubernetes provider',
    'Progressive traffic is not supported when using the kubernetes provider',
    'Setting canaryAnalysis.iterations: 10',
  ];

  it('tests beside the traffic and promotes; traffic is never moved', () => {
    const { lines, world } = timeline({ strategy: 'blue-green', iterations: 2, more: meshless });
    expect(told(lines)).toEqual([begun, starting, iteration('1/2'), iteration('2/2'), copying, completed]);
    expect(traffic(lines)).toEqual([]);
    expect(statuses(lines).at(-1)).toBe('Succeeded 0 0');
    expect(world.primaryRevision).toBe('v1:2');
  });

  it('tells once a release what it leaves out', () => {
    const { lines } = timeline({ strategy: 'blue-green', iterations: 2, remarks, more: meshless });
    expect(told(lines).filter((event) => event.startsWith('W '))).toEqual(remarks.map((remark) => `W ${remark}`));
  });

  it('BC-11: one iteration and a gate that is closed three times: pre-rollout once, promoted once', () => {
    const hooks = [hook('smoke', 'pre-rollout'), hook('gate', 'confirm-promotion')];
    const calls: string[] = [];
    const gate = refusing('confirm-promotion', 1, 2, 3).hook!;
    const { lines, world } = timeline(
      { strategy: 'blue-green', iterations: 1, hooks, more: meshless },
      { hook: (call, now, state) => (calls.push(call.type), gate(call, now, state)) },
    );
    expect(calls.filter((type) => type === 'pre-rollout')).toHaveLength(1);
    expect(told(lines).filter((event) => event === copying)).toHaveLength(1);
    const waiting = statuses(lines).filter((status) => status.startsWith('WaitingPromotion'));
    expect(waiting.length).toBeGreaterThanOrEqual(3);
    expect(world.status.phase).toBe('Succeeded');
  });

  it('a primary that fails after the copy has no other side to send anybody to', () => {
    const { world } = timeline(
      { strategy: 'blue-green', iterations: 1, more: meshless },
      { acts: [release('v1:2-badprimary', 1_000)] },
    );
    expect(world.status).toMatchObject({ phase: 'Failed', canaryWeight: 0 });
    expect(world.weights).toEqual({ primary: 100, canary: 0 });
  });
});

describe('traffic that returns in steps', () => {
  const inSteps = { stepWeightPromotion: 40 };

  it('after blue/green: the canary has all of it, and gives it back bit by bit', () => {
    const { lines } = timeline({ ...inSteps, strategy: 'blue-green', iterations: 1 });
    expect(traffic(lines)).toEqual(['0/100', '40/60', '80/20', '100/0']);
    expect(told(lines).slice(-4)).toEqual([
      'Advance shop.prod primary weight 40',
      'Advance shop.prod primary weight 80',
      'Advance shop.prod primary weight 100',
      completed,
    ]);
    expect(statuses(lines).slice(-5)).toEqual([
      'Promoting 0 0 iteration 2',
      'Promoting 60 0 iteration 2',
      'Promoting 20 0 iteration 2',
      'Finalising 0 0',
      'Succeeded 0 0',
    ]);
  });

  it('after an analysis that began with copies of requests: none are copied any more', () => {
    const { lines } = timeline({ ...inSteps, mirror: true, stepWeight: 60, maxWeight: 60 });
    expect(traffic(lines)).toEqual(['100/0 m', '40/60', '80/20', '100/0']);
  });

  it('with session affinity: users keep their cookie until all of it is back', () => {
    const played = timeline({ ...inSteps, stepWeight: 60, maxWeight: 60, sessionAffinity: { cookieName: 'sid' } });
    expect(traffic(played.lines)).toEqual(['40/60', '80/20', '100/0']);
    const [given, stepped, returned] = cookiesGiven(played);
    expect(given?.canary).toMatch(/^sid=[a-zA-Z]{10}$/);
    expect(stepped).toEqual({ canary: given?.canary });
    expect(returned).toEqual({ previous: given?.canary });
  });
});

describe('a canary with copies of requests', () => {
  const mirror = { mirror: true, stepWeight: 10, maxWeight: 20 };

  it('TestScheduler_DeploymentMirroring: is judged on copies first, and then gets the first step', () => {
    const { lines } = timeline({ ...mirror, hooks: [hook('more', 'confirm-traffic-increase')] });
    expect(traffic(lines)).toEqual(['100/0 m', '90/10', '80/20', '100/0']);
    expect(told(lines)).toEqual([
      begun,
      starting,
      'Confirm-traffic-increase check more passed',
      'Advance shop.prod canary weight 0',
      'Advance shop.prod canary weight 10',
      'Confirm-traffic-increase check more passed',
      'Advance shop.prod canary weight 20',
      'Confirm-traffic-increase check more passed',
      copying,
      toPrimary,
      completed,
    ]);
  });

  it('a failed check leaves the copies on and repeats the test', () => {
    const { lines } = timeline({ ...mirror, hooks: [hook('load', 'rollout')] }, refusing('rollout', 1));
    expect(traffic(lines)).toEqual(['100/0 m', '90/10', '80/20', '100/0']);
    expect(statuses(lines)).toContain('Progressing 0 1');
  });

  it('a rollback ends them', () => {
    const { lines } = timeline(mirror, { acts: [release('v1:2-err50', 1_000)] });
    expect(traffic(lines)).toEqual(['100/0 m', '100/0']);
  });

  it('a lost worker goes on with them', () => {
    const mirrored = (world: Readonly<State>) => world.routes?.mirrored === true;
    const forget: Act = { atMs: 0, when: mirrored, do: () => undefined, forget: true };
    const { lines } = timeline(mirror, { acts: [release('v1:2', 1_000), forget] });
    expect(traffic(lines)).toEqual(['100/0 m', '90/10', '80/20', '100/0']);
  });
});

describe('session affinity', () => {
  const sticky = { sessionAffinity: { cookieName: 'sid', primaryCookieName: 'pid' } };

  it('BC-35: users are kept where they are for the release, and let go after it', () => {
    const played = timeline(sticky);
    const { lines, world } = played;
    const [{ canary, primary } = {}, second, third, last] = cookiesGiven(played);
    expect(canary).toMatch(/^sid=[a-zA-Z]{10}$/);
    expect(primary).toMatch(/^pid=[a-zA-Z]{10}$/);
    expect([second, third]).toEqual([
      { canary, primary },
      { canary, primary },
    ]);
    expect(last).toEqual({ previous: canary, primary });
    expect(world.status.cookies).toEqual({ previous: canary, primary });
    const written = lines.find((line) => line.kind === 'phase' && line.status.cookies !== undefined)?.at ?? NaN;
    expect(written).toBeLessThanOrEqual(lines.find((line) => line.kind === 'weights')?.at ?? NaN);
  });

  it('Q33: a worker that lost everything finds the cookies that users have', () => {
    const midway = ({ status }: Readonly<State>) => status.canaryWeight === 20;
    const forget: Act = { atMs: 0, when: midway, do: () => undefined, forget: true };
    const played = timeline(sticky, { acts: [release('v1:2', 1_000), forget] });
    expect(canaryCookies(played).size).toBe(1);
  });

  it('every release has a cookie of its own', () => {
    const played = timeline(sticky, { acts: [release('v1:2', 1_000), release('v1:3', 600_000)] });
    expect(canaryCookies(played).size).toBe(2);
  });
});

describe('an autoscaled primary', () => {
  it('is not scaled in while the canary has its traffic, and is large enough before it gets it back', () => {
    const { decisions } = timeline({ strategy: 'ab-testing', iterations: 1, more: { hasAutoscaler: true } });
    const floors = decisions.flatMap(({ action }) =>
      action.type === 'carry-out'
        ? action.plan.steps.flatMap((step) =>
            step.do === 'ensure-autoscaler' && step.floor !== undefined ? [`${action.plan.verb} ${step.floor}`] : [],
          )
        : [],
    );
    expect(floors).toEqual(['shiftTraffic 1', 'promote 2', 'finish 0']);
  });

  it('BC-02: has kept what it needs when the release is given up: traffic is back at once, and only then the canary goes', () => {
    const { decisions, lines } = playCanary({
      settings: settings({}, { hasAutoscaler: true }),
      start: settled,
      acts: [release('v1:2-err50', 1_000)],
    });
    const steps = decisions.flatMap(({ action }) => (action.type === 'carry-out' ? action.plan.steps : []));
    const order = steps.flatMap((step) => {
      if (step.do === 'ensure-autoscaler') return step.floor === undefined ? [] : [`floor ${step.floor}`];
      if (step.do === 'set-weights') return [`canary ${step.weights.canary}`];
      return step.do === 'scale-target' ? [`target ${step.to}`] : [];
    });
    expect(order).toEqual(['target up', 'floor 1', 'canary 10', 'canary 0', 'target zero', 'floor 0']);
    expect(traffic(lines)).toEqual(['90/10', '100/0']);
  });

  it('gets its floor back when somebody deletes its autoscaler in the middle', () => {
    const { decisions } = playCanary({
      settings: settings({}, { hasAutoscaler: true }),
      start: settled,
      acts: [
        release('v1:2', 1_000),
        { atMs: 20_000, do: (world) => world.drift.push('HorizontalPodAutoscaler shop-primary') },
      ],
    });
    const repairs = decisions.flatMap(({ action }) =>
      action.type === 'carry-out' && action.plan.verb === 'repair' ? [action.plan.steps] : [],
    );
    expect(repairs).toHaveLength(1);
    expect(repairs[0]).toContainEqual({ do: 'ensure-autoscaler', mode: 'update', floor: 1 });
  });
});
