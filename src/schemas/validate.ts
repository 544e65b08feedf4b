import { findingsOnApprovals } from './approvals.ts';
import type { Canary } from './canary.ts';
import { analysisOf, isSkipped, serviceNames, strategyOf } from './defaults.ts';
import { stuckAt } from './ladder.ts';
import type { ProviderSettings } from './providers.ts';
import { isKnativeService } from './targets.ts';
import { unsupported } from './unsupported.ts';
import { warnings } from './warnings.ts';

/** Something about a Canary that its author would want to know. */
export interface Finding {
  /** Stays the same from version to version. */
  readonly id: string;
  /** An error keeps the Canary from being acted on; a warning keeps nothing. */
  readonly level: 'error' | 'warning';
  /** Dotted path. */
  readonly field: string;
  /** One sentence that names the field and the cure, or Flagger's own words where it refuses the same. */
  readonly message: string;
}

export interface ValidationSettings extends ProviderSettings {
  readonly noCrossNamespaceRefs: boolean;
}

/** Labels and names of Services end here. */
const MAX_NAME_LENGTH = 63;

/**
 * All that is wrong with a Canary beyond what its schema can say, most serious first: what Flagger refuses, in its
 * order; what cannot work; what this version cannot do; and then what is probably not meant. Needs no other object.
 *
 * @see engine spec 3.3 and canary-crd spec 3.4
 */
export function validate(canary: Canary, settings: ValidationSettings): readonly Finding[] {
  return [
    ...(settings.noCrossNamespaceRefs ? foreignReferences(canary) : []),
    ...knativePairing(canary),
    ...equalCookies(canary),
    ...longNames(canary),
    ...endlessSteps(canary),
    ...findingsOnApprovals(canary, settings),
    ...unsupported(canary, settings),
    ...warnings(canary, settings),
  ];
}

function foreignReferences(canary: Canary): Finding[] {
  const { namespace } = canary.metadata;
  const { metrics = [], alerts = [] } = analysisOf(canary);
  const { upstreamRef } = canary.spec;
  const references = [
    ...(upstreamRef ? [{ field: 'spec.upstreamRef', what: 'gloo upstream', ref: upstreamRef }] : []),
    ...metrics.flatMap(({ templateRef }, index) =>
      templateRef
        ? [{ field: `spec.analysis.metrics[${index}].templateRef`, what: 'metric template', ref: templateRef }]
        : [],
    ),
    ...alerts.map(({ providerRef }, index) => ({
      field: `spec.analysis.alerts[${index}].providerRef`,
      what: 'alert provider',
      ref: providerRef,
    })),
  ];
  return references
    .filter(({ ref }) => (ref.namespace || namespace) !== namespace)
    .map(({ field, what, ref }) => ({
      id: 'foreign-reference',
      level: 'error',
      field: `${field}.namespace`,
      message: `can't access ${what} ${ref.name}.${ref.namespace}, cross-namespace references are blocked`,
    }));
}

/** A Knative Service and the provider of that name go together, and take no autoscaler. */
function knativePairing({ spec }: Canary): Finding[] {
  const { provider = '', targetRef, autoscalerRef } = spec;
  const isKnative = isKnativeService(targetRef);
  const found: Finding[] = [];
  const refuse = (id: string, field: string, message: string) => found.push({ id, level: 'error', field, message });
  if (isKnative && provider !== 'knative') {
    refuse('knative-provider', 'spec.provider', `can't use ${provider} provider with Knative Service as target`);
  }
  if (!isKnative && provider === 'knative') {
    const target = `${targetRef.apiVersion}/${targetRef.kind}`;
    refuse('knative-target', 'spec.targetRef', `can't use ${target} as target if provider is set to knative`);
  }
  if (isKnative && autoscalerRef) {
    refuse('knative-autoscaler', 'spec.autoscalerRef', `can't use autoscaler with Knative Service`);
  }
  return found;
}

function equalCookies(canary: Canary): Finding[] {
  const { sessionAffinity } = analysisOf(canary);
  if (!sessionAffinity || sessionAffinity.cookieName !== (sessionAffinity.primaryCookieName ?? '')) return [];
  return [
    {
      id: 'equal-cookies',
      level: 'error',
      field: 'spec.analysis.sessionAffinity.primaryCookieName',
      message: `can't use the same cookie name for both primary and cookie name; please update them to be different`,
    },
  ];
}

/** A name that is too long is refused by the API server much later, half-way through initialization (BC-21). */
function longNames(canary: Canary): Finding[] {
  const { apex, primary } = serviceNames(canary);
  if (primary.length <= MAX_NAME_LENGTH) return [];
  const field = canary.spec.service?.name ? 'spec.service.name' : 'spec.targetRef.name';
  const longest = MAX_NAME_LENGTH - '-primary'.length;
  return [
    {
      id: 'name-too-long',
      level: 'error',
      field,
      message:
        `${field}: "${apex}" has ${apex.length} characters and may have ${longest}, because the name of the Service ` +
        `${primary} ends at ${MAX_NAME_LENGTH}; shorten it or set a shorter spec.service.name`,
    },
  ];
}

/** A list of steps that leads nowhere would keep a release in `Progressing` for ever (D-01, Q17). */
function endlessSteps(canary: Canary): Finding[] {
  const { stepWeights = [] } = analysisOf(canary);
  const stuck = stuckAt(canary);
  if (stepWeights.length === 0 || stuck === undefined || isSkipped(canary) || strategyOf(canary) !== 'canary')
    return [];
  const field = 'spec.analysis.stepWeights';
  const message = `${field}: [${stepWeights.join(', ')}] never gets past ${stuck}; write weights that grow`;
  return [{ id: 'endless-steps', level: 'error', field, message }];
}
