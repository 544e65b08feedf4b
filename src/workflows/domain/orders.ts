/** Something about a Canary may have changed: look. Level-based, so a doubled, reordered or ancient one is harmless. */
export interface Hint {
  /** What saw the change, such as `watch/deployment` or `registry/demo`; shown to people. */
  readonly source: string;
  /** Stable across redeliveries of one occurrence. */
  readonly eventId: string;
}

/** What a person asks of a release. */
export interface Order {
  /** Who asks, as they or their tool say; recorded, not verified. */
  readonly by?: string;
  readonly reason?: string;
  /** Revision the order is about; an order that names another revision than the one in flight is refused. */
  readonly revision?: string;
  /** Repeating an id is answered like the first time and done once. */
  readonly id?: string;
}

export const orderKinds = ['pause', 'resume', 'promote', 'abort'] as const;

export type OrderKind = (typeof orderKinds)[number];
