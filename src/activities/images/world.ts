import { resources, type Kubernetes, type KubernetesObject, type Resource } from '../../clients/kubernetes.ts';
import { failure, failureType } from '../../errors.ts';
import type { RegistryBinding } from '../../images/binding.ts';
import type { Situation } from '../../images/judge.ts';
import { acceptedFor, memoryOf } from '../../images/memory.ts';
import { imageIn, imageText, slotKey, templateOf } from '../../images/pods.ts';
import type { ImageReference } from '../../images/reference.ts';
import { imageSettings, type ContainerPolicy, type ImageSettings, type Wanted } from '../../images/settings.ts';
import type { CanaryStatus } from '../../schemas/canary-status.ts';
import type { ImagePush } from '../../workflows/image-push.ts';
import { revisionOf } from '../revision.ts';

/** Kinds of target whose images are followed: those whose pod templates are Kubernetes' own. */
const kinds: ReadonlyMap<string, Resource> = new Map<string, Resource>([
  ['Deployment', resources.deployments],
  ['DaemonSet', resources.daemonSets],
]);

/** A workload whose images are written. */
export interface Target {
  readonly target: KubernetesObject;
  readonly resource: Resource;
  /** For people. */
  readonly what: string;
}

/** What a Canary points to, or why there is nothing. */
export async function targetOf(kubernetes: Kubernetes, canary: KubernetesObject): Promise<Target | string> {
  const ref = (canary.spec as { targetRef?: { kind?: unknown; name?: unknown } } | undefined)?.targetRef;
  if (typeof ref?.name !== 'string') return 'the Canary names no target';
  const kind = typeof ref.kind === 'string' ? ref.kind : 'Deployment';
  const resource = kinds.get(kind);
  if (!resource) return `image updates know ${[...kinds.keys()].join(' and ')}, not ${kind}`;
  const target = await kubernetes.get(resource, canary.metadata.namespace, ref.name);
  return target ? { target, resource, what: `${kind} ${ref.name}` } : `${kind} ${ref.name} does not exist`;
}

/** What is asked for a Canary, by its annotations or by the ImageTrigger that names it. */
export async function settingsOf(kubernetes: Kubernetes, canary: KubernetesObject): Promise<Wanted | undefined> {
  return imageSettings(canary, await imageTriggers(kubernetes, canary.metadata.namespace));
}

/** Whether people have said that nothing is to change for now. */
export function isSuspended(canary: KubernetesObject, settings: ImageSettings): boolean {
  return settings.suspended || (canary.spec as { suspend?: unknown } | undefined)?.suspend === true;
}

/** Canaries of the namespaces of a receiver, each with the ImageTriggers beside it. */
export async function* canariesIn(
  kubernetes: Kubernetes,
  { namespaces }: RegistryBinding,
  only: string,
): AsyncGenerator<{ readonly canary: KubernetesObject; readonly triggers: readonly KubernetesObject[] }> {
  const allowed = (namespace: string | undefined) => namespaces.includes('*') || namespaces.includes(namespace ?? '');
  const where = only !== '' ? [only] : namespaces.includes('*') ? [undefined] : namespaces;
  for (const namespace of where) {
    const triggers = Map.groupBy(await imageTriggers(kubernetes, namespace), ({ metadata }) => metadata.namespace);
    for await (const canary of pages(kubernetes, resources.canaries, namespace)) {
      const space = canary.metadata.namespace;
      if (allowed(space)) yield { canary, triggers: triggers.get(space) ?? [] };
    }
  }
}

/** A cluster that has no such resource has no such wishes. */
async function imageTriggers(kubernetes: Kubernetes, namespace: string | undefined): Promise<KubernetesObject[]> {
  try {
    const found: KubernetesObject[] = [];
    for await (const trigger of pages(kubernetes, resources.imageTriggers, namespace)) found.push(trigger);
    return found;
  } catch (error) {
    if (failureType(error) === 'NotFound') return [];
    throw error;
  }
}

async function* pages(
  kubernetes: Kubernetes,
  resource: Resource,
  namespace: string | undefined,
): AsyncGenerator<KubernetesObject> {
  let next: string | undefined;
  do {
    const page = await kubernetes.list(resource, namespace, { limit: 500, continue: next });
    yield* page.items;
    next = page.metadata.continue || undefined;
  } while (next !== undefined);
}

export interface Known {
  readonly canary: KubernetesObject;
  readonly target: KubernetesObject;
  readonly primary: KubernetesObject | undefined;
  readonly settings: ImageSettings;
}

/** What is known about one image of a pod. */
export function situationOf(
  { canary, target, primary, settings }: Known,
  policy: ContainerPolicy,
  template: ImageReference,
): Situation {
  const memory = memoryOf(target);
  const key = slotKey(policy.slot);
  const written = memory.writes[key];
  return {
    policy,
    pin: settings.pin,
    restartOnDigestChange: settings.restartOnDigestChange,
    template,
    promoted: primary && imageIn(primary, policy.slot),
    desired: acceptedFor(memory, policy.slot, template),
    overwritten: written !== undefined && imageText(target, policy.slot) !== written.to,
    reverted: written !== undefined && imageText(target, policy.slot) === written.from,
    failed: phaseOf(canary) === 'Failed',
    moved: hasMoved(canary, target),
    failedDigests: memory.failed
      .filter((entry) => entry.container === key && entry.policy === policy.text)
      .map((entry) => entry.digest),
  };
}

/** Whether the pod template is not what the last release was about. What is not known so is taken to be. */
function hasMoved({ status }: KubernetesObject, target: KubernetesObject): boolean {
  const { lastAppliedSpec = '', trackedConfigs } = (status ?? {}) as Pick<
    CanaryStatus,
    'lastAppliedSpec' | 'trackedConfigs'
  >;
  const template = templateOf(target);
  const revisions = [revisionOf(template), revisionOf(template, trackedConfigs)];
  return lastAppliedSpec.startsWith('v1:') && !revisions.includes(lastAppliedSpec);
}

/** Whether a release of the Canary is in progress, as its status says. */
export function isReleasing(canary: KubernetesObject): boolean {
  return ['Waiting', 'Progressing', 'WaitingPromotion', 'Promoting', 'Finalising'].includes(phaseOf(canary));
}

function phaseOf({ status }: KubernetesObject): string {
  const phase = (status as { phase?: unknown } | undefined)?.phase;
  return typeof phase === 'string' ? phase : '';
}

/** @throws `InvalidSpec` when the worker's receivers are not the starter's */
export function receiverOf(receivers: readonly RegistryBinding[], push: ImagePush): RegistryBinding {
  const receiver = receivers.find(({ name }) => name === push.receiver);
  if (receiver) return receiver;
  throw failure('InvalidSpec', `no receiver ${push.receiver} here; give the worker the starter's SERIN_RECEIVERS file`);
}
