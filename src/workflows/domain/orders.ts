import type { Rules } from './state.ts';

/** Something about a Canary may have changed: look. Level-based, so a doubled, reordered or ancient one is harmless. */
export interface Hint {
  /** What saw the change, such as `watch/deployment` or `registry/demo`; shown to people. */
  readonly source: string;
  /** Stable across redeliveries of one occurrence. */
  readonly eventId: string;
}

/** What a person asks of a release. */
export interface Order {
  /** Who asks: as they or their tool claim, unless `verified`. */
  readonly by?: string;
  /**
   * Signed by an issuer that the worker trusts; it says who asks, whatever `by` claims. Kept in no state, event or record, but
   * the history of the run has it, as it has every message.
   */
  readonly token?: string;
  /** The worker found out who asks. What a message says here itself counts for nothing. */
  readonly verified?: true;
  readonly reason?: string;
  /** Revision the order is about; an order that names another revision than the one in flight is refused. */
  readonly revision?: string;
  /** Repeating an id is answered like the first time and done once. */
  readonly id?: string;
  /** `promote`: also past promotion gates that are closed. */
  readonly force?: boolean;
  /** `set-weight`: percent of traffic for the canary. */
  readonly weight?: number;
  /** `approve`, `reject`: name of the approval. Needed only where several are waited for. */
  readonly gate?: string;
  /** Why the message that it came as cannot be read. What a message says here itself counts for nothing. */
  readonly unreadable?: string;
}

/** What narrows an order down, and what it has to be. */
const terms = {
  id: 'a text',
  token: 'a text',
  revision: 'a text',
  force: 'true or false',
  weight: 'a number',
  gate: 'a text',
} as const satisfies Partial<Record<keyof Order, string>>;

/**
 * The order in a message, in which hands at the Temporal UI may have written anything. Who asks and why are words, and are
 * left out where they are none. The rest has to be what it should be: an order of which half was not understood is refused.
 */
export function readOrder(payload: unknown, rules: Rules): Order {
  const isObject = typeof payload === 'object' && payload !== null && !Array.isArray(payload);
  const { by, reason, ...rest } = isObject ? (payload as Readonly<Record<string, unknown>>) : {};
  const words = { ...(isText(by) ? { by } : {}), ...(isText(reason) ? { reason } : {}) };
  if (rules < 4) return { ...rest, ...words };
  const order: Record<string, unknown> = { ...words };
  for (const [field, kind] of Object.entries(terms)) {
    const value = rest[field];
    if (value === undefined || value === null) continue;
    if (!isA[kind](value)) return { ...order, unreadable: `"${field}" has to be ${kind}` };
    order[field] = value;
  }
  return order;
}

const isText = (value: unknown): value is string => typeof value === 'string';

const isA = {
  'a text': isText,
  'a number': (value: unknown) => typeof value === 'number',
  'true or false': (value: unknown) => typeof value === 'boolean',
} as const;

export const orderKinds = [
  'pause',
  'resume',
  'promote',
  'abort',
  'approve',
  'reject',
  'set-weight',
  'skip-step',
  'retry',
] as const;

export type OrderKind = (typeof orderKinds)[number];

/** What became of an order that has an id. */
export interface OrderAnswer {
  readonly id: string;
  readonly kind: OrderKind;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Why it was not followed; absent when it was accepted. */
  readonly refused?: string;
}
