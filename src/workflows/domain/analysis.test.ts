import { describe, expect, it } from '@jest/globals';
import { goDuration, judge } from './analysis.ts';
import type { MetricCheck } from './observation.ts';
import type { HookAnswer, Reading } from './plan.ts';

const names = { canary: 'shop.prod', target: 'shop.prod', provider: 'istio' };
const rate: MetricCheck = { name: 'request-success-rate', kind: 'success-rate', hasRange: true, min: 99 };
const duration: MetricCheck = { name: 'request-duration', kind: 'duration', hasRange: true, max: 500 };
const query: MetricCheck = { name: 'queue', kind: 'query', hasRange: true, max: 10 };
const template: MetricCheck = { ...query, name: 'orders', kind: 'template' };

const judged = (check: MetricCheck, reading: object) =>
  judge(names, [check], [], [{ name: check.name, ...reading } as Reading]);

const read = (check: MetricCheck, value: number) => judged(check, { value });
const missing = (check: MetricCheck, failure: 'no-values' | 'unavailable' | 'unusable', error: string) =>
  judged(check, { failure, error });

describe('a reading out of its range', () => {
  it.each([
    { when: 'a success rate below', check: rate, value: 97.314, text: 'success rate 97.31% < 99%' },
    { when: 'a success rate above', check: { ...rate, max: 99.5 }, value: 100, text: 'success rate 100.00% > 99.5%' },
    { when: 'a duration above', check: duration, value: 650, text: 'request duration 650ms > 500ms' },
    { when: 'a duration above, in seconds', check: duration, value: 1200, text: 'request duration 1.2s > 500ms' },
    { when: 'a duration below', check: { ...duration, min: 10 }, value: 2, text: 'request duration 2ms < 10ms' },
    { when: 'an inline query above', check: query, value: 10.5, text: 'queue 10.50 > 10' },
    { when: 'an inline query below', check: { ...query, min: 2.5 }, value: 1, text: 'queue 1.00 < 2.5' },
    { when: 'a template above', check: template, value: 11, text: 'orders 11.00 > 10' },
    { when: 'a template below', check: { ...template, min: 3 }, value: 2, text: 'orders 2.00 < 3' },
  ])('fails and says so: $when', ({ check, value, text }) => {
    expect(read(check, value)).toMatchObject({ outcome: 'fail', message: `Halt shop.prod advancement ${text}` });
  });

  it.each([
    { when: 'on the lower bound', check: rate, value: 99 },
    { when: 'on the upper bound', check: duration, value: 500 },
    { when: 'with an empty range, any number', check: { ...query, max: undefined }, value: -1e9 },
    { when: 'D-04: under a limit of less than a millisecond', check: { ...duration, max: 0.5 }, value: 0.4 },
  ])('passes: $when', ({ check, value }) => {
    expect(read(check, value)).toEqual({ outcome: 'pass' });
  });

  it('D-04: a limit below a millisecond is compared as it is written', () => {
    expect(read({ ...duration, max: 0.5 }, 0.6)).toMatchObject({
      message: 'Halt shop.prod advancement request duration 600µs > 500µs',
    });
  });
});

describe('the deprecated threshold', () => {
  const old = (check: MetricCheck, threshold?: number): MetricCheck => ({
    name: check.name,
    kind: check.kind,
    hasRange: false,
    threshold,
  });

  it.each([
    { when: 'is a minimum for a success rate', check: old(rate, 99), value: 98, text: 'success rate 98.00% < 99%' },
    {
      when: 'is a maximum for a duration',
      check: old(duration, 500),
      value: 501,
      text: 'request duration 501ms > 500ms',
    },
    { when: 'is a maximum for a query', check: old(query, 3), value: 4, text: 'queue 4.00 > 3' },
    { when: 'is 0 when it is missing', check: old(template), value: 0.1, text: 'orders 0.10 > 0' },
  ])('$when', ({ check, value, text }) => {
    expect(read(check, value)).toMatchObject({ outcome: 'fail', message: `Halt shop.prod advancement ${text}` });
  });

  it('counts for nothing beside a range, be it an empty one', () => {
    expect(read({ ...query, max: undefined, threshold: 1 }, 50)).toEqual({ outcome: 'pass' });
  });
});

describe('a reading that is no number', () => {
  const noBounds = { ...duration, max: undefined };
  it.each([
    { when: 'NaN', check: rate, value: NaN },
    { when: 'infinity under a maximum', check: duration, value: Infinity },
    { when: 'minus infinity under a maximum', check: query, value: -Infinity },
    { when: 'infinity without a bound', check: noBounds, value: Infinity },
  ])('fails: $when', ({ check, value }) => {
    expect(read(check, value)).toMatchObject({
      outcome: 'fail',
      message: `Halt shop.prod advancement ${check.name} ${value} is not a number`,
    });
  });
});

describe('a provider that answers with nothing', () => {
  const start = 'Halt advancement no values found for';
  it.each([
    {
      when: 'success rate',
      check: rate,
      text: `${start} istio metric request-success-rate probably shop.prod is not receiving traffic: no values found`,
    },
    {
      when: 'duration',
      check: duration,
      text: `${start} istio metric request-duration probably shop.prod is not receiving traffic`,
    },
    { when: 'inline query', check: query, text: `${start} metric: queue` },
    { when: 'template', check: template, text: `${start} custom metric: orders: no values found` },
  ])('fails the check: $when', ({ check, text }) => {
    expect(missing(check, 'no-values', 'no values found')).toMatchObject({ outcome: 'fail', message: text });
  });
});

