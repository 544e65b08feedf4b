import { describe, expect, it } from '@jest/globals';
import { knativeCanary, knativeRevision, knativeShop, trafficOf } from '../../../test/support/knative.ts';
import { memoryKubernetes, type MemoryKubernetes } from '../../../test/support/memory-kubernetes.ts';
import { testDeps, type Loose } from '../../../test/support/shop.ts';
import { hashOf } from '../knative/service.ts';
import { createKnativeWorkload } from './knative-service.ts';

const primary = 'flagger.app/primary-revision';
const [first, second] = ['podinfo-00001', 'podinfo-00002'];
const workload = (kubernetes: MemoryKubernetes) => createKnativeWorkload(testDeps(kubernetes));
const chosen = (kubernetes: MemoryKubernetes) =>
  (kubernetes.peek('Service', 'podinfo') as Loose).metadata.annotations?.[primary] as string | undefined;
const annotated = (revision: string) => ({ annotations: { [primary]: revision } });
const pinned = (revisionName: string, percent = 100) => [
  { latestRevision: true, percent: 100 - percent },
  { revisionName, percent },
];
const newer = { latestCreatedRevisionName: second, latestReadyRevisionName: second };

/** Named after Flagger's own tests of its controller. */
describe('Flagger’s tests of its Knative controller', () => {
  it('TestKnativeController_Initialize: the newest revision becomes the primary while initializing, and not in Promoting', async () => {
    const kubernetes = memoryKubernetes(knativeShop({ traffic: pinned(first), status: newer }, annotated(first)));
    await workload(kubernetes).ensurePrimary(knativeCanary({ phase: 'Promoting' }), 'key');
    expect(chosen(kubernetes)).toBe(first);
    const fresh = memoryKubernetes(knativeShop());
    await workload(fresh).ensurePrimary(knativeCanary({ phase: 'Initializing' }), 'key');
    expect(chosen(fresh)).toBe(first);
  });

  it('TestKnativeController_Promote: the newest revision becomes the primary, and gets what the old one had', async () => {
    const kubernetes = memoryKubernetes(knativeShop({ traffic: pinned(first, 50), status: newer }, annotated(first)));
    await workload(kubernetes).promote(knativeCanary({ phase: 'Progressing' }), hashOf(second), 'key');
    expect(chosen(kubernetes)).toBe(second);
    expect(trafficOf(kubernetes)).toEqual(pinned(second, 50));
    await workload(kubernetes).promote(knativeCanary({ phase: 'Promoting' }), hashOf(second), 'key');
    expect(kubernetes.writes).toHaveLength(1);
  });

  it('TestKnativeController_HasTargetChanged: a new revision is a change', async () => {
    const kubernetes = memoryKubernetes(knativeShop({}, annotated(first)), knativeRevision(first));
    const before = await workload(kubernetes).look(knativeCanary({ phase: 'Succeeded' }));
    expect(before.primary).toMatchObject({ equalsTarget: true, revision: before.target.revision });
    kubernetes.put(knativeShop({ status: newer }, annotated(first)));
    const after = await workload(kubernetes).look(knativeCanary({ phase: 'Succeeded' }));
    expect(after.primary).toMatchObject({ equalsTarget: false, revision: before.target.revision });
    expect(after.target.revision).not.toBe(before.target.revision);
  });
});

