import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  patched,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { archiving, begin, decide, isLast, outcome } from './domain/release.ts';
import { evolve } from './domain/evolve.ts';
import { refusal } from './domain/obey.ts';
import { orderKinds, type Order } from './domain/orders.ts';
import { describe, progress } from './domain/progress.ts';
import type { Progress } from './domain/progress.ts';
import type { Action, Event, Outcome, Release } from './domain/state.ts';
import * as messages from './messages.ts';
import { perform, isInterruptible } from './perform.ts';
import { show } from './show.ts';

/**
 * One release of one revision of one Canary, from the first hint until the Canary is at rest. Everything that is decided
 * is decided in `domain/`; this only turns the crank.
 */
export async function release(start: messages.ReleaseStart): Promise<Outcome> {
  let state: Release = start.carried ?? begun(start);
  let doing = 'begins';
  let interrupt: (() => void) | undefined;
  let performing: Action['type'] | undefined;
  /** Messages on their way to people, one batch after the other. */
  let sending: Promise<void> | undefined;

  const record = (event: Event): Progress => {
    const before = state;
    state = evolve(state, event);
    // What is in flight for a release that is to be rolled back is pointless, and what is kept is not all there is any more.
    if (performing === 'archive') interrupt?.();
    if ((state.aborted && !before.aborted) || (state.rejected && !before.rejected)) interrupt?.();
    return progress(state, doing);
  };
  listen(record, () => state);
  setHandler(messages.progressQuery, () => progress(state, doing), { description: 'What the release does now.' });
  // A cancelled workflow is a release someone wants rolled back: an order like the others.
  CancellationScope.current().cancelRequested.catch(() =>
    record({ type: 'ordered', kind: 'abort', order: { by: 'a cancellation of the workflow' }, now: Date.now() }),
  );

  return CancellationScope.nonCancellable(async () => {
    for (;;) {
      const action = decide(state, Date.now());
      const isTooLong = workflowInfo().continueAsNewSuggested;
      if (sending && (isLast(action) || action.type === 'archive' || isTooLong)) {
        doing = 'waits until its messages are sent';
        await sending;
        continue;
      }
      // Nothing may be awaited between this look at the state and a return: that is what makes hints impossible to lose.
      if (action.type === 'rest') return finished(state);
      if (action.type === 'start-over') {
        if (state.rules >= 3) show(state, action, Date.now());
        return continueAsNew<typeof release>({
          canary: start.canary,
          after: { seen: state.seen, dueAt: state.dueAt, ...(state.retried ? { retry: state.retried } : {}) },
        });
      }
      const keeping = isTooLong ? archiving(state) : undefined;
      if (isTooLong && !keeping) {
        return continueAsNew<typeof release>({ canary: start.canary, carried: state });
      }
      const next = keeping ?? action;
      doing = describe(next);
      show(state, next, Date.now());
      const event = await act(next);
      if (event) state = evolve(state, event);
    }
  });

  /** Performs an action; a message may change `state` meanwhile. Nothing comes back when a message ended a wait. */
  async function act(action: Exclude<Action, { type: 'rest' | 'start-over' }>): Promise<Event | undefined> {
    if (action.type === 'wait') return waitFor(action);
    if (action.type === 'notify' && state.rules >= 2) return sendBeside(action);
    const decidedOn = state;
    performing = action.type;
    try {
      if (!isInterruptible(action)) return overtaken(await perform(state, action));
      const scope = new CancellationScope();
      interrupt = () => scope.cancel();
      return overtaken(await scope.run(() => perform(state, action)));
    } catch (error) {
      if (isCancellation(error)) return { type: 'interrupted', now: Date.now() };
      if (error instanceof ActivityFailure) return overtaken(failed(action, error));
      throw error;
    } finally {
      interrupt = undefined;
      performing = undefined;
    }

    /** Only messages change the state while an action is performed. */
    function overtaken(event: Event): Event {
      const counts = event.type === 'carried-out' || event.type === 'failed';
      return counts && state !== decidedOn ? { ...event, overtaken: true } : event;
    }
  }

  /**
   * Sends messages while the release goes on: neither a judgment nor a way back waits for a slow receiver (Q48). From here
   * on they are the activity's, which sends them again when its worker is lost; the run does not end before.
   */
  function sendBeside(action: Extract<Action, { type: 'notify' }>): Event {
    const before = sending ?? Promise.resolve();
    const mine: Promise<void> = before
      .then(() => perform(state, action))
      .then(
        () => undefined,
        (error: unknown) => {
          // People who cannot be reached must not hold up a release; its own events tell the same.
          if (!(error instanceof ActivityFailure)) throw error;
        },
      )
      .then(() => {
        if (sending === mine) sending = undefined;
      });
    sending = mine;
    return { type: 'notified', ids: action.notices.map(({ id }) => id), now: Date.now() };
  }

  async function waitFor({ until, why }: Extract<Action, { type: 'wait' }>): Promise<Event | undefined> {
    const decidedOn = state;
    const changed = () => state !== decidedOn;
    if (until === undefined) {
      await condition(changed);
      return undefined;
    }
    // Never 0: the SDK would mark that in history as if it were a change of code.
    const early = await condition(changed, Math.max(1, until - Date.now()), { summary: why.slice(0, 200) });
    return early ? undefined : { type: 'woke', now: Date.now() };
  }
}

