import type { Http } from '../../clients/http.ts';

/** What a metrics provider said to a query. */
export type Answer =
  | { readonly value: number }
  | {
      /**
       * `no-values`: it answered, with nothing. `unavailable`: no answer could be had, asking again may help.
       * `unusable`: the query is wrong, asking again is of no use.
       */
      readonly failure: 'no-values' | 'unavailable' | 'unusable';
      readonly error: string;
    };

/** The sentinel texts that all providers share. */
export const noValues: Answer = { failure: 'no-values', error: 'no values found' };
export const multipleValues: Answer = { failure: 'unusable', error: 'query returned multiple values' };

/** Answers queries with one number. Every provider in `index.ts` keeps this contract. */
export interface MetricsProvider {
  /** Asks once. A bad answer is an answer: nothing is thrown, and no text holds a credential. */
  read(query: string): Promise<Answer>;
  /** Why the provider cannot be used now, or undefined when it can. */
  offline(): Promise<string | undefined>;
}

/** What a MetricTemplate, its Secret and the metric say about a provider. */
export interface ProviderSettings {
  /** Provider type, as error texts name it. */
  readonly type: string;
  readonly address?: string;
  readonly headers?: Readonly<Record<string, readonly string[]>>;
  readonly insecureSkipVerify?: boolean;
  readonly region?: string;
  /** The Secret's entries; absent when the template refers to none. */
  readonly credentials?: Readonly<Record<string, string>>;
  /** The metric's interval as written, '' when absent: the window of providers that need one. */
  readonly interval: string;
  /** Longest a request may take, in milliseconds. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** @throws `InvalidSpec` when the settings do not make a provider; its message names what is missing */
export type CreateMetricsProvider = (settings: ProviderSettings, http: Http) => MetricsProvider;
