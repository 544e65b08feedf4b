import { describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { shopCanary } from '../../test/support/shop.ts';
import { imageMeters } from './images/meters.ts';
import { releaseMeters, workerMeters } from './meters.ts';

const setUp = () => {
  const registry = new Registry();
  const lines = async (name: string) =>
    (await registry.getSingleMetricAsString(name)).split('\n').filter((line) => line && !line.startsWith('#'));
  /** Without those that only say that there may be one. */
  const counted = async (name: string) => (await lines(name)).filter((line) => !line.endsWith(' 0'));
  return { meters: releaseMeters(registry), lines, counted };
};
const ab = shopCanary({ analysis: { iterations: 3, match: [{ headers: {} }] } });

describe('TestController_MetricsStateTransition', () => {
  it('counts a success when the promotion is over, and once', async () => {
    const { meters, counted } = setUp();
    meters.entered(shopCanary(), 'Promoting', 'Finalising');
    meters.entered(shopCanary(), 'Finalising', 'Succeeded');
    meters.entered(shopCanary(), 'Succeeded', 'Succeeded');
    expect(await counted('flagger_canary_successes_total')).toEqual([
      'flagger_canary_successes_total{name="shop",namespace="prod",deployment_strategy="canary",analysis_status="completed"} 1',
    ]);
    expect(await counted('flagger_canary_failures_total')).toEqual([]);
  });

  it('tells releases without analysis apart, and strategies', async () => {
    const { meters, counted } = setUp();
    meters.entered(shopCanary({ skipAnalysis: true }), 'Promoting', 'Succeeded');
    meters.entered(ab, 'Progressing', 'Failed');
    expect(await counted('flagger_canary_successes_total')).toEqual([
      'flagger_canary_successes_total{name="shop",namespace="prod",deployment_strategy="canary",analysis_status="skipped"} 1',
    ]);
    expect(await counted('flagger_canary_failures_total')).toEqual([
      'flagger_canary_failures_total{name="shop",namespace="prod",deployment_strategy="ab-testing",analysis_status="completed"} 1',
    ]);
  });

  it('counts no release that was cancelled, and none that begins or waits', async () => {
    const { meters, counted } = setUp();
    meters.entered(shopCanary(), 'Progressing', 'Succeeded');
    meters.entered(shopCanary(), 'Initialized', 'Progressing');
    meters.entered(shopCanary(), '', 'Initialized');
    expect(await counted('flagger_canary_successes_total')).toEqual([]);
  });

  it('says 0 of both from the first check on, so that the first end is an increase', async () => {
    const { meters, lines } = setUp();
    meters.analysed(shopCanary(), 0.2, []);
    const labels = 'name="shop",namespace="prod",deployment_strategy="canary",analysis_status="completed"';
    expect(await lines('flagger_canary_successes_total')).toEqual([`flagger_canary_successes_total{${labels}} 0`]);
    expect(await lines('flagger_canary_failures_total')).toEqual([`flagger_canary_failures_total{${labels}} 0`]);
    meters.entered(shopCanary({ skipAnalysis: true }), 'Initialized', 'Progressing');
    expect(await lines('flagger_canary_successes_total')).toContain(
      `flagger_canary_successes_total{${labels.replace('completed', 'skipped')}} 0`,
    );
  });
});

describe('TestController_AnalysisMetricsRecording', () => {
  it('keeps the last value of each check, and every series, for as long as there is a Canary (Q43)', async () => {
    const { meters, lines } = setUp();
    meters.analysed(shopCanary(), 0.2, [
      { name: 'request-success-rate', value: 98 },
      { name: 'mine', failure: 'no-values', error: 'no' },
    ]);
    meters.analysed(shopCanary(), 0.3, [{ name: 'request-success-rate', value: 99.5 }]);
    expect(await lines('flagger_canary_metric_analysis')).toEqual([
      'flagger_canary_metric_analysis{name="shop",namespace="prod",metric="request-success-rate"} 99.5',
    ]);
    expect(await lines('flagger_canary_duration_seconds')).toContain(
      'flagger_canary_duration_seconds_bucket{le="0.25",name="shop",namespace="prod"} 1',
    );
    meters.analysed(shopCanary({ targetRef: { kind: 'Deployment', name: 'other' } }, {}, { name: 'other' }), 0.2, []);
    meters.analysed(shopCanary({ targetRef: { kind: 'Deployment', name: 'moved' } }), 0.2, []);
    meters.entered(shopCanary(), 'Finalising', 'Succeeded');
    meters.gone({ namespace: 'prod', name: 'shop' });
    for (const name of ['successes_total', 'failures_total', 'duration_seconds', 'metric_analysis']) {
      const left = (await lines(`flagger_canary_${name}`)).map((line) => /name="(\w+)"/.exec(line)?.[1]);
      expect([...new Set(left)]).toEqual(name === 'metric_analysis' ? [] : ['other']);
    }
  });
});

describe('when a release was last attended to', () => {
  const name = 'serin_canary_last_check_timestamp_seconds';
  const at = (line = '') => Number(line.split(' ')[1]);

  it('is told by the name of the Canary: when its checks were made, or its gates asked', async () => {
    const { meters, lines } = setUp();
    const before = Date.now() / 1000;
    meters.analysed(shopCanary({ targetRef: { kind: 'Deployment', name: 'another' } }), 0.2, []);
    meters.asked({ namespace: 'prod', name: 'gated' });
    const [checked, asked] = await lines(name);
    expect(checked).toContain(`${name}{name="shop",namespace="prod"}`);
    expect(asked).toContain(`${name}{name="gated",namespace="prod"}`);
    expect(at(checked)).toBeGreaterThanOrEqual(before);
    expect(at(asked)).toBeGreaterThanOrEqual(before);
  });

  it('is forgotten with the Canary', async () => {
    const { meters, lines } = setUp();
    meters.asked({ namespace: 'prod', name: 'shop' });
    meters.gone({ namespace: 'prod', name: 'shop' });
    expect(await lines(name)).toEqual([]);
  });
});

describe('what alerts count', () => {
  it('is there before the first time, so that the first time is an increase', async () => {
    const registry = new Registry();
    workerMeters(registry);
    imageMeters(registry, ['production', 'mirror']);
    const lines = (await registry.metrics()).split('\n');
    expect(lines).toEqual(
      expect.arrayContaining([
        'serin_notices_undelivered_total{kind="alert"} 0',
        'serin_notices_undelivered_total{kind="event"} 0',
        'serin_audit_failures_total 0',
        'serin_poll_found_missed_event_total{receiver="production"} 0',
        'serin_poll_found_missed_event_total{receiver="mirror"} 0',
      ]),
    );
  });
});
