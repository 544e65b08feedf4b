import { setTimeout as wait } from 'node:timers/promises';
import type { HttpResponse } from '../clients/http.ts';
import { maskUrl } from '../clients/url.ts';
import { failureType, messageOf } from '../errors.ts';
import type { Canary, CanaryWebhook } from '../schemas/canary.ts';
import { analysisOf, hookTimeoutMs } from '../schemas/defaults.ts';
import type { HookAnswer, HookCall, Notice } from '../workflows/domain/plan.ts';
import { webhookChecksum } from './checksum.ts';
import type { Deps } from './deps.ts';
import { excerpt } from './redact.ts';

type Sleep = (ms: number, signal?: AbortSignal) => Promise<void>;

const sleep: Sleep = (ms, signal) => wait(ms, undefined, { signal });

/**
 * Calls hooks of a Canary one after another, as `Activities.callHooks` says. A hook that fails, for whatever reason, is
 * an answer with an `error`.
 *
 * @param idempotencyKeyBase goes out as `Idempotency-Key: <base>/<hook name>`, the same in every attempt, so that a
 * receiver can tell a repetition from the next question
 * @throws the signal's reason once it is aborted, also in the middle of a call or of a pause between two attempts
 * @see engine specification 16
 */
export type CallHooks = (
  canary: Canary,
  hooks: readonly HookCall[],
  until: 'first-no' | 'first-yes',
  idempotencyKeyBase: string,
  signal?: AbortSignal,
) => Promise<readonly HookAnswer[]>;

export function createCallHooks({ http }: Pick<Deps, 'http'>, pause: Sleep = sleep): CallHooks {
  return async (canary, hooks, until, idempotencyKeyBase, signal) => {
    const answers: HookAnswer[] = [];
    for (const { call, hook, key } of resolve(canary, hooks)) {
      const post = { hook, payload: payloadOf(canary, call.phase, hook.metadata), key: `${idempotencyKeyBase}/${key}` };
      const error = await send({ http, pause, signal }, post);
      answers.push({ name: call.name, type: call.type, ...(error === undefined ? {} : { error }) });
      if ((error === undefined) === (until === 'first-yes')) break;
    }
    return answers;
  };
}

/** Sends an event to one hook. The error, or undefined when it was delivered. */
export function createCallEventHook({ http }: Pick<Deps, 'http'>, pause: Sleep = sleep) {
  return (canary: Canary, hook: CanaryWebhook, event: Extract<Notice, { kind: 'event' }>) => {
    const metadata = {
      ...hook.metadata,
      eventMessage: event.message,
      eventType: event.type,
      timestamp: String(event.at),
    };
    return send({ http, pause }, { hook, payload: payloadOf(canary, event.phase, metadata), key: event.id });
  };
}

/** Who hears of events: the Canary's own `event` hooks, or, when it has none, the global event webhook. */
export function eventHooksOf(canary: Canary, globalUrl: string): readonly CanaryWebhook[] {
  const own = (analysisOf(canary)?.webhooks ?? []).filter((hook) => hook.type === 'event');
  if (own.length > 0 || globalUrl === '') return own;
  return [{ name: 'events', type: 'event', url: globalUrl, timeout: '10s' }];
}

interface Resolved {
  readonly call: HookCall;
  readonly hook: CanaryWebhook;
  readonly key: string;
}

/** Finds each hook in the Canary as it is now; one that is gone is left out. The n-th call of a name means its n-th hook. */
function resolve(canary: Canary, calls: readonly HookCall[]): readonly Resolved[] {
  const left = [...(analysisOf(canary)?.webhooks ?? [])];
  const seen = new Map<string, number>();
  return calls.flatMap((call) => {
    const index = left.findIndex(({ name, type }) => name === call.name && (type || 'rollout') === call.type);
    const hook = index < 0 ? undefined : left.splice(index, 1)[0];
    if (!hook) return [];
    const count = (seen.get(call.name) ?? 0) + 1;
    seen.set(call.name, count);
    return [{ call, hook, key: count === 1 ? call.name : `${call.name}/${count}` }];
  });
}

/** Keys in the order in which Flagger writes them; metadata sorted, and absent when there is none. */
function payloadOf({ metadata, status }: Canary, phase: string, extra: Readonly<Record<string, string>> = {}): string {
  const entries = Object.entries(extra).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify({
    name: metadata.name,
    namespace: metadata.namespace,
    phase,
    checksum: webhookChecksum(status ?? {}),
    ...(entries.length > 0 ? { metadata: Object.fromEntries(entries) } : {}),
  });
}

interface Means {
  readonly http: Deps['http'];
  readonly pause: Sleep;
  readonly signal?: AbortSignal;
}

interface Post {
  readonly hook: CanaryWebhook;
  readonly payload: string;
  readonly key: string;
}

/** Posts, and posts again where that may help. Undefined when the receiver said yes, else why not. */
async function send({ http, pause, signal }: Means, { hook, payload, key }: Post): Promise<string | undefined> {
  const timeoutMs = hookTimeoutMs(hook);
  if (typeof timeoutMs !== 'number') return timeoutMs.problem;
  const attempts = 1 + Math.max(0, hook.retries ?? 0);
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted();
    const outcome = await http
      .send({
        method: 'POST',
        url: hook.url,
        headers: { 'Content-Type': 'application/json', 'Idempotency-Key': headerValue(key) },
        body: payload,
        // Go takes 0 for no limit at all, which no gate is worth.
        timeoutMs: timeoutMs > 0 ? timeoutMs : 10_000,
        signal,
        // Flagger gives such hooks a transport of their own, which knows no proxy.
        ...(hook.disableTLS ? { insecure: true, proxy: '' } : {}),
      })
      .catch((error: unknown) => ({ error }));
    signal?.throwIfAborted();
    if ('status' in outcome && !mayRetry(outcome.status))
      return outcome.status <= 202 ? undefined : excerpt(outcome.body, 1000);
    const isFinal = 'error' in outcome && failureType(outcome.error) !== 'Unavailable';
    if (isFinal || attempt >= attempts) {
      const cause = 'error' in outcome ? `: ${messageOf(outcome.error)}` : '';
      return `POST ${maskUrl(hook.url)} giving up after ${attempt} attempt(s)${cause}`;
    }
    await rest(pause, 'status' in outcome ? retryAfterMs(outcome) : undefined, attempt, signal);
  }
}

function mayRetry(status: number): boolean {
  return status === 0 || status === 429 || (status >= 500 && status !== 501);
}

/** Waits 1, 2, 4 … seconds, or as long as the receiver asked for; half a minute at most, which bounds the whole call. */
async function rest(pause: Sleep, askedMs: number | undefined, attempt: number, signal?: AbortSignal): Promise<void> {
  try {
    await pause(Math.min(30_000, askedMs ?? 1000 * 2 ** (attempt - 1)), signal);
  } catch (error) {
    // Node wraps the reason of an aborted pause in an error of its own.
    signal?.throwIfAborted();
    throw error;
  }
}

function retryAfterMs({ status, headers }: HttpResponse): number | undefined {
  const text = headers['retry-after']?.trim();
  if (!text || (status !== 429 && status !== 503)) return undefined;
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

/** A header carries ASCII only; hook names may be anything. */
function headerValue(text: string): string {
  return text.toWellFormed().replace(/[^\x20-\x7e]/gu, encodeURIComponent);
}
