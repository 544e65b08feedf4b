import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { releaseId, type ReleaseStart } from '../../src/workflows/messages.ts';

/** One run of the workflow of a Canary, as Temporal recorded it. */
export interface RecordedRun {
  readonly status: WorkflowExecutionInfo['status']['name'];
  /** In the order in which they were scheduled. */
  readonly activities: readonly RecordedActivity[];
}

/** Times are the server's, in milliseconds since the epoch. */
export interface RecordedActivity {
  readonly type: string;
  readonly scheduledAt: number;
  /** Absent while it goes on. */
  readonly completedAt?: number;
  /** Of the attempt that came to an end; 1 when nothing went wrong. */
  readonly attempts: number;
}

/** All runs of a Canary's workflow, oldest first. */
export async function runsOf(client: Client, canary: ReleaseStart['canary']): Promise<RecordedRun[]> {
  const workflowId = releaseId(canary);
  const runs: (RecordedRun & { startedAt: number })[] = [];
  for await (const info of client.workflow.list({ query: `WorkflowId = "${workflowId}"` })) {
    const history = await client.workflow.getHandle(workflowId, info.runId).fetchHistory();
    const activities = activitiesIn((history.events ?? []) as readonly HistoryEvent[]);
    runs.push({ status: info.status.name, startedAt: info.startTime.getTime(), activities });
  }
  return runs.sort((a, b) => a.startedAt - b.startedAt);
}

type Whole = number | string | { toString(): string };

/** What is read of Temporal's HistoryEvent. */
interface HistoryEvent {
  readonly eventId: Whole;
  readonly eventTime: { readonly seconds: Whole; readonly nanos: number };
  readonly activityTaskScheduledEventAttributes?: { readonly activityType: { readonly name: string } };
  readonly activityTaskStartedEventAttributes?: { readonly scheduledEventId: Whole; readonly attempt: number };
  readonly activityTaskCompletedEventAttributes?: { readonly scheduledEventId: Whole };
}

function activitiesIn(events: readonly HistoryEvent[]): RecordedActivity[] {
  const activities = new Map<string, RecordedActivity>();
  for (const event of events) {
    const at = Number(event.eventTime.seconds) * 1_000 + event.eventTime.nanos / 1e6;
    const scheduled = event.activityTaskScheduledEventAttributes;
    const started = event.activityTaskStartedEventAttributes;
    const completed = event.activityTaskCompletedEventAttributes;
    if (scheduled) {
      activities.set(String(event.eventId), { type: scheduled.activityType.name, scheduledAt: at, attempts: 0 });
      continue;
    }
    const id = String((started ?? completed)?.scheduledEventId);
    const activity = activities.get(id);
    if (!activity) continue;
    if (started) activities.set(id, { ...activity, attempts: started.attempt });
    else activities.set(id, { ...activity, completedAt: at });
  }
  return [...activities.values()];
}

/** What the last release of a Canary does and what its activities wait for; empty when there is none. */
export async function doing(
  workflow: Client['workflow'],
  canary: { readonly namespace: string; readonly name: string },
): Promise<string> {
  const last = await workflow
    .getHandle(releaseId(canary))
    .describe()
    .catch(() => undefined);
  if (!last) return '';
  const activities = (last.raw.pendingActivities ?? []).map(({ activityType, attempt, lastFailure }) =>
    [activityType?.name, `attempt ${attempt}`, lastFailure?.message, lastFailure?.cause?.message].join(' · '),
  );
  const task = last.raw.pendingWorkflowTask ? [`workflow task: attempt ${last.raw.pendingWorkflowTask.attempt}`] : [];
  const { events } = await workflow.getHandle(last.workflowId, last.runId).fetchHistory();
  const story = (events ?? []).slice(-20).map((event) => {
    const [detail] = Object.entries(event).filter(([key]) => key.endsWith('EventAttributes'));
    return `${String(event.eventId)} ${JSON.stringify(detail).slice(0, 400)}`;
  });
  return [`release ${last.runId} ${last.status.name}`, ...activities, ...task, ...story].join('\n  ');
}
