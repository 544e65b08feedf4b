import type { Context } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure, defaultPayloadConverter } from '@temporalio/common';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { failure } from '../errors.ts';
import { createLog } from '../log.ts';
import { createTracing, currentTrace } from '../tracing.ts';
import { parseTrace, traceHeader } from '../workflows/trace-context.ts';
import { workerMeters } from './meters.ts';
import { observed } from './observed.ts';

const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
let registry: Registry;
let run: (work: () => Promise<unknown>, headers?: object) => Promise<unknown>;

beforeEach(async () => {
  registry = new Registry();
  const factory = observed(await createTracing({ service: 'test', version: '0', env: {} }), workerMeters(registry));
  const info = {
    ...{ activityType: 'promote', attempt: 2, workflowExecution: { workflowId: 'release/shop/cart', runId: 'r1' } },
    currentAttemptScheduledTimestampMs: Date.now() - 3_000,
  };
  const { inbound } = factory({ info } as Context);
  run = (work, headers = {}) =>
    inbound!.execute!({ args: [{ namespace: 'shop', name: 'cart' }], headers: headers as never }, work);
});

describe('an activity', () => {
  it('goes on with the trace of its workflow, and its log lines name release, run and Canary', async () => {
    const lines: Record<string, unknown>[] = [];
    const log = createLog('info', (line) => lines.push(JSON.parse(line) as Record<string, unknown>));
    const seen = await run(
      async () => {
        log.info('copied');
        return currentTrace();
      },
      { [traceHeader]: defaultPayloadConverter.toPayload(trace) },
    );
    const { traceId, spanId } = parseTrace(seen)!;
    expect(traceId).toBe('0af7651916cd43dd8448eb211c80319c');
    expect(lines[0]).toMatchObject({
      ...{ msg: 'copied', release: 'release/shop/cart', run: 'r1', canary: 'cart.shop' },
      ...{ trace_id: traceId, span_id: spanId },
    });
  });

  it('is timed, from when it was asked for and from when it began', async () => {
    await run(async () => 'done');
    const text = await registry.metrics();
    expect(text).toContain('serin_activity_seconds_count{activity="promote"} 1');
    expect(text).toContain('serin_activity_wait_seconds_bucket{le="1",activity="promote"} 0');
    expect(text).toContain('serin_activity_wait_seconds_bucket{le="5",activity="promote"} 1');
  });

  it.each([
    ['Conflict', failure('Conflict', 'written meanwhile')],
    ['other', new Error('a bug')],
    ['other', ApplicationFailure.create({ type: 'Of somebody else', message: 'x' })],
  ])('that fails is counted as %s', async (type, error) => {
    await expect(run(() => Promise.reject(error))).rejects.toBe(error);
    expect(await registry.metrics()).toContain(`serin_activity_failures_total{activity="promote",failure="${type}"} 1`);
  });

  it('that nobody wants any more has not failed', async () => {
    await expect(run(() => Promise.reject(new CancelledFailure('enough')))).rejects.toThrow('enough');
    expect(await registry.metrics()).not.toContain('serin_activity_failures_total{');
  });
});
