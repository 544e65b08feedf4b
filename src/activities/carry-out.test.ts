import { describe, expect, it, jest } from '@jest/globals';
import { memoryKubernetes, type MemoryKubernetes } from '../../test/support/memory-kubernetes.ts';
import { hpaRef, shopCanary, shopDeployment, shopHpa, testDeps, type Loose } from '../../test/support/shop.ts';
import { failure } from '../errors.ts';
import { planTimeoutMs, type Plan, type Step } from '../workflows/domain/plan.ts';
import { createCarryOut } from './carry-out.ts';
import { noMeters } from './meters.ts';
import { createParts } from './parts.ts';
import { revisionOf } from './revision.ts';

const ref = { namespace: 'prod', name: 'shop' };
const plan = (verb: Plan['verb'], ...steps: Step[]): Plan => ({ verb, summary: verb, steps });

const logged: object[] = [];

function carryOut(kubernetes: MemoryKubernetes) {
  const deps = testDeps(kubernetes);
  const perform = createCarryOut(deps, createParts(deps), {
    info: () => undefined,
    warn: (message, fields) => logged.push({ message, ...fields }),
  });
  return (plan: Plan, key = 'run-1/7') => perform(ref, plan, key);
}

const all = { primary: 100, canary: 0 };
const event = (message: string): Step => ({ do: 'record-event', event: { type: 'Normal', message, scope: 'r' } });
const events = async (kubernetes: MemoryKubernetes) => {
  const { items } = await kubernetes.list({ apiVersion: 'v1', kind: 'Event', plural: 'events' }, 'prod');
  return items.map(({ type, message, count }) => `${String(type)} ${String(message)} x${String(count)}`);
};
const deployment = (kubernetes: MemoryKubernetes, name: string) => kubernetes.peek('Deployment', name) as Loose;

const initialize = plan(
  'initialize',
  { do: 'write-status', status: { phase: 'Initializing' } },
  { do: 'ensure-services' },
  { do: 'ensure-primary' },
  { do: 'ensure-autoscaler', mode: 'create' },
  { do: 'ensure-apex' },
  { do: 'ensure-routes', weights: all },
  { do: 'scale-target', to: 'zero' },
  event('Initialization done! shop.prod'),
);

const world = () => memoryKubernetes(shopCanary({ autoscalerRef: hpaRef }), shopDeployment(), shopHpa());

