import { describe, expect, it } from '@jest/globals';
import type { Loose } from '../../../test/support/shop.ts';
import { primaryTemplate, runsTemplate, type PodTemplate, type Renaming } from './primary-template.ts';

const renaming: Renaming = {
  targetName: 'shop',
  label: 'app',
  value: 'shop',
  selectorLabels: ['app', 'name', 'app.kubernetes.io/name'],
  selector: { app: 'shop-primary' },
};
const renamed = (template: object, changes: Partial<Renaming> = {}) =>
  primaryTemplate(template, { ...renaming, ...changes }, 'id-1') as Loose;

describe('the pod template of the primary', () => {
  it('TestMakePrimaryLabels: carries everything of the target, under another label and with an id of its own', () => {
    const template = {
      metadata: {
        creationTimestamp: null,
        labels: { app: 'shop', tier: 'web', 'kustomize.toolkit.fluxcd.io/name': 'apps' },
        annotations: {
          'prometheus.io/scrape': 'true',
          'flagger-id': 'old',
          'kustomize.toolkit.fluxcd.io/checksum': 'x',
        },
      },
      spec: { containers: [{ name: 'web', image: 'shop:1.0' }], hostNetwork: true },
    };
    expect(renamed(template)).toEqual({
      metadata: {
        labels: { app: 'shop-primary', tier: 'web' },
        annotations: { 'prometheus.io/scrape': 'true', 'flagger-id': 'id-1' },
      },
      spec: template.spec,
    });
  });

  const spreading = {
    spec: {
      topologySpreadConstraints: [
        { topologyKey: 'zone', labelSelector: { matchLabels: { app: 'shop', tier: 'shop' } } },
        {
          topologyKey: 'zone',
          labelSelector: { matchExpressions: [{ key: 'tier', operator: 'In', values: ['shop'] }] },
        },
        { topologyKey: 'host' },
      ],
      affinity: {
        podAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [{ labelSelector: { matchLabels: { app: 'shop' } } }],
        },
        podAntiAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            {
              podAffinityTerm: {
                labelSelector: {
                  matchExpressions: [
                    { key: 'app.kubernetes.io/name', operator: 'In', values: ['other', 'shop', 'shop'] },
                  ],
                },
              },
            },
          ],
          requiredDuringSchedulingIgnoredDuringExecution: [{ labelSelector: { matchLabels: { app: 'shop' } } }],
        },
      },
    },
  };

  it('BC-25: is spread among its own pods and not those of the canary', () => {
    const { topologySpreadConstraints: spread, affinity } = renamed(spreading).spec;
    expect(spread[0].labelSelector.matchLabels).toEqual({ app: 'shop-primary', tier: 'shop' });
    expect(spread[1].labelSelector.matchExpressions[0].values).toEqual(['shop']);
    const { preferredDuringSchedulingIgnoredDuringExecution: preferred } = affinity.podAntiAffinity;
    expect(preferred[0].podAffinityTerm.labelSelector.matchExpressions[0].values).toEqual([
      'other',
      'shop-primary',
      'shop',
    ]);
    const { requiredDuringSchedulingIgnoredDuringExecution: required } = affinity.podAntiAffinity;
    expect(required[0].labelSelector.matchLabels).toEqual({ app: 'shop-primary' });
    expect(affinity.podAffinity).toEqual(spreading.spec.affinity.podAffinity);
  });

  it('BC-25: goes by the value of the selector label, too, where the target has another name', () => {
    const template = {
      spec: { topologySpreadConstraints: [{ labelSelector: { matchLabels: { app: 'store', name: 'store' } } }] },
    };
    const selector = { app: 'store-primary' };
    const { spec } = renamed(template, { value: 'store', selector });
    expect(spec.topologySpreadConstraints[0].labelSelector.matchLabels).toEqual({
      app: 'store-primary',
      name: 'store',
    });
  });

  it('leaves the template of the target as it was', () => {
    const before = structuredClone(spreading);
    renamed(spreading);
    expect(spreading).toEqual(before);
  });
});

describe('whether a primary runs a template', () => {
  const withSecret = (name: string) => ({
    metadata: { annotations: { 'flagger-id': name } },
    spec: {
      containers: [
        {
          name: 'web',
          envFrom: [{ secretRef: { name } }],
          env: [{ name: 'A', valueFrom: { configMapKeyRef: { name, key: 'a' } } }],
        },
      ],
      volumes: [
        { name: 'v', secret: { secretName: name } },
        { name: 'w', projected: { sources: [{ configMap: { name } }] } },
      ],
    },
  });

  it('is not a question of its id', () => {
    expect(
      runsTemplate(withSecret('db'), { ...withSecret('db'), metadata: { annotations: { 'flagger-id': 'x' } } }),
    ).toBe(true);
  });

  it('overlooks that Flagger gave it copies of ConfigMaps and Secrets', () => {
    expect(runsTemplate(withSecret('db-primary'), withSecret('db'))).toBe(true);
  });

  it('tells one Secret from another', () => {
    expect(runsTemplate(withSecret('cache-primary'), withSecret('db'))).toBe(false);
  });

  it('is a question of anything else', () => {
    const other = withSecret('db');
    expect(runsTemplate({ ...other, spec: { ...other.spec, priorityClassName: 'high' } } as PodTemplate, other)).toBe(
      false,
    );
  });
});
