import type { IncomingHttpHeaders } from 'node:http';

/** How one kind of container registry tells us about a push. Every trigger in `index.ts` keeps this contract. */
export interface Trigger {
  /** Media types of a body this sender sends, in lower case, without parameters. */
  readonly contentTypes: readonly string[];
  /**
   * What to answer to an authenticated body that makes no sense: `refuse` with 400, or `acknowledge` with 200 because the
   * sender would repeat it for ever, or switch the hook off, and so block everything behind it.
   */
  readonly malformed: 'refuse' | 'acknowledge';
  /**
   * Reads a body. Judges only whether it tells of a pushed tag: credentials, hosts and allow-lists are the pipeline's.
   * Never throws.
   *
   * @param raw the bytes as they came
   */
  parse(raw: Uint8Array, headers: IncomingHttpHeaders): Parsed;
}

export type Parsed =
  | {
      readonly pushes: readonly Push[];
      /** Why each event without a push is none, as short constant words; they become metric labels. */
      readonly ignored: readonly string[];
    }
  | { readonly malformed: string };

/** A tag of a repository points to something new, as far as the sender says. A hint: the registry is asked. */
export interface Push {
  /** Stable across redeliveries of one occurrence. */
  readonly eventId: string;
  /** Path inside the registry. */
  readonly repository: string;
  readonly tag: string;
  readonly digest?: string;
  /** RFC 3339. */
  readonly occurredAt?: string;
  /** For people only. */
  readonly actor?: string;
}
