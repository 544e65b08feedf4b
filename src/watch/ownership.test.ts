import { describe, expect, it } from '@jest/globals';
import { viewCanary } from './hints.ts';
import { createOwnership } from './ownership.ts';

function view(name: string, spec: object) {
  const metadata = { name, namespace: 'shop' };
  return viewCanary({ apiVersion: 'flagger.app/v1beta1', kind: 'Canary', metadata, spec }, 'serin');
}

const podinfo = view('podinfo-canary', {
  targetRef: { kind: 'Deployment', name: 'podinfo' },
  autoscalerRef: { kind: 'HorizontalPodAutoscaler', name: 'podinfo-hpa' },
  service: { name: 'frontend' },
});

describe('which Canary an object belongs to', () => {
  it.each([
    ['Deployment', 'podinfo', true],
    ['Deployment', 'podinfo-primary', true],
    ['Deployment', 'podinfo-canary', false],
    ['Service', 'frontend', true],
    ['Service', 'frontend-primary', true],
    ['Service', 'frontend-canary', true],
    ['Service', 'podinfo', false],
    ['route', 'frontend', true],
    ['route', 'frontend-primary', true],
    ['route', 'frontend-canary', true],
    ['route', 'podinfo', false],
    ['autoscaler', 'podinfo-hpa', true],
    ['autoscaler', 'podinfo-hpa-primary', true],
  ])('%s %s: %s', (kind, name, belongs) => {
    const ownership = createOwnership();
    ownership.set(podinfo);
    expect(ownership.canariesOf(kind, 'shop', name)).toEqual(belongs ? [podinfo.canary] : []);
    expect(ownership.canariesOf(kind, 'elsewhere', name)).toEqual([]);
  });

  it('follows a Canary that points to another target, and forgets one that is gone', () => {
    const ownership = createOwnership();
    ownership.set(podinfo);
    ownership.set(view('podinfo-canary', { targetRef: { kind: 'Deployment', name: 'other' } }));
    expect(ownership.canariesOf('Deployment', 'shop', 'podinfo')).toEqual([]);
    expect(ownership.canariesOf('Service', 'shop', 'other')).toHaveLength(1);
    ownership.remove(podinfo.canary);
    expect(ownership.canariesOf('Service', 'shop', 'other')).toEqual([]);
  });

  it('knows all Canaries that share an object by mistake', () => {
    const ownership = createOwnership();
    ownership.set(view('a', { targetRef: { name: 'podinfo' } }));
    ownership.set(view('b', { targetRef: { name: 'podinfo' } }));
    expect(ownership.canariesOf('Deployment', 'shop', 'podinfo').map(({ name }) => name)).toEqual(['a', 'b']);
  });
});