describe('Q55: a provider that does not answer', () => {
  it.each([
    { when: 'built-in', check: rate, text: 'Prometheus query failed: timed out' },
    { when: 'built-in duration', check: duration, text: 'Prometheus query failed: timed out' },
    { when: 'inline query', check: query, text: 'Prometheus query failed for queue: timed out' },
    { when: 'template', check: template, text: 'Metric query failed for orders: timed out' },
  ])('gives no verdict, in the words of Flagger: $when', ({ check, text }) => {
    expect(missing(check, 'unavailable', 'timed out')).toMatchObject({ outcome: 'inconclusive', message: text });
  });

  it('a check that was not read at all gives no verdict either', () => {
    expect(judge(names, [rate, query], [], [{ name: rate.name, value: 100 }])).toMatchObject({
      outcome: 'inconclusive',
    });
  });
});

it('BC-36: a check that can read nothing fails closed, in the words of whoever tried', () => {
  const text = 'Metric query failed for no usable metrics template and query were configured';
  const typo: MetricCheck = { name: 'request-succes-rate', kind: 'undefined', hasRange: true, min: 99 };
  expect(missing(typo, 'unusable', text)).toMatchObject({ outcome: 'fail', message: text });
});

describe('what decides', () => {
  const yes: HookAnswer = { name: 'smoke', type: 'rollout' };
  const no: HookAnswer = { name: 'load', type: 'rollout', error: 'exit status 1' };
  const bad: Reading = { name: rate.name, value: 50 };

  it('is a hook that says no, before any metric', () => {
    expect(judge(names, [rate], [yes, no], [bad])).toMatchObject({
      outcome: 'fail',
      message: 'Halt shop.prod advancement external check load failed exit status 1',
    });
  });

  it('is the first metric that does not pass', () => {
    const silent: Reading = { name: query.name, failure: 'no-values', error: '' };
    expect(judge(names, [query, rate], [yes], [silent, bad])).toMatchObject({
      message: 'Halt advancement no values found for metric: queue',
    });
  });

  it('is a failed check before one without a verdict only when it comes first', () => {
    const down: Reading = { name: query.name, failure: 'unavailable', error: 'down' };
    expect(judge(names, [rate, query], [], [bad, down])).toMatchObject({ outcome: 'fail' });
    expect(judge(names, [query, rate], [], [down, bad])).toMatchObject({ outcome: 'inconclusive' });
  });

  it('is nothing when there is nothing to ask', () => {
    expect(judge(names, [], [], [])).toEqual({ outcome: 'pass' });
  });
});

describe('what people are told of a check that did not pass', () => {
  const asked = { query: 'sum(rate(requests[1m]))' };
  const no: HookAnswer = { name: 'load', type: 'rollout', error: 'exit status 1' };

  it('is its value, all its bounds, and the query, as events write them', () => {
    const within = { ...rate, max: 99.5 };
    const found = { name: rate.name, value: '50.00%', min: '99%', max: '99.5%', ...asked };
    expect(judged(within, { value: 50, ...asked })).toMatchObject({ check: found });
    expect(judged(duration, { value: 650 })).toMatchObject({ check: { value: '650ms', max: '500ms' } });
    expect(judged(query, { value: NaN, ...asked })).toMatchObject({ check: { value: 'NaN', max: '10', ...asked } });
  });

  it.each(['no-values', 'unavailable', 'unusable'] as const)('is why there is no value: %s', (failure) => {
    expect(judged(query, { failure, error: 'why', ...asked })).toMatchObject({
      check: { name: 'queue', error: 'why', ...asked },
    });
  });

  it('is a condition where something has to be mended first, and not where the canary is bad', () => {
    const trouble = (verdict: ReturnType<typeof judge>) => ('trouble' in verdict ? verdict.trouble : undefined);
    expect(trouble(missing(query, 'unavailable', ''))).toBe('Unavailable');
    expect(trouble(missing(query, 'unusable', ''))).toBe('InvalidSpec');
    expect(trouble(judge(names, [], [no], []))).toBe('Unavailable');
    expect(trouble(missing(query, 'no-values', ''))).toBeUndefined();
    expect(trouble(read(rate, 50))).toBeUndefined();
  });
});

describe('durations as Go prints them', () => {
  it.each([
    { ms: 0, text: '0s' },
    { ms: 0.0004, text: '400ns' },
    { ms: 0.5, text: '500µs' },
    { ms: 1.5, text: '1.5ms' },
    { ms: 650, text: '650ms' },
    { ms: 1000, text: '1s' },
    { ms: 1200, text: '1.2s' },
    { ms: 90_000, text: '1m30s' },
    { ms: 60_000, text: '1m0s' },
    { ms: 3_600_000, text: '1h0m0s' },
    { ms: 3_661_500, text: '1h1m1.5s' },
    { ms: -20, text: '-20ms' },
  ])('$ms ms is $text', ({ ms, text }) => {
    expect(goDuration(ms)).toBe(text);
  });
});
