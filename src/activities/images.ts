import { resources, type Kubernetes, type KubernetesObject, type Resource } from '../clients/kubernetes.ts';
import { failure } from '../errors.ts';
import { gitOpsOwner } from '../images/gitops.ts';
import {
  imageSettings,
  isOfRepository,
  judge,
  referenceOf,
  type ImageSettings,
  type Judgment,
} from '../images/judge.ts';
import { eventOf, lastImageEvent, memoryOf, patchOf } from '../images/patch.ts';
import { resolveTag } from '../images/registry.ts';
import type { Receiver } from '../triggers/receivers.ts';
import type { EventRecord } from '../workflows/domain/plan.ts';
import type { ImagePush } from '../workflows/image-push.ts';
import type { CanaryRef } from './contract.ts';
import { createRecordEvent } from './events.ts';
import type { ImageActivities, ImageChange, ImageWritten } from './images-contract.ts';

export interface ImageDeps {
  /** The cluster with the workloads. */
  readonly kubernetes: Kubernetes;
  /** The same receivers as the starter's; only their registries and namespaces are used here. */
  readonly receivers: readonly Receiver[];
  /** Only this namespace is read and written; '' for all. */
  readonly settings: { readonly namespace: string };
}

/** Field manager of image updates. Apart from the worker's own, so that its one field can be left to it alone. */
export const imageManager = 'serin-image';

/** Kinds of target whose images are followed: those whose pod templates are Kubernetes' own. */
const kinds: ReadonlyMap<string, Resource> = new Map<string, Resource>([
  ['Deployment', resources.deployments],
  ['DaemonSet', resources.daemonSets],
]);

/** The activities of the `imagePush` workflow. */
export function createImageActivities({ kubernetes, receivers, settings }: ImageDeps): ImageActivities {
  const recordEvent = createRecordEvent(kubernetes);
  return {
    async resolveImage(push) {
      return resolveTag(receiverOf(receivers, push).registry, push.repository, push.tag);
    },

    async findTargets(push) {
      const receiver = receiverOf(receivers, push);
      const found: CanaryRef[] = [];
      for await (const canary of canariesIn(kubernetes, receiver, settings.namespace)) {
        const wanted = imageSettings(canary.metadata.annotations ?? {});
        if (wanted === undefined) continue;
        const ref = { namespace: canary.metadata.namespace ?? '', name: canary.metadata.name };
        // A Canary that cannot be read is a target too: writing is where its problem is told.
        if ('problem' in wanted || (await follows(kubernetes, canary, wanted.settings, push, receiver)))
          found.push(ref);
      }
      return found;
    },

    async writeImage(ref, change) {
      const receiver = receiverOf(receivers, change.push);
      const canary = await kubernetes.get(resources.canaries, ref.namespace, ref.name);
      if (!canary || canary.metadata.deletionTimestamp) return { outcome: 'unchanged', reason: 'the Canary is gone' };
      const result = await write(kubernetes, canary, change, receiver);
      const news = newsOf(change.push, result);
      if (news) await recordEvent(canary, news, news.scope);
      return result;
    },
  };
}

async function write(
  kubernetes: Kubernetes,
  canary: KubernetesObject,
  { push, digest }: ImageChange,
  receiver: Receiver,
): Promise<ImageWritten> {
  const wanted = imageSettings(canary.metadata.annotations ?? {});
  if (wanted === undefined) return { outcome: 'unchanged', reason: 'the Canary follows no image any more' };
  if ('problem' in wanted) return { outcome: 'refused', reason: wanted.problem };
  const { settings } = wanted;
  if (settings.suspended) return { outcome: 'unchanged', reason: 'image updates are suspended' };

  const found = await targetOf(kubernetes, canary);
  if (typeof found === 'string') return { outcome: 'refused', reason: found };
  const { target, resource } = found;
  const what = `${resource.kind} ${target.metadata.name}`;
  const keel = [target.metadata.labels, target.metadata.annotations].some(
    (map) => map?.['keel.sh/policy'] !== undefined,
  );
  if (keel) return { outcome: 'refused', reason: `${what} is updated by Keel (keel.sh/policy)` };

  const primary = await kubernetes.get(resource, canary.metadata.namespace, `${target.metadata.name}-primary`);
  const judged = judgments(canary, target, primary, settings, { push, digest }, receiver);
  if (judged.size === 0) return { outcome: 'unchanged', reason: 'no container follows this repository' };

  const changed = [...judged].flatMap(([container, judgment]) =>
    'write' in judgment ? [[container, judgment.write] as const] : [],
  );
  const owner = changed.map(([container]) => gitOpsOwner(target, container, imageManager)).find((found) => found);
  if (owner !== undefined && settings.writeBack === 'auto')
    return {
      outcome: 'refused',
      reason: `the image of ${what} belongs to ${owner}; change it there, or have ${owner} ignore it and set serin.dev/image-write-back: cluster`,
    };

  const patch = patchOf(target, judged, settings, push);
  // Forced: until the first push the field belongs to whoever created the target. The version guards the judgment.
  if (patch !== undefined) await kubernetes.apply(resource, patch, imageManager, true);
  const reasons = [...judged].map(([container, judgment]) => `${container}: ${reasonOf(judgment)}`);
  if (changed.length > 0)
    return {
      outcome: 'written',
      images: Object.fromEntries(changed),
      ...(changed.length === judged.size ? {} : { reason: reasons.join(', ') }),
    };
  // An earlier attempt may have written and then lost its answer.
  if (target.metadata.annotations?.[lastImageEvent] === eventOf(push))
    return {
      outcome: 'written',
      images: Object.fromEntries(containersOf(target).filter(([name]) => judged.has(name))),
    };
  return { outcome: 'unchanged', reason: reasons.join(', ') };
}

