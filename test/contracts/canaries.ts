import { parseCanary, type Canary } from '../../src/schemas/canary.ts';

/** A Canary out of a manifest, or the reason why it is none. */
export function canaryOf(manifest: object): Canary {
  const parsed = parseCanary(manifest);
  if ('problem' in parsed) throw new Error(parsed.problem);
  return parsed.canary;
}

/** The Canary `shop` with this in `spec.service`, and with this in `spec.analysis`; undefined takes a field away. */
export function shopWith(
  service: object = {},
  analysis: { readonly iterations?: number; readonly [field: string]: unknown } = {},
  { namespace = 'prod', uid = 'canary-uid' } = {},
): Canary {
  return canaryOf({
    apiVersion: 'flagger.app/v1beta1',
    kind: 'Canary',
    metadata: { name: 'shop', namespace, uid },
    spec: {
      targetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'shop' },
      service: { port: 8080, ...service },
      analysis: { interval: '10s', threshold: 3, ...(analysis.iterations ? {} : ladder), ...analysis },
    },
  });
}

const ladder = { maxWeight: 50, stepWeight: 10 };
