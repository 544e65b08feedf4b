import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { behaviour, settings, settled } from '../../../test/support/script.ts';
import { play, setRevision, type Act, type Line, type Play, type Script, type State } from '../../simulation/world.ts';
import { decide } from './release.ts';
import type {
  AnalysisSettings,
  Approval,
  CanaryStatus,
  Hook,
  HookType,
  Moment,
  ObservedWorkload,
  Settings,
} from './observation.ts';
import type { CarryOut } from './state.ts';
import { orderKinds } from './orders.ts';
import { effectiveMaxWeight } from './steps.ts';

/** What may happen from outside; what stands here twice happens twice as often. */
const everyHook: HookType[] = [
  'confirm-rollout',
  'pre-rollout',
  'rollout',
  'confirm-traffic-increase',
  'confirm-promotion',
  'post-rollout',
  'rollback',
];

const everything: readonly string[] = [
  'release',
  'release',
  'bad release',
  'broken release',
  'release that breaks the primary',
  'revert',
  'pause',
  'resume',
  'promote',
  'abort',
  'worker lost',
  'primary down',
  'primary up',
  'canary down',
  'canary up',
  'primary short',
  'canary short',
  'nobody short',
  'routes moved',
  'set-weight',
  'skip-step',
  'retry',
  'approve',
  'approve',
  'reject',
  'plan fails',
  'API server away',
  'suspend',
  'unsuspend',
  'delete',
];

/**
 * Releases in random weather: bad revisions, lost workers, orders, outages, foreign hands on the routes. A claim about
 * something rare asks for a climate in which it is not.
 */
const climate = ({ whats = everything, hooks }: { whats?: readonly string[]; hooks?: readonly HookType[] }) =>
  fc.record({
    analysis: fc.record({
      intervalMs: fc.constantFrom(10_000, 15_000, 60_000),
      threshold: fc.integer({ min: 1, max: 4 }),
      maxWeight: fc.integer({ min: 1, max: 100 }),
      stepWeight: fc.integer({ min: 5, max: 100 }),
      stepWeights: fc.constantFrom<readonly number[]>([], [], [], [1, 10, 80], [5, 50, 100]),
      stepWeightPromotion: fc.constantFrom(0, 0, 30, 50),
      strategy: fc.constantFrom('canary', 'canary', 'blue-green', 'ab-testing'),
      iterations: fc.integer({ min: 1, max: 4 }),
      mirror: fc.boolean(),
      sessionAffinity: fc.constantFrom(
        undefined,
        { cookieName: 'sid' },
        { cookieName: 'sid', primaryCookieName: 'pid' },
      ),
      hooks: hooks ? fc.constant(hooks) : fc.subarray(everyHook),
    }),
    /** What people are asked before, how many of them, and what their silence means. */
    approvals: fc.array(
      fc.record({
        before: fc.constantFrom<Moment>('rollout', 'traffic-increase', 'promotion'),
        quorum: fc.integer({ min: 1, max: 2 }),
        otherwise: fc.constantFrom<Approval['otherwise']>('approve', 'reject'),
      }),
      { maxLength: 3 },
    ),
    skipAnalysis: fc.nat(9).map((roll) => roll > 7),
    hasAutoscaler: fc.boolean(),
    primaryReplicas: fc.constantFrom(1, 3),
    revertOnDeletion: fc.boolean(),
    /** A provider without weights, as far as the strategy allows for it. */
    meshless: fc.nat(9).map((roll) => roll > 6),
    /** What hooks, metrics and Prometheus answer, one roll of the dice after the other. */
    luck: fc.array(fc.nat(9), { minLength: 8, maxLength: 40 }),
    acts: fc.array(
      fc.record({
        atMs: fc.integer({ min: 1_000, max: 300_000 }),
        what: fc.constantFrom(...whats),
      }),
      { minLength: 1, maxLength: 14 },
    ),
  });

const weather = climate({});
type Weather = typeof weather extends fc.Arbitrary<infer Value> ? Value : never;

/** Pods come and go while traffic moves. */
const shaky = climate({
  whats: [
    'release',
    'release',
    'release',
    'primary short',
    'canary short',
    'nobody short',
    'primary down',
    'primary up',
  ]
    .concat('canary down', 'canary up', 'release that breaks the primary', 'revert', 'abort', 'set-weight', 'skip-step')
    .concat('promote', 'routes moved', 'worker lost'),
});

