import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { Hint, Order, OrderKind } from './domain/orders.ts';
import type { Progress } from './domain/progress.ts';
import type { Release } from './domain/state.ts';

export type { Hint, Order, OrderAnswer, OrderKind } from './domain/orders.ts';
export type { Progress } from './domain/progress.ts';

/** Argument of the `release` workflow. Whoever starts one gives the Canary and nothing else. */
export interface ReleaseStart {
  readonly canary: { readonly namespace: string; readonly name: string };
  /** From the run this one continues: the whole release, when it only got long. */
  readonly carried?: Release;
  /** Or, when a newer revision took its place, the hints it has seen, its next tick, and an order that is not followed yet. */
  readonly after?: { readonly seen: readonly string[]; readonly dueAt: number; readonly retry?: Order };
}

/** Workflow id of a Canary's releases. It is the lock: two releases of one Canary cannot run at once. */
export function releaseId(canary: { readonly namespace: string; readonly name: string }): string {
  return `release/${canary.namespace}/${canary.name}`;
}

/** Something about this Canary may have changed. A hint, not an order: the release looks for itself. */
export const hintSignal = defineSignal<[Hint]>('hint');

/** Orders as signals, for the buttons of the Temporal UI: an order that cannot be followed leaves a Warning event. */
export const orderSignals = {
  pause: defineSignal<[Order]>('pause'),
  resume: defineSignal<[Order]>('resume'),
  promote: defineSignal<[Order]>('promote'),
  abort: defineSignal<[Order]>('abort'),
  approve: defineSignal<[Order]>('approve'),
  reject: defineSignal<[Order]>('reject'),
  'set-weight': defineSignal<[Order]>('set-weight'),
  'skip-step': defineSignal<[Order]>('skip-step'),
  retry: defineSignal<[Order]>('retry'),
} satisfies Record<OrderKind, unknown>;

/**
 * Orders as updates: the same, answered with what the release does now, or refused with why. One with a token is answered
 * before that was looked at; what became of it is in `Progress.orders`, by its id.
 */
export const orderUpdates = {
  pause: defineUpdate<Progress, [Order]>('pause'),
  resume: defineUpdate<Progress, [Order]>('resume'),
  promote: defineUpdate<Progress, [Order]>('promote'),
  abort: defineUpdate<Progress, [Order]>('abort'),
  approve: defineUpdate<Progress, [Order]>('approve'),
  reject: defineUpdate<Progress, [Order]>('reject'),
  'set-weight': defineUpdate<Progress, [Order]>('set-weight'),
  'skip-step': defineUpdate<Progress, [Order]>('skip-step'),
  retry: defineUpdate<Progress, [Order]>('retry'),
} satisfies Record<OrderKind, unknown>;

/** What the release does now, for machines; people read the current details. */
export const progressQuery = defineQuery<Progress>('progress');
