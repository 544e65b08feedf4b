import type { Canary } from './canary.ts';
import { analysisOf, providerOf } from './defaults.ts';
import type { Finding } from './validate.ts';

/** Providers that this version has a router for. */
const supportedProviders: readonly string[] = ['istio'];

interface Feature {
  readonly id: string;
  readonly field: string;
  /** What the Canary asks for, or undefined when it does not ask. */
  readonly asked: (canary: Canary, meshProvider: string) => string | undefined;
  readonly supported: string;
}

const when = (condition: boolean | undefined, what: string) => (condition ? what : undefined);

/** What Flagger does and this version does not. A row goes when its feature comes. */
const features: readonly Feature[] = [
  {
    id: 'unsupported-target',
    field: 'spec.targetRef.kind',
    asked: ({ spec: { targetRef } }) => when(targetRef.kind !== 'Deployment', `a ${targetRef.kind} as target`),
    supported: 'use a Deployment',
  },
  {
    id: 'unsupported-provider',
    field: 'spec.provider',
    asked: (canary, meshProvider) => {
      const provider = providerOf(canary, meshProvider);
      return when(!supportedProviders.includes(provider), `the provider ${provider}`);
    },
    supported: `use ${supportedProviders.join(' or ')}`,
  },
  {
    id: 'unsupported-autoscaler',
    field: 'spec.autoscalerRef.kind',
    asked: ({ spec }) => when(spec.autoscalerRef?.kind === 'ScaledObject', 'a ScaledObject'),
    supported: 'use a HorizontalPodAutoscaler',
  },
  {
    id: 'unsupported-iterations',
    field: 'spec.analysis.iterations',
    asked: (canary) => when((analysisOf(canary).iterations ?? 0) > 0, 'a release by iterations (blue/green or A/B)'),
    supported: 'use stepWeight or stepWeights',
  },
  {
    id: 'unsupported-match',
    field: 'spec.analysis.match',
    asked: (canary) => when((analysisOf(canary).match ?? []).length > 0, 'a release to matching requests (A/B)'),
    supported: 'use stepWeight or stepWeights, and remove it',
  },
  {
    id: 'unsupported-mirror',
    field: 'spec.analysis.mirror',
    asked: (canary) => when(analysisOf(canary).mirror, 'mirrored traffic'),
    supported: 'remove it or set it to false',
  },
  {
    id: 'unsupported-session-affinity',
    field: 'spec.analysis.sessionAffinity',
    asked: (canary) => when(analysisOf(canary).sessionAffinity !== undefined, 'session affinity'),
    supported: 'remove it',
  },
  {
    id: 'unsupported-revert-on-deletion',
    field: 'spec.revertOnDeletion',
    asked: ({ spec }) => when(spec.revertOnDeletion, 'putting the target back on deletion'),
    supported: 'remove it or set it to false',
  },
];

/** What a Canary asks for that this version cannot do: refused by name, never left out silently. */
export function unsupported(canary: Canary, settings: { readonly meshProvider: string }): Finding[] {
  return features.flatMap(({ id, field, asked, supported }): Finding[] => {
    const what = asked(canary, settings.meshProvider);
    if (what === undefined) return [];
    return [{ id, level: 'error', field, message: `${field}: ${what} is not supported yet; ${supported}` }];
  });
}
