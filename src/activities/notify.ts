import { resources, type KubernetesObject } from '../clients/kubernetes.ts';
import { failure, failureType, messageOf } from '../errors.ts';
import { parseAlertProvider } from '../schemas/alert-provider.ts';
import { parseCanary, type Canary, type CanaryAlert } from '../schemas/canary.ts';
import { analysisOf, maxWeightOf, progressDeadlineSeconds, strategyOf, thresholdOf } from '../schemas/defaults.ts';
import type { FailedCheck, Notice } from '../workflows/domain/plan.ts';
import type { Activities, CanaryRef } from './contract.ts';
import type { Deps } from './deps.ts';
import { createNotifier } from './notifiers/index.ts';
import type { Alert, Field, Notifier, NotifierSettings, Severity } from './notifiers/notifier.ts';
import { readSecret } from './secrets.ts';
import { createCallEventHook, eventHooksOf } from './webhooks.ts';

export interface NotifyOptions {
  readonly log: { warn(message: string, fields: Readonly<Record<string, unknown>>): void };
  /** Counts what could not be delivered. */
  readonly undelivered?: (kind: Notice['kind']) => void;
  /** Hears the alerts of Canaries that name no alerts of their own. */
  readonly globalNotifier?: NotifierSettings;
}

type NotifyDeps = Pick<Deps, 'kubernetes' | 'http' | 'settings'>;

/**
 * Sends notices in order; the receivers of one notice are called at the same time. Each call carries the notice's id as
 * `Idempotency-Key`. Who is to hear is found out before anything is sent: an API server that is away then keeps the notices
 * waiting, and does not lose them.
 *
 * @see metrics-providers specification 5, engine specification 16.6
 */
export function createNotify(deps: NotifyDeps, options: NotifyOptions): Activities['notify'] {
  const callEventHook = createCallEventHook(deps);

  return async (ref, notices) => {
    const name = `${ref.name}.${ref.namespace}`;
    const missed = (notice: Notice, message: string, fields: Readonly<Record<string, unknown>>) => {
      options.undelivered?.(notice.kind);
      options.log.warn(message, { canary: name, id: notice.id, ...fields });
    };
    const canary = await orProblem(() => readCanary(deps, ref));
    if ('problem' in canary) {
      const error = canary.problem;
      for (const notice of notices) missed(notice, 'notice not sent, the canary cannot be read', { error });
      return;
    }
    const isAlerting = notices.some(({ kind }) => kind === 'alert');
    const receivers = isAlerting ? await receiversOf(deps, options, canary) : [];
    for (const notice of notices) {
      if (notice.kind === 'event') {
        const hooks = eventHooksOf(canary, deps.settings.eventWebhook);
        await Promise.all(
          hooks.map(async (hook) => {
            const error = await callEventHook(canary, hook, notice).catch(messageOf);
            if (error !== undefined) missed(notice, 'error sending event to webhook', { hook: hook.name, error });
          }),
        );
      } else {
        const alert = alertOf(canary, notice, deps.settings.clusterName);
        await Promise.all(
          receivers
            .filter(({ severity }) => reaches(severity, notice.severity))
            .map(async ({ label, notifier }) => {
              const error = await tell(notifier, alert);
              if (error !== undefined) missed(notice, "alert can't be sent", { alert: label, error });
            }),
        );
      }
    }
  };
}

async function readCanary({ kubernetes }: NotifyDeps, { namespace, name }: CanaryRef): Promise<Canary> {
  const object = await kubernetes.get(resources.canaries, namespace, name);
  if (!object) throw failure('NotFound', `canary ${name}.${namespace} not found`);
  const parsed = parseCanary(object);
  if ('problem' in parsed) throw failure('InvalidSpec', parsed.problem);
  return parsed.canary;
}

/** Who may hear alerts of a Canary. `notifier` is the reason when there is none. */
interface Receiver {
  readonly label: string;
  readonly severity: Severity;
  readonly notifier: Notifier | undefined | { readonly problem: string };
}

/** The Canary's own alerts, or, when it names none at all, the global notifier. Providers and Secrets are read afresh. */
async function receiversOf(deps: NotifyDeps, options: NotifyOptions, canary: Canary): Promise<readonly Receiver[]> {
  const alerts = analysisOf(canary)?.alerts ?? [];
  const { globalNotifier } = options;
  if (alerts.length === 0 && globalNotifier) {
    const notifier = await orProblem(() => Promise.resolve(createNotifier(globalNotifier, deps.http)));
    return [{ label: 'global', severity: 'info', notifier }];
  }
  return Promise.all(
    alerts.map(async (alert) => ({
      label: alert.name,
      // Documented as the default, and meant by everyone who leaves it out.
      severity: alert.severity || 'info',
      notifier: await orProblem(async () => createNotifier(await settingsOf(deps, canary, alert), deps.http)),
    })),
  );
}

