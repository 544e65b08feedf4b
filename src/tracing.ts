import {
  context,
  diag,
  DiagLogLevel,
  isSpanContextValid,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Attributes,
  type Context,
  type DiagLogger,
  type SpanContext,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { millisToHrTime } from '@opentelemetry/core';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor, type SpanProcessor } from '@opentelemetry/sdk-trace-base';
import { messageOf } from './errors.ts';
import { withLogFields, type Log } from './log.ts';
import { pause } from './pace.ts';
import { formatTrace, parseTrace, type TraceContext, type WorkflowSpan } from './workflows/trace-context.ts';

export interface SpanOptions {
  /** What caused it; by default what goes on at the moment, and otherwise a trace of its own. */
  readonly parent?: string;
  readonly kind?: 'internal' | 'server' | 'producer' | 'consumer';
  readonly attributes?: Attributes;
}

/** Says what took how long and what caused it. Spans are exported where `OTEL_EXPORTER_OTLP_ENDPOINT` says, or nowhere. */
export interface Tracing {
  /** Does `work` as a span. Its log lines have `trace_id` and `span_id`, exported or not. */
  span<T>(name: string, options: SpanOptions, work: () => Promise<T>): Promise<T>;
  /** Exports a span of a workflow, which measured it itself. */
  record(span: WorkflowSpan): void;
  /** Sends what waits to be sent. */
  close(): Promise<void>;
}

const kinds = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
};

export interface TracingOptions {
  /** `serin-worker` or `serin-starter`, unless `OTEL_SERVICE_NAME` says otherwise. */
  readonly service: string;
  readonly version: string;
  /** Hears what the library has to say, such as that a collector does not answer. */
  readonly log?: Pick<Log, 'warn'>;
  readonly env?: NodeJS.ProcessEnv;
  /** Where spans go; by default to the collector that the environment names. */
  readonly processor?: SpanProcessor;
}

/** Longest time that what waits to be sent gets at the end, in milliseconds: releases do not wait for a collector. */
const lastSendMs = 3_000;

export async function createTracing(options: TracingOptions): Promise<Tracing> {
  const { service, version, log, env = process.env, processor } = options;
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  if (log) diag.setLogger(diagnostics(log), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  const resource = defaultResource().merge(
    resourceFromAttributes({ 'service.name': env.OTEL_SERVICE_NAME || service, 'service.version': version }),
  );
  const exporting = processor ?? (isWanted(env) ? await collector() : undefined);
  const provider = new BasicTracerProvider({ resource, spanProcessors: exporting ? [exporting] : [] });
  const tracer = provider.getTracer('serin', version);

  return {
    span(name, { parent, kind = 'internal', attributes = {} }, work) {
      const within = parent === undefined ? context.active() : withParent(parent);
      return tracer.startActiveSpan(name, { kind: kinds[kind], attributes }, within, async (span) => {
        const { traceId, spanId } = span.spanContext();
        try {
          return await withLogFields({ trace_id: traceId, span_id: spanId }, work);
        } catch (error) {
          span.setStatus({ code: SpanStatusCode.ERROR, message: messageOf(error) });
          throw error;
        } finally {
          span.end();
        }
      });
    },
    record({ name, context: own, parent, startedAt, endedAt, attributes, error }) {
      if (!exporting || !own.sampled) return;
      exporting.onEnd({
        ...{ name, kind: SpanKind.INTERNAL, attributes, resource },
        spanContext: () => spanContextOf(own),
        ...(parent ? { parentSpanContext: spanContextOf(parent) } : {}),
        startTime: millisToHrTime(startedAt),
        endTime: millisToHrTime(endedAt),
        duration: millisToHrTime(endedAt - startedAt),
        status: error === undefined ? { code: SpanStatusCode.UNSET } : { code: SpanStatusCode.ERROR, message: error },
        instrumentationScope: { name: 'serin', version },
        ...{ ended: true, links: [], events: [] },
        ...{ droppedAttributesCount: 0, droppedEventsCount: 0, droppedLinksCount: 0 },
      });
    },
    async close() {
      const patience = new AbortController();
      const sent = provider
        .shutdown()
        .catch((error: unknown) => log?.warn('spans left unsent', { error: messageOf(error) }));
      await Promise.race([sent, pause(lastSendMs, patience.signal)]);
      patience.abort();
    },
  };
}

/** The header value of what goes on at the moment; undefined when nothing does that is traced. */
export function currentTrace(): string | undefined {
  const active = trace.getSpanContext(context.active());
  if (!active || !isSpanContextValid(active)) return undefined;
  const { traceId, spanId, traceFlags } = active;
  return formatTrace({ traceId, spanId, sampled: (traceFlags & TraceFlags.SAMPLED) !== 0 });
}

/** Does `work` in the trace that a caller's header names; in one of its own, if that is none. */
export function inTrace<T>(header: unknown, work: () => T): T {
  const caller = parseTrace(header);
  return caller ? context.with(trace.setSpanContext(context.active(), spanContextOf(caller)), work) : work();
}

function withParent(header: string): Context {
  const parent = parseTrace(header);
  return parent ? trace.setSpanContext(context.active(), spanContextOf(parent)) : context.active();
}

function spanContextOf({ traceId, spanId, sampled }: TraceContext): SpanContext {
  return { traceId, spanId, isRemote: true, traceFlags: sampled ? TraceFlags.SAMPLED : TraceFlags.NONE };
}

/** Loaded only where it is wanted: it costs memory. It reads its own `OTEL_EXPORTER_OTLP_…` variables. */
async function collector(): Promise<SpanProcessor> {
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');
  return new BatchSpanProcessor(new OTLPTraceExporter());
}

function diagnostics(log: Pick<Log, 'warn'>): DiagLogger {
  const warn = (message: string) => log.warn('tracing', { message });
  const nothing = () => undefined;
  return { error: warn, warn, info: nothing, debug: nothing, verbose: nothing };
}

function isWanted(env: NodeJS.ProcessEnv): boolean {
  if (env.OTEL_SDK_DISABLED?.toLowerCase() === 'true') return false;
  return Boolean(env.OTEL_EXPORTER_OTLP_ENDPOINT || env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT);
}
