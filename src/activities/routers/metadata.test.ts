import { describe, expect, it } from '@jest/globals';
import { shopWith as canary } from '../../../test/contracts/router-worlds.ts';
import { memoryKubernetes } from '../../../test/support/memory-kubernetes.ts';
import { testDeps } from '../../../test/support/shop.ts';
import { failure } from '../../errors.ts';
import { fluxGuards } from '../ownership.ts';
import { apexMetadata } from './metadata.ts';

function workload(matchLabels: object) {
  const metadata = { name: 'shop', namespace: 'prod' };
  const template = { spec: { containers: [{ name: 'shop', image: 'shop:1' }] } };
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec: { selector: { matchLabels }, template } };
}

describe('labels and annotations of a route', () => {
  it('are the Flux guards alone when service.apex is absent, and the target is not even read', async () => {
    const kubernetes = memoryKubernetes();
    kubernetes.failNext('get', 'Deployment', failure('Unavailable', 'not asked'));
    expect(await apexMetadata(canary(), testDeps(kubernetes))).toEqual({ labels: {}, annotations: fluxGuards });
  });

  it('are those of service.apex, with the guards and the pod label', async () => {
    const apex = { labels: { team: 'shop' }, annotations: { note: 'ours' } };
    const deps = testDeps(memoryKubernetes(workload({ 'app.kubernetes.io/name': 'x', name: 'y' })));
    expect(await apexMetadata(canary({ apex, name: 'store' }), deps)).toEqual({
      labels: { team: 'shop', name: 'store' },
      annotations: { note: 'ours', ...fluxGuards },
    });
  });

  it('carry the pod label also when service.apex is empty, as in Flagger', async () => {
    const deps = testDeps(memoryKubernetes(workload({ app: 'x' })));
    expect((await apexMetadata(canary({ apex: {} }), deps)).labels).toEqual({ app: 'shop' });
  });

  it('carry no pod label for a Service, which has no pods of its own', async () => {
    const labels = { team: 'shop' };
    const asked = canary({ apex: { labels } });
    const targetRef = { ...asked.spec.targetRef, kind: 'Service' as const };
    const forService = { ...asked, spec: { ...asked.spec, targetRef } };
    const deps = testDeps(memoryKubernetes());
    expect((await apexMetadata(forService, deps)).labels).toEqual(labels);
  });

  it.each([
    ['is missing', undefined, 'NotFound', 'deployment shop.prod get query error: deployments.apps "shop" not found'],
    [
      'has none of the selector labels',
      workload({ tier: 'x' }),
      'InvalidSpec',
      'getSelectorLabel failed: deployment shop.prod spec.selector.matchLabels must contain one of [app name app.kubernetes.io/name]',
    ],
  ])('cannot be told when service.apex is given and the target %s', async (_, target, type, message) => {
    const deps = testDeps(memoryKubernetes(...(target ? [target] : [])));
    await expect(apexMetadata(canary({ apex: {} }), deps)).rejects.toMatchObject({ type, message });
  });

  it('cannot be told while the API server does not answer', async () => {
    const kubernetes = memoryKubernetes();
    kubernetes.failNext('get', 'Deployment', failure('Unavailable', 'connection refused'));
    await expect(apexMetadata(canary({ apex: {} }), testDeps(kubernetes))).rejects.toMatchObject({
      type: 'Unavailable',
      message: 'deployment shop.prod get query error: connection refused',
    });
  });
});
