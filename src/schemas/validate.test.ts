import { describe, expect, it } from '@jest/globals';
import { analysing, canary as manifest, serving, type Json } from '../../test/corpus/admission.ts';
import { providers } from '../activities/routers/index.ts';
import { parseCanary } from './canary.ts';
import { validate, type Finding, type ValidationSettings } from './validate.ts';

const settings: ValidationSettings = { noCrossNamespaceRefs: false, meshProvider: 'istio', providers };

function findings(object: Json, changed: Partial<ValidationSettings> = {}): readonly Finding[] {
  const parsed = parseCanary(object);
  if ('problem' in parsed) throw new Error(parsed.problem);
  return validate(parsed.canary, { ...settings, ...changed });
}

const errors = (object: Json, changed?: Partial<ValidationSettings>) =>
  findings(object, changed).filter(({ level }) => level === 'error');
const warnings = (object: Json) => findings(object).filter(({ level }) => level === 'warning');
const ids = (found: readonly Finding[]) => found.map(({ id }) => id);

const steps = (stepWeights: number[], more: Json = {}) => analysing({ stepWeight: undefined, stepWeights, ...more });
const metric = (fields: Json) => analysing({ metrics: [{ name: 'a', thresholdRange: { max: 1 }, ...fields }] });
const hook = (fields: Json) => ({ name: 'a', url: 'http://tester/', ...fields });
const affinity = (fields: Json) => analysing({ sessionAffinity: { cookieName: 'c', ...fields } });
const cookies = { cookieName: 'c' };
/** A Canary that tells requests apart. */
const told = (fields: Json, provider = 'istio') => {
  const match = [{ headers: { cookie: { exact: 'a' } } }];
  const stepWeight = 'iterations' in fields ? undefined : 10;
  return manifest({ ...analysing({ match, stepWeight, ...fields }).spec, provider });
};
const knative = { apiVersion: 'serving.knative.dev/v1', kind: 'Service', name: 'shop' };
const autoscalerRef = { apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', name: 'shop' };

it('finds nothing in a plain Canary', () => {
  expect(findings(manifest())).toEqual([]);
});

describe('refuses what Flagger refuses, in its words', () => {
  it.each<[string, string, Json]>([
    [
      "can't access gloo upstream up.edge, cross-namespace references are blocked",
      'spec.upstreamRef.namespace',
      manifest({ upstreamRef: { apiVersion: 'a', kind: 'Upstream', name: 'up', namespace: 'edge' } }),
    ],
    [
      "can't access metric template errors.monitoring, cross-namespace references are blocked",
      'spec.analysis.metrics[0].templateRef.namespace',
      metric({ templateRef: { name: 'errors', namespace: 'monitoring' } }),
    ],
    [
      "can't access alert provider slack.ops, cross-namespace references are blocked",
      'spec.analysis.alerts[0].providerRef.namespace',
      analysing({ alerts: [{ name: 'a', severity: 'warn', providerRef: { name: 'slack', namespace: 'ops' } }] }),
    ],
  ])('%s', (message, field, object) => {
    expect(errors(object, { noCrossNamespaceRefs: true })).toEqual([
      { id: 'foreign-reference', level: 'error', field, message },
    ]);
    expect(errors(object)).toEqual([]);
  });

  it('and not a reference to the namespace of the Canary', () => {
    const own = metric({ templateRef: { name: 'errors', namespace: 'default' } });
    const empty = metric({ templateRef: { name: 'errors', namespace: '' } });
    for (const object of [own, empty]) expect(errors(object, { noCrossNamespaceRefs: true })).toEqual([]);
  });

  it.each<[string, Json]>([
    ["can't use  provider with Knative Service as target", manifest({ targetRef: knative })],
    ["can't use istio provider with Knative Service as target", manifest({ targetRef: knative, provider: 'istio' })],
    ["can't use apps/v1/Deployment as target if provider is set to knative", manifest({ provider: 'knative' })],
    ["can't use autoscaler with Knative Service", manifest({ targetRef: knative, provider: 'knative', autoscalerRef })],
    [
      "can't use the same cookie name for both primary and cookie name; please update them to be different",
      affinity({ primaryCookieName: 'c' }),
    ],
    [
      "can't use the same cookie name for both primary and cookie name; please update them to be different",
      affinity({ cookieName: '' }),
    ],
  ])('%s', (message, object) => {
    expect(errors(object)[0]).toMatchObject({ message });
  });

  it('and a Knative Service whose provider is only that of the settings', () => {
    expect(ids(errors(manifest({ targetRef: knative }), { meshProvider: 'knative' }))).toContain('knative-provider');
  });
});

describe('refuses what cannot work', () => {
  const long = 'a'.repeat(60);
  const named = (name: string) => manifest({ targetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name } });

  it('BC-21: a name that leaves no room for -primary, naming the limit', () => {
    expect(errors(named(long))).toEqual([
      {
        id: 'name-too-long',
        level: 'error',
        field: 'spec.targetRef.name',
        message:
          `spec.targetRef.name: "${long}" has 60 characters and may have 55, because the name of the Service ` +
          `${long}-primary ends at 63; shorten it or set a shorter spec.service.name`,
      },
    ]);
    expect(errors(serving({ name: long }))).toMatchObject([{ id: 'name-too-long', field: 'spec.service.name' }]);
  });

  it('BC-21: and no name that is just short enough', () => {
    expect(errors(named('a'.repeat(55)))).toEqual([]);
    expect(errors(named('a'.repeat(56)))).toHaveLength(1);
  });

  it.each<[string, Json, string | undefined]>([
    ['has a step twice', steps([5, 20, 20, 50]), 'never gets past 20'],
    ['falls below its last', steps([10, 5, 50]), 'never gets past 10'],
    ['begins with 0', steps([0, 10]), 'never gets past 0'],
    ['rises', steps([5, 20, 50]), undefined],
    ['passes 100', steps([50, 150]), undefined],
    ['falls at its end, where it is over', steps([20, 10]), undefined],
    ['is not used', manifest({ ...steps([10, 10, 20]).spec, skipAnalysis: true }), undefined],
  ])('D-01: a list of steps only when it leads nowhere: one that %s', (_, object, text) => {
    const found = errors(object);
    expect(ids(found)).toEqual(text ? ['endless-steps'] : []);
    if (text) expect(found[0]!.message).toContain(text);
  });
});

