import { workflowInfo } from '@temporalio/workflow';
import type { Action, CarryOut, Event, Release } from './domain/state.ts';
import type { HookCall } from './domain/plan.ts';
import { archive, carryOut, impatient, look, outside, wayBack } from './proxies.ts';

type Performed = Exclude<Action, { type: 'wait' | 'rest' | 'start-over' }>;

/** Actions that are given up when the release is to be rolled back: calls to the outside, and nothing that writes. */
export function isInterruptible(action: Performed): boolean {
  return (
    action.type === 'analyse' ||
    action.type === 'call-hooks' ||
    action.type === 'notify' ||
    action.type === 'verify' ||
    action.type === 'archive'
  );
}

/** Has the worker do what was decided, and says what came of it. */
export async function perform(release: Release, action: Performed): Promise<Event> {
  const { canary } = release;
  const answered = release.hinted;
  const summary = summaryOf(action);
  switch (action.type) {
    case 'look': {
      const ask = { metricsProviders: action.metricsProviders };
      const observation = await look.executeWithOptions({ summary }, [canary, ask]);
      return { type: 'looked', observation, answered, now: Date.now() };
    }
    case 'carry-out': {
      const { plan } = action;
      const run = isWayBack(action) ? wayBack[plan.verb] : carryOut[plan.verb];
      const failure = await run.executeWithOptions({ summary }, [canary, plan]);
      return { type: 'carried-out', action, failure: failure ?? undefined, now: Date.now() };
    }
    case 'analyse': {
      const { analyse } = outside(hookBudget(release, action.hooks) + examinationBudgetMs(release));
      const { observation, examination } = await analyse.executeWithOptions({ summary }, [
        canary,
        action.revision,
        action.hooks,
      ]);
      return { type: 'analysed', observation, examination, answered, now: Date.now() };
    }
    case 'call-hooks': {
      const { callHooks } = outside(hookBudget(release, action.hooks));
      const answers = await callHooks.executeWithOptions({ summary }, [canary, action.hooks, action.until]);
      return { type: 'hooks-called', moment: action.moment, answers, now: Date.now() };
    }
    case 'archive':
      await archive.executeWithOptions({ summary }, [canary, workflowInfo().runId]);
      return { type: 'archived', now: Date.now() };
    case 'verify': {
      const tokens = action.orders.map(({ order }) => order.token);
      const { verifyActors } = impatient;
      const actors = await verifyActors.executeWithOptions({ summary }, [canary, tokens]);
      return { type: 'verified', orders: action.orders, actors, now: Date.now() };
    }
    case 'notify': {
      const { notify } = outside(10_000 + 15_000 * action.notices.length);
      await notify.executeWithOptions({ summary }, [canary, action.notices]);
      return { type: 'notified', ids: action.notices.map(({ id }) => id), now: Date.now() };
    }
  }
}

function isWayBack({ plan }: CarryOut): boolean {
  return plan.verb === 'rollBack';
}

/** Milliseconds that these hooks may take together, with room for the calls around them. */
function hookBudget(release: Release, calls: readonly HookCall[]): number {
  const hooks = release.observation?.canary?.settings.analysis.hooks ?? [];
  const named = hooks.filter((hook) => calls.some(({ name, type }) => name === hook.name && type === hook.type));
  return named.reduce((sum, { budgetMs }) => sum + budgetMs, 5_000);
}

/** Milliseconds for the look that goes before an examination and for its queries, each of which is tried twice. */
function examinationBudgetMs(release: Release): number {
  const checks = release.observation?.canary?.settings.analysis.metrics.length ?? 0;
  return 15_000 + checks * 20_000;
}

function summaryOf(action: Performed): string {
  return (action.type === 'carry-out' ? action.plan.summary : action.why).slice(0, 200);
}
