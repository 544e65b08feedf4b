import { describe, expect, it } from '@jest/globals';
import { memoryKubernetes } from '../../test/support/memory-kubernetes.ts';
import { shopCanary, testDeps } from '../../test/support/shop.ts';
import { belonging, isOneCluster, labelOf } from './belonging.ts';

const here = { ...memoryKubernetes(), server: 'https://kubernetes:6443', authority: 'one' };
const deps = (mesh: object) => ({ ...testDeps(memoryKubernetes()), kubernetes: here, mesh: { ...here, ...mesh } });

describe('what a generated object says of the Canary that it belongs to', () => {
  it('is its owner', () => {
    expect(belonging(shopCanary(), deps({}))).toEqual({
      ownerReferences: [
        {
          apiVersion: 'flagger.app/v1beta1',
          kind: 'Canary',
          name: 'shop',
          uid: 'canary-uid',
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    });
  });

  it.each([
    ['another URL', { server: 'https://mesh:6443' }],
    ['the same URL and other certificates', { authority: 'two' }],
    ['the same URL and no certificates', { authority: '' }],
  ])('is a label in a cluster of %s, whose garbage collector would find no such Canary', (_, mesh) => {
    expect(isOneCluster(deps(mesh))).toBe(false);
    expect(belonging(shopCanary(), deps(mesh))).toEqual({ labels: { 'serin.dev/canary': 'prod.shop' } });
  });

  it('is short enough for a label, and still that of one Canary', () => {
    const long = (end: string) => labelOf({ namespace: 'n'.repeat(40), name: `${'a'.repeat(40)}-${end}` });
    expect(labelOf({ namespace: 'n'.repeat(30), name: 'a'.repeat(32) })).toBe(`${'n'.repeat(30)}.${'a'.repeat(32)}`);
    expect(long('1')).toMatch(/^n{40}\.a{5}-[0-9a-f]{16}$/);
    expect(long('1')).not.toBe(long('2'));
  });
});