describe('refuses approvals that nobody would be asked for, or that can never be given', () => {
  const approving = (fields: Json, analysis: Json = {}, spec: Json = {}) => {
    const approvals = [{ name: 'managers', before: 'promotion', ...fields }];
    return manifest({ analysis: { interval: '1m', threshold: 5, stepWeight: 10, approvals, ...analysis }, ...spec });
  };
  const at = 'spec.analysis.approvals[0]';

  it.each<[Json, string]>([
    [
      approving({ approvers: ['ada', 'Ada '], quorum: 2 }),
      `${at}.quorum: 2 of 1 approver(s) can never approve; lower it`,
    ],
    [approving({ deadline: '0m' }), `${at}.deadline: "0m" leaves no time; write one such as 30m or 24h`],
    [
      approving({ before: 'traffic-increase' }, { stepWeight: undefined, iterations: 3 }),
      `${at}.before: traffic does not increase step by step here, so nobody would be asked; write rollout or promotion`,
    ],
    [
      approving({ before: 'traffic-increase' }, {}, { provider: 'kubernetes' }),
      `${at}.before: traffic does not increase step by step here, so nobody would be asked; write rollout or promotion`,
    ],
    [
      approving({ before: 'traffic-increase' }, {}, { skipAnalysis: true }),
      `${at}.before: skipAnalysis leaves out every step; write rollout or promotion`,
    ],
  ])('%#', (object, message) => {
    expect(errors(object).map((found) => found.message)).toEqual([message]);
  });

  it('and two of one name', () => {
    const approvals = ['rollout', 'promotion'].map((before) => ({ name: 'managers', before }));
    expect(errors(analysing({ approvals })).map(({ message }) => message)).toEqual([
      'spec.analysis.approvals[1].name: "managers" is in the list before; rename it',
    ]);
  });

  it('warns of an outcome that never comes', () => {
    expect(warnings(approving({ defaultOutcome: 'reject' })).map(({ message }) => message)).toEqual([
      `${at}.defaultOutcome: means nothing without a deadline; add one`,
    ]);
  });

  it('has nothing to say of those that make sense', () => {
    const good = {
      before: 'traffic-increase',
      quorum: 2,
      approvers: ['ada', 'bob'],
      deadline: '1h30m',
      defaultOutcome: 'approve',
    };
    expect(findings(approving(good))).toEqual([]);
  });
});

