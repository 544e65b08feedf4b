import { get as getHttp } from 'node:http';
import { get as getHttps } from 'node:https';

/**
 * Whether a server of ours answers 200 at a URL. Its certificate is its own work and is not checked, which is all right
 * for a look at 127.0.0.1 that tells it nothing.
 */
export function answers(url: string, timeoutMs = 2_000): Promise<boolean> {
  const get = url.startsWith('https:') ? getHttps : getHttp;
  return new Promise((resolve, reject) => {
    // A connection of its own: one that is kept open would hold up the server when it is asked to stop.
    const options = { agent: false, rejectUnauthorized: false, timeout: timeoutMs, headers: { connection: 'close' } };
    const request = get(url, options, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode === 200));
      response.once('error', reject);
    });
    request.once('timeout', () => request.destroy(new Error(`no answer from ${url} within ${timeoutMs} ms`)));
    request.once('error', reject);
  });
}