/** A run that began under earlier rules goes on by them: its history says what was decided. */
function begun({ canary, after }: messages.ReleaseStart): Release {
  const rules = patched('rules-4') ? 4 : patched('rules-3') ? 3 : patched('rules-2') ? 2 : 1;
  return begin({ id: workflowInfo().runId, canary, ...after, rules });
}

function finished(state: Release): Outcome {
  show(state, { type: 'rest' }, Date.now());
  return outcome(state);
}

/** Orders come as signals, for the buttons of the UI, and as updates, which answer. Both go one way. */
function listen(record: (event: Event) => Progress, state: () => Release): void {
  setHandler(messages.hintSignal, (hint) => void record({ type: 'hinted', hint, now: Date.now() }), {
    description: 'Something about this Canary may have changed. {source, eventId}',
  });
  for (const kind of orderKinds) {
    const description = `${descriptions[kind]} Optional: {by, reason, revision, id, token}`;
    const handle = (order: Order = {}) => record({ type: 'ordered', kind, order, now: Date.now() });
    setHandler(messages.orderSignals[kind], (order?: Order) => void handle(order), { description });
    setHandler(messages.orderUpdates[kind], (order?: Order) => handle(order), {
      description,
      validator: (order: Order = {}) => {
        const no = refusal(state(), kind, order);
        if (no !== undefined) throw ApplicationFailure.nonRetryable(no, 'Refused');
      },
    });
  }
}

const descriptions = {
  pause: 'Holds the release at its present weight. It goes on being judged, and can still roll back.',
  resume: 'Lets a paused release go on.',
  promote: 'Skips the rest of the analysis and promotes. Promotion gates still hold, unless {force: true}.',
  abort: 'Rolls the release back.',
  approve: 'Approves what people are asked for. One person counts once. {by, gate where there are several}',
  reject: 'Says no to what people are asked for, and so rolls the release back. {by, gate where there are several}',
  'set-weight':
    'Gives the canary this much traffic, up to the maximum of the analysis; the ladder goes on from there. {weight}',
  'skip-step': 'Takes the present step for passed. Gates still hold.',
  retry: 'Releases the revision that failed once more.',
} as const;

function failed(action: Action, error: ActivityFailure): Event {
  const { cause } = error;
  const reason = cause instanceof ApplicationFailure ? (cause.type ?? 'Unavailable') : 'Unavailable';
  const message = cause?.message ?? error.message;
  return { type: 'failed', action, reason, message, now: Date.now() };
}