/** What people have to mend keeps a notice from being sent; what only time can mend is thrown. */
async function orProblem<T>(work: () => Promise<T>): Promise<T | { readonly problem: string }> {
  try {
    return await work();
  } catch (error) {
    if (failureType(error) === 'Unavailable') throw error;
    return { problem: messageOf(error) };
  }
}

/** What the AlertProvider of an alert says, with the Secret's address and token in place of its own. */
async function settingsOf(deps: NotifyDeps, canary: Canary, { providerRef }: CanaryAlert): Promise<NotifierSettings> {
  const { kubernetes, settings } = deps;
  const home = canary.metadata.namespace;
  const namespace = providerRef.namespace || home;
  const name = `${providerRef.name}.${namespace}`;
  if (settings.noCrossNamespaceRefs && namespace !== home)
    throw failure('InvalidSpec', `can't access alert provider ${name}, cross-namespace references are blocked`);
  const isVisible = settings.namespace === '' || settings.namespace === namespace;
  const object = isVisible ? await kubernetes.get(resources.alertProviders, namespace, providerRef.name) : undefined;
  if (!object) throw failure('NotFound', `alert provider ${name} not found`);
  const { spec } = providerOf(object, name);
  const secret = spec.secretRef ? await readSecret(kubernetes, namespace, spec.secretRef.name) : undefined;
  if (secret && secret['address'] === undefined)
    throw failure('InvalidSpec', `alert provider ${name} secret ${spec.secretRef?.name} has no key address`);
  return {
    type: spec.type,
    url: secret?.['address'] ?? spec.address ?? '',
    token: secret?.['token'],
    proxy: spec.proxy,
    username: spec.username || 'flagger',
    channel: spec.channel || 'general',
  };
}

function providerOf(object: KubernetesObject, name: string) {
  const parsed = parseAlertProvider(object);
  if ('problem' in parsed) throw failure('InvalidSpec', `alert provider ${name}: ${parsed.problem}`);
  return parsed.provider;
}

const order: readonly Severity[] = ['info', 'warn', 'error'];

/** An alert's severity is the least that it wants to hear of. */
function reaches(wanted: Severity, happened: Severity): boolean {
  return order.indexOf(happened) >= order.indexOf(wanted);
}

async function tell(notifier: Receiver['notifier'], alert: Alert): Promise<string | undefined> {
  if (!notifier) return undefined;
  if ('problem' in notifier) return notifier.problem;
  try {
    await notifier.post(alert);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function alertOf(canary: Canary, notice: Extract<Notice, { kind: 'alert' }>, clusterName: string): Alert {
  const { name, namespace } = canary.metadata;
  return {
    id: notice.id,
    workload: `${name}.${namespace}`,
    message: notice.message,
    severity: notice.severity,
    fields: [
      ...(clusterName === '' ? [] : [{ name: 'Cluster', value: clusterName }]),
      ...(notice.meta ? metaFields(canary) : []),
      ...(notice.check ? checkFields(notice.check) : []),
    ],
  };
}

/** As much as a card in a chat room shows. */
const longestField = 1_000;

/** What a check came to that did not pass, for whoever is woken by it. */
function checkFields({ name, value, min, max, error, query }: FailedCheck): readonly Field[] {
  const bounds = [...(min === undefined ? [] : [`at least ${min}`]), ...(max === undefined ? [] : [`at most ${max}`])];
  const fields = { Check: name, Value: value, Allowed: bounds.join(', '), Error: error, Query: query };
  return Object.entries(fields).flatMap(([field, text]) =>
    text ? [{ name: field, value: text.length > longestField ? `${text.slice(0, longestField - 1)}…` : text }] : [],
  );
}

/** What a release is about, for the alerts that open one. */
function metaFields(canary: Canary): readonly Field[] {
  const { kind, name } = canary.spec.targetRef;
  const routing = trafficRouting(canary);
  return [
    { name: 'Target', value: `${kind}/${name}.${canary.metadata.namespace}` },
    { name: 'Failed checks threshold', value: String(thresholdOf(canary)) },
    { name: 'Progress deadline', value: `${progressDeadlineSeconds(canary)}s` },
    ...(routing === undefined ? [] : [{ name: 'Traffic routing', value: routing }]),
  ];
}

function trafficRouting(canary: Canary): string | undefined {
  const strategy = strategyOf(canary);
  if (strategy === 'ab-testing') return 'A/B Testing';
  if (strategy === 'blue-green') return 'Blue/Green';
  const { stepWeight = 0, stepWeights = [] } = analysisOf(canary) ?? {};
  const max = `max: ${maxWeightOf(canary)}`;
  if (stepWeight > 0) return `Weight step: ${stepWeight} ${max}`;
  return stepWeights.length > 0 ? `Weight steps: ${stepWeights.join(',')} ${max}` : undefined;
}
