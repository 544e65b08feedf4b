import { writeStatus } from './plans.ts';
import type { Cookies, Settings, Weights } from './observation.ts';
import type { Step } from './plan.ts';
import type { Action, Release } from './state.ts';

/**
 * Gives every step that sets traffic the cookies that go with it. They are written to the status first: who has been
 * given a cookie must be found by it, whatever is lost later.
 *
 * @see routers spec 5
 */
export function withCookies(release: Release, action: Action): Action {
  const settings = release.observation?.canary?.settings;
  if (action.type !== 'carry-out' || !settings?.analysis.sessionAffinity) return action;
  let cookies = release.status.cookies ?? {};
  const steps = action.plan.steps.flatMap((step): Step[] => {
    if (step.do !== 'set-weights' && step.do !== 'ensure-routes') return [step];
    const before = cookies;
    cookies = cookiesFor(release, settings, cookies, step.weights);
    const write = same(before, cookies) ? [] : [writeStatus({ cookies })];
    return [...write, { ...step, cookies }];
  });
  return { ...action, plan: { ...action.plan, steps } };
}

/** While the canary gets traffic there is a cookie for it; when it loses all of it, users are told to forget theirs. */
function cookiesFor(release: Release, settings: Settings, before: Cookies, weights: Weights): Cookies {
  const { cookieName, primaryCookieName } = settings.analysis.sessionAffinity ?? {};
  if (weights.canary === 0) {
    const { canary, ...others } = before;
    return canary === undefined ? before : { ...others, previous: canary };
  }
  const canary = before.canary ?? `${cookieName}=${letters(`${release.id}/canary`)}`;
  if (!primaryCookieName) return { ...before, canary };
  return { ...before, canary, primary: before.primary ?? `${primaryCookieName}=${letters(`${release.id}/primary`)}` };
}

const alphabet = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** Ten letters that are the same whenever they are asked for, and others for every release. FNV-1a, then xorshift. */
function letters(seed: string): string {
  let state = 0x811c9dc5;
  for (const char of seed) state = Math.imul(state ^ char.charCodeAt(0), 0x01000193) >>> 0;
  // Xorshift stands still at zero.
  state ||= 1;
  return Array.from({ length: 10 }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state = (state ^ (state << 5)) >>> 0;
    return alphabet[state % alphabet.length];
  }).join('');
}

function same(one: Cookies, other: Cookies): boolean {
  return one.canary === other.canary && one.previous === other.previous && one.primary === other.primary;
}