/** Releases that wait for their promotion, and are refused by hooks meanwhile. */
const reluctant = climate({
  whats: ['release', 'release', 'revert', 'pause', 'resume', 'promote', 'worker lost', 'delete'],
  hooks: ['rollout', 'confirm-promotion'],
});

/** How many worlds each claim has to hold in; more of them now and then, by hand. */
const worlds = Number(process.env['SERIN_TEST_WORLDS'] ?? 300);

const endMs = 3_600_000;

/** After this everybody behaves, so that the release can come to an end. */
const calmMs = 500_000;

function scriptOf({
  analysis,
  approvals,
  skipAnalysis,
  hasAutoscaler,
  primaryReplicas,
  revertOnDeletion,
  meshless,
  luck,
  acts,
}: Weather): Script {
  const { stepWeights } = analysis;
  const hooks = analysis.hooks.map((type): Hook => ({ name: type, type, muteAlert: false, budgetMs: 1_000 }));
  const rules: Partial<AnalysisSettings> = {
    ...analysis,
    hooks,
    approvals: approvals.map((approval, index) => ({
      ...approval,
      ...{ name: `people-${index}`, approvers: [], excludesAuthor: false, muteAlert: false },
      deadline: { ms: 30_000 * (index + 1), text: 'a while' },
    })),
    stepWeight: stepWeights.length > 0 ? 0 : analysis.stepWeight,
    iterations: analysis.strategy === 'canary' ? 0 : analysis.iterations,
    mirror: analysis.mirror && analysis.strategy !== 'ab-testing',
  };
  let rolls = 0;
  const roll = () => luck[rolls++ % luck.length] ?? 0;
  return {
    settings: settings(rules, {
      skipAnalysis,
      hasAutoscaler,
      revertOnDeletion,
      splitsTraffic: !(meshless && analysis.strategy === 'blue-green'),
    }),
    revision: 'v1:1',
    behaviour,
    start: { ...settled, primaryReplicas },
    hook: ({ type }, now) => {
      if (now > calmMs) return type === 'rollback' ? 'no' : undefined;
      return type === 'rollback' ? (roll() > 8 ? undefined : 'no') : roll() > 7 ? 'no' : undefined;
    },
    metricsDown: (now) => (now < calmMs && roll() > 7 ? 'connection refused' : undefined),
    acts: [...acts.map(({ atMs, what }, index) => actOf(what, atMs, index)), ...calm],
    endMs,
  };
}

/** The weather clears. */
const calm: readonly Act[] = [
  {
    atMs: calmMs,
    do: (world) => {
      world.primaryAvailable = true;
      world.targetDown = false;
      world.primaryShort = 0;
      world.targetShort = 0;
      world.breakStep = undefined;
      world.settings = { ...world.settings, suspend: false };
    },
  },
  { atMs: calmMs + 1, do: () => undefined, order: { kind: 'resume', order: {} } },
];

function gateOf(order: string, index: number): string | undefined {
  return order === 'approve' || order === 'reject' ? `people-${index % 3}` : undefined;
}

