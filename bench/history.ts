import type { Client } from '@temporalio/client';
import { tutorial } from '../local/tutorial.ts';
import { resources, type KubernetesObject } from '../src/clients/kubernetes.ts';
import { releaseId } from '../src/workflows/messages.ts';
import { change, untilAll } from './applications.ts';
import { median, type Benchmark, type Figure } from './benchmark.ts';
import { inLab } from './lab.ts';

const app = { namespace: 'tutorial', name: 'podinfo' };

/** What an analysis step leaves in workflow history: the tutorial with its autoscaler, checks and hooks, in ten steps. */
export const history: Benchmark = {
  about: 'workflow events and bytes of history for each analysis step',
  run: (_sizes, say) =>
    inLab({ parts: ['cluster', 'workloads', 'metrics', 'temporal'], readyDelayMs: 300 }, say, async (lab) => {
      const { kubernetes, serin, temporal, atRest } = lab;
      const { namespace } = app;
      await kubernetes.create(resources.namespaces, {
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name: namespace },
      });
      const options = { namespace, loadTester: serin.loadTester, interval: '2s', analysis: { maxWeight: 100 } };
      for (const object of tutorial(options) as KubernetesObject[]) {
        const resource = Object.values(resources).find(({ kind }) => kind === object.kind)!;
        await kubernetes.create(resource, object);
      }
      await untilAll(kubernetes, [app], 'initialized', ({ phase }) => phase === 'Initialized', say);
      // Long enough for the autoscaler to bring the primary to its minimum, which would count as part of a step.
      await atRest(10_000);
      await change(kubernetes, app, '1');
      await untilAll(kubernetes, [app], 'released', ({ phase }) => phase === 'Succeeded', say);
      await atRest();
      return figuresOf(await releaseHistory(temporal));
    }),
};

/** An event as far as it is read. */
interface HistoryEvent {
  readonly eventId: number;
  /** Type of the activity that this event schedules. */
  readonly schedules?: string;
  /** Bytes of all history before this event, as the server counts them; only where the server says it. */
  readonly bytesBefore?: number;
}

/** The history of the run that shifted traffic. */
async function releaseHistory({ workflow }: Client): Promise<HistoryEvent[]> {
  const workflowId = releaseId(app);
  for await (const { runId } of workflow.list({ query: `WorkflowId = "${workflowId}"` })) {
    const { events } = await workflow.getHandle(workflowId, runId).fetchHistory();
    const read = (events ?? []).map((event) => ({
      eventId: Number(event.eventId),
      schedules: event.activityTaskScheduledEventAttributes?.activityType?.name ?? undefined,
      bytesBefore: numberOf(event.workflowTaskStartedEventAttributes?.historySizeBytes),
    }));
    if (read.some(({ schedules }) => schedules === 'shiftTraffic')) return read;
  }
  throw new Error(`no run of ${workflowId} has shifted traffic`);
}

function numberOf(value: unknown): number | undefined {
  return value === undefined || value === null ? undefined : Number(value);
}

/** A step lasts from one change of weight to the next; the way back to the primary, after the promotion, is none. */
function figuresOf(events: readonly HistoryEvent[]): Figure[] {
  const promotion = events.findIndex(({ schedules }) => schedules === 'promote');
  const shifts = events.slice(0, promotion).filter(({ schedules }) => schedules === 'shiftTraffic');
  const marks = shifts.map(({ eventId }) => ({
    eventId,
    bytes: events.findLast((event) => event.eventId < eventId && event.bytesBefore !== undefined)?.bytesBefore ?? NaN,
  }));
  const steps = marks.slice(1).map((mark, index) => ({
    events: mark.eventId - marks[index]!.eventId,
    kib: (mark.bytes - marks[index]!.bytes) / 1024,
  }));
  const kib = steps.map((step) => step.kib);
  const counts = steps.map((step) => step.events);
  const bytes = events.findLast(({ bytesBefore }) => bytesBefore !== undefined)?.bytesBefore ?? NaN;
  return [
    { name: 'events for each analysis step, median', value: median(counts), unit: 'events' },
    { name: 'events for each analysis step, most', value: Math.max(...counts), unit: 'events', atMost: 20 },
    { name: 'history for each analysis step, median', value: median(kib), unit: 'KiB' },
    { name: 'history for each analysis step, most', value: Math.max(...kib), unit: 'KiB', atMost: 8 },
    { name: 'events of a ten-step release', value: events.length, unit: 'events' },
    { name: 'history of a ten-step release', value: bytes / 1024, unit: 'KiB' },
  ];
}
