import type { Response } from 'undici';
import { failure, failureType } from '../errors.ts';

const maxBytes = 1024 * 1024;

/** The response, unless it says to come again later. */
export function checked(response: Response, what: string): Response {
  if (response.status !== 429) return response;
  const seconds = Number(response.headers.get('retry-after') ?? 'NaN');
  const retryAfterMs = Number.isFinite(seconds) ? Math.min(Math.max(seconds, 1), 900) * 1000 : undefined;
  throw failure('Unavailable', `${what}: HTTP 429, too many requests`, undefined, { retryAfterMs });
}

/** The JSON of an answer. @throws `Unavailable` for what is none, or is longer than 1 MiB */
export async function json(response: Response, what: string): Promise<unknown> {
  let text: string;
  try {
    text = await limited(response, what);
  } catch (error) {
    throw failureType(error) ? error : failure('Unavailable', `${what}: the answer broke off`, error);
  }
  try {
    return JSON.parse(text);
  } catch {
    // The reason quotes the answer, which may be a token, and anything else.
    throw failure('Unavailable', `${what}: the answer is not JSON`);
  }
}

async function limited(response: Response, what: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk as Uint8Array);
    size += (chunk as Uint8Array).length;
    if (size > maxBytes) throw failure('Unavailable', `${what}: the answer is longer than 1 MiB`);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** An answer that is not read would keep its connection. */
export async function discard(response: Response): Promise<void> {
  await response.body?.cancel();
}
