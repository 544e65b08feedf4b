import { createHash } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { BlockList } from 'node:net';
import type { Registry } from 'prom-client';
import { messageOf } from '../errors.ts';
import { isHostOf } from '../images/aliases.ts';
import { allows } from '../images/binding.ts';
import { canonicalRepository } from '../images/reference.ts';
import type { Log } from '../log.ts';
import { tokenBucket, type Bucket } from '../pace.ts';
import type { ImagePush, ImagePushOptions, Trust } from '../workflows/image-push.ts';
import { callerOf } from './caller.ts';
import { mediaType } from './cloud-event.ts';
import type { Call } from './credentials/credential.ts';
import { triggers } from './index.ts';
import { createMeters, type Meters, type Outcome } from './meters.ts';
import type { Receiver } from './receivers.ts';
import type { Item, Push, Trigger } from './trigger.ts';

export interface DispatchOptions {
  readonly receivers: readonly Receiver[];
  /** Resolves once Temporal has the push, and says whether it had it already. Rejects when Temporal cannot be reached. */
  readonly start: (push: ImagePush, workflowId: string, options: ImagePushOptions) => Promise<'started' | 'duplicate'>;
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

/** How a request ended; `outcome` and `reason` are metric labels. */
interface Answer {
  readonly status: number;
  /** Absent for what was counted already. */
  readonly outcome?: Outcome;
  readonly reason?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
}

const unavailable = { status: 503, outcome: 'error', headers: { 'retry-after': '30' } } as const;
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
  if (typeof origin !== 'string' || !receiver.origins.includes(origin) || receiver.retired)
    return { status: 405, outcome: 'ignored', reason: 'origin' };
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
      allow: 'POST, OPTIONS',
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
  return accept(parsed.items, { ...visit, trust, trigger, batch: parsed.batch ?? false });
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

interface Taken extends Visit {
  readonly trust: Trust;
  readonly trigger: Trigger;
  readonly batch: boolean;
}

interface Told {
  readonly id?: string;
  readonly outcome: 'accepted' | 'duplicate' | 'ignored';
  readonly reason?: string;
}

async function accept(items: readonly Item[], taken: Taken): Promise<Answer> {
  const { receiver, trigger, meters, options } = taken;
  const results: Told[] = [];
  for (const item of items) {
    const reason = 'ignored' in item ? item.ignored : unwanted(item.push, receiver);
    const id = item.event === undefined ? {} : { id: item.event };
    if (reason !== undefined) {
      meters.count(receiver, 'ignored', reason);
      results.push({ ...id, outcome: 'ignored', reason });
      continue;
    }
    const { push } = item as { readonly push: Push };
    try {
      results.push({ ...id, outcome: await take(push, taken) });
    } catch (error) {
      // What was accepted before is a duplicate when the sender comes again.
      options.log.error('push not accepted: Temporal did not take it', {
        receiver: receiver.name,
        error: messageOf(error),
      });
      return { ...unavailable, reason: 'temporal' };
    }
  }
  const ignored = results.filter(({ outcome }) => outcome === 'ignored').length;
  return {
    status: trigger.accepted,
    body: { accepted: results.length - ignored, ignored, ...(taken.batch ? { results } : {}) },
  };
}

/** Why a push is nothing that this receiver may cause. */
function unwanted(push: Push, receiver: Receiver): string | undefined {
  if (push.host !== undefined && !isHostOf(receiver, push.host)) return 'other-registry';
  const repository = canonicalRepository(receiver.host, push.repository);
  return allows(receiver.repositories, repository) ? undefined : 'repository-not-allowed';
}

async function take(push: Push, taken: Taken): Promise<'accepted' | 'duplicate'> {
  const { receiver, trust, meters, options } = taken;
  const image = imagePush(push, receiver, trust);
  const workflowId = `img/${receiver.name}/${push.eventId.slice(0, 32)}`;
  const result = await options.start(image, workflowId, {
    settleMs: receiver.settleMs,
    patienceMs: receiver.patienceMs,
  });
  const outcome = result === 'started' ? 'accepted' : 'duplicate';
  meters.count(receiver, outcome);
  meters.age(receiver, push);
  const { repository, tag } = image;
  options.log.info('push accepted', { receiver: receiver.name, workflowId, repository, tag, result });
  return outcome;
}

function imagePush(push: Push, receiver: Receiver, trust: Trust): ImagePush {
  const actor = push.actor?.replace(/[^ -~]/g, '').slice(0, 128);
  const { eventId, eventIdKind, tag, digest, occurredAt, oneOfMany } = push;
  return {
    receiver: receiver.name,
    source: receiver.type,
    trust,
    eventId,
    eventIdKind,
    host: receiver.host,
    repository: canonicalRepository(receiver.host, push.repository),
    tag,
    ...(digest === undefined ? {} : { digest }),
    ...(occurredAt === undefined ? {} : { occurredAt }),
    ...(actor ? { actor } : {}),
    ...(oneOfMany ? { oneOfMany } : {}),
    ...(receiver.allowPayloadDigest && digest !== undefined ? { digestIsSigned: true } : {}),
  };
}

/** Reads at most `maxBytes`, as they are: a signature covers bytes, and decompressing them invites bombs. */
async function readBytes(request: IncomingMessage, maxBytes: number, timeoutMs: number) {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return 'too-large';
  const chunks: Buffer[] = [];
  let size = 0;
  return new Promise<Buffer | 'too-large' | 'too-slow' | 'gone'>((resolve) => {
    const timer = setTimeout(() => resolve('too-slow'), timeoutMs);
    const settle = (result: Buffer | 'too-large' | 'gone') => {
      clearTimeout(timer);
      resolve(result);
    };
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) settle('too-large');
      else chunks.push(chunk);
    });
    request.on('end', () => settle(Buffer.concat(chunks)));
    request.on('error', () => settle('gone'));
    request.on('close', () => settle('gone'));
  });
}

function unusableHeaders(request: IncomingMessage, { contentTypes }: Trigger): string | undefined {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') return 'content encoding';
  if (contentTypes === 'any') return undefined;
  return contentTypes.includes(mediaType(request.headers)) ? undefined : 'content type';
}

function send(request: IncomingMessage, response: ServerResponse, { status, headers, body }: Answer): void {
  const text = body === undefined ? '' : JSON.stringify(body);
  response.writeHead(status, {
    ...headers,
    // The address may be a secret, and the query a token.
    'referrer-policy': 'no-referrer',
    'cache-control': 'private, no-store',
    'content-length': Buffer.byteLength(text),
    ...(text === '' ? {} : { 'content-type': 'application/json' }),
    // The rest of a body we do not want is not worth the connection.
    ...(request.complete ? {} : { connection: 'close' }),
  });
  response.end(text);
  if (!request.complete) response.once('finish', () => request.destroy());
}
