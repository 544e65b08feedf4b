import { createHash } from 'node:crypto';
import type { IncomingMessage, RequestListener } from 'node:http';
import type { BlockList } from 'node:net';
import type { Registry } from 'prom-client';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Trust } from '../workflows/image-push.ts';
import { callerOf } from './caller.ts';
import { mediaType } from './cloud-event.ts';
import type { Call } from './credentials/credential.ts';
import { before } from './deadline.ts';
import { handshake } from './handshake.ts';
import { triggers } from './index.ts';
import { createLimits, type LimitOptions, type Limits } from './limits.ts';
import { createMeters, type Meters } from './meters.ts';
import type { Receiver } from './receivers.ts';
import { accept, type StartPush } from './taking.ts';
import type { Trigger } from './trigger.ts';
import { readBytes, send, unavailable, type Answer } from './wire.ts';

export interface DispatchOptions extends LimitOptions {
  readonly start: StartPush;
  readonly log: Log;
  readonly metrics: Registry;
  readonly maxBytes?: number;
  /** Longest time for a body, in milliseconds. */
  readonly bodyTimeoutMs?: number;
  /** Requests at the same time. */
  readonly maxConcurrent?: number;
  /** Whose word for who called them counts. */
  readonly trustedProxies?: BlockList;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** As far as an address that nobody has is told anything. */
const unknown = { status: 404 } as const;

/** Time for an answer, in milliseconds: some senders give up after three seconds. */
const answerMs = 1_800;

/**
 * Answers `POST /hooks/v1/<receiver>`, or `…/<receiver>/<secret>` where a sender can keep no other. A push is
 * acknowledged only after Temporal has it; what is not meant for us is acknowledged too, since a sender that hears
 * otherwise repeats it, or gives up on us. No path, header or body is ever logged, a callback for people aside: secrets
 * are in them.
 */
export function dispatcher(options: DispatchOptions): RequestListener {
  const { receivers, log, maxConcurrent = 256 } = options;
  const byName = new Map(receivers.map((receiver) => [receiver.name, receiver]));
  const limits = createLimits(options);
  const meters = createMeters(options.metrics);
  let inProgress = 0;

  async function answer(request: IncomingMessage): Promise<Answer & { readonly receiver?: Receiver }> {
    const caller = callerOf(request, options.trustedProxies);
    const { receiver, pathToken, query } = route(request, byName);
    const refused = limits.called(caller);
    if (!receiver) return refused ? { ...refused, outcome: undefined } : unknown;
    const visit = { receiver, caller, pathToken, query, options, limits, meters };
    return { ...(refused ?? (await admit(request, visit))), receiver };
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

interface Visit {
  readonly receiver: Receiver;
  readonly caller: string;
  readonly pathToken: string | undefined;
  readonly query: URLSearchParams;
  readonly options: DispatchOptions;
  readonly limits: Limits;
  readonly meters: Meters;
}

/** What can be told before the body is here. */
async function admit(request: IncomingMessage, visit: Visit): Promise<Answer> {
  const { receiver, options, pathToken } = visit;
  // First of all: whoever does not know a secret address learns nothing of it, not even which methods it has.
  const stranger = await strangerTo(receiver, pathToken, options.log);
  if (stranger) return stranger;
  if (request.method === 'OPTIONS' && triggers.get(receiver.type)!.handshake)
    return handshake(request, receiver, options.log);
  if (request.method !== 'POST') return notAllowed(receiver);
  if (receiver.retired && !receiver.secretAddress) return { status: 410, outcome: 'ignored', reason: 'retired' };
  return handle(request, visit);
}

async function strangerTo(receiver: Receiver, pathToken: string | undefined, log: Log): Promise<Answer | undefined> {
  try {
    if (await receiver.isAddress(pathToken)) return undefined;
    return { status: 404, outcome: 'unauthorized', reason: 'address' };
  } catch (error) {
    return { status: 404, outcome: 'unauthorized', reason: withoutSecret(receiver, error, log) };
  }
}

async function handle(request: IncomingMessage, visit: Visit): Promise<Answer> {
  const { receiver, caller, options, limits, meters, pathToken, query } = visit;
  const { log, maxBytes = 1024 * 1024, bodyTimeoutMs = 30_000, now = Date.now } = options;
  const trigger = triggers.get(receiver.type)!;
  const raw = await limits.reading(caller, () => readBytes(request, maxBytes, bodyTimeoutMs));
  const deadline = Date.now() + (trigger.answerMs ?? answerMs);
  if (typeof raw === 'object' && 'status' in raw) return raw;
  if (raw === 'too-large') return { status: 413, outcome: 'malformed', reason: 'size' };
  if (raw === 'gone') return { status: 400, outcome: 'error', reason: 'aborted' };
  if (raw === 'too-slow') return { status: 408, outcome: 'malformed', reason: 'slow' };

  const call: Call = { raw, rawHeaders: request.rawHeaders, query, ...(pathToken === undefined ? {} : { pathToken }) };
  const trust = await trustIn(call, visit, deadline);
  if (typeof trust !== 'string') return trust;
  meters.heard(receiver);
  const paced = limits.taken(receiver);
  if (paced) return paced;
  const origin = request.headers['webhook-request-origin'];
  if (typeof origin === 'string' && !receiver.origins.includes(origin))
    log.warn('an event came from another origin than was agreed on', { receiver: receiver.name });
  if (receiver.retired) return { status: 410, outcome: 'ignored', reason: 'retired' };

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
    return { status, outcome: 'malformed', reason: labelOf(parsed.malformed), body: { accepted: 0, ignored: 1 } };
  }
  const teller = { receiver, trigger, trust, batch: parsed.batch ?? false };
  return accept(parsed.items, teller, { start: options.start, log, meters, deadline });
}

/** How far the sender is believed, or the answer to one that is not. The reason is for us alone. */
async function trustIn(call: Call, visit: Visit, deadline: number): Promise<Trust | Answer> {
  const { receiver, options } = visit;
  const { log } = options;
  const { name, credential } = receiver;
  const { refusal, challenge } = credential;
  let reason: string;
  try {
    const found = await before(deadline, credential.check(call));
    const verdict = found === 'late' ? { unavailable: 'keys were not there in time' } : found;
    if ('trust' in verdict) return verdict.trust;
    if ('unavailable' in verdict) {
      log.error('sender could not be verified', { receiver: name, error: verdict.unavailable });
      return { ...unavailable, reason: 'keys' };
    }
    reason = verdict.refused;
  } catch (error) {
    reason = withoutSecret(receiver, error, log);
  }
  const headers = challenge === undefined || refusal !== 401 ? {} : { headers: { 'www-authenticate': challenge } };
  return { status: refusal, outcome: 'unauthorized', reason, ...headers };
}

function withoutSecret({ name }: Receiver, error: unknown, log: Log): string {
  log.error('receiver has no usable token', { receiver: name, error: messageOf(error) });
  return 'no-secret';
}

/** Constant words as a metric label. */
function labelOf(words: string): string {
  return words
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
}

function unusableHeaders(request: IncomingMessage, { contentTypes }: Trigger): string | undefined {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') return 'content encoding';
  if (contentTypes === 'any') return undefined;
  return contentTypes.includes(mediaType(request.headers)) ? undefined : 'content type';
}
