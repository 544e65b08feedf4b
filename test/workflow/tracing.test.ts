import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, type WorkflowClientInterceptor } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import type { WorkerOptions } from '@temporalio/worker';
import { hintSignal, releaseId } from '../../src/workflows/messages.ts';
import { formatTrace, parseTrace, traceHeader, type WorkflowSpan } from '../../src/workflows/trace-context.ts';
import { stubCluster } from '../support/stub-cluster.ts';
import { openBench, until, type Bench } from '../support/temporal.ts';

let bench: Bench;
beforeAll(async () => (bench = await openBench()));
afterAll(() => bench.close());

const traceOf = (letter: string) => ({ traceId: letter.repeat(32), spanId: letter.repeat(16), sampled: true });

/** What activities were told, and which spans of runs came out. */
function listening() {
  const told: { readonly activity: string; readonly trace: string }[] = [];
  const spans: WorkflowSpan[] = [];
  const options: Partial<WorkerOptions> = {
    interceptors: {
      activity: [
        ({ info }) => ({
          inbound: {
            execute(input, next) {
              const header = input.headers[traceHeader];
              const trace = header ? defaultPayloadConverter.fromPayload<string>(header) : '';
              told.push({ activity: info.activityType, trace });
              return next(input);
            },
          },
        }),
      ],
    },
    sinks: {
      tracing: { ran: { fn: (_: unknown, span: WorkflowSpan) => void spans.push(span), callDuringReplay: false } },
    },
  };
  return { told, spans, options };
}

/** A hint from somebody who is part of a trace. */
async function hint(canary: { namespace: string; name: string }, letter: string): Promise<void> {
  const interceptor: WorkflowClientInterceptor = {
    signalWithStart: (input, next) =>
      next({
        ...input,
        headers: { ...input.headers, [traceHeader]: defaultPayloadConverter.toPayload(formatTrace(traceOf(letter))) },
      }),
  };
  const client = new Client({ connection: bench.client.connection, interceptors: { workflow: [interceptor] } });
  await client.workflow.signalWithStart('release', {
    ...{ workflowId: releaseId(canary), taskQueue: bench.taskQueue, args: [{ canary }] },
    ...{ signal: hintSignal, signalArgs: [{ source: 'test', eventId: randomUUID() }] },
  });
}

describe('a release', () => {
  it('goes on with the trace of whoever started it, and its run is a span between that and its activities', async () => {
    const { told, spans, options } = listening();
    const canary = bench.canary();
    await bench.whileWorking(
      stubCluster().activities,
      async () => {
        await hint(canary, 'a');
        await until('the run is over', () => spans.length === 1);
      },
      options,
    );
    const [span] = spans;
    expect(span).toMatchObject({
      ...{ name: 'release', parent: traceOf('a'), context: { traceId: 'a'.repeat(32) } },
      attributes: { 'temporal.workflow_id': releaseId(canary), 'serin.outcome': 'unchanged' },
    });
    expect(told.length).toBeGreaterThan(0);
    for (const { trace } of told) expect(parseTrace(trace)).toEqual(span!.context);
    expect(span!.endedAt).toBeGreaterThanOrEqual(span!.startedAt);
  });

  it('that nobody gave a trace has one of its own, by the id of its run', async () => {
    const { told, spans, options } = listening();
    await bench.whileWorking(
      stubCluster().activities,
      async () => {
        const handle = await bench.hint(bench.canary());
        await handle.result();
        await until('the span is out', () => spans.length === 1);
        const { runId } = await handle.describe();
        expect(spans[0]!.context.traceId).toBe(runId.replaceAll('-', ''));
      },
      options,
    );
    expect(spans[0]!.parent).toBeUndefined();
    expect(parseTrace(told[0]!.trace)).toEqual(spans[0]!.context);
  });

  it('of a newer revision goes on with the trace of what made that, and not of the one that it replaces', async () => {
    const { told, spans, options } = listening();
    const cluster = stubCluster();
    const canary = bench.canary();
    cluster.revision = 'v1:2';
    await bench.whileWorking(
      cluster.activities,
      async () => {
        await hint(canary, 'a');
        await until('the first has traffic', () => cluster.weights.length > 0);
        cluster.revision = 'v1:3';
        await hint(canary, 'b');
        await until('the first made way', () => spans.length === 1);
        await until('the second has traffic', () =>
          told.some(({ activity, trace }) => activity === 'shiftTraffic' && trace.includes('b'.repeat(32))),
        );
        // A hint that is part of no trace changes nothing about it.
        await bench.hint(canary);
        await sleep(200);
        await bench.client.workflow.getHandle(releaseId(canary)).signal('abort', { by: 'test' });
        await until('the second is over', () => spans.length === 2);
      },
      options,
    );
    expect(spans.map(({ parent, attributes }) => [parent?.traceId[0], attributes['serin.outcome']])).toEqual([
      ['a', 'continued'],
      ['b', 'rolled back'],
    ]);
    const last = told.filter(({ activity }) => activity === 'rollBack' || activity === 'finish').at(-1);
    expect(parseTrace(last!.trace)).toEqual(spans[1]!.context);
  });
});
