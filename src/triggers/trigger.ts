import type { IncomingHttpHeaders } from 'node:http';
import type { z } from 'zod';
import type { CredentialKind } from './credentials/index.ts';

/** How one kind of sender tells us about a push. Every trigger in `index.ts` keeps this contract. */
export interface Trigger {
  /** Media types of a body this sender sends, in lower case, without parameters; `any` when `parse` decides by them. */
  readonly contentTypes: readonly string[] | 'any';
  /**
   * What to answer to an authenticated body that makes no sense: `refuse` with 400, or `acknowledge` with 200 because the
   * sender would repeat it for ever, or switch the hook off, and so block everything behind it.
   */
  readonly malformed: 'refuse' | 'acknowledge';
  /** Answer to what was taken: 200, or 202 where the sender's protocol tells "taken" from "done". */
  readonly accepted: 200 | 202;
  /**
   * How long a body may wait for its answer, in milliseconds, if not 1,800: for a sender that is known to wait longer,
   * and never to send again what it was refused.
   */
  readonly answerMs?: number;
  /** How this sender can prove who it is, the usual way first. */
  readonly credentials: readonly [CredentialKind, ...CredentialKind[]];
  /** The only registry whose pushes this sender tells; receivers need not name it. */
  readonly host?: string;
  /** Fields under `options` of its receivers. */
  readonly options?: z.ZodType;
  /** Answers the CloudEvents handshake (OPTIONS) to origins that its receivers list. */
  readonly handshake?: boolean;
  /**
   * Reads a body. Judges only whether it tells of a pushed tag: credentials, hosts and allow-lists are the pipeline's.
   * Never throws.
   */
  parse(hook: Hook): Parsed;
}

/** What a trigger reads. */
export interface Hook {
  /** The bytes as they came. */
  readonly raw: Uint8Array;
  readonly headers: IncomingHttpHeaders;
  /** Name of the receiver, for ids of senders whose own are unique only within one. */
  readonly receiver: string;
  /** Canonical registry host of the receiver. */
  readonly host: string;
  /** What `Trigger.options` made of the receiver's `options`. */
  readonly options: unknown;
  /** When it came, in milliseconds since 1970. Only for ids of senders that send nothing to tell two pushes apart. */
  readonly now: number;
}

export type Parsed =
  | {
      readonly items: readonly Item[];
      /** The events came as a batch, and the answer goes through them one by one. */
      readonly batch?: boolean;
    }
  | {
      /** Constant words; they go to the log, and become a metric label. */
      readonly malformed: string;
    }
  | {
      /** A body of a kind that is not read here; what to do about it, for the sender. Answered with 415. */
      readonly unsupported: string;
    };

/** What one event of a body comes to. */
export type Item =
  | { readonly push: Push; readonly event?: string }
  | {
      /** Why it is no push, as short constant words; they become a metric label. */
      readonly ignored: string;
      /** The sender's id of the event, for the answer to a batch. */
      readonly event?: string;
    };

/** A tag of a repository points to something new, as far as the sender says. A hint: the registry is asked. */
export interface Push {
  /** Stable across redeliveries of one occurrence. */
  readonly eventId: string;
  /** Where the id is from: the sender, or a hash of what happened. */
  readonly eventIdKind: 'source' | 'derived';
  /** Canonical registry host where the sender's word for it counts; another than the receiver's is not accepted. */
  readonly host?: string;
  /** Path inside the registry. */
  readonly repository: string;
  readonly tag: string;
  readonly digest?: string;
  /** RFC 3339. */
  readonly occurredAt?: string;
  /** For people only. */
  readonly actor?: string;
  /** The sender names one tag of a push that may have set several: the others are looked for as well. */
  readonly oneOfMany?: boolean;
}