/** Every container with a policy whose image is of the pushed repository, judged. */
function judgments(
  canary: KubernetesObject,
  target: KubernetesObject,
  primary: KubernetesObject | undefined,
  settings: ImageSettings,
  { push, digest }: ImageChange,
  receiver: Receiver,
): ReadonlyMap<string, Judgment> {
  const memory = memoryOf(target);
  const failed = (canary.status as { phase?: unknown } | undefined)?.phase === 'Failed';
  const result = new Map<string, Judgment>();
  for (const policy of settings.policies) {
    const template = imageOf(target, policy.container);
    if (!template || !isOfRepository(template, push.host, push.repository, canonicalFor(receiver))) continue;
    const promoted = primary && imageOf(primary, policy.container);
    const judgment = judge(
      {
        policy,
        pin: settings.pin,
        template,
        ...(promoted ? { promoted } : {}),
        ...(memory.desired[policy.container] ? { desired: memory.desired[policy.container] } : {}),
        failed,
        failedDigests: memory.failed
          .filter((entry) => entry.container === policy.container && entry.policy === policy.text)
          .map((entry) => entry.digest),
      },
      { tag: push.tag, digest },
    );
    result.set(policy.container, judgment);
  }
  return result;
}

async function follows(
  kubernetes: Kubernetes,
  canary: KubernetesObject,
  settings: ImageSettings,
  push: ImagePush,
  receiver: Receiver,
): Promise<boolean> {
  const found = await targetOf(kubernetes, canary);
  if (typeof found === 'string') return false;
  return settings.policies.some(({ container }) => {
    const image = imageOf(found.target, container);
    return image !== undefined && isOfRepository(image, push.host, push.repository, canonicalFor(receiver));
  });
}

/** What a Canary points to, or why there is nothing. */
async function targetOf(
  kubernetes: Kubernetes,
  canary: KubernetesObject,
): Promise<{ readonly target: KubernetesObject; readonly resource: Resource } | string> {
  const ref = (canary.spec as { targetRef?: { kind?: unknown; name?: unknown } } | undefined)?.targetRef;
  if (typeof ref?.name !== 'string') return 'the Canary names no target';
  const kind = typeof ref.kind === 'string' ? ref.kind : 'Deployment';
  const resource = kinds.get(kind);
  if (!resource) return `image updates know ${[...kinds.keys()].join(' and ')}, not ${kind}`;
  const target = await kubernetes.get(resource, canary.metadata.namespace, ref.name);
  return target ? { target, resource } : `${kind} ${ref.name} does not exist`;
}

function imageOf(workload: KubernetesObject, container: string) {
  return referenceOf(containersOf(workload).find(([name]) => name === container)?.[1]);
}

/** Names and images of a workload's containers. */
function containersOf(workload: KubernetesObject): readonly (readonly [string, string])[] {
  const spec = workload.spec as { template?: { spec?: { containers?: { name: string; image?: string }[] } } };
  return (spec.template?.spec?.containers ?? []).map(({ name, image = '' }) => [name, image]);
}

async function* canariesIn(
  kubernetes: Kubernetes,
  { namespaces }: Receiver,
  only: string,
): AsyncGenerator<KubernetesObject> {
  const allowed = (namespace: string | undefined) => namespaces.includes('*') || namespaces.includes(namespace ?? '');
  const where = only !== '' ? [only] : namespaces.includes('*') ? [undefined] : namespaces;
  for (const namespace of where) {
    let next: string | undefined;
    do {
      const page = await kubernetes.list(resources.canaries, namespace, { limit: 500, continue: next });
      for (const canary of page.items) if (allowed(canary.metadata.namespace)) yield canary;
      next = page.metadata.continue || undefined;
    } while (next !== undefined);
  }
}

/** What people are told by an Event on the Canary: what was written, or what needs them. */
function newsOf(push: ImagePush, { outcome, images = {}, reason }: ImageWritten): EventRecord | undefined {
  const scope = `image/${eventOf(push)}`;
  if (outcome === 'written') {
    const changes = Object.entries(images).map(([container, image]) => `${container} to ${image}`);
    return { scope, type: 'Normal', message: `New image pushed! Setting ${changes.join(', ')}` };
  }
  if (outcome !== 'refused') return undefined;
  const image = `${push.host}/${push.repository}:${push.tag}`;
  return { scope, type: 'Warning', message: `New image ${image} is not applied: ${reason}` };
}

function receiverOf(receivers: readonly Receiver[], push: ImagePush): Receiver {
  const receiver = receivers.find(({ name }) => name === push.receiver);
  if (receiver) return receiver;
  throw failure('InvalidSpec', `no receiver ${push.receiver} here; give the worker the starter's SERIN_RECEIVERS file`);
}

function canonicalFor({ host, hostAliases }: Receiver): (host: string) => string {
  return (name) => (hostAliases.includes(name) ? host : name);
}

function reasonOf(judgment: Judgment): string {
  if ('write' in judgment) return 'written';
  return 'skip' in judgment ? judgment.skip : judgment.keep;
}
