import type { Canary } from './canary.ts';
import { analysisOf, providerOf } from './defaults.ts';
import { capabilitiesOf, routerOf, type Capabilities, type ProviderSettings } from './providers.ts';
import { isKnativeService, knativeServing } from './targets.ts';
import type { Finding } from './validate.ts';

/**
 * What a Canary asks for that this version, or its provider, cannot do: refused by name, with who can. Flagger would send
 * all users to the canary, or go on for ever.
 *
 * @see routers spec 20
 */
export function unsupported(canary: Canary, settings: ProviderSettings): Finding[] {
  const { meshProvider, providers } = settings;
  const providersThat = (can: (capabilities: Capabilities) => boolean) =>
    [...providers].flatMap(([name, capabilities]) => (can(capabilities) ? [name] : [])).join(', ');
  const provider = providerOf(canary, meshProvider);
  const kinds = unsupportedKinds(canary, provider);
  const can = capabilitiesOf(canary, settings);
  if (!can) {
    const message = `spec.provider: the provider ${provider} is not supported yet; use one of ${providersThat(() => true)}`;
    return [...kinds, { id: 'unsupported-provider', level: 'error', field: 'spec.provider', message }];
  }
  const switchedOff = notEnabled(canary, settings);
  if (switchedOff.length > 0) return [...kinds, ...switchedOff];
  const { match = [], mirror, sessionAffinity, iterations = 0 } = analysisOf(canary);
  const isTcp = provider === 'istio' && !can.match;
  const who = isTcp ? `${provider} with spec.service.appProtocol tcp` : `the provider ${provider}`;
  const refuse = (field: string, what: string, others: (capabilities: Capabilities) => boolean): Finding => ({
    id: `unsupported-${field
      .split('.')
      .at(-1)!
      .replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    level: 'error',
    field,
    message: `${field}: ${who} cannot ${what}; remove it, or use ${isTcp ? 'HTTP, or ' : ''}one of ${providersThat(others)}`,
  });
  const found: Finding[] = [...kinds];
  // Without weights there is no canary strategy and no A/B testing; what is left out is told when a release begins.
  if (can.weights && match.length > 0 && !can.match) {
    found.push(refuse('spec.analysis.match', 'tell requests apart', ({ match }) => match));
  }
  if (mirror && !can.mirror) {
    found.push(refuse('spec.analysis.mirror', 'mirror traffic', ({ mirror }) => mirror !== false));
  }
  if (mirror && can.mirror === 'blue-green' && iterations <= 0) {
    const what = 'mirror traffic without spec.analysis.iterations';
    found.push(refuse('spec.analysis.mirror', what, ({ mirror }) => mirror === true));
  }
  if (sessionAffinity && match.length > 0 && can.sessionAffinity === 'without-match') {
    const field = 'spec.analysis.sessionAffinity';
    const message = `${field}: ${who} cannot keep users on one side in an A/B test, nor can any other; remove it, or spec.analysis.match`;
    found.push({ id: 'unsupported-session-affinity', level: 'error', field, message });
  }
  if (sessionAffinity && !can.sessionAffinity) {
    found.push(
      refuse('spec.analysis.sessionAffinity', 'keep users on one side', (one) => one.sessionAffinity !== false),
    );
  }
  return found;
}

/** What an installation was told to leave alone; it has no permission for it either. */
function notEnabled(canary: Canary, settings: ProviderSettings): Finding[] {
  const { apis, providers } = settings;
  const { autoscalerRef } = canary.spec;
  const needed = [
    { field: 'spec.provider', api: providers.get(routerOf(canary, settings))?.api },
    { field: 'spec.autoscalerRef', api: autoscalerRef?.kind === 'ScaledObject' ? 'keda' : undefined },
  ];
  return needed.flatMap(({ field, api }) => {
    if (apis === undefined || api === undefined || apis.includes(api)) return [];
    const message = `${field}: ${api} is not enabled in this installation; add it to SERIN_PROVIDERS (providers in the chart), or do without`;
    return [{ id: 'not-enabled', level: 'error', field, message }];
  });
}

/** Kinds of target that nobody here answers to: Flagger would take another version of Knative's for a plain Service. */
function unsupportedKinds({ spec }: Canary, provider: string): Finding[] {
  const { targetRef } = spec;
  if (!spec.provider && provider === 'knative' && !isKnativeService(targetRef)) {
    const field = 'spec.targetRef';
    const what = `the provider knative, which the settings give, needs a Service of ${knativeServing}`;
    const message = `${field}: ${what}; name one, or set spec.provider`;
    return [{ id: 'unsupported-target', level: 'error', field, message }];
  }
  const isKnative = targetRef.kind === 'Service' && targetRef.apiVersion.startsWith('serving.knative.dev/');
  if (!isKnative || isKnativeService(targetRef)) return [];
  const field = 'spec.targetRef.apiVersion';
  const message = `${field}: a Service of ${targetRef.apiVersion} is not supported; use ${knativeServing}`;
  return [{ id: 'unsupported-target', level: 'error', field, message }];
}