describe('TestController_verifyCanary', () => {
  const upstream = (namespace: string) =>
    manifest({ upstreamRef: { apiVersion: 'gloo.solo.io/v1', kind: 'Upstream', name: 'up', namespace } });
  const template = (namespace?: string) => metric({ templateRef: { name: 'errors', namespace } });
  const alert = analysing({ alerts: [{ name: 'a', providerRef: { name: 'room', namespace: 'test' } }] });
  const blocked = (what: string) => `can't access ${what}, cross-namespace references are blocked`;

  it.each<[string, Json, string | undefined]>([
    ['a Gloo upstream of another namespace', upstream('test'), blocked('gloo upstream up.test')],
    ['a Gloo upstream of its own', upstream('default'), undefined],
    ['a template of another namespace', template('test'), blocked('metric template errors.test')],
    ['a template without a namespace', template(), undefined],
    ['an alert provider of another namespace', alert, blocked('alert provider room.test')],
    [
      'Knative with a Deployment',
      manifest({ provider: 'knative' }),
      "can't use apps/v1/Deployment as target if provider is set to knative",
    ],
    [
      'a Knative Service with Istio',
      manifest({ provider: 'istio', targetRef: knative }),
      "can't use istio provider with Knative Service as target",
    ],
    [
      'a Knative Service with an autoscaler',
      manifest({ provider: 'knative', targetRef: knative, autoscalerRef }),
      "can't use autoscaler with Knative Service",
    ],
    ['a Knative Service', manifest({ provider: 'knative', targetRef: knative }), undefined],
    [
      'cookies of one name',
      affinity({ cookieName: 'c', primaryCookieName: 'c' }),
      "can't use the same cookie name for both primary and cookie name; please update them to be different",
    ],
  ])('%s', (_, object, message) => {
    expect(errors(object, { noCrossNamespaceRefs: true }).at(0)?.message).toBe(message);
  });
});