function actOf(what: string, atMs: number, index: number): Act {
  const to = (change: (world: State) => void): Act => ({ atMs, do: change });
  const order = orderKinds.find((kind) => kind === what);
  if (order)
    return {
      atMs,
      do: () => undefined,
      order: {
        kind: order,
        order: {
          by: index % 2 ? 'ada' : 'bob',
          id: `${index}`,
          weight: 1 + ((index * 7) % 60),
          gate: gateOf(order, index),
        },
      },
    };
  switch (what) {
    case 'release':
      return to(setRevision(`v1:${index + 2}`, behaviour));
    case 'bad release':
      return to(setRevision(`v1:${index + 2}-err50`, behaviour));
    case 'broken release':
      return to(setRevision(`v1:${index + 2}-neverready`, behaviour));
    case 'release that breaks the primary':
      return to(setRevision(`v1:${index + 2}-badprimary`, behaviour));
    case 'revert':
      return to(setRevision('v1:1', behaviour));
    case 'worker lost':
      return { atMs, do: () => undefined, forget: true };
    case 'primary down':
      return to((world) => void (world.primaryAvailable = false));
    case 'primary up':
      return to((world) => void (world.primaryAvailable = true));
    case 'canary down':
      return to((world) => void (world.targetDown = true));
    case 'canary up':
      return to((world) => void (world.targetDown = false));
    case 'primary short':
      return to((world) => void (world.primaryShort = 1));
    case 'canary short':
      // An autoscaler has asked for two more, of which one has not come up.
      return to((world) => {
        if (world.targetReplicas === 0) return;
        world.targetReplicas += 2;
        world.targetShort = 1;
      });
    case 'nobody short':
      return to((world) => {
        world.primaryShort = 0;
        world.targetShort = 0;
      });
    case 'routes moved':
      // Where nothing divides traffic there is no route that anybody could move.
      return to((world) => void (world.settings.splitsTraffic && (world.routes = { primary: 50, canary: 50 })));
    case 'plan fails':
      return to((world) => {
        const kinds = ['set-weights', 'write-status', 'scale-target', 'promote', 'record-event'] as const;
        world.breakStep = { do: kinds[index % kinds.length]!, reason: 'Unavailable', message: 'no answer' };
      });
    case 'API server away':
      return to((world) => void (world.downUntil = world.now + 30_000));
    case 'suspend':
      return to((world) => void (world.settings = { ...world.settings, suspend: true }));
    case 'unsuspend':
      return to((world) => void (world.settings = { ...world.settings, suspend: false }));
    case 'delete':
      return to((world) => {
        if (world.finalizer) world.deleting = true;
        else world.deleted = true;
      });
  }
  throw new Error(`nobody knows how to ${what}`);
}

const always = (claim: (played: Play, rules: Settings, given: Weather) => void, when = weather) =>
  fc.assert(
    fc.property(when, (given) => {
      const script = scriptOf(given);
      claim(play(script), script.settings, given);
    }),
    { numRuns: worlds },
  );

