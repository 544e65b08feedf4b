import { expect, it } from '@jest/globals';
import { readSettings } from './config.ts';
import { activitySlots, tuning } from './worker-options.ts';
import { planTimeoutMs } from './workflows/domain/plan.ts';

it.each([1, 20, 100, 400, 5_000])(
  'with %d requests a second, as many activities as a worker takes are through in half the time of a plan',
  (qps) => {
    const slots = activitySlots(qps);
    // An initialization makes about 25 requests.
    if (qps >= 20) expect((slots * 25) / qps).toBeLessThan(planTimeoutMs / 2 / 1_000);
    expect(slots).toBeGreaterThanOrEqual(5);
    expect(slots).toBeLessThanOrEqual(200);
  },
);

it('unless it is told otherwise, a worker does 200 things at once', () => {
  expect(tuning(readSettings({}))).toMatchObject({ maxConcurrentActivityTaskExecutions: 200 });
});
