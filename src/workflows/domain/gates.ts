import type { HookType, Phase, Settings } from './observation.ts';
import type { HookCall } from './plan.ts';
import type { Action, Release } from './state.ts';

/** The hooks of one type, ready to be called. */
export function hookCalls(settings: Settings, type: HookType, phase: Phase): HookCall[] {
  return settings.analysis.hooks.filter((hook) => hook.type === type).map(({ name }) => ({ name, type, phase }));
}

/** What the hooks of this type said at this tick. A type without hooks is an open gate. */
export function gate(release: Release, settings: Settings, type: HookType): 'open' | 'closed' | 'unknown' {
  if (!settings.analysis.hooks.some((hook) => hook.type === type)) return 'open';
  const answers = release.asked[type];
  if (!answers) return 'unknown';
  return answers.some((answer) => answer.error !== undefined) ? 'closed' : 'open';
}

/** Asks the hooks of a type, in list order, up to the first that decides. */
export function askGate(settings: Settings, moment: HookType, phase: Phase, why: string): Action {
  const until = moment === 'rollback' ? 'first-yes' : 'first-no';
  return { type: 'call-hooks', moment, hooks: hookCalls(settings, moment, phase), until, why };
}

export function isMuted(settings: Settings, hook: string): boolean {
  return settings.analysis.hooks.some(({ name, muteAlert }) => name === hook && muteAlert);
}