describe('refuses what this version or the provider cannot do, naming those that can', () => {
  const target = (kind: string) => manifest({ targetRef: { apiVersion: 'apps/v1', kind, name: 'shop' } });
  const by = (provider: string, analysis: Json, service: Json = {}) =>
    manifest({
      provider,
      service: { port: 80, ...service },
      analysis: { interval: '1m', threshold: 5, ...analysis },
    });
  const match = [{ headers: { a: { exact: 'b' } } }];

  it.each<[string, Json]>([
    [
      'spec.provider: the provider nginx is not supported yet; use one of istio, ' +
        'gatewayapi:v1, gatewayapi:v1beta1, kubernetes, knative',
      manifest({ provider: 'nginx' }),
    ],
    [
      'spec.analysis.match: istio with spec.service.appProtocol tcp cannot tell requests apart; remove it, or use HTTP, ' +
        'or one of istio, gatewayapi:v1, gatewayapi:v1beta1',
      by('istio', { iterations: 5, match }, { appProtocol: 'TCP' }),
    ],
    [
      'spec.analysis.mirror: the provider kubernetes cannot mirror traffic; remove it, or use one of istio, ' +
        'gatewayapi:v1, gatewayapi:v1beta1',
      by('kubernetes', { iterations: 5, mirror: true }),
    ],
    [
      'spec.analysis.sessionAffinity: the provider kubernetes cannot keep users on one side; remove it, ' +
        'or use one of istio, gatewayapi:v1, gatewayapi:v1beta1',
      by('kubernetes', { iterations: 5, sessionAffinity: { cookieName: 'c' } }),
    ],
    [
      'spec.analysis.mirror: the provider gatewayapi:v1 cannot mirror traffic without spec.analysis.iterations; ' +
        'remove it, or use one of istio',
      by('gatewayapi:v1', { stepWeight: 10, mirror: true }),
    ],
    [
      'spec.analysis.sessionAffinity: the provider gatewayapi:v1beta1 cannot keep users on one side in an A/B test, ' +
        'nor can any other; remove it, or spec.analysis.match',
      by('gatewayapi:v1beta1', { iterations: 5, match, sessionAffinity: { cookieName: 'c' } }),
    ],
  ])('%s', (message, object) => {
    expect(errors(object)).toMatchObject([{ message, field: message.split(':')[0] }]);
  });

  it('and takes a provider of the settings for the router that Flagger takes it for', () => {
    expect(errors(manifest(), { meshProvider: 'gatewayapi:v1alpha2' })).toEqual([]);
    expect(ids(errors(manifest(), { meshProvider: 'gatewayapi' }))).toEqual(['unsupported-provider']);
  });

  it('and Knative Services of another version', () => {
    const targetRef = { ...knative, apiVersion: 'serving.knative.dev/v1beta1' };
    const field = 'spec.targetRef.apiVersion';
    const message = `${field}: a Service of serving.knative.dev/v1beta1 is not supported; use serving.knative.dev/v1`;
    expect(errors(manifest({ targetRef }))).toMatchObject([{ field, message }]);
  });

  it('and other targets where the settings say Knative', () => {
    const message =
      'spec.targetRef: the provider knative, which the settings give, needs a Service of serving.knative.dev/v1; ' +
      'name one, or set spec.provider';
    expect(errors(manifest(), { meshProvider: 'knative' })).toMatchObject([{ field: 'spec.targetRef', message }]);
  });

  it('also when the provider comes from the settings', () => {
    expect(ids(errors(manifest(), { meshProvider: 'linkerd' }))).toEqual(['unsupported-provider']);
  });

  it.each([
    ['spec.provider', 'gatewayapi', by('gatewayapi:v1', { stepWeight: 10 })],
    ['spec.autoscalerRef', 'keda', manifest({ autoscalerRef: { ...autoscalerRef, kind: 'ScaledObject' } })],
  ])('and what this installation was told to leave alone: %s', (field, api, object) => {
    expect(errors(object, { apis: ['istio', 'gatewayapi', 'keda'] })).toEqual([]);
    const message =
      `${field}: ${api} is not enabled in this installation; add it to SERIN_PROVIDERS (providers in the chart), ` +
      'or do without';
    expect(errors(object, { apis: ['istio'] })).toMatchObject([{ id: 'not-enabled', field, message }]);
  });

  it.each([
    ['A/B testing with Istio', by('istio', { iterations: 5, match })],
    ['a mirrored canary with Istio', by('istio', { stepWeight: 10, mirror: true })],
    ['A/B testing with the Gateway API', by('gatewayapi:v1', { iterations: 5, match })],
    ['a mirror in blue/green with the Gateway API', by('gatewayapi:v1beta1', { iterations: 5, mirror: true })],
    [
      'users kept on one side by the Gateway API',
      by('gatewayapi:v1', { stepWeight: 10, sessionAffinity: { cookieName: 'c' } }),
    ],
    ['a DaemonSet', target('DaemonSet')],
    ['a Service', target('Service')],
    ['a Knative Service', manifest({ targetRef: knative, provider: 'knative', service: undefined })],
    ['a ScaledObject', manifest({ autoscalerRef: { ...autoscalerRef, kind: 'ScaledObject' } })],
    ['weights without a mesh, which are left out and told', by('kubernetes', { stepWeight: 10, match })],
    ['putting things back on deletion', manifest({ revertOnDeletion: true })],
  ])('and not %s', (_, object) => {
    expect(errors(object)).toEqual([]);
  });

  it('after everything that Flagger refuses, for the first error is the one people see', () => {
    const object = manifest({ provider: 'nginx', targetRef: knative });
    expect(ids(errors(object))).toEqual(['knative-provider', 'unsupported-provider']);
  });
});

