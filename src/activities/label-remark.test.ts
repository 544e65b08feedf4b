import { expect, it } from '@jest/globals';
import { memoryKubernetes } from '../../test/support/memory-kubernetes.ts';
import { shopCanary, shopDeployment, testDeps } from '../../test/support/shop.ts';
import type { Step, Verb } from '../workflows/domain/plan.ts';
import { createCarryOut } from './carry-out.ts';
import { createParts } from './parts.ts';

/** Carries plans out as a worker with this setting does, and says which Warnings there are then. */
function cluster() {
  const target = shopDeployment();
  const labels = { app: 'shop', deploy: 'shop' };
  target.spec.selector.matchLabels = labels;
  target.spec.template.metadata.labels = labels;
  const kubernetes = memoryKubernetes(shopCanary(), target);
  return async (selectorLabels: readonly string[], verb: Verb, key: string, ...steps: Step[]) => {
    const deps = testDeps(kubernetes, { selectorLabels });
    const quiet = { info: () => undefined, warn: () => undefined };
    const carryOut = createCarryOut(deps, createParts(deps), quiet);
    await carryOut({ namespace: 'prod', name: 'shop' }, { verb, summary: verb, steps }, key);
    const { items } = await kubernetes.list({ apiVersion: 'v1', kind: 'Event', plural: 'events' }, 'prod');
    return items.flatMap(({ type, message, count }) =>
      type === 'Warning' ? [`${String(message)} x${String(count)}`] : [],
    );
  };
}

const create: Step[] = [{ do: 'ensure-services' }, { do: 'ensure-primary' }];

it('BC-27: a primary that is selected by another label than the setting asks for by now is told once', async () => {
  const carryOut = cluster();
  expect(await carryOut(['app'], 'initialize', 'run-1/1', ...create)).toEqual([]);
  expect(await carryOut(['app'], 'scaleUp', 'run-2/1')).toEqual([]);
  const told = [
    'Deployment shop-primary.prod goes on being selected by app=shop-primary,deploy=shop, and not by deploy as the ' +
      'setting of selector labels asks: a selector cannot be changed once it is there x1',
  ];
  expect(await carryOut(['deploy'], 'scaleUp', 'run-3/1')).toEqual(told);
  expect(await carryOut(['deploy'], 'scaleUp', 'run-4/1')).toEqual(told);
});

it('one that was made by the setting as it is is not', async () => {
  expect(await cluster()(['deploy'], 'initialize', 'run-1/1', ...create)).toEqual([]);
});
