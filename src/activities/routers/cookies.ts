import { failure } from '../../errors.ts';
import type { Canary } from '../../schemas/canary.ts';
import type { SessionAffinity } from '../../schemas/canary-analysis.ts';
import { analysisOf, cookieMaxAgeSeconds } from '../../schemas/defaults.ts';
import { durationProblem, parseDuration } from '../../schemas/duration.ts';
import type { Cookies, Traffic } from '../../workflows/domain/observation.ts';

/** By which cookies, in which words, users stay on one side of a split. How a route says so is each router's own. */

/** The `Set-Cookie` value that keeps a user on one side. @param maxAge seconds @see routers spec 5 */
function setCookie(cookie: string, affinity: SessionAffinity, maxAge: number): string {
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

/** The cookies that keep users on a side; one that is absent keeps nobody. */
export type CookiesInForce = Pick<Cookies, 'canary' | 'primary'>;

/** The cookies in force: none while the canary has no traffic, and the primary's only if the author gave it a name. */
export function cookiesInForce(canary: Canary, traffic: Traffic): CookiesInForce {
  const { sessionAffinity } = analysisOf(canary);
  if (!sessionAffinity || traffic.canary === 0) return {};
  const { canary: ofCanary, primary } = traffic.cookies ?? {};
  return { canary: ofCanary, primary: sessionAffinity.primaryCookieName ? primary : undefined };
}

/** The `Set-Cookie` values by which users of the primary, and of the canary, get the cookie of their side. */
export function offersOf(canary: Canary, cookies: CookiesInForce): readonly [primary?: string, canary?: string] {
  const { sessionAffinity } = analysisOf(canary);
  if (!sessionAffinity) return [];
  return [
    cookies.primary && setCookie(cookies.primary, sessionAffinity, primaryMaxAge(canary)),
    cookies.canary && setCookie(cookies.canary, sessionAffinity, cookieMaxAgeSeconds(sessionAffinity)),
  ];
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
