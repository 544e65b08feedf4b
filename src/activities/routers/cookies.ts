import { failure } from '../../errors.ts';
import type { Canary } from '../../schemas/canary.ts';
import type { SessionAffinity } from '../../schemas/canary-analysis.ts';
import { analysisOf } from '../../schemas/defaults.ts';
import { durationProblem, parseDuration } from '../../schemas/duration.ts';

/** The texts by which cookies keep users on one side of a split. Who has which cookie is decided elsewhere. */

/** The `Set-Cookie` value that keeps a user on one side. @param maxAge seconds @see routers spec 5 */
export function setCookie(cookie: string, affinity: SessionAffinity, maxAge: number): string {
  const { domain, httpOnly, partitioned, path, sameSite, secure } = affinity;
  return [
    cookie,
    `Max-Age=${maxAge}`,
    ...(domain ? [`Domain=${domain}`] : []),
    ...(httpOnly ? ['HttpOnly'] : []),
    ...(partitioned ? ['Partitioned'] : []),
    ...(path ? [`Path=${path}`] : []),
    ...(sameSite ? [`SameSite=${sameSite}`] : []),
    ...(secure ? ['Secure'] : []),
  ].join('; ');
}

/**
 * Seconds for which a user stays with the primary: until the next weight, of which all shall have their share.
 *
 * @throws `InvalidSpec` when the interval is no duration; unlike elsewhere, it then does not count as a minute
 */
export function primaryMaxAge(canary: Canary): number {
  const { interval } = analysisOf(canary);
  const ms = parseDuration(interval);
  if (ms !== undefined) return Math.floor(ms / 1000);
  const text = `failed to parse canary interval: ${durationProblem(interval)}`;
  throw failure('InvalidSpec', `${text}; mend spec.analysis.interval, which is how long the primary's cookie lives`);
}

/** The `Set-Cookie` value that makes browsers forget a cookie. */
export function forgetCookie(cookie: string): string {
  return `${cookie}; Max-Age=-1`;
}

/** Matches a `Cookie` header that holds this cookie, whole. */
export function cookiePattern(cookie: string): string {
  const [name = '', value = ''] = cookie.split('=');
  return `.*${literal(name)}.*${literal(value)}.*`;
}

/** Whether this could be the pattern of a cookie of ours, whatever its name: an author may have renamed it since. */
export function isCookiePattern(pattern: unknown): boolean {
  return typeof pattern === 'string' && /^\.\*.+\.\*[a-zA-Z]+\.\*$/.test(pattern);
}

/** Dots stay as they are in Flagger's patterns; the other signs would change what the name of a cookie means. */
function literal(text: string): string {
  return text.replaceAll(/[\\^$*+?()[\]{}|]/g, '\\$&');
}
