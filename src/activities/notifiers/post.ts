import type { Http, HttpResponse } from '../../clients/http.ts';
import { maskUrl } from '../../clients/url.ts';
import { failure, messageOf } from '../../errors.ts';
import { excerpt, redact } from '../redact.ts';
import type { NotifierSettings } from './notifier.ts';

/**
 * Posts a payload to a chat room.
 *
 * @returns what a receiver of status 200 to 299 answered
 * @throws `Unavailable`: `postMessage failed: sending notification …`
 */
export async function post(http: Http, to: NotifierSettings, payload: object, id: string): Promise<HttpResponse> {
  const response = await send(http, to, payload, id);
  if (response.status >= 200 && response.status <= 299) return response;
  const body = redact(excerpt(response.body), secretsOf(to));
  throw failure('Unavailable', `postMessage failed: sending notification bad response ${response.status}: ${body}`);
}

async function send(http: Http, to: NotifierSettings, payload: object, id: string): Promise<HttpResponse> {
  try {
    return await http.send({
      method: 'POST',
      url: to.url,
      headers: {
        'Content-Type': 'application/json',
        'Idempotency-Key': id,
        ...(to.token ? { Authorization: `Bearer ${to.token}` } : {}),
      },
      body: JSON.stringify(payload),
      timeoutMs: 5000,
      ...(to.proxy ? { proxy: to.proxy } : {}),
    });
  } catch (error) {
    const words = messageOf(error).replaceAll(maskUrl(to.url), originOf(to.url));
    throw failure(
      'Unavailable',
      `postMessage failed: sending notification failed to send: ${redact(words, secretsOf(to))}`,
    );
  }
}

/** @throws `InvalidSpec` when the URL is none, or a room or sender is wanted and not named */
export function requireRoom(product: string, { url, username, channel }: NotifierSettings): void {
  requireUrl(`${product} hook`, url);
  if (username === '') throw failure('InvalidSpec', `empty ${product} username`);
  if (channel === '') throw failure('InvalidSpec', `empty ${product} channel`);
}

/** @throws `InvalidSpec` */
export function requireUrl(what: string, url: string): void {
  if (!URL.canParse(url) || !/^https?:\/\//i.test(url))
    throw failure('InvalidSpec', `invalid ${what} URL ${originOf(url)}`);
}

/** As much of a room's URL as may be shown: what follows the host is its credential. */
export function originOf(url: string): string {
  const masked = maskUrl(url);
  const origin = /^([a-z][a-z0-9+.-]*:\/\/)?[^/?]*/i.exec(masked)![0];
  return origin.length < masked.length ? `${origin}/xxxxx` : origin;
}

function secretsOf({ url, token }: NotifierSettings): readonly (string | undefined)[] {
  return [url, token];
}