describe('whatever happens to a release', () => {
  it('weights sum to 100 and stay within 0 and 100', () => {
    always(({ lines }) => {
      for (const line of lines) {
        if (line.kind !== 'weights') continue;
        expect(line.primary + line.canary).toBe(100);
        expect(Math.min(line.primary, line.canary)).toBeGreaterThanOrEqual(0);
      }
    });
  });

  /*
   * This is about moves. Traffic that stands where it is may go on standing there while a pod is missing, until the
   * deadline says that it will not come back: readiness takes the pod out of the Service meanwhile, and a release that
   * sent everybody away at each restart of a pod would never come to its end.
   */
  describe('traffic is never moved to a workload that was last seen', () => {
    /** Moves of traffic from one side to the other, with what was last seen of the one that gets more. */
    function eachMove({ decisions }: Play, claim: (move: Move) => void): void {
      for (const { release, action } of decisions) {
        const { observation, weights } = release;
        if (!observation || action.type !== 'carry-out') continue;
        for (const step of action.plan.steps) {
          if (step.do !== 'set-weights' && step.do !== 'ensure-routes') continue;
          const before = observation.routes ?? weights;
          if (step.weights.canary === before.canary) continue;
          const isMore = step.weights.canary > before.canary;
          const { target, primary } = observation;
          const [to, from] = isMore ? [target, primary] : [primary, target];
          claim({ to, from, action, isReturn: step.weights.canary === weights.canary });
        }
      }
    }

    it('without pods while the other has some', () => {
      always((played) => {
        eachMove(played, ({ to, from }) => {
          if ((from?.available ?? 0) > 0) expect(to?.available ?? 0).toBeGreaterThan(0);
        });
      }, shaky);
    });

    it('unready, except to undo what somebody else did, and on the way out, to what serves', () => {
      always((played) => {
        eachMove(played, ({ to, from, action, isReturn }) => {
          const isRepair = action.then === 'repaired' && isReturn;
          // A release that is given up, or begun anew, leaves pods that nobody trusts for some that serve already.
          const isWayOut = action.then === 'way-out' || action.then === 'restarted';
          if (isRepair || (isWayOut && (to?.available ?? 0) > 0)) return;
          // Nobody serves anybody: it does not matter whose pods are awaited.
          if (isWayOut && (from?.available ?? 0) === 0) return;
          expect([action.then, to?.readiness.ready, to?.replicas !== 0]).toEqual([action.then, true, true]);
        });
      }, shaky);
    });
  });

  it.each([
    ['in any weather', weather],
    ['while the promotion waits', reluctant],
  ])(
    'failed checks never exceed the threshold, and reaching it ends the release unless a newer revision comes, %s',
    (_, when) => {
      always(({ lines }, { analysis }) => {
        const statuses = withoutCookies(lines.flatMap((line) => (line.kind === 'phase' ? [line.status] : [])));
        for (const [index, status] of statuses.entries()) {
          expect(status.failedChecks).toBeLessThanOrEqual(analysis.threshold);
          const next = statuses[index + 1];
          const isJudged = status.phase === 'Progressing' || status.phase === 'WaitingPromotion';
          if (!isJudged || status.failedChecks < analysis.threshold || !next) continue;
          if (next.lastAppliedSpec !== status.lastAppliedSpec && next.phase === 'Progressing') continue;
          const isCancelled = next.phase === 'Succeeded' && next.lastAppliedSpec === status.lastPromotedSpec;
          expect(isCancelled ? 'cancelled' : next.phase).toMatch(/^(Failed|cancelled|Terminating)$/);
        }
      }, when);
    },
  );

  it('ends settled, unless the primary is beyond hope, which is for a person to mend', () => {
    always(({ world, outcomes, unfinished }) => {
      if (world.primaryReadyAt === Infinity || world.deleted) return;
      // A target that never gets ready keeps the Canary that is to give it its traffic back.
      if (world.deleting && world.targetReadyAt === Infinity) return;
      expect(world.status.phase).toMatch(/^(Initialized|Succeeded|Failed)$/);
      expect(unfinished).toBe(false);
      expect(outcomes.length).toBeGreaterThan(0);
    });
  });

  it('promotes a revision at most once per release', () => {
    always(({ lines }, _, { acts }) => {
      // A copy that no status tells of is made again, to the same end, by a worker that has lost its memory.
      if (acts.some(({ what }) => what === 'plan fails') && acts.some(({ what }) => what === 'worker lost')) return;
      let promoted = false;
      for (const line of lines) {
        if (line.kind !== 'event') continue;
        if (/^New revision detected/.test(line.message)) promoted = false;
        if (!line.message.startsWith('Copying ')) continue;
        expect(promoted).toBe(false);
        promoted = true;
      }
    });
  });

  it('a promoted revision was judged at the full weight, unless that was skipped, ordered or a repair', () => {
    always(({ decisions }, { skipAnalysis, analysis }) => {
      if (skipAnalysis) return;
      for (const { release, action } of decisions) {
        if (action.type !== 'carry-out' || !action.plan.steps.some((step) => step.do === 'promote')) continue;
        if (release.promoted || release.repairing) continue;
        if (!release.skipped) expect(release.verdict?.outcome).toBe('pass');
        if (analysis.strategy === 'canary')
          expect(release.weights.canary).toBeGreaterThanOrEqual(effectiveMaxWeight(analysis));
        else expect(release.status.iterations).toBeGreaterThanOrEqual(analysis.iterations);
      }
    });
  });

  it('nobody goes past people: what they are asked before has their consent, or their silence that means it', () => {
    always(({ decisions }, { analysis }) => {
      for (const { release, action } of decisions) {
        if (action.type !== 'carry-out') continue;
        const sets = action.plan.steps.find((step) => step.do === 'set-weights');
        const isMore = action.then === 'shifted' && sets !== undefined && sets.weights.canary > release.weights.canary;
        const does: Record<Moment, boolean> = {
          rollout: action.then === 'started',
          'traffic-increase': isMore && analysis.strategy === 'canary',
          promotion: action.plan.steps.some((step) => step.do === 'promote'),
        };
        for (const { name, before, quorum, otherwise } of analysis.approvals ?? []) {
          if (!does[before]) continue;
          const { votes = [], overdue } = release.approvals?.[name] ?? {};
          const people = new Set(votes.map(({ by }) => by));
          expect(people.size).toBe(votes.length);
          expect(people.size >= quorum || (overdue === true && otherwise === 'approve')).toBe(true);
        }
      }
    });
  });

  it('no weight is judged before a whole interval has passed since it was set', () => {
    always(({ lines }, { analysis }) => {
      let since = -Infinity;
      for (const line of lines) {
        if (line.kind === 'weights') since = line.at;
        if (isJudgment(line)) expect(line.at - since).toBeGreaterThanOrEqual(analysis.intervalMs);
      }
    });
  });

  it('every iteration is judged once, over a whole interval', () => {
    always(({ lines }, { analysis }) => {
      if (analysis.strategy === 'canary') return;
      let [since, iterations] = [-Infinity, 0];
      for (const line of lines) {
        if (line.kind === 'phase' && line.status.iterations > iterations) since = line.at;
        if (line.kind === 'phase') iterations = line.status.iterations;
        if (isJudgment(line)) expect(line.at - since).toBeGreaterThanOrEqual(analysis.intervalMs);
      }
    });
  });

  it('a user has a cookie of the canary only while it has traffic, and is told to forget it afterwards', () => {
    always(({ decisions }, { analysis }) => {
      if (!analysis.sessionAffinity) return;
      for (const { release, action } of decisions) {
        if (action.type !== 'carry-out') continue;
        for (const step of action.plan.steps) {
          if (step.do !== 'set-weights' && step.do !== 'ensure-routes') continue;
          expect(step.cookies?.canary === undefined).toBe(step.weights.canary === 0);
          if (release.status.cookies?.canary && step.weights.canary === 0)
            expect(step.cookies?.previous).toBe(release.status.cookies.canary);
        }
      }
    });
  });

  it('a primary with an autoscaler keeps the replicas it had for as long as the canary has traffic', () => {
    always(({ decisions }, { hasAutoscaler }) => {
      if (!hasAutoscaler) return;
      for (const { release, action } of decisions) {
        if (action.type !== 'carry-out' || action.then !== 'shifted' || release.weights.canary > 0) continue;
        const steps = action.plan.steps;
        const [gives] = steps.filter((step) => step.do === 'set-weights' && step.weights.canary > 0);
        const floor = release.observation?.primary?.replicas;
        if (gives) expect(steps).toContainEqual({ do: 'ensure-autoscaler', mode: 'update', floor });
      }
    });
  });

  it('a Canary that is deleted goes, and its target serves before its primary stops', () => {
    always(({ lines, decisions }) => {
      for (const { release, action } of decisions) {
        if (action.type !== 'carry-out' || !action.plan.steps.some((step) => step.do === 'revert-apex')) continue;
        expect(release.observation?.target?.readiness.ready).toBe(true);
      }
      const reverted = lines.flatMap((line) => (line.kind === 'reverted' ? [line.what] : []));
      if (!reverted.includes('gone')) return;
      // A plan that is cut short is carried out again.
      expect([...new Set(reverted)]).toEqual(['revert-apex', 'revert-routes', 'gone']);
    });
  });

  it('never spins: little is done at any one instant', () => {
    always(({ decisions }) => {
      const atOnce = new Map<number, number>();
      for (const { now } of decisions) atOnce.set(now, (atOnce.get(now) ?? 0) + 1);
      expect(Math.max(...atOnce.values())).toBeLessThan(80);
    });
  });

  it('decides the same from the same', () => {
    always(({ decisions }) => {
      for (const { now, release, action } of decisions.slice(0, 50)) {
        // As it comes back from the server: plain JSON, without what is undefined.
        const copy = JSON.parse(JSON.stringify(release)) as typeof release;
        expect(JSON.stringify(decide(copy, now))).toBe(JSON.stringify(action));
      }
    });
  });
});

interface Move {
  readonly to: ObservedWorkload | undefined;
  readonly from: ObservedWorkload | undefined;
  readonly action: CarryOut;
  /** To the weights that the release stands for. */
  readonly isReturn: boolean;
}

/** Cookies are written on the way, which changes nothing else. */
function withoutCookies(statuses: readonly CanaryStatus[]): CanaryStatus[] {
  const bare = statuses.map(({ cookies: _, ...status }) => status);
  return bare.filter((status, index) => JSON.stringify(status) !== JSON.stringify(bare[index - 1]));
}

const isJudgment = (line: Line) => line.kind === 'action' && line.action === 'analyse';
