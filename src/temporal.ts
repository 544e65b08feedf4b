import {
  Client,
  Connection,
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  WorkflowExecutionAlreadyStartedError,
  type WorkflowClientInterceptor,
} from '@temporalio/client';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { ReadHistory } from './activities/archive.ts';
import type { CanaryRef } from './activities/contract.ts';
import { messageOf, messageWithCause } from './errors.ts';
import type { PollSchedules, PollTiming } from './polls.ts';
import { currentTrace } from './tracing.ts';
import { traceHeader } from './workflows/trace-context.ts';
import type { imagePush, ImagePush, ImagePushOptions } from './workflows/image-push.ts';
import { hintSignal, releaseId, type Hint } from './workflows/messages.ts';

/** What the starter asks of Temporal. */
export interface TemporalStarter {
  /** Wakes the Canary's release, or starts one. Rejects when Temporal did not take it. */
  hint(canary: CanaryRef, hint: Hint): Promise<void>;
  /**
   * Starts `imagePush` once for one occurrence; a redelivery is a duplicate. Rejects when Temporal has not taken it by
   * the deadline, in milliseconds since 1970; it may have all the same.
   */
  push(
    push: ImagePush,
    workflowId: string,
    options: ImagePushOptions,
    deadline: number,
  ): Promise<'started' | 'duplicate'>;
  /** Schedules that look into registries. */
  readonly polls: PollSchedules;
  /** Why Temporal cannot be used now, or undefined. */
  problem(): Promise<string | undefined>;
  close(): Promise<void>;
}

/**
 * Connects as Temporal's own environment variables and profile say (`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, …).
 * Connects on first use, so that a starter may come up before Temporal does.
 */
export function connectTemporal(taskQueue: string): TemporalStarter {
  const { connectionOptions, namespace = 'default' } = loadClientConnectConfig();
  const connection = Connection.lazy(connectionOptions);
  const client = new Client({ connection, namespace, interceptors: { workflow: [tracingInterceptor] } });
  const underWay = new Set<Promise<unknown>>();
  const by = async <T>(deadline: number, work: () => Promise<T>) => {
    const call = client.withDeadline(deadline, work);
    underWay.add(call);
    try {
      return await call;
    } finally {
      underWay.delete(call);
    }
  };
  const within = <T>(ms: number, work: () => Promise<T>) => by(Date.now() + ms, work);

  return {
    polls: pollSchedules(client, taskQueue, within),
    async hint({ namespace: space, name }, hint) {
      const sent = within(10_000, () =>
        client.workflow.signalWithStart('release', {
          workflowId: releaseId({ namespace: space, name }),
          taskQueue,
          args: [{ canary: { namespace: space, name } }],
          signal: hintSignal,
          signalArgs: [hint],
          staticSummary: `${space}/${name} ← ${hint.source}`,
        }),
      );
      await sent.catch((error: unknown) => {
        throw explained(error);
      });
    },
    async push(push, workflowId, options, deadline) {
      try {
        await by(deadline, () =>
          client.workflow.start<typeof imagePush>('imagePush', {
            workflowId,
            taskQueue,
            args: [push, options],
            workflowIdReusePolicy: 'REJECT_DUPLICATE',
            workflowIdConflictPolicy: 'FAIL',
            staticSummary: `${push.repository}:${push.tag} ← ${push.source}/${push.receiver}`,
          }),
        );
        return 'started';
      } catch (error) {
        if (error instanceof WorkflowExecutionAlreadyStartedError) return 'duplicate';
        throw explained(error);
      }
    },
    async problem() {
      try {
        await within(2_000, () => connection.workflowService.describeNamespace({ namespace }));
        return undefined;
      } catch (error) {
        return `Temporal namespace ${namespace} does not answer: ${messageOf(error)}`;
      }
    },
    async close() {
      // A call that is between two tries would make the next one on a closed channel, and throw where nobody catches it.
      await Promise.allSettled(underWay);
      await connection.close();
    },
  };
}

/** What is started or told goes on in the trace of whoever does it. */
const tracingInterceptor: WorkflowClientInterceptor = {
  startWithDetails: (input, next) => next({ ...input, headers: { ...input.headers, ...traceHeaders() } }),
  signalWithStart: (input, next) => next({ ...input, headers: { ...input.headers, ...traceHeaders() } }),
};

function traceHeaders(): Record<string, Payload> {
  const trace = currentTrace();
  return trace ? { [traceHeader]: defaultPayloadConverter.toPayload(trace) } : {};
}

type Within = <T>(ms: number, work: () => Promise<T>) => Promise<T>;

const second = 1_000;

/** Polls as Schedules of Temporal. One that is gone, or there already, is as good as done. */
function pollSchedules({ schedule }: Client, taskQueue: string, within: Within): PollSchedules {
  const known = async (work: () => Promise<unknown>): Promise<void> => {
    try {
      await within(10 * second, work);
    } catch (error) {
      if (error instanceof ScheduleNotFoundError || error instanceof ScheduleAlreadyRunning) return;
      throw explained(error);
    }
  };
  const specOf = ({ intervalMs, offsetMs, jitterMs }: PollTiming) => ({
    intervals: [{ every: intervalMs, offset: offsetMs }],
    jitter: jitterMs,
  });
  return {
    async *list(prefix) {
      for await (const { scheduleId, spec, state, memo } of schedule.list({ pageSize: 1_000 })) {
        // Those of another cluster, which has a task queue of its own, are not ours to change.
        if (!scheduleId.startsWith(prefix) || memo?.taskQueue !== taskQueue) continue;
        const [interval] = spec?.intervals ?? [];
        yield { id: scheduleId, intervalMs: interval?.every ?? 0, paused: state.paused, note: state.note ?? '' };
      }
    },
    create: (id, { canary, container }, timing) =>
      known(() =>
        schedule.create({
          scheduleId: id,
          spec: specOf(timing),
          action: {
            type: 'startWorkflow',
            workflowType: 'imagePoll',
            workflowId: id,
            taskQueue,
            args: [{ canary, container }],
            staticSummary: `${container} of ${canary.namespace}/${canary.name}`,
          },
          memo: { taskQueue },
          policies: { overlap: 'SKIP', catchupWindow: '1 minute' },
          state: { paused: timing.pausedBecause !== undefined, note: timing.pausedBecause ?? '' },
        }),
      ),
    setInterval: (id, timing) =>
      known(() => schedule.getHandle(id).update((before) => ({ ...before, spec: specOf(timing) }))),
    pause: (id, note) => known(() => schedule.getHandle(id).pause(note)),
    resume: (id) =>
      known(async () => {
        await schedule.getHandle(id).unpause('image updates go on');
        await schedule.getHandle(id).trigger('SKIP');
      }),
    remove: (id) => known(() => schedule.getHandle(id).delete()),
  };
}

/** Reads histories of releases. */
export function historiesOf({ workflow }: Client): ReadHistory {
  return async (canary, run) => (await workflow.getHandle(releaseId(canary), run).fetchHistory()).events ?? [];
}

function explained(error: unknown): Error {
  if (error instanceof Error && error.cause === undefined) return error;
  return new Error(messageWithCause(error), { cause: error });
}
