import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { messageOf } from '../errors.ts';
import { canonicalRepository } from '../images/reference.ts';
import type { Log } from '../log.ts';
import { tokenBucket, type Bucket } from '../pace.ts';
import type { ImagePush } from '../workflows/image-push.ts';
import { triggers } from './index.ts';
import { allows, type Receiver } from './receivers.ts';
import type { Push, Trigger } from './trigger.ts';

export interface DispatchOptions {
  readonly receivers: readonly Receiver[];
  /** Resolves once Temporal has the push, and says whether it had it already. Rejects when Temporal cannot be reached. */
  readonly start: (push: ImagePush, workflowId: string, settleMs: number) => Promise<'started' | 'duplicate'>;
  readonly log: Log;
  readonly metrics: Registry;
  readonly maxBytes?: number;
  /** Longest time for a body, in milliseconds. */
  readonly bodyTimeoutMs?: number;
  /** Requests a second for one receiver. */
  readonly perSecond?: number;
}

/** How a request ended; `outcome` and `reason` are metric labels. */
interface Answer {
  readonly status: number;
  readonly outcome: 'accepted' | 'ignored' | 'duplicate' | 'malformed' | 'unauthorized' | 'error';
  readonly reason?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
}

/**
 * Answers `POST /hooks/v1/<receiver>`. A push is acknowledged only after Temporal has it; what is not meant for us is
 * acknowledged too, since a sender that hears otherwise repeats it, or gives up on us.
 */
export function dispatcher(options: DispatchOptions): RequestListener {
  const { receivers, log, perSecond = 50 } = options;
  const byName = new Map(receivers.map((receiver) => [receiver.name, receiver]));
  const buckets = new Map(receivers.map(({ name }) => [name, tokenBucket(perSecond, perSecond * 4)]));
  const meters = createMeters(options.metrics);

  return (request, response) => {
    const name = /^\/hooks\/v1\/([a-z0-9-]+)$/.exec((request.url ?? '').split('?')[0] ?? '')?.[1];
    const receiver = name === undefined ? undefined : byName.get(name);
    if (!receiver) return send(request, response, { status: 404, outcome: 'ignored' });
    handle(request, receiver, buckets.get(receiver.name)!, options, meters)
      .catch((error: unknown): Answer => {
        log.error('hook failed', { receiver: receiver.name, error: messageOf(error) });
        return { ...unavailable, reason: 'bug' };
      })
      .then((answer) => {
        if (answer.outcome !== 'accepted' || answer.reason !== undefined)
          meters.count(receiver, answer.outcome, answer.reason);
        send(request, response, answer);
      })
      .catch((error: unknown) => log.error('hook not answered', { receiver: receiver.name, error: messageOf(error) }));
  };
}

const unavailable = { status: 503, outcome: 'error', headers: { 'retry-after': '30' } } as const;

async function handle(
  request: IncomingMessage,
  receiver: Receiver,
  bucket: Bucket,
  options: DispatchOptions,
  meters: Meters,
): Promise<Answer> {
  const { log, maxBytes = 1024 * 1024, bodyTimeoutMs = 30_000 } = options;
  if (request.method !== 'POST')
    return { status: 405, outcome: 'malformed', reason: 'method', headers: { allow: 'POST' } };
  if (!bucket.take()) {
    const seconds = Math.max(1, Math.ceil(bucket.waitMs() / 1000));
    return { status: 429, outcome: 'error', reason: 'rate', headers: { 'retry-after': String(seconds) } };
  }
  const body = await readBody(request, maxBytes, bodyTimeoutMs);
  if (body === 'too-large') return { status: 413, outcome: 'malformed', reason: 'size' };
  if (body === 'gone') return { status: 400, outcome: 'error', reason: 'aborted' };
  if (body === 'too-slow') return { status: 408, outcome: 'malformed', reason: 'slow' };

  const permitted = await hasToken(request, receiver).catch((error: unknown) => {
    log.error('receiver has no usable token', { receiver: receiver.name, error: messageOf(error) });
    return false;
  });
  if (!permitted) return { status: 401, outcome: 'unauthorized', headers: { 'www-authenticate': 'Bearer' } };

  const trigger = triggers.get(receiver.type)!;
  const wrong = unusableHeaders(request, trigger);
  const parsed = wrong ? { malformed: wrong } : trigger.parse(body, request.headers);
  meters.heard(receiver);
  if ('malformed' in parsed) {
    // Enough to find the sender and to recognise the same body again, and nothing of what is in it.
    const sha256 = createHash('sha256').update(body).digest('hex');
    log.warn('malformed event dropped', { receiver: receiver.name, reason: parsed.malformed, sha256 });
    return {
      status: trigger.malformed === 'refuse' ? 400 : 200,
      outcome: 'malformed',
      body: { accepted: 0, ignored: 1 },
    };
  }
  for (const reason of parsed.ignored) meters.count(receiver, 'ignored', reason);
  return accept(parsed.pushes, parsed.ignored.length, receiver, options, meters);
}

