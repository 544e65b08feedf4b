import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import type { MetricCheck, Observation } from '../workflows/domain/observation.ts';
import { orderKinds } from '../workflows/domain/orders.ts';
import type { HookAnswer, Plan, PlanFailure, Reading, Verified } from '../workflows/domain/plan.ts';
import type { Order } from '../workflows/messages.ts';

/** What happened in a run, as its history has it. */
export interface StoryLine {
  /** ISO 8601. */
  readonly at: string;
  /** `event` and `warning` were told on the Canary, `check` was read, `hook` answered, `order` came from somebody, `failure` kept a plan from its end. */
  readonly kind: 'event' | 'warning' | 'check' | 'hook' | 'order' | 'failure';
  readonly text: string;
}

/** What is read of Temporal's HistoryEvent. */
interface HistoryEvent {
  readonly eventId?: unknown;
  readonly eventTime?: { readonly seconds?: unknown; readonly nanos?: number | null } | null;
  readonly workflowExecutionSignaledEventAttributes?: {
    readonly signalName?: string | null;
    readonly input?: Payloads;
  } | null;
  readonly workflowExecutionUpdateAcceptedEventAttributes?: {
    readonly acceptedRequest?: {
      readonly input?: { readonly name?: string | null; readonly args?: Payloads } | null;
    } | null;
  } | null;
  readonly activityTaskScheduledEventAttributes?: {
    readonly activityType?: { readonly name?: string | null } | null;
    readonly input?: Payloads;
  } | null;
  readonly activityTaskCompletedEventAttributes?: {
    readonly scheduledEventId?: unknown;
    readonly result?: Payloads;
  } | null;
}

type Payloads = { readonly payloads?: readonly Payload[] | null } | null;

/** Puts a run's history into lines, in the order in which things came to pass. */
export function storyOf(events: readonly HistoryEvent[]): StoryLine[] {
  const scheduled = new Map<string, { readonly activity: string; readonly input: readonly unknown[] }>();
  return events.flatMap((event) => {
    const at = timeOf(event);
    const signal = event.workflowExecutionSignaledEventAttributes;
    const update = event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest?.input;
    const [name, args] = signal ? [signal.signalName, signal.input] : [update?.name, update?.args];
    if (name && (orderKinds as readonly string[]).includes(name)) {
      return [{ at, kind: 'order', text: orderText(name, values(args)[0] as Order | undefined) } as const];
    }
    const start = event.activityTaskScheduledEventAttributes;
    if (start) {
      scheduled.set(String(event.eventId), { activity: start.activityType?.name ?? '', input: values(start.input) });
    }
    const end = event.activityTaskCompletedEventAttributes;
    if (!end) return [];
    const {
      activity,
      input: [, asked],
    } = scheduled.get(String(end.scheduledEventId)) ?? { activity: '', input: [] };
    const [result] = values(end.result);
    if (activity === 'verifyActors') return actors(at, result);
    return [...told(at, asked, result), ...hooks(at, result), ...read(at, result)];
  });
}

/** The events that a plan recorded before it ended, or failed. */
function told(at: string, asked: unknown, result: unknown): StoryLine[] {
  const { steps } = (asked ?? {}) as Partial<Plan>;
  if (!Array.isArray(steps)) return [];
  const failure = (result ?? undefined) as PlanFailure | undefined;
  const done = (steps as Plan['steps']).slice(0, failure?.step ?? steps.length);
  const lines = done.flatMap((step): StoryLine[] =>
    step.do === 'record-event'
      ? [{ at, kind: step.event.type === 'Warning' ? 'warning' : 'event', text: step.event.message }]
      : [],
  );
  return failure ? [...lines, { at, kind: 'failure', text: `${failure.reason}: ${failure.message}` }] : lines;
}

/** What hooks said, be they asked alone or before the checks. */
function hooks(at: string, result: unknown): StoryLine[] {
  const { examination } = (result ?? {}) as { readonly examination?: { readonly hooks?: readonly HookAnswer[] } };
  const answers = Array.isArray(result) ? (result as readonly HookAnswer[]) : (examination?.hooks ?? []);
  return answers.map(({ name, type, error }) => ({
    at,
    kind: 'hook',
    text: `${type} ${name} ${error === undefined ? 'said yes' : `said no: ${error}`}`,
  }));
}

/** What an examination read, each with its bounds. */
function read(at: string, result: unknown): StoryLine[] {
  const { observation, examination } = (result ?? {}) as {
    observation?: Observation;
    examination?: { readonly readings?: readonly Reading[] };
  };
  const checks = observation?.canary?.settings.analysis.metrics ?? [];
  return (examination?.readings ?? []).map((reading, index) => ({
    at,
    kind: 'check',
    text: `${reading.name} ${'value' in reading ? `${reading.value}` : `${reading.failure}: ${reading.error}`}${boundsOf(checks[index])}`,
  }));
}

function boundsOf(check: MetricCheck | undefined): string {
  const { min, max, threshold } = check ?? {};
  const bounds = [
    ...(min === undefined ? [] : [`min ${min}`]),
    ...(max === undefined ? [] : [`max ${max}`]),
    ...(threshold === undefined || check?.hasRange ? [] : [`threshold ${threshold}`]),
  ];
  return bounds.length > 0 ? ` (${bounds.join(', ')})` : '';
}

function orderText(kind: string, { by, token, reason, weight, force, gate }: Order = {}): string {
  const what = `${kind}${weight === undefined ? '' : ` ${weight}`}${gate ? ` ${gate}` : ''}${force ? ' --force' : ''}`;
  const who = token ? 'the holder of a token' : by ? `${by} (claimed)` : 'someone';
  return `${what} by ${who}${reason ? `: ${reason}` : ''}`;
}

/** Whose tokens they were. */
function actors(at: string, result: unknown): StoryLine[] {
  return (result as readonly Verified[]).map((actor) => ({
    at,
    kind: 'order',
    text: 'subject' in actor ? `token of ${actor.subject} (verified)` : `token refused: ${actor.refused}`,
  }));
}

function values(input: Payloads | undefined): readonly unknown[] {
  return (input?.payloads ?? []).map((payload) => defaultPayloadConverter.fromPayload<unknown>(payload));
}

function timeOf({ eventTime }: HistoryEvent): string {
  return new Date(Number(eventTime?.seconds ?? 0) * 1000 + (eventTime?.nanos ?? 0) / 1e6).toISOString();
}
