import { describe, expect, it } from '@jest/globals';
import type { OwnerReference } from '../clients/kubernetes.ts';
import { shopCanary } from '../../test/support/shop.ts';
import { controllerOf, isControlledBy, keptByPrefix, ownerReference } from './ownership.ts';

describe('whose an object is', () => {
  const owner = (changes: Partial<OwnerReference> = {}) => [{ ...ownerReference(shopCanary()), ...changes }];

  it.each<[string, OwnerReference[] | undefined, { ofACanary: boolean; owned: boolean }]>([
    ['a Canary of this name', owner(), { ofACanary: true, owned: true }],
    [
      'a Deployment of this name',
      owner({ kind: 'Deployment', apiVersion: 'apps/v1' }),
      { ofACanary: false, owned: false },
    ],
    ['a Canary of another name', owner({ name: 'other' }), { ofACanary: true, owned: false }],
    ['nobody', undefined, { ofACanary: false, owned: false }],
  ])('TestServiceRouter_isOwnedByCanary: owned by %s', (_, ownerReferences, { ofACanary, owned }) => {
    const object = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'shop', namespace: 'prod', ownerReferences },
    };
    expect(controllerOf(object)?.kind === 'Canary').toBe(ofACanary);
    expect(isControlledBy(object, shopCanary())).toBe(owned);
  });
});

describe('labels and annotations that are copied', () => {
  const labels = { foo: 'a', bar: 'b', lorem: 'c', 'kustomize.toolkit.fluxcd.io/name': 'd' };

  it('TestIncludeLabelsByPrefix: those with one of the prefixes', () => {
    expect(keptByPrefix(labels, ['foo', 'lor'])).toEqual({ foo: 'a', lorem: 'c' });
  });

  it('TestIncludeLabelsByPrefixWithWildcard: all, but not what Flux tracks by', () => {
    expect(keptByPrefix(labels, ['*'])).toEqual({ foo: 'a', bar: 'b', lorem: 'c' });
  });

  it('TestIncludeLabelsNoIncludes: none for an empty prefix', () => {
    expect(keptByPrefix(labels, [''])).toEqual({});
  });
});
