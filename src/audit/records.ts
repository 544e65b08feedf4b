import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import type { Observation } from '../workflows/domain/observation.ts';
import { orderKinds, type Order, type OrderKind } from '../workflows/domain/orders.ts';
import type { HookAnswer, Notice, Plan, PlanFailure, Reading, Verified } from '../workflows/domain/plan.ts';
import type { Outcome } from '../workflows/domain/state.ts';

/** Which run a record is of. */
export interface RunRef {
  /** `<namespace>/<name>`. */
  readonly canary: string;
  readonly run: string;
}

/** One thing that happened in a run, with all that a decision was made on. Records are in the order of its history. */
export type AuditRecord = RunRef & {
  /** ISO 8601. What came while the run was deciding follows the decision, and can be some milliseconds older than it. */
  readonly at: string;
} & AuditEvent;

export type AuditEvent =
  /** Why the run began, in Temporal's one line. */
  | { readonly kind: 'started'; readonly because: string }
  | { readonly kind: 'hint'; readonly source: string; readonly eventId: string }
  | {
      readonly kind: 'order';
      readonly order: OrderKind;
      /** Updates are answered, signals are not. */
      readonly via: 'signal' | 'update';
      /** Who says they sent it. */
      readonly claimed?: string;
      /** A token came with it; the record `actors` says whose. The token itself is not kept. */
      readonly token: boolean;
      readonly details: Omit<Order, 'by' | 'token' | 'verified'>;
    }
  | {
      readonly kind: 'actors';
      readonly actors: readonly ({ readonly verified: string } | { readonly refused: string })[];
    }
  | { readonly kind: 'looked'; readonly observation: Observation }
  | {
      readonly kind: 'examined';
      readonly observation: Observation;
      readonly hooks: readonly HookAnswer[];
      readonly readings: readonly Reading[];
    }
  | { readonly kind: 'hooks'; readonly answers: readonly HookAnswer[] }
  /** What was decided, and, where it was not carried out whole, why. */
  | { readonly kind: 'plan'; readonly plan: Plan; readonly failure?: PlanFailure }
  | { readonly kind: 'messages'; readonly notices: readonly Notice[] }
  /** It was decided to wait. */
  | { readonly kind: 'wait'; readonly why: string }
  /** An activity was given up. */
  | { readonly kind: 'failed'; readonly activity: string; readonly message: string }
  | { readonly kind: 'ended'; readonly outcome: Outcome }
  | { readonly kind: 'continued' }
  | { readonly kind: 'closed'; readonly how: string };

type Payloads = { readonly payloads?: readonly Payload[] | null } | null;

/** What is read of Temporal's HistoryEvent. */
export interface HistoryEvent {
  readonly eventId?: unknown;
  readonly eventTime?: { readonly seconds?: unknown; readonly nanos?: number | null } | null;
  readonly userMetadata?: { readonly summary?: Payload | null } | null;
  readonly workflowExecutionStartedEventAttributes?: object | null;
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
  readonly activityTaskFailedEventAttributes?: Failed | null;
  readonly activityTaskTimedOutEventAttributes?: Failed | null;
  readonly timerStartedEventAttributes?: object | null;
  readonly workflowExecutionCompletedEventAttributes?: { readonly result?: Payloads } | null;
  readonly workflowExecutionContinuedAsNewEventAttributes?: object | null;
  readonly workflowExecutionTerminatedEventAttributes?: { readonly reason?: string | null } | null;
  readonly workflowExecutionFailedEventAttributes?: { readonly failure?: Failure | null } | null;
}

interface Failed {
  readonly scheduledEventId?: unknown;
  readonly failure?: Failure | null;
}

interface Failure {
  readonly message?: string | null;
  readonly cause?: Failure | null;
}

interface Asked {
  readonly activity: string;
  readonly input: readonly unknown[];
}

/** A run's history as records, in the order in which things came to pass. Holds no token. */
export function recordsOf(events: readonly HistoryEvent[], ref: RunRef): AuditRecord[] {
  const asked = new Map<string, Asked>();
  return events.flatMap((event) => {
    const { activityTaskScheduledEventAttributes: scheduled } = event;
    if (scheduled) {
      const activity = scheduled.activityType?.name ?? '';
      asked.set(String(event.eventId), { activity, input: values(scheduled.input) });
    }
    const at = timeOf(event);
    return recordsAt(event, (id) => asked.get(String(id)) ?? { activity: '', input: [] }).map((record) => ({
      at,
      ...ref,
      ...record,
    }));
  });
}

