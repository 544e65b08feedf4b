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
}

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