async function accept(
  pushes: readonly Push[],
  alreadyIgnored: number,
  receiver: Receiver,
  { start, log }: DispatchOptions,
  meters: Meters,
): Promise<Answer> {
  let accepted = 0;
  let ignored = alreadyIgnored;
  for (const push of pushes) {
    if (!allows(receiver.repositories, push.repository)) {
      ignored += 1;
      meters.count(receiver, 'ignored', 'repository-not-allowed');
      continue;
    }
    const image = imagePush(push, receiver);
    const workflowId = `img/${receiver.name}/${push.eventId.slice(0, 32)}`;
    try {
      const result = await start(image, workflowId, receiver.settleMs);
      meters.count(receiver, result === 'started' ? 'accepted' : 'duplicate');
      meters.age(receiver, push);
      log.info('push accepted', {
        receiver: receiver.name,
        workflowId,
        repository: image.repository,
        tag: image.tag,
        result,
      });
      accepted += 1;
    } catch (error) {
      // What was accepted before is a duplicate when the sender comes again.
      log.error('push not accepted: Temporal did not take it', { receiver: receiver.name, error: messageOf(error) });
      return { ...unavailable, reason: 'temporal' };
    }
  }
  return { status: 200, outcome: 'accepted', body: { accepted, ignored } };
}

function imagePush(push: Push, receiver: Receiver): ImagePush {
  const actor = push.actor?.replace(/[^ -~]/g, '').slice(0, 128);
  return {
    receiver: receiver.name,
    source: receiver.type,
    eventId: push.eventId,
    host: receiver.host,
    repository: canonicalRepository(receiver.host, push.repository),
    tag: push.tag,
    ...(push.digest === undefined ? {} : { digest: push.digest }),
    ...(push.occurredAt === undefined ? {} : { occurredAt: push.occurredAt }),
    ...(actor ? { actor } : {}),
  };
}

/** Reads at most `maxBytes`, as they are: a signature covers bytes, and decompressing them invites bombs. */
async function readBody(request: IncomingMessage, maxBytes: number, timeoutMs: number) {
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
  });
}

/** Compares with every accepted token, so that the time taken does not tell which of them is close. */
async function hasToken(request: IncomingMessage, receiver: Receiver): Promise<boolean> {
  // Node keeps the first of two Authorization headers and says nothing; whoever sends two is up to something.
  const given = request.rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'authorization');
  const token = /^bearer ([^ ]+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
  const tokens = await receiver.tokens();
  const equal = tokens.filter((accepted) => sameText(token, accepted));
  return given.length === 1 && equal.length > 0;
}

/** Digests first: `timingSafeEqual` throws on unequal lengths. */
function sameText(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

function unusableHeaders(request: IncomingMessage, trigger: Trigger): string | undefined {
  const type = (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  if (!trigger.contentTypes.includes(type)) return 'content type';
  const encoding = request.headers['content-encoding'] ?? 'identity';
  return encoding === 'identity' ? undefined : 'content encoding';
}

function send(request: IncomingMessage, response: ServerResponse, { status, headers, body }: Answer): void {
  const text = body === undefined ? '' : JSON.stringify(body);
  response.writeHead(status, {
    ...headers,
    'content-length': Buffer.byteLength(text),
    ...(text === '' ? {} : { 'content-type': 'application/json' }),
    // The rest of a body we do not want is not worth the connection.
    ...(request.complete ? {} : { connection: 'close' }),
  });
  response.end(text);
  if (!request.complete) response.once('finish', () => request.destroy());
}

interface Meters {
  count(receiver: Receiver, outcome: Answer['outcome'], reason?: string): void;
  age(receiver: Receiver, push: Push): void;
  heard(receiver: Receiver): void;
}

function createMeters(registry: Registry): Meters {
  const registers = [registry];
  const events = new Counter({
    name: 'serin_events_received_total',
    help: 'Events that container registries sent, by how they were taken.',
    labelNames: ['receiver', 'source', 'outcome', 'reason'],
    registers,
  });
  const ages = new Histogram({
    name: 'serin_event_age_seconds',
    help: 'Time from a push, as its registry dates it, to its acceptance.',
    labelNames: ['receiver'],
    buckets: [0.5, 1, 2, 5, 15, 60, 300, 3600],
    registers,
  });
  const last = new Gauge({
    name: 'serin_receiver_last_event_timestamp_seconds',
    help: 'When a receiver last got an authenticated request.',
    labelNames: ['receiver'],
    registers,
  });
  return {
    count: ({ name, type }, outcome, reason = '') => events.inc({ receiver: name, source: type, outcome, reason }),
    age: ({ name }, push) => {
      if (push.occurredAt === undefined) return;
      ages.observe({ receiver: name }, Math.max(0, (Date.now() - Date.parse(push.occurredAt)) / 1000));
    },
    heard: ({ name }) => last.set({ receiver: name }, Date.now() / 1000),
  };
}
