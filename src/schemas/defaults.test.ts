import { describe, expect, it } from '@jest/globals';
import { analysing, canary as manifest, serving, type Json } from '../../test/corpus/admission.ts';
import { parseCanary, type Canary, type CanaryMetric } from './canary.ts';
import {
  analysisOf,
  hookTimeoutMs,
  intervalMs,
  isSkipped,
  maxWeightOf,
  metricInterval,
  primaryTargetName,
  progressDeadlineSeconds,
  providerOf,
  readyThreshold,
  serviceNames,
  strategyOf,
  thresholdOf,
} from './defaults.ts';

function canary(object: Json): Canary {
  const parsed = parseCanary(object);
  if ('problem' in parsed) throw new Error(parsed.problem);
  return parsed.canary;
}

const steps = (stepWeights: number[], more: Json = {}) => analysing({ stepWeight: undefined, stepWeights, ...more });
const iterations = (count: number, more: Json = {}) => analysing({ stepWeight: undefined, iterations: count, ...more });

it.each([
  ['1m', 60_000],
  ['1m30s', 90_000],
  ['15s', 15_000],
  ['5s', 10_000],
  ['1ms', 10_000],
  ['0s', 10_000],
  ['10sfoo', 60_000],
])('takes an interval of %s for %d ms', (interval, ms) => {
  expect(intervalMs(canary(analysing({ interval })), 10_000)).toBe(ms);
});

it.each([
  [5, 5],
  [1, 1],
  [0, 1],
  [-3, 1],
])('takes a threshold of %d for %d', (threshold, effective) => {
  expect(thresholdOf(canary(analysing({ threshold })))).toBe(effective);
});

it.each<[string, Json, number]>([
  ['there is none', analysing({}), 100],
  ['maxWeight is 50', analysing({ maxWeight: 50 }), 50],
  ['maxWeight is 0', analysing({ maxWeight: 0 }), 100],
  ['maxWeight is negative', analysing({ maxWeight: -5 }), 100],
  ['maxWeight is 400 (Q20)', analysing({ maxWeight: 400 }), 100],
  ['steps end at 60, beside maxWeight 50', steps([10, 60], { maxWeight: 50 }), 60],
  ['steps end at 150', steps([10, 150]), 100],
  ['steps end below 0', steps([10, -5]), 0],
  ['the list of steps is empty', steps([], { maxWeight: 40 }), 40],
])('knows the maximum weight when %s', (_, object, max) => {
  expect(maxWeightOf(canary(object))).toBe(max);
});

it.each<[string, Json, string]>([
  ['weights', analysing({}), 'canary'],
  ['weights and a match', analysing({ match: [{ headers: { a: { exact: 'b' } } }] }), 'canary'],
  ['iterations', iterations(5), 'blue-green'],
  ['iterations and an empty match', iterations(5, { match: [] }), 'blue-green'],
  ['iterations and a match', iterations(5, { match: [{ sourceLabels: { a: 'b' } }] }), 'ab-testing'],
  [
    'the deprecated canaryAnalysis alone',
    manifest({ analysis: undefined, canaryAnalysis: { interval: '1m', threshold: 1, iterations: 2 } }),
    'blue-green',
  ],
  ['no iterations and a match', iterations(0, { match: [{ sourceLabels: { a: 'b' } }] }), 'canary'],
])('TestCanary_GetDeploymentStrategy: by %s', (_, object, strategy) => {
  expect(strategyOf(canary(object))).toBe(strategy);
});

it.each([
  ['absent', undefined, 'spec.analysis is missing'],
  ['empty', {}, 'spec.analysis.interval is missing'],
])('TestCanary_GetDeploymentStrategy: an analysis that is %s is refused before it has one', (_, analysis, problem) => {
  expect(parseCanary(manifest({ analysis }))).toMatchObject({ problem: expect.stringContaining(problem) });
});

it('names Services after the target, or as asked', () => {
  expect(serviceNames(canary(manifest()))).toEqual({ apex: 'shop', primary: 'shop-primary', canary: 'shop-canary' });
  const named = canary(serving({ name: 'web' }));
  expect(serviceNames(named)).toEqual({ apex: 'web', primary: 'web-primary', canary: 'web-canary' });
  expect(serviceNames(canary(serving({ name: '' }))).apex).toBe('shop');
  expect(primaryTargetName(named)).toBe('shop-primary');
});

it('gives a workload ten minutes, and wants all its pods', () => {
  const plain = canary(manifest());
  expect(progressDeadlineSeconds(plain)).toBe(600);
  expect(progressDeadlineSeconds(canary(manifest({ progressDeadlineSeconds: 60 })))).toBe(60);
  expect(readyThreshold(plain, 'primary')).toBe(100);
  const lenient = canary(analysing({ primaryReadyThreshold: 0, canaryReadyThreshold: 50 }));
  expect(readyThreshold(lenient, 'primary')).toBe(0);
  expect(readyThreshold(lenient, 'canary')).toBe(50);
});

it('uses the provider of the Canary before that of the settings', () => {
  expect(providerOf(canary(manifest()), 'istio')).toBe('istio');
  expect(providerOf(canary(manifest({ provider: 'nginx' })), 'istio')).toBe('nginx');
});

it('skips the analysis only when told to', () => {
  expect(isSkipped(canary(manifest()))).toBe(false);
  expect(isSkipped(canary(manifest({ skipAnalysis: true })))).toBe(true);
});

it('reads the deprecated canaryAnalysis where there is no analysis', () => {
  const old = { interval: '2m', threshold: 3, stepWeight: 20 };
  expect(analysisOf(canary(manifest({ analysis: undefined, canaryAnalysis: old })))).toEqual(old);
  expect(analysisOf(canary(manifest({ canaryAnalysis: old }))).stepWeight).toBe(10);
});

describe('hookTimeoutMs', () => {
  it.each([
    [{}, 10_000],
    [{ timeout: '' }, 10_000],
    [{ timeout: '5' }, 10_000],
    [{ timeout: '5s' }, 5000],
    [{ timeout: '1m30s' }, 90_000],
    [{ type: 'event' as const, timeout: '' }, 10_000],
    [{ timeout: '10sfoo' }, { problem: 'time: unknown unit "sfoo" in duration "10sfoo"' }],
    [{ type: 'event' as const, timeout: '5' }, { problem: 'time: missing unit in duration "5"' }],
  ])('reads %j as %j', (webhook, timeout) => {
    expect(hookTimeoutMs(webhook)).toEqual(timeout);
  });
});

it.each<[CanaryMetric, string]>([
  [{ name: 'request-duration' }, '1m'],
  [{ name: 'request-success-rate', interval: '30s' }, '30s'],
  [{ name: 'errors', query: 'sum(x)' }, '1m'],
  [{ name: 'errors', templateRef: { name: 'errors' } }, ''],
  [{ name: 'errors', templateRef: { name: 'errors' }, interval: '2m' }, '2m'],
])('gives the check %j a window of "%s"', (metric, window) => {
  expect(metricInterval(metric)).toBe(window);
});
