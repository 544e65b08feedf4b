import type { Http } from '../../clients/http.ts';

/** An alert for people in a chat room. */
export interface Alert {
  /** Stays the same when the alert is sent again. */
  readonly id: string;
  /** `<canary name>.<namespace>`. */
  readonly workload: string;
  readonly message: string;
  readonly severity: Severity;
  readonly fields: readonly Field[];
}

export type Severity = 'info' | 'warn' | 'error';

export interface Field {
  readonly name: string;
  readonly value: string;
}

/** Where alerts go. The URL is a secret wherever its path is the credential, as it is for most chat rooms. */
export interface NotifierSettings {
  readonly type: string;
  readonly url: string;
  /** Bearer token; Slack alone uses one. */
  readonly token?: string;
  /** URL of a proxy for this receiver. */
  readonly proxy?: string;
  readonly username: string;
  readonly channel: string;
}

export interface Notifier {
  /** @throws when the receiver did not take it; the message never holds the URL's path, which may be its credential */
  post(alert: Alert): Promise<void>;
}

/** @throws `InvalidSpec` when the settings do not name a room */
export type CreateNotifier = (settings: NotifierSettings, http: Http) => Notifier;
