import { defaultPayloadConverter } from '@temporalio/common';
import {
  ContinueAsNew,
  proxySinks,
  workflowInfo,
  type Headers,
  type Sinks,
  type WorkflowInterceptors,
} from '@temporalio/workflow';
import { formatTrace, parseTrace, traceHeader, type TraceContext, type WorkflowSpan } from './trace-context.ts';

/** What leaves a workflow beside its commands: the span of a run, told once it is over, and again if that is not sure. */
export interface TracingSinks extends Sinks {
  tracing: { ran(span: WorkflowSpan): void };
}

/**
 * Hands traces on, from whoever started a run or sent it a hint to the activities it calls and the run that continues it.
 * Headers only: they are no commands, and no history depends on them. A run that nobody gave a trace begins one, whose id
 * is its own, so that logs of all its activities have it in common.
 */
export const interceptors = (): WorkflowInterceptors => {
  const { runId, workflowType, workflowId } = workflowInfo();
  const hex = runId.replaceAll('-', '');
  let parent: TraceContext | undefined;
  /** Of the newest hint that had one: what made a newer revision, which the next run is about. */
  let newest: TraceContext | undefined;
  const own = (): TraceContext => ({
    traceId: parent?.traceId ?? hex,
    // The first half of a run's id is a time, which many have in common.
    spanId: hex.slice(16),
    sampled: parent?.sampled ?? true,
  });
  const { tracing } = proxySinks<TracingSinks>();

  return {
    inbound: [
      {
        async execute(input, next) {
          parent = traceIn(input.headers);
          const startedAt = Date.now();
          const ended = (attributes: Record<string, string>, error?: string) =>
            tracing.ran({
              ...{ name: workflowType, context: own(), startedAt, endedAt: Date.now() },
              ...(parent ? { parent } : {}),
              attributes: { 'temporal.workflow_id': workflowId, 'temporal.run_id': runId, ...attributes },
              ...(error === undefined ? {} : { error }),
            });
          try {
            const result = await next(input);
            ended({ 'serin.outcome': outcomeIn(result) });
            return result;
          } catch (error) {
            if (error instanceof ContinueAsNew) ended({ 'serin.outcome': 'continued' });
            else ended({}, error instanceof Error ? error.message : String(error));
            throw error;
          }
        },
        async handleSignal(input, next) {
          newest = traceIn(input.headers) ?? newest;
          return next(input);
        },
      },
    ],
    outbound: [
      {
        scheduleActivity: (input, next) => next({ ...input, headers: withTrace(input.headers, own()) }),
        continueAsNew: (input, next) =>
          next({ ...input, headers: withTrace(input.headers, newest ?? parent ?? own()) }),
      },
    ],
  };
};

function traceIn(headers: Headers): TraceContext | undefined {
  const payload = headers[traceHeader];
  return payload && parseTrace(defaultPayloadConverter.fromPayload(payload));
}

function withTrace(headers: Headers, trace: TraceContext): Headers {
  return { ...headers, [traceHeader]: defaultPayloadConverter.toPayload(formatTrace(trace)) };
}

/** The word that the results of our workflows have for how they ended. */
function outcomeIn(result: unknown): string {
  const { outcome } = (result ?? {}) as { readonly outcome?: unknown };
  return typeof outcome === 'string' ? outcome : 'done';
}
