import { expect, it } from '@jest/globals';
import { memoryKubernetes } from '../../test/support/memory-kubernetes.ts';
import { shopCanary, shopDeployment, testDeps } from '../../test/support/shop.ts';
import { verbs } from '../workflows/domain/plan.ts';
import type { CanaryRef } from './contract.ts';
import { createActivities } from './index.ts';
import { noMeters } from './meters.ts';

const ref = { namespace: 'prod', name: 'shop' };
const log = { info: () => undefined, warn: () => undefined };
const activities = (...objects: object[]) =>
  createActivities(testDeps(memoryKubernetes(...objects)), log, { inCall: (work) => work({ key: 'run-1/1' }) });

it('answers to every verb of a plan', () => {
  expect(activities()).toMatchObject(Object.fromEntries(verbs.map((verb) => [verb, expect.any(Function)])));
});

it('looks at a Canary and carries out a plan for it', async () => {
  const { look, tell } = activities(shopCanary(), shopDeployment());
  expect(await look(ref, { metricsProviders: false })).toMatchObject({ target: { replicas: 2 } });
  const status = { phase: 'Initializing' } as const;
  expect(await tell(ref, { verb: 'tell', summary: '', steps: [{ do: 'write-status', status }] })).toBeNull();
  expect(await look(ref, { metricsProviders: false })).toMatchObject({ canary: { status } });
});

it('has no hooks to call for a Canary that is gone', async () => {
  const hooks = [{ name: 'gate', type: 'confirm-rollout', phase: 'Progressing' }] as const;
  expect(await activities().callHooks(ref, hooks, 'first-no')).toEqual([]);
});

it('counts a release whose gates are asked as attended to, one whose hooks cannot be read not', async () => {
  const asked: CanaryRef[] = [];
  const meters = { ...noMeters, asked: (canary: CanaryRef) => asked.push(canary) };
  const callHooks = (canary: object) =>
    createActivities(testDeps(memoryKubernetes(canary)), log, {
      ...{ meters, inCall: (work) => work({ key: 'run-1/1' }) },
    }).callHooks(ref, [], 'first-no');
  await callHooks(shopCanary());
  expect(asked).toEqual([ref]);
  await expect(callHooks(shopCanary({ analysis: {} }))).rejects.toThrow();
  expect(asked).toEqual([ref]);
});

it('refuses to ask the gates of a Canary that cannot be read: silence is no approval', async () => {
  const hooks = [{ name: 'gate', type: 'confirm-rollout', phase: 'Progressing' }] as const;
  const unreadable = shopCanary({ analysis: {} });
  await expect(activities(unreadable).callHooks(ref, hooks, 'first-no')).rejects.toMatchObject({ type: 'InvalidSpec' });
});
