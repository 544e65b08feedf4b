import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createLog } from './log.ts';
import { createTracing, currentTrace, inTrace, type Tracing } from './tracing.ts';
import { formatTrace, parseTrace } from './workflows/trace-context.ts';

const caller = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

describe('a traceparent', () => {
  it('is read and written as the standard has it', () => {
    expect(parseTrace(caller)).toEqual({
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
      sampled: true,
    });
    expect(formatTrace(parseTrace(caller)!)).toBe(caller);
    expect(parseTrace(caller.replace(/01$/, '00'))).toMatchObject({ sampled: false });
    // Of a later version there may be more.
    expect(parseTrace(`${caller.replace(/^00/, 'cc')}-more`)).toMatchObject({ spanId: 'b7ad6b7169203331' });
  });

  it.each([
    undefined,
    ['a', 'b'],
    '',
    'hello',
    caller.toUpperCase(),
    caller.replace(/^00/, 'ff'),
    '00-00000000000000000000000000000000-b7ad6b7169203331-01',
    '00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01',
    `${caller}\r\nx: y`,
  ])('that is none (%p) is as good as nothing', (header) => {
    expect(parseTrace(header)).toBeUndefined();
    expect(inTrace(header, currentTrace)).toBeUndefined();
  });
});

describe('tracing', () => {
  let exporter: InMemorySpanExporter;
  let tracing: Tracing;
  const start = async (env: NodeJS.ProcessEnv = {}) =>
    (tracing = await createTracing({
      ...{ service: 'serin-test', version: '1.2.3', env },
      processor: new SimpleSpanProcessor(exporter),
    }));

  beforeEach(() => void (exporter = new InMemorySpanExporter()));
  afterEach(() => tracing.close());

  it('makes spans of what causes what, over promises, and says so in the log', async () => {
    await start();
    const lines: Record<string, string>[] = [];
    const log = createLog('info', (line) => lines.push(JSON.parse(line) as Record<string, string>));
    await inTrace(caller, () =>
      tracing.span('push', { kind: 'consumer', attributes: { image: 'a:1' } }, async () => {
        await Promise.resolve();
        await tracing.span('start', {}, async () => log.info('inner'));
      }),
    );
    const [inner, outer] = exporter.getFinishedSpans();
    expect([outer!.name, outer!.spanContext().traceId, outer!.parentSpanContext?.spanId]).toEqual([
      'push',
      '0af7651916cd43dd8448eb211c80319c',
      'b7ad6b7169203331',
    ]);
    expect(inner!.parentSpanContext?.spanId).toBe(outer!.spanContext().spanId);
    expect(outer).toMatchObject({
      attributes: { image: 'a:1' },
      resource: { attributes: { 'service.name': 'serin-test' } },
    });
    expect(lines[0]).toMatchObject({ trace_id: outer!.spanContext().traceId, span_id: inner!.spanContext().spanId });
  });

  it('begins a trace where nobody asks, or what asks is none', async () => {
    await start();
    const traces = await Promise.all(
      [{}, { parent: 'nonsense' }].map((options) => tracing.span('x', options, async () => currentTrace())),
    );
    expect(new Set(traces).size).toBe(2);
    for (const trace of traces) expect(parseTrace(trace)).toBeDefined();
    expect(exporter.getFinishedSpans().map(({ parentSpanContext }) => parentSpanContext)).toEqual([
      undefined,
      undefined,
    ]);
  });

  it('goes on with what it is told, and leaves alone what nobody wants sampled', async () => {
    await start();
    await tracing.span('x', { parent: caller }, async () => undefined);
    await tracing.span('y', { parent: caller.replace(/01$/, '00') }, async () => undefined);
    expect(exporter.getFinishedSpans().map(({ name }) => name)).toEqual(['x']);
  });

  it('says what failed, and lets it fail', async () => {
    await start();
    await expect(tracing.span('x', {}, () => Promise.reject(new Error('no registry')))).rejects.toThrow('no registry');
    expect(exporter.getFinishedSpans()[0]).toMatchObject({ status: { code: 2, message: 'no registry' } });
  });

  it('exports spans of workflows as they measured them', async () => {
    await start({ OTEL_SERVICE_NAME: 'mine' });
    const context = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled: true };
    const span = {
      name: 'release',
      context,
      startedAt: 1_000,
      endedAt: 3_500,
      attributes: { 'serin.outcome': 'promoted' },
    };
    tracing.record(span);
    tracing.record({ ...span, parent: parseTrace(caller)!, error: 'cancelled' });
    tracing.record({ ...span, context: { ...context, sampled: false } });
    const [alone, child, ...others] = exporter.getFinishedSpans();
    expect(others).toEqual([]);
    expect(alone).toMatchObject({
      ...{ name: 'release', startTime: [1, 0], endTime: [3, 500_000_000], duration: [2, 500_000_000] },
      attributes: { 'serin.outcome': 'promoted' },
      resource: { attributes: { 'service.name': 'mine', 'service.version': '1.2.3' } },
    });
    expect(alone!.spanContext()).toMatchObject({ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) });
    expect(child!.parentSpanContext).toMatchObject({ spanId: 'b7ad6b7169203331' });
    expect(child!.status).toEqual({ code: 2, message: 'cancelled' });
  });

  it('says that a collector does not answer, and does not wait for it at the end', async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    // The library reads these itself.
    Object.assign(process.env, { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_EXPORTER_OTLP_TIMEOUT: '300' });
    const warned: unknown[] = [];
    try {
      tracing = await createTracing({ service: 'x', version: '1', log: { warn: (...line) => warned.push(line) } });
      await tracing.span('x', {}, async () => undefined);
      const since = performance.now();
      await tracing.close();
      expect(performance.now() - since).toBeLessThan(5_000);
      expect(JSON.stringify(warned)).toMatch(/spans left unsent.*time.?out|timed out/i);
    } finally {
      delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
      delete process.env.OTEL_EXPORTER_OTLP_TIMEOUT;
      silent.closeAllConnections();
      silent.close();
    }
  });
});