function recordsAt(event: HistoryEvent, askedBy: (id: unknown) => Asked): AuditEvent[] {
  const summary = textOf(event.userMetadata?.summary);
  if (event.workflowExecutionStartedEventAttributes) return [{ kind: 'started', because: summary }];
  const signal = event.workflowExecutionSignaledEventAttributes;
  if (signal) return message('signal', signal.signalName ?? '', values(signal.input)[0]);
  const update = event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest?.input;
  if (update) return message('update', update.name ?? '', values(update.args)[0]);
  const done = event.activityTaskCompletedEventAttributes;
  if (done) return completed(askedBy(done.scheduledEventId), values(done.result)[0]);
  const failed = event.activityTaskFailedEventAttributes ?? event.activityTaskTimedOutEventAttributes;
  if (failed) {
    return [{ kind: 'failed', activity: askedBy(failed.scheduledEventId).activity, message: reasonOf(failed.failure) }];
  }
  if (event.timerStartedEventAttributes) return [{ kind: 'wait', why: summary }];
  const ended = event.workflowExecutionCompletedEventAttributes;
  if (ended) return [{ kind: 'ended', outcome: values(ended.result)[0] as Outcome }];
  if (event.workflowExecutionContinuedAsNewEventAttributes) return [{ kind: 'continued' }];
  const terminated = event.workflowExecutionTerminatedEventAttributes;
  if (terminated) return [{ kind: 'closed', how: `terminated: ${terminated.reason ?? ''}` }];
  const broken = event.workflowExecutionFailedEventAttributes;
  return broken ? [{ kind: 'closed', how: `failed: ${reasonOf(broken.failure)}` }] : [];
}

function message(via: 'signal' | 'update', name: string, input: unknown): AuditEvent[] {
  if (name === 'hint') {
    const { source = '', eventId = '' } = (input ?? {}) as { source?: string; eventId?: string };
    return [{ kind: 'hint', source, eventId }];
  }
  if (!(orderKinds as readonly string[]).includes(name)) return [];
  const { by, token, verified: _, ...details } = (input ?? {}) as Order;
  const claimed = by === undefined ? {} : { claimed: by };
  return [{ kind: 'order', order: name as OrderKind, via, ...claimed, token: Boolean(token), details }];
}

function completed({ activity, input }: Asked, result: unknown): AuditEvent[] {
  switch (activity) {
    case 'look':
      return [{ kind: 'looked', observation: result as Observation }];
    case 'analyse': {
      const { observation, examination } = result as {
        observation: Observation;
        examination?: { hooks: readonly HookAnswer[]; readings: readonly Reading[] };
      };
      if (!examination) return [{ kind: 'looked', observation }];
      return [{ kind: 'examined', observation, hooks: examination.hooks, readings: examination.readings }];
    }
    case 'callHooks':
      return [{ kind: 'hooks', answers: result as readonly HookAnswer[] }];
    case 'verifyActors':
      return [{ kind: 'actors', actors: (result as readonly Verified[]).map(withoutId) }];
    case 'notify':
      return [{ kind: 'messages', notices: input[1] as readonly Notice[] }];
    case 'archive':
      return [];
    default: {
      const failure = result as PlanFailure | null | undefined;
      return [{ kind: 'plan', plan: input[1] as Plan, ...(failure ? { failure } : {}) }];
    }
  }
}

function withoutId(actor: Verified): { readonly verified: string } | { readonly refused: string } {
  return 'subject' in actor ? { verified: actor.subject } : actor;
}

/** The innermost message: what Temporal puts around it says only that an activity failed. */
function reasonOf(failure: Failure | null | undefined): string {
  return failure?.cause ? reasonOf(failure.cause) : (failure?.message ?? '');
}

function textOf(payload: Payload | null | undefined): string {
  return payload ? defaultPayloadConverter.fromPayload<string>(payload) : '';
}

function values(input: Payloads | undefined): readonly unknown[] {
  return (input?.payloads ?? []).map((payload) => defaultPayloadConverter.fromPayload<unknown>(payload));
}

function timeOf({ eventTime }: HistoryEvent): string {
  return new Date(Number(eventTime?.seconds ?? 0) * 1000 + (eventTime?.nanos ?? 0) / 1e6).toISOString();
}