describe('carrying out a plan', () => {
  it('tells once that Flagger works on the Canary as well, and does its own work all the same', async () => {
    const at = (secondsAgo: number) => new Date(Date.now() - secondsAgo * 1000).toISOString();
    const managedFields = [
      { manager: 'serin', subresource: 'status', time: at(20) },
      { manager: 'flagger', subresource: 'status', time: at(5) },
    ];
    const kubernetes = memoryKubernetes(shopCanary({}, {}, { managedFields }), shopDeployment());
    const tell = plan('tell', event('Advance shop.prod canary weight 10'));
    await carryOut(kubernetes)(tell);
    await carryOut(kubernetes)(tell, 'run-1/8');
    expect((await events(kubernetes)).sort()).toEqual([
      'Normal Advance shop.prod canary weight 10 x2',
      expect.stringMatching(/^Warning Flagger has written the status of this canary since Serin did: .* x1$/),
    ]);
  });

  it('counts a release that is over once, however often its last plan is carried out', async () => {
    const kubernetes = memoryKubernetes(shopCanary({}, { phase: 'Finalising' }), shopDeployment());
    const entered: string[] = [];
    const deps = testDeps(kubernetes);
    const meters = { ...noMeters, entered: (_: unknown, from: string, to: string) => entered.push(`${from} ${to}`) };
    const perform = createCarryOut(deps, createParts(deps), { info: () => undefined, warn: () => undefined }, meters);
    const finish = plan('finish', { do: 'write-status', status: { phase: 'Succeeded' } });
    await perform(ref, finish, 'run-1/7');
    await perform(ref, finish, 'run-1/7');
    expect(entered).toEqual(['Finalising Succeeded', 'Succeeded Succeeded']);
  });

  it('does its steps in order', async () => {
    const kubernetes = world();
    expect(await carryOut(kubernetes)(initialize)).toBeNull();
    const written = kubernetes.writes.filter((write) => !/ControllerRevision|DestinationRule/.test(write));
    expect(written).toEqual([
      'patch Canary shop',
      'create Service shop-canary',
      'create Service shop-primary',
      'create Deployment shop-primary',
      'create HorizontalPodAutoscaler shop-primary',
      'create Service shop',
      'create VirtualService shop',
      'patch Deployment shop',
      expect.stringMatching(/^create Event shop\./),
    ]);
    expect(deployment(kubernetes, 'shop').spec.replicas).toBe(0);
  });

  it('changes nothing when it is carried out again', async () => {
    const kubernetes = world();
    await carryOut(kubernetes)(initialize);
    const writes = kubernetes.writes.length;
    expect(await carryOut(kubernetes)(initialize)).toBeNull();
    expect(kubernetes.writes).toHaveLength(writes);
  });

  it('takes a release from scaling up to promotion', async () => {
    const kubernetes = world();
    const perform = carryOut(kubernetes);
    await perform(initialize);
    deployment(kubernetes, 'shop').spec.template.spec.containers[0].image = 'shop:1.1';
    const revision = revisionOf(deployment(kubernetes, 'shop').spec.template);
    expect(await perform(plan('scaleUp', { do: 'scale-target', to: 'up' }), 'run-1/8')).toBeNull();
    expect(deployment(kubernetes, 'shop').spec.replicas).toBe(2);
    const weights = { primary: 90, canary: 10 };
    expect(await perform(plan('shiftTraffic', { do: 'set-weights', weights }), 'run-1/9')).toBeNull();
    const routes = (kubernetes.peek('VirtualService', 'shop') as Loose).spec.http[0].route;
    expect(routes.map(({ weight }: Loose) => weight)).toEqual([90, 10]);
    expect(await perform(plan('promote', { do: 'promote', revision }), 'run-1/10')).toBeNull();
    expect(deployment(kubernetes, 'shop-primary').spec.template.spec.containers[0].image).toBe('shop:1.1');
  });

  it('stops at the first step that people have to mend, and says which', async () => {
    const kubernetes = memoryKubernetes(shopCanary());
    const result = await carryOut(kubernetes)(
      plan('scaleUp', event('one'), { do: 'scale-target', to: 'up' }, event('two')),
    );
    expect(result).toEqual({
      step: 1,
      reason: 'NotFound',
      message: 'deployment shop.prod get query error: deployments.apps "shop" not found',
    });
    expect(await events(kubernetes)).toEqual(['Normal one x1']);
  });

  it.each([
    [
      'parking the target',
      { do: 'scale-target', to: 'zero' },
      'Deployment',
      'scaling down canary Deployment shop.prod failed: deployment shop.prod patch query error: forbidden',
    ],
    [
      'writing the status',
      { do: 'write-status', status: { phase: 'Initialized' } },
      'Canary',
      'failed to sync canary shop.prod status: failed after retries: updating canary shop.prod status failed: forbidden',
    ],
  ] as const)('has words of Flagger for a failure of %s while initializing', async (_, step, kind, message) => {
    const kubernetes = world();
    kubernetes.failNext('patch', kind, failure('Unauthorized', 'forbidden'));
    expect(await carryOut(kubernetes)(plan('initialize', step))).toEqual({ step: 0, reason: 'Unauthorized', message });
  });

  it.each([
    ['what only time can mend', failure('Unavailable', 'connection refused')],
    ['a bug', new TypeError('x is not a function')],
  ])('throws %s, to be tried again as a whole', async (_, error) => {
    const kubernetes = world();
    kubernetes.failNext('get', 'Deployment', error);
    await expect(carryOut(kubernetes)(initialize)).rejects.toThrow(error.message);
    expect(await carryOut(kubernetes)(initialize)).toBeNull();
  });

  it('counts an event once, however often the call is retried', async () => {
    const kubernetes = world();
    const perform = carryOut(kubernetes);
    await perform(plan('tell', event('a'), event('a')), 'run-1/7');
    await perform(plan('tell', event('a')), 'run-1/8');
    await perform(plan('tell', event('a')), 'run-1/8');
    expect(await events(kubernetes)).toEqual(['Normal a x3']);
  });

  it('moves traffic though the cluster refuses to hear of it, and logs what could not be told', async () => {
    const kubernetes = world();
    const perform = carryOut(kubernetes);
    await perform(initialize);
    const weights = { primary: 90, canary: 10 };
    kubernetes.failNext('create', 'Event', failure('Unauthorized', 'exceeded quota'));
    const shift = plan('shiftTraffic', event('one'), { do: 'set-weights', weights }, event('two'));
    expect(await perform(shift, 'run-1/8')).toBeNull();
    const routes = (kubernetes.peek('VirtualService', 'shop') as Loose).spec.http[0].route;
    expect(routes.map(({ weight }: Loose) => weight)).toEqual([90, 10]);
    expect(await events(kubernetes)).toContain('Normal two x1');
    expect(logged).toMatchObject([
      { canary: 'shop.prod', message: 'one', error: expect.stringContaining('exceeded quota') },
    ]);
  });

  it('tells what is to be told once no second time, whichever run asks for it', async () => {
    const kubernetes = world();
    const perform = carryOut(kubernetes);
    const once: Step = { do: 'record-event', event: { type: 'Warning', message: 'a', scope: 'uid/1', once: true } };
    for (const key of ['run-1/7', 'run-2/7']) await perform(plan('tell', once), key);
    expect(await events(kubernetes)).toEqual(['Warning a x1']);
  });

  it('writes status and events of a Canary that cannot be read, and nothing else', async () => {
    const kubernetes = memoryKubernetes(shopCanary({ analysis: {} }), shopDeployment());
    const stalled = { reason: 'InvalidSpec', message: 'invalid canary spec: …' };
    const tell = plan('tell', { do: 'write-status', status: { stalled } }, event('x'), { do: 'ensure-primary' });
    expect(await carryOut(kubernetes)(tell)).toMatchObject({
      step: 2,
      reason: 'InvalidSpec',
      message: expect.stringMatching(/^invalid canary spec: /),
    });
    expect((kubernetes.peek('Canary', 'shop')!.status as Loose).conditions).toMatchObject([{ type: 'Stalled' }]);
    expect(deployment(kubernetes, 'shop-primary')).toBeUndefined();
  });

  it('says that the Canary is gone', async () => {
    expect(await carryOut(memoryKubernetes())(initialize)).toEqual({
      step: 0,
      reason: 'NotFound',
      message: 'failed to get canary shop.prod: canaries.flagger.app "shop" not found',
    });
  });

  it('BC-24: tells once which container ports the Services leave out', async () => {
    const ports = [
      { name: 'api', containerPort: 9000 },
      { name: 'monitoring', containerPort: 9000 },
    ];
    const target = shopDeployment({ podSpec: { containers: [{ name: 'web', image: 'shop:1.0', ports }] } });
    const kubernetes = memoryKubernetes(shopCanary({ service: { port: 80, portDiscovery: true } }), target);
    const perform = carryOut(kubernetes);
    for (const key of ['run-1/7', 'run-1/8'])
      await perform(plan('repair', { do: 'ensure-services' }, { do: 'ensure-apex' }), key);
    expect(await events(kubernetes)).toEqual([
      expect.stringMatching(
        /^Warning container port monitoring \(9000\/TCP of web\) is left out of the Services.* x1$/,
      ),
    ]);
  });

  it.each(['initialize', 'scaleUp'] as const)(
    'tells once, with %s, of a duration that nobody can read',
    async (verb) => {
      const analysis = { interval: '10sfoo', threshold: 3, maxWeight: 50, stepWeight: 10 };
      const kubernetes = memoryKubernetes(shopCanary({ analysis }), shopDeployment());
      const perform = carryOut(kubernetes);
      for (const key of ['run-1/7', 'run-1/8']) await perform(plan(verb, { do: 'ensure-services' }), key);
      expect(await events(kubernetes)).toEqual([
        'Warning spec.analysis.interval: time: unknown unit "sfoo" in duration "10sfoo"; a minute is used; ' +
          'write one such as 30s or 1m30s x1',
      ]);
    },
  );

  it.each([
    ['sessionAffinity', { sessionAffinity: { cookieName: 'sid' } }, 'istio'],
    ['mirror', { mirror: true }, 'istio'],
    ['mirror', { mirror: true }, 'gatewayapi:v1'],
  ])('tells once that %s is ignored beside match', async (field, fields, provider) => {
    const match = [{ headers: { cookie: { exact: 'insider' } } }];
    const analysis = { interval: '10s', threshold: 3, iterations: 2, match, ...fields };
    const kubernetes = memoryKubernetes(shopCanary({ provider, analysis }), shopDeployment());
    const perform = carryOut(kubernetes);
    for (const key of ['run-1/7', 'run-1/8']) await perform(plan('scaleUp', { do: 'ensure-services' }), key);
    expect(await events(kubernetes)).toEqual([
      expect.stringMatching(`^Warning spec.analysis.${field}: is ignored beside spec.analysis.match, .* x1$`),
    ]);
  });

  it('tells once of a cookie that the provider does not have', async () => {
    const sessionAffinity = { cookieName: 'sid', primaryCookieName: 'pid' };
    const analysis = { interval: '10s', threshold: 3, stepWeight: 10, sessionAffinity };
    const canary = shopCanary({ provider: 'gatewayapi:v1beta1', analysis });
    const kubernetes = memoryKubernetes(canary, shopDeployment());
    await carryOut(kubernetes)(plan('initialize', { do: 'ensure-services' }));
    expect(await events(kubernetes)).toEqual([
      'Warning spec.analysis.sessionAffinity.primaryCookieName: is ignored by the provider gatewayapi:v1beta1; use ' +
        'gatewayapi:v1 x1',
    ]);
  });

  it('gives things back in order, and the Canary its leave', async () => {
    const kubernetes = world();
    const perform = carryOut(kubernetes);
    await perform(initialize);
    deployment(kubernetes, 'shop').spec.replicas = 0;
    await perform(plan('tell', { do: 'set-finalizer', present: true }));
    expect(kubernetes.peek('Canary', 'shop')!.metadata.finalizers).toEqual(['finalizer.flagger.app']);
    const revert = plan('revert', { do: 'revert-target' }, { do: 'revert-apex' }, { do: 'revert-routes' });
    expect(await perform(revert)).toBeNull();
    expect(deployment(kubernetes, 'shop').spec.replicas).toBe(2);
    await perform(plan('revert', { do: 'set-finalizer', present: false }));
    expect(kubernetes.peek('Canary', 'shop')!.metadata.finalizers).toEqual([]);
  });

  it('clears the mesh of another cluster before a Canary may go, and only then; what is left is told', async () => {
    const kubernetes = memoryKubernetes(
      shopCanary({}, {}, { finalizers: ['finalizer.flagger.app'] }),
      shopDeployment(),
    );
    const mesh = { ...memoryKubernetes(), server: 'https://mesh:6443' };
    const deps = { ...testDeps(kubernetes), mesh };
    const perform = createCarryOut(deps, createParts(deps), { info: () => undefined, warn: () => undefined });
    const route = () => mesh.peek('VirtualService', 'shop');
    await perform(ref, plan('repair', { do: 'ensure-routes', weights: all }), 'run-1/7');
    const release = plan('tell', { do: 'set-finalizer', present: false });
    await perform(ref, release, 'run-1/8');
    expect(route()).toBeDefined();
    kubernetes.peek('Canary', 'shop')!.metadata.deletionTimestamp = '2026-05-04T09:12:00Z';
    mesh.failNext('remove', 'VirtualService', failure('Unauthorized', 'forbidden'));
    expect(await perform(ref, release, 'run-1/9')).toBeNull();
    expect(kubernetes.peek('Canary', 'shop')!.metadata.finalizers).toEqual([]);
    expect(await events(kubernetes)).toEqual([
      expect.stringMatching(
        /^Warning virtualservices of canary shop.prod are left in the cluster of the mesh: forbidden/,
      ),
    ]);
    await perform(ref, release, 'run-1/9');
    expect(route()).toBeUndefined();
  });

  it.each([
    ['revert-target', 'get', 'Deployment', 'failed to revert target: deployment shop.prod get query error: forbidden'],
    ['revert-apex', 'get', 'Service', 'failed revert router: service shop get query error: forbidden'],
    [
      'revert-routes',
      'get',
      'VirtualService',
      'failed to revert mesh: VirtualService shop.prod get query error forbidden',
    ],
  ] as const)('has words of Flagger for a failure of %s', async (step, verb, kind, message) => {
    const kubernetes = world();
    kubernetes.failNext(verb, kind, failure('Unauthorized', 'forbidden'));
    expect(await carryOut(kubernetes)(plan('revert', { do: step }))).toEqual({
      step: 0,
      reason: 'Unauthorized',
      message,
    });
  });

  it('ends the floor of an autoscaler that is gone, and puts none on it', async () => {
    const perform = carryOut(memoryKubernetes(shopCanary({ autoscalerRef: hpaRef }), shopDeployment()));
    const floored = (floor: number) => plan('finish', { do: 'ensure-autoscaler', mode: 'update', floor });
    expect(await perform(floored(0))).toBeNull();
    expect(await perform(floored(2))).toMatchObject({ step: 0, reason: 'NotFound' });
  });

  it('does nothing more once another attempt may be at work: its process was frozen', async () => {
    const kubernetes = world();
    const clock = jest
      .spyOn(Date, 'now')
      .mockReturnValueOnce(0)
      .mockReturnValue(planTimeoutMs + 1);
    try {
      await expect(carryOut(kubernetes)(initialize)).rejects.toThrow('carrying out the plan took too long');
    } finally {
      clock.mockRestore();
    }
    expect(kubernetes.writes).toEqual([]);
  });
});