describe('a Knative Service as target', () => {
  it('has no pods, no primary of its own that could be missing, and nothing to scale', async () => {
    const kubernetes = memoryKubernetes(knativeShop(), knativeRevision(first));
    const view = await workload(kubernetes).look(knativeCanary());
    expect(view).toEqual({
      pods: undefined,
      primaryIsPart: true,
      target: { revision: hashOf(first), replicas: 1, available: 1, readiness: { ready: true } },
    });
    await workload(kubernetes).scaleToZero(knativeCanary());
    await workload(kubernetes).scaleUp(knativeCanary());
    await workload(kubernetes).revert(knativeCanary());
    expect(kubernetes.writes).toEqual([]);
    expect(await workload(kubernetes).pods(knativeCanary())).toBeUndefined();
  });

  it.each([
    [undefined, 'Knative Revision podinfo-00001.prod is not ready'],
    [{ status: 'Unknown' }, 'Knative Revision podinfo-00001.prod is not ready'],
    [
      { status: 'False', reason: 'ContainerMissing', message: 'no such image' },
      'Knative Revision podinfo-00001.prod is not ready (ContainerMissing: no such image)',
    ],
  ])('a revision with readiness %j is awaited', async (ready, message) => {
    const revision = { ...knativeRevision(first), ...(ready ? {} : { status: {} }) };
    const kubernetes = memoryKubernetes(knativeShop(), ready ? knativeRevision(first, ready) : revision);
    const { target } = await workload(kubernetes).look(knativeCanary());
    expect(target).toMatchObject({ available: 0, readiness: { ready: false, retriable: true, message } });
  });

  it('a revision that is gone is named, and awaited', async () => {
    const { target } = await workload(memoryKubernetes(knativeShop())).look(knativeCanary());
    const message =
      'Knative Revision podinfo-00001.prod get query error: revisions.serving.knative.dev "podinfo-00001" not found';
    expect(target.readiness).toMatchObject({ ready: false, retriable: true, message });
  });

  it('a Service that is not there, or has no revision yet, is told', async () => {
    await expect(workload(memoryKubernetes()).look(knativeCanary())).rejects.toMatchObject({
      type: 'NotFound',
      message: 'Knative Service podinfo.prod get query error: services.serving.knative.dev "podinfo" not found',
    });
    const fresh = memoryKubernetes({ ...knativeShop(), status: {} });
    await expect(workload(fresh).look(knativeCanary())).rejects.toMatchObject({
      type: 'NotFound',
      message: 'Knative Service podinfo.prod has no revision yet',
    });
  });

  it('Q22: a Service that cannot be read counts as nothing, and not as changed', async () => {
    const kubernetes = memoryKubernetes(knativeShop({}, annotated(first)), knativeRevision(first));
    kubernetes.failNext('get', 'Service', new Error('connection refused'));
    await expect(workload(kubernetes).look(knativeCanary({ phase: 'Progressing' }))).rejects.toThrow(
      'connection refused',
    );
  });

  it('Q34: the primary follows the target while initializing, until traffic is pinned to it', async () => {
    const canary = knativeCanary({ phase: 'Initializing' });
    const kubernetes = memoryKubernetes(knativeShop({ status: newer }, annotated(first)));
    await workload(kubernetes).ensurePrimary(canary, 'key');
    expect(chosen(kubernetes)).toBe(second);
    kubernetes.put(knativeShop({ traffic: pinned(first), status: newer }, annotated(first)));
    const { primary: seen } = await workload(kubernetes).look(canary);
    expect(seen).toMatchObject({ ours: false, equalsTarget: false });
    await workload(kubernetes).ensurePrimary(canary, 'key');
    expect(chosen(kubernetes)).toBe(first);
  });

  it('is not promoted when another revision has come meanwhile', async () => {
    const kubernetes = memoryKubernetes(knativeShop({ status: newer }, annotated(first)));
    const promoting = workload(kubernetes).promote(knativeCanary(), hashOf(first), 'key');
    await expect(promoting).rejects.toMatchObject({ type: 'Conflict', message: expect.stringContaining(second) });
    expect(chosen(kubernetes)).toBe(first);
  });

  describe('whose annotation was removed in the middle of a release', () => {
    const removed = (traffic: object[]) => memoryKubernetes(knativeShop({ traffic, status: newer }));
    const progressing = (lastPromotedSpec: string) => knativeCanary({ phase: 'Progressing', lastPromotedSpec });

    it('gets back the revision that was promoted, and not the canary', async () => {
      const kubernetes = removed(pinned(first, 80));
      await workload(kubernetes).ensurePrimary(progressing(hashOf(first)), 'key');
      expect(chosen(kubernetes)).toBe(first);
    });

    it('gets back the only one that is pinned, where the status is Flagger’s', async () => {
      const kubernetes = removed(pinned(first, 80));
      await workload(kubernetes).ensurePrimary(progressing('5498f4fcd6'), 'key');
      expect(chosen(kubernetes)).toBe(first);
    });

    it('is not guessed: what to do is told', async () => {
      const kubernetes = removed([{ latestRevision: true, percent: 100 }]);
      const ensuring = workload(kubernetes).ensurePrimary(progressing('5498f4fcd6'), 'key');
      await expect(ensuring).rejects.toMatchObject({
        type: 'Conflict',
        message: expect.stringMatching(
          /^Knative Service podinfo\.prod primary revision annotation not found: .*; set it/,
        ),
      });
      expect(kubernetes.writes).toEqual([]);
    });
  });
});