describe('warns, and keeps nothing from being acted on', () => {
  it.each<[string, string, Json]>([
    ['weight-out-of-range', 'spec.analysis.maxWeight', analysing({ maxWeight: 400 })],
    ['weight-out-of-range', 'spec.analysis.stepWeights[1]', steps([50, 150])],
    ['weight-out-of-range', 'spec.analysis.stepWeightPromotion', analysing({ stepWeightPromotion: -1 })],
    ['weight-out-of-range', 'spec.analysis.canaryReadyThreshold', analysing({ canaryReadyThreshold: 101 })],
    ['ready-threshold-small', 'spec.analysis.primaryReadyThreshold', analysing({ primaryReadyThreshold: 1 })],
    ['no-step', 'spec.analysis.stepWeight', analysing({ stepWeight: 0 })],
    ['no-step', 'spec.analysis.stepWeights', steps([])],
    ['steps-not-ascending', 'spec.analysis.stepWeights', steps([20, 10])],
    ['max-weight-ignored', 'spec.analysis.maxWeight', steps([10, 60], { maxWeight: 50 })],
    ['max-weight-zero', 'spec.analysis.maxWeight', analysing({ maxWeight: 0 })],
    ['max-weight-below-step', 'spec.analysis.maxWeight', analysing({ stepWeight: 20, maxWeight: 10 })],
    ['max-weight-passed', 'spec.analysis.maxWeight', analysing({ stepWeight: 15, maxWeight: 61 })],
    ['match-without-iterations', 'spec.analysis.match', analysing({ match: [{ sourceLabels: { a: 'b' } }] })],
    ['duration-unreadable', 'spec.analysis.interval', analysing({ interval: '10sfoo' })],
    ['duration-unreadable', 'spec.analysis.metrics[0].interval', metric({ interval: '2min', query: 'x' })],
    ['duration-unreadable', 'spec.analysis.webhooks[0].timeout', analysing({ webhooks: [hook({ timeout: '2min' })] })],
    [
      'window-above-interval',
      'spec.analysis.metrics[0].interval',
      metric({ interval: '2m', templateRef: { name: 'x' } }),
    ],
    ['metric-undefined', 'spec.analysis.metrics[0]', metric({ name: 'request-succes-rate' })],
    ['metric-twice', 'spec.analysis.metrics[0].name', metric({ name: 'request-duration', templateRef: { name: 'x' } })],
    ['metric-query-deprecated', 'spec.analysis.metrics[0].query', metric({ query: 'x' })],
    [
      'range-empty',
      'spec.analysis.metrics[0].thresholdRange',
      metric({ name: 'request-duration', thresholdRange: {} }),
    ],
    [
      'metric-threshold-deprecated',
      'spec.analysis.metrics[0].threshold',
      metric({ name: 'request-duration', thresholdRange: undefined, threshold: 500 }),
    ],
    ['metric-unbounded', 'spec.analysis.metrics[0]', metric({ name: 'request-duration', thresholdRange: undefined })],
    ['webhook-url-unusable', 'spec.analysis.webhooks[0].url', analysing({ webhooks: [hook({ url: '${CHAT}' })] })],
    ['webhook-url-unusable', 'spec.analysis.webhooks[0].url', analysing({ webhooks: [hook({ url: 'not a url' })] })],
    ['webhook-repeated', 'spec.analysis.webhooks[1].name', analysing({ webhooks: [hook({}), hook({})] })],
    [
      'metric-repeated',
      'spec.analysis.metrics[1].name',
      analysing({
        metrics: [1, 2].map((max) => ({ name: 'a', templateRef: { name: 'a' }, thresholdRange: { max } })),
      }),
    ],
    [
      'alert-severity-missing',
      'spec.analysis.alerts[0].severity',
      analysing({ alerts: [{ name: 'a', providerRef: { name: 'a' } }] }),
    ],
    ['session-affinity-ignored', 'spec.analysis.sessionAffinity', told({ iterations: 2, sessionAffinity: cookies })],
    ['session-affinity-ignored', 'spec.analysis.sessionAffinity', told({ sessionAffinity: cookies })],
    ['mirror-ignored', 'spec.analysis.mirror', told({ iterations: 2, mirror: true })],
    ['mirror-ignored', 'spec.analysis.mirror', told({ mirror: true })],
    ['mirror-ignored', 'spec.analysis.mirror', told({ iterations: 2, mirror: true }, 'gatewayapi:v1')],
    [
      'primary-cookie-ignored',
      'spec.analysis.sessionAffinity.primaryCookieName',
      manifest({ ...affinity({ primaryCookieName: 'p' }).spec, provider: 'gatewayapi:v1beta1' }),
    ],
    [
      'autoscaler-version-ignored',
      'spec.autoscalerRef.apiVersion',
      manifest({ autoscalerRef: { ...autoscalerRef, apiVersion: 'autoscaling/v2beta2' } }),
    ],
    ['delegation-with-hosts', 'spec.service.delegation', serving({ delegation: true, hosts: ['a'] })],
  ])('%s at %s', (id, field, object) => {
    const found = warnings(object);
    expect(found.map((one) => [one.id, one.field])).toContainEqual([id, field]);
    for (const { field: named, message } of found) expect(message.startsWith(`${named}: `)).toBe(true);
  });

  it.each<[string, Json]>([
    ['refused', told({ mirror: true }, 'gatewayapi:v1')],
    ['refused', told({ iterations: 2, sessionAffinity: cookies }, 'gatewayapi:v1')],
    ['refused', told({ iterations: 2, mirror: true }, 'kubernetes')],
    ['in force', affinity({ primaryCookieName: 'p' })],
    ['in force', analysing({ mirror: true })],
  ])('and does not call ignored what is %s: %#', (_, object) => {
    expect(ids(warnings(object)).filter((id) => id.endsWith('-ignored'))).toEqual([]);
  });

  it('BC-12: about a rollback hook at the address of a notification', () => {
    const chat = 'http://chat.example.test/hook';
    const hooks = [
      { name: 'tell', type: 'post-rollout', url: chat },
      { name: 'back', type: 'rollback', url: chat },
    ];
    expect(warnings(analysing({ webhooks: hooks }))).toMatchObject([
      { id: 'rollback-hook-notifies', field: 'spec.analysis.webhooks[1].type' },
    ]);
    expect(warnings(analysing({ webhooks: [hooks[0], { ...hooks[1], url: 'http://gate/' }] }))).toEqual([]);
  });

  it('without the address of a hook, which may hold a secret', () => {
    const found = warnings(analysing({ webhooks: [hook({ url: 'https//chat/T0/hush' })] }));
    expect(found).toHaveLength(1);
    expect(JSON.stringify(found)).not.toContain('hush');
  });

  it.each<[string, Json]>([
    ['steps that divide evenly', analysing({ stepWeight: 10, maxWeight: 50 })],
    ['a step that ends at 100', analysing({ stepWeight: 30, maxWeight: 100 })],
    ['a maximum that says the same as the list', steps([10, 50], { maxWeight: 50 })],
    ['no step where analysis is skipped', manifest({ ...analysing({ stepWeight: 0 }).spec, skipAnalysis: true })],
    ['a template without a window', metric({ templateRef: { name: 'x' } })],
    ['ready thresholds that are percentages', analysing({ primaryReadyThreshold: 50, canaryReadyThreshold: 0 })],
  ])('but not about %s', (_, object) => {
    expect(findings(object)).toEqual([]);
  });
});
