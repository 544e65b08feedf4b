import { CancelledFailure, type Context } from '@temporalio/activity';
import { defaultPayloadConverter } from '@temporalio/common';
import type { ActivityInterceptors } from '@temporalio/worker';
import { failureType } from '../errors.ts';
import { canaryField, withLogFields, type LogFields } from '../log.ts';
import type { Tracing } from '../tracing.ts';
import { traceHeader } from '../workflows/trace-context.ts';
import type { ActivityMeters } from './meters.ts';

/**
 * Watches every activity: how long it waited and took, what it failed with, which trace it belongs to. Its log lines name
 * the release and the run.
 */
export function observed(tracing: Tracing, meters: ActivityMeters): (context: Context) => ActivityInterceptors {
  return ({ info }) => ({
    inbound: {
      async execute({ args, headers }, next) {
        const { activityType: activity, attempt, workflowExecution, currentAttemptScheduledTimestampMs } = info;
        const { workflowId = '', runId = '' } = workflowExecution ?? {};
        const startedAt = Date.now();
        meters.waited.observe({ activity }, Math.max(0, startedAt - currentAttemptScheduledTimestampMs) / 1000);
        const header = headers[traceHeader];
        const options = {
          ...(header ? { parent: defaultPayloadConverter.fromPayload<string>(header) } : {}),
          attributes: { 'temporal.workflow_id': workflowId, 'temporal.run_id': runId, 'temporal.attempt': attempt },
        };
        const fields = { release: workflowId, run: runId, ...canaryIn(args) };
        try {
          return await tracing.span(activity, options, () => withLogFields(fields, () => next({ args, headers })));
        } catch (error) {
          // Somebody wanted it no more; nothing went wrong.
          if (!(error instanceof CancelledFailure))
            meters.failed.inc({ activity, failure: failureType(error) ?? 'other' });
          throw error;
        } finally {
          meters.took.observe({ activity }, (Date.now() - startedAt) / 1000);
        }
      },
    },
  });
}

/** Activities of releases get the Canary first. */
function canaryIn([first]: readonly unknown[]): LogFields {
  const { namespace, name } = (first ?? {}) as { readonly namespace?: unknown; readonly name?: unknown };
  return typeof namespace === 'string' && typeof name === 'string' ? { canary: canaryField({ namespace, name }) } : {};
}
