import { describe, expect, it } from '@jest/globals';
import { settings as worker, shopCanary } from '../../test/support/shop.ts';
import { parseCanary } from '../schemas/canary.ts';
import { settingsOf, settingsOfUnreadable } from './settings.ts';

const sources = { metricChecks: () => [], hasGlobalNotifier: false };
const matched = [{ headers: { cookie: { exact: 'insider' } } }];
const of = (spec: object, changes: object = {}) => settingsOf(shopCanary(spec), { ...worker, ...changes }, sources);

describe('the settings of a Canary', () => {
  it('have every default applied', () => {
    const service = { port: 80 };
    expect(of({ service, analysis: { interval: '10s', threshold: 0, stepWeight: 10 } }, { drainMs: 500 })).toEqual({
      target: { kind: 'Deployment', name: 'shop' },
      provider: 'istio',
      suspend: false,
      skipAnalysis: false,
      hasAutoscaler: false,
      progressDeadlineSeconds: 600,
      analysis: {
        strategy: 'canary',
        intervalMs: 10_000,
        threshold: 1,
        maxWeight: 100,
        stepWeight: 10,
        stepWeights: [],
        stepWeightPromotion: 0,
        iterations: 0,
        mirror: false,
        metrics: [],
        hooks: [],
        remarks: [],
      },
      listeners: { alerts: false, events: false },
      drainMs: 500,
      revertOnDeletion: false,
      splitsTraffic: true,
      parks: true,
    });
  });

  it.each([
    ['an increment', { stepWeight: 10 }, { stepWeight: 10, stepWeights: [], maxWeight: 100 }],
    ['a ladder', { stepWeights: [1, 5, 60] }, { stepWeight: 0, stepWeights: [1, 5, 60], maxWeight: 60 }],
    [
      'both, when the increment holds and the ladder caps it',
      { stepWeight: 10, stepWeights: [1, 60] },
      { stepWeight: 10, stepWeights: [], maxWeight: 60 },
    ],
  ])('tell %s', (_, analysis, expected) => {
    expect(of({ analysis: { interval: '1m', threshold: 1, ...analysis } }).analysis).toMatchObject(expected);
  });

  it.each`
    beside                      | provider           | match      | more                 | mirror   | cookies
    ${'nothing'}                | ${'istio'}         | ${[]}      | ${{ iterations: 2 }} | ${true}  | ${{ cookieName: 'sid' }}
    ${'match, with iterations'} | ${'istio'}         | ${matched} | ${{ iterations: 2 }} | ${false} | ${undefined}
    ${'match, without them'}    | ${'istio'}         | ${matched} | ${{ stepWeight: 5 }} | ${false} | ${undefined}
    ${'match, by a Gateway'}    | ${'gatewayapi:v1'} | ${matched} | ${{ iterations: 2 }} | ${false} | ${undefined}
  `(
    'leave out mirror and cookies that are not in force beside $beside',
    ({ provider, match, more, mirror, cookies }) => {
      const asked = { mirror: true, sessionAffinity: { cookieName: 'sid' }, match: match as object[] };
      const analysis = { interval: '10s', threshold: 1, ...asked, ...(more as object) };
      const found = of({ provider: provider as string, service: { port: 80 }, analysis }).analysis;
      expect([found.mirror, found.sessionAffinity]).toEqual([mirror, cookies]);
    },
  );

  it('name hooks in list order, without a type for rollout', () => {
    const webhooks = [
      { name: 'gate', type: 'confirm-rollout', url: 'http://x', muteAlert: true },
      { name: 'load', type: '', url: 'http://x' },
      { name: 'test', url: 'http://x' },
    ];
    expect(of({ analysis: { interval: '1m', threshold: 1, stepWeight: 1, webhooks } }).analysis.hooks).toEqual([
      { name: 'gate', type: 'confirm-rollout', muteAlert: true, budgetMs: 10_000 },
      { name: 'load', type: 'rollout', muteAlert: false, budgetMs: 10_000 },
      { name: 'test', type: 'rollout', muteAlert: false, budgetMs: 10_000 },
    ]);
  });

  it.each([
    ['its timeout', { timeout: '5s' }, 5_000],
    ['each attempt and the pauses between them', { timeout: '5s', retries: 2 }, 75_000],
    ['nothing, when its timeout is none: it is never called', { timeout: '5sfoo' }, 0],
  ])('give a hook time for %s', (_, more, budgetMs) => {
    const webhooks = [{ name: 'test', url: 'http://x', ...more }];
    expect(of({ analysis: { interval: '1m', threshold: 1, stepWeight: 1, webhooks } }).analysis.hooks).toMatchObject([
      { budgetMs },
    ]);
  });

  it('say what people are asked, with what is usual, and whether their word alone counts', () => {
    const approvals = [
      { name: 'dev', before: 'rollout' },
      {
        ...{ name: 'ops', before: 'promotion', quorum: 2, approvers: ['ada'], excludeAuthor: true },
        ...{ deadline: '1h30m', defaultOutcome: 'reject', muteAlert: true },
      },
    ];
    const analysis = { interval: '10s', threshold: 1, stepWeight: 10, approvals };
    const found = of({ service: { port: 80 }, analysis }, { verifiedActors: true });
    expect(found.verifiesActors).toBe(true);
    expect(found.analysis.approvals).toEqual([
      {
        ...{ name: 'dev', before: 'rollout', quorum: 1, approvers: [], excludesAuthor: false },
        ...{ otherwise: 'keep-waiting', muteAlert: false },
      },
      {
        ...{ name: 'ops', before: 'promotion', quorum: 2, approvers: ['ada'], excludesAuthor: true },
        ...{ deadline: { ms: 5_400_000, text: '1h30m' }, otherwise: 'reject', muteAlert: true },
      },
    ]);
    expect(settingsOfUnreadable({}, { ...worker, verifiedActors: true }).verifiesActors).toBe(true);
  });

  it('Q47: are read from the deprecated canaryAnalysis alike', () => {
    const canaryAnalysis = { interval: '10s', threshold: 7, stepWeight: 5, stepWeightPromotion: 20 };
    const parsed = parseCanary(shopCanary({ analysis: undefined, canaryAnalysis }));
    if ('problem' in parsed) throw new Error(parsed.problem);
    expect(settingsOf(parsed.canary, worker, sources).analysis).toMatchObject({
      threshold: 7,
      stepWeight: 5,
      stepWeightPromotion: 20,
    });
  });

  it('know who outside wants to hear', () => {
    const alerts = [{ name: 'a', providerRef: { name: 'slack' } }];
    const webhooks = [{ name: 'e', type: 'event', url: 'http://x' }];
    const analysis = { interval: '1m', threshold: 1, stepWeight: 1 };
    expect(of({ analysis: { ...analysis, alerts } }).listeners).toEqual({ alerts: true, events: false });
    expect(of({ analysis: { ...analysis, webhooks } }).listeners).toEqual({ alerts: false, events: true });
    expect(of({}, { eventWebhook: 'http://x' }).listeners).toEqual({ alerts: false, events: true });
    const listening = { ...sources, hasGlobalNotifier: true };
    expect(settingsOf(shopCanary(), worker, listening).listeners).toEqual({ alerts: true, events: false });
  });

  it('of a Canary that cannot be read are enough to keep still', () => {
    expect(settingsOfUnreadable(undefined, worker)).toMatchObject({
      target: { kind: 'Deployment', name: '' },
      suspend: false,
    });
    expect(settingsOfUnreadable({ targetRef: { kind: 7, name: 'shop' }, suspend: true }, worker)).toMatchObject({
      target: { kind: 'Deployment', name: 'shop' },
      suspend: true,
    });
  });

  it.each([
    [{ analysis: { interval: '20s', stepWeight: 10.5 } }, 20_000],
    [{ canaryAnalysis: { interval: '2m' } }, 120_000],
    [{ analysis: { interval: '1s' } }, 10_000],
    [{ analysis: { interval: '10sfoo' } }, 60_000],
    [{ analysis: { interval: 10 } }, 60_000],
    [{ analysis: null }, 60_000],
  ])(
    'of a Canary that cannot be read keep its interval, so that the cure is not waited out: %j',
    (spec, intervalMs) => {
      expect(settingsOfUnreadable(spec, { ...worker, minimumIntervalMs: 10_000 }).analysis).toMatchObject({
        intervalMs,
      });
    },
  );
});
