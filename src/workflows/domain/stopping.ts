import { alert, alertOfCheck, warning } from './plans.ts';
import { askGate, hookCalls } from './gates.ts';
import { beginEnding, rolledBack } from './ending.ts';
import { canaryName } from './names.ts';
import type { Settings } from './observation.ts';
import type { Action, Release } from './state.ts';

/** Reasons to take a revision back: too many checks that did not pass, a hook that says so, or people. */

/** As many failed checks, or checks without a verdict in a row, as the Canary allows. */
export function tooManyFailures(release: Release, settings: Settings): Action | undefined {
  const { threshold } = settings.analysis;
  const { failedChecks } = release.status;
  if (failedChecks >= threshold) return beginEnding(release, settings, rolledBack(`${failedChecks} failed checks`));
  // The check that fills the measure is told first, like a failed one.
  if (release.inconclusive < threshold || release.verdict?.outcome === 'inconclusive') return undefined;
  const text = `no verdict for ${release.inconclusive} checks`;
  return beginEnding(release, settings, {
    ...rolledBack(text),
    reasons: [warning(`Rolling back ${canaryName(release)} ${text}`)],
    alerts: [alertOfCheck(text.charAt(0).toUpperCase() + text.slice(1), release.failedCheck)],
  });
}

/** Rollback hooks are asked at every tick of a release, before anything else is looked at (Q9). */
export function rollbackHooks(release: Release, settings: Settings): Action | undefined {
  if (hookCalls(settings, 'rollback', 'Progressing').length === 0) return undefined;
  const answers = release.asked.rollback;
  if (!answers) {
    return askGate(settings, 'rollback', release.status.phase, 'ask whether to roll back');
  }
  const yes = answers.find((answer) => answer.error === undefined);
  if (!yes) return undefined;
  return beginEnding(release, settings, {
    ...rolledBack(`rollback requested by webhook ${yes.name}`),
    reasons: [
      warning(`Rollback check ${yes.name} passed`),
      warning(`Rolling back ${canaryName(release)} manual webhook invoked`),
    ],
    alerts: [alert('warn', 'Rolling back manual webhook invoked')],
  });
}

/** Somebody who was asked said no. */
export function rejected(release: Release) {
  const { by = 'someone', reason, gate = '' } = release.rejected ?? {};
  const text = `approval ${gate} rejected by ${by}${reason ? `: ${reason}` : ''}`;
  return {
    ...rolledBack(text),
    reasons: [warning(`Rolling back ${canaryName(release)} ${text}`)],
    alerts: [alert('warn', `Rolling back ${text}`)],
  };
}

/** Somebody ordered it. */
export function aborted(release: Release) {
  const { by = 'someone', reason } = release.aborted ?? {};
  const text = `aborted by ${by}${reason ? `: ${reason}` : ''}`;
  return {
    ...rolledBack(text),
    reasons: [warning(`Rolling back ${canaryName(release)} ${text}`)],
    alerts: [alert('warn', `Rolling back ${text}`)],
  };
}
