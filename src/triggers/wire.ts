import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Outcome } from './meters.ts';

/** How a request ended; `outcome` and `reason` are metric labels. */
export interface Answer {
  readonly status: number;
  /** Absent for what was counted already. */
  readonly outcome?: Outcome;
  readonly reason?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
}

/** Not now, for a reason on this side: the sender is to come again. */
export const unavailable = { status: 503, outcome: 'error', headers: { 'retry-after': '30' } } as const;
/** Reads at most `maxBytes`, as they are: a signature covers bytes, and decompressing them invites bombs. */
export async function readBytes(request: IncomingMessage, maxBytes: number, timeoutMs: number) {
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

/** Sends an answer, and cuts off what of a request is not wanted. */
export function send(request: IncomingMessage, response: ServerResponse, { status, headers, body }: Answer): void {
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
