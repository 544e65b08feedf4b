import type { AnalysisSettings, Observation, ObservedCanary, Settings } from './observation.ts';

type Since02 = {
  readonly settings: Partial<Pick<Settings, 'revertOnDeletion' | 'splitsTraffic' | 'parks'>>;
  readonly analysis: Partial<Pick<AnalysisSettings, 'remarks'>>;
};

/**
 * An observation as the rules of today read it. One that an older worker wrote into the history of a release in flight
 * lacks what was not looked at then; that older worker knew Deployments behind Istio alone.
 */
export function compatible(observation: Observation): Observation {
  const { canary } = observation;
  if (!canary) return observation;
  return { ...observation, canary: withDefaults(canary) };
}

function withDefaults(canary: ObservedCanary): ObservedCanary {
  const { settings, finalizer = false } = canary as ObservedCanary & Partial<Pick<ObservedCanary, 'finalizer'>>;
  const { revertOnDeletion = false, splitsTraffic = true, parks = true } = settings as Since02['settings'];
  const { remarks = [] } = settings.analysis as Since02['analysis'];
  return {
    ...canary,
    finalizer,
    settings: { ...settings, revertOnDeletion, splitsTraffic, parks, analysis: { ...settings.analysis, remarks } },
  };
}
