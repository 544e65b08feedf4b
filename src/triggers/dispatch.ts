import { createHash } from 'node:crypto';
import type { IncomingMessage, RequestListener } from 'node:http';
import type { BlockList } from 'node:net';
import type { Registry } from 'prom-client';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { tokenBucket, type Bucket } from '../pace.ts';
import type { Trust } from '../workflows/image-push.ts';
import { callerOf } from './caller.ts';
import { mediaType } from './cloud-event.ts';
import type { Call } from './credentials/credential.ts';
import { triggers } from './index.ts';
import { createMeters, type Meters } from './meters.ts';
import type { Receiver } from './receivers.ts';
import { accept, type StartPush } from './taking.ts';
import type { Trigger } from './trigger.ts';
import { readBytes, send, unavailable, type Answer } from './wire.ts';

export interface DispatchOptions {
  readonly receivers: readonly Receiver[];
  readonly start: StartPush;
  readonly log: Log;
  readonly metrics: Registry;
  readonly maxBytes?: number;
  /** Longest time for a body, in milliseconds. */
  readonly bodyTimeoutMs?: number;
  /** Requests a second from one address. */
  readonly perSecondAndCaller?: number;
  /** Requests at the same time. */
  readonly maxConcurrent?: number;
  /** Whose word for who called them counts. */
  readonly trustedProxies?: BlockList;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** As far as an address that nobody has is told anything. */
const unknown = { status: 404 } as const;

/**
 * Answers `POST /hooks/v1/<receiver>`, or `…/<receiver>/<secret>` where a sender can keep no other. A push is
 * acknowledged only after Temporal has it; what is not meant for us is acknowledged too, since a sender that hears
 * otherwise repeats it, or gives up on us. No path, header or body is ever logged: secrets are in them.
 */
export function dispatcher(options: DispatchOptions): RequestListener {
  const { receivers, log, perSecondAndCaller = 100, maxConcurrent = 256 } = options;
  const byName = new Map(receivers.map((receiver) => [receiver.name, receiver]));
  const buckets = new Map(receivers.map(({ name, perSecond }) => [name, tokenBucket(perSecond, perSecond * 4)]));
  const callers = createCallers(perSecondAndCaller);
  const meters = createMeters(options.metrics);
  let inProgress = 0;

  async function answer(request: IncomingMessage): Promise<Answer & { readonly receiver?: Receiver }> {
    const { receiver, pathToken, query } = route(request, byName);
    const tooMany = (bucket: Bucket): Answer | undefined => {
      if (bucket.take()) return undefined;
      const seconds = Math.max(1, Math.ceil(bucket.waitMs() / 1000));
      return { status: 429, outcome: 'error', reason: 'rate', headers: { 'retry-after': String(seconds) } };
    };
    const refused = tooMany(callers(callerOf(request, options.trustedProxies)));
    if (!receiver) return refused ? { ...refused, outcome: undefined } : unknown;
    if (refused) return { ...refused, receiver };
    if (request.method === 'OPTIONS' && triggers.get(receiver.type)!.handshake)
      return { ...handshake(request, receiver, log), receiver };
    if (request.method !== 'POST') return { ...notAllowed(receiver), receiver };
    if (receiver.retired && !receiver.secretAddress)
      return { status: 410, outcome: 'ignored', reason: 'retired', receiver };
    const paced = tooMany(buckets.get(receiver.name)!);
    if (paced) return { ...paced, receiver };
    return { ...(await handle(request, { receiver, pathToken, query, options, meters })), receiver };
  }

  return (request, response) => {
    if (inProgress >= maxConcurrent) {
      send(request, response, { status: 429, headers: { 'retry-after': '5' } });
      return;
    }
    inProgress += 1;
    answer(request)
      .catch((error: unknown): Answer => {
        log.error('hook failed', { error: messageOf(error) });
        return { ...unavailable, reason: 'bug' };
      })
      .then((answered: Answer & { readonly receiver?: Receiver }) => {
        if (answered.receiver && answered.outcome) meters.count(answered.receiver, answered.outcome, answered.reason);
        send(request, response, answered);
      })
      .catch((error: unknown) => log.error('hook not answered', { error: messageOf(error) }))
      .finally(() => (inProgress -= 1));
  };
}

/** Buckets of the addresses that called lately; the longest silent ones are forgotten. */
function createCallers(perSecond: number): (caller: string) => Bucket {
  const known = new Map<string, Bucket>();
  return (caller) => {
    const bucket = known.get(caller) ?? tokenBucket(perSecond, perSecond * 4);
    known.delete(caller);
    known.set(caller, bucket);
    const [oldest] = known.keys();
    if (known.size > 10_000 && oldest !== undefined) known.delete(oldest);
    return bucket;
  };
}

function route(request: IncomingMessage, byName: ReadonlyMap<string, Receiver>) {
  const [path = '', query = ''] = (request.url ?? '').split('?');
  const [, name = '', pathToken] = /^\/hooks\/v1\/([a-z0-9-]+)(?:\/([A-Za-z0-9_-]+))?$/.exec(path) ?? [];
  const receiver = byName.get(name);
  const fits = receiver && (receiver.secretAddress || pathToken === undefined);
  return { receiver: fits ? receiver : undefined, pathToken, query: new URLSearchParams(query) };
}

function notAllowed(receiver: Receiver): Answer {
  const allow = triggers.get(receiver.type)!.handshake ? 'POST, OPTIONS' : 'POST';
  return { status: 405, outcome: 'malformed', reason: 'method', headers: { allow } };
}

/**
 * Consent to deliveries from an origin, and no proof of who they are from. The callback address that may be named is not
 * called. @see CloudEvents, HTTP 1.1 Web Hooks for Event Delivery, section 4
 */
function handshake(request: IncomingMessage, receiver: Receiver, log: Log): Answer {
  const origin = request.headers['webhook-request-origin'];
  // What says no is that the headers of consent are not there.
  const allow = { allow: 'POST, OPTIONS' };
  if (typeof origin !== 'string' || !receiver.origins.includes(origin) || receiver.retired)
    return { status: 405, outcome: 'ignored', reason: 'origin', headers: allow };
  const callback = URL.parse(String(request.headers['webhook-request-callback'] ?? ''));
  if (callback)
    log.info('a sender wants consent by a callback; it has it by this answer, and is not called', {
      receiver: receiver.name,
      host: callback.host,
    });
  const asked = request.headers['webhook-request-rate'];
  const ours = Math.max(1, Math.floor(receiver.perSecond * 60));
  const rate = /^\d{1,6}$/.test(String(asked)) ? Math.min(Number(asked), ours) : ours;
  return {
    status: 200,
    outcome: 'ignored',
    reason: 'handshake',
    headers: {
      ...allow,
      'webhook-allowed-origin': origin,
      ...(asked === undefined ? {} : { 'webhook-allowed-rate': String(rate) }),
    },
  };
}

interface Visit {
  readonly receiver: Receiver;
  readonly pathToken: string | undefined;
  readonly query: URLSearchParams;
  readonly options: DispatchOptions;
  readonly meters: Meters;
}

async function handle(request: IncomingMessage, visit: Visit): Promise<Answer> {
  const { receiver, options, meters, pathToken, query } = visit;
  const { log, maxBytes = 1024 * 1024, bodyTimeoutMs = 30_000, now = Date.now } = options;
  const raw = await readBytes(request, maxBytes, bodyTimeoutMs);
  if (raw === 'too-large') return { status: 413, outcome: 'malformed', reason: 'size' };
  if (raw === 'gone') return { status: 400, outcome: 'error', reason: 'aborted' };
  if (raw === 'too-slow') return { status: 408, outcome: 'malformed', reason: 'slow' };

  const call: Call = { raw, rawHeaders: request.rawHeaders, query, ...(pathToken === undefined ? {} : { pathToken }) };
  const trust = await trustIn(call, visit);
  if (typeof trust !== 'string') return trust;
  meters.heard(receiver);
  const origin = request.headers['webhook-request-origin'];
  if (typeof origin === 'string' && !receiver.origins.includes(origin))
    log.warn('an event came from another origin than was agreed on', { receiver: receiver.name });
  if (receiver.retired) return { status: 410, outcome: 'ignored', reason: 'retired' };

  const trigger = triggers.get(receiver.type)!;
  const { name, host, options: settings } = receiver;
  const hook = { raw, headers: request.headers, receiver: name, host, options: settings, now: now() };
  const wrong = unusableHeaders(request, trigger);
  const parsed = wrong ? { malformed: wrong } : trigger.parse(hook);
  if ('unsupported' in parsed)
    return { status: 415, outcome: 'malformed', reason: 'content-type', body: { error: parsed.unsupported } };
  if ('malformed' in parsed) {
    // Enough to find the sender and to recognise the same body again, and nothing of what is in it.
    const sha256 = createHash('sha256').update(raw).digest('hex');
    log.warn('malformed event dropped', { receiver: name, reason: parsed.malformed, sha256 });
    const status = trigger.malformed === 'refuse' ? 400 : 200;
    return { status, outcome: 'malformed', body: { accepted: 0, ignored: 1 } };
  }
  const teller = { receiver, trigger, trust, batch: parsed.batch ?? false };
  return accept(parsed.items, teller, { start: options.start, log, meters });
}

/** How far the sender is believed, or the answer to one that is not. The reason is for us alone. */
async function trustIn(call: Call, { receiver, options: { log } }: Visit): Promise<Trust | Answer> {
  const { name, credential } = receiver;
  const { refusal, challenge } = credential;
  let reason: string;
  try {
    const verdict = await credential.check(call);
    if ('trust' in verdict) return verdict.trust;
    if ('unavailable' in verdict) {
      log.error('sender could not be verified', { receiver: name, error: verdict.unavailable });
      return { ...unavailable, reason: 'keys' };
    }
    reason = verdict.refused;
  } catch (error) {
    log.error('receiver has no usable token', { receiver: name, error: messageOf(error) });
    reason = 'no-secret';
  }
  const headers = challenge === undefined || refusal !== 401 ? {} : { headers: { 'www-authenticate': challenge } };
  return { status: refusal, outcome: 'unauthorized', reason, ...headers };
}

function unusableHeaders(request: IncomingMessage, { contentTypes }: Trigger): string | undefined {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') return 'content encoding';
  if (contentTypes === 'any') return undefined;
  return contentTypes.includes(mediaType(request.headers)) ? undefined : 'content type';
}
