import { Context } from '@temporalio/activity';

/** The call of an activity that is being answered. */
export interface Call {
  /** Names the call: the same for all its retries, and no other has it. */
  readonly key: string;
  /** Aborts when the release no longer wants the answer. */
  readonly signal?: AbortSignal;
}

/** Runs a piece of an activity as part of its call. */
export type InCall = <T>(work: (call: Call) => Promise<T>) => Promise<T>;

const heartbeatMs = 2_000;

/** Temporal's own call. It is only in answer to a heartbeat that Temporal says a call was cancelled. */
export const inActivity: InCall = async (work) => {
  const context = Context.current();
  const { workflowExecution, activityId } = context.info;
  const beat = setInterval(() => context.heartbeat(), heartbeatMs);
  try {
    return await work({ key: `${workflowExecution?.runId ?? ''}/${activityId}`, signal: context.cancellationSignal });
  } finally {
    clearInterval(beat);
  }
};
