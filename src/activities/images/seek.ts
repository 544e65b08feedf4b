import type { Kubernetes, KubernetesObject } from '../../clients/kubernetes.ts';
import { boundImages, type Bound, type RegistryBinding } from '../../images/binding.ts';
import { currentOf, judge, type Situation } from '../../images/judge.ts';
import { slotKey } from '../../images/pods.ts';
import { follows, select } from '../../images/policy.ts';
import { pullCredentials } from '../../images/pull-secrets.ts';
import { isAttachmentTag } from '../../images/reference.ts';
import type { Registries, RegistryAccess, Resolution } from '../../images/registry.ts';
import type { ImagePush } from '../../workflows/image-push.ts';
import type { RecordEvent } from '../events.ts';
import { sha256 } from '../revision.ts';
import type { Found, ImageChange, Sought } from './contract.ts';
import { situationOf, type Known, type Target } from './world.ts';

/** How registries are asked on behalf of targets. */
export interface Asking {
  readonly kubernetes: Kubernetes;
  readonly recordEvent: RecordEvent;
  readonly receivers: readonly RegistryBinding[];
  readonly tags: Registries['tags'];
  /** `Registries.resolve` at the pace of the receiver. */
  readonly resolve: (
    receiver: RegistryBinding,
    access: RegistryAccess,
    repository: string,
    tag: string,
  ) => Promise<Resolution>;
}

/** With the receiver's credentials, or else with what the kubelet would use. */
export async function accessFor(
  kubernetes: Kubernetes,
  receiver: RegistryBinding,
  target: KubernetesObject,
): Promise<RegistryAccess> {
  const { registry } = receiver;
  if (registry.credentials) return registry;
  const found = await pullCredentials(kubernetes, target, receiver);
  return found ? { ...registry, credentials: () => Promise.resolve(found) } : registry;
}

/** What the policies of a target would take now. */
export async function seek(asking: Asking, known: Known & { readonly found: Target }, sought: Sought): Promise<Found> {
  const bound = boundImages(asking.receivers, known.settings, known.target).filter((one) => isSought(one, sought));
  if (bound.length === 0) return { changes: [], reason: 'no receiver covers this image' };
  const changes = new Map<string, ImageChange>();
  const reasons: string[] = [];
  // One receiver is enough: several that cover an image tell of the same registry.
  for (const one of new Map(bound.toReversed().map((one) => [slotKey(one.policy.slot), one])).values()) {
    const result = await seekOne(asking, known, one, 'push' in sought ? sought.push : undefined);
    if (typeof result === 'string') reasons.push(`${slotKey(one.policy.slot)}: ${result}`);
    else changes.set(result.push.eventId, result);
  }
  return { changes: [...changes.values()], ...(reasons.length > 0 ? { reason: reasons.join(', ') } : {}) };
}

function isSought({ policy, receiver, repository }: Bound, sought: Sought): boolean {
  if ('container' in sought) return slotKey(policy.slot) === sought.container;
  return receiver.name === sought.push.receiver && repository === sought.push.repository;
}

/** What one image would be moved to, or why it stays. */
async function seekOne(
  asking: Asking,
  known: Known & { readonly found: Target },
  { policy, receiver, repository, image }: Bound,
  push: ImagePush | undefined,
): Promise<ImageChange | string> {
  const access = await accessFor(asking.kubernetes, receiver, known.target);
  const situation = situationOf(known, policy, image);
  const tags = await candidateTags(asking, access, { policy, repository }, push);
  if (tags === undefined) return 'the registry does not list its tags';
  // By name alone: what a tag points to is asked only for the one that would be taken.
  const current = currentOf(situation);
  const byName = current.tag === undefined ? current : { tag: current.tag };
  const selection = select(policy.policy, byName, tags, policy.adopt);
  if ('none' in selection) {
    if (!push) await warnWhenGone(asking, known.canary, { access, receiver, repository }, situation);
    return selection.none;
  }
  const { tag } = selection.take;
  const resolution = await asking.resolve(receiver, access, repository, tag);
  if ('missing' in resolution) return resolution.missing;
  const { digest } = resolution;
  const judgment = judge(situation, { tag, digest });
  if ('skip' in judgment) return judgment.skip;
  // Nobody has pushed anything, as far as is known: pods that run the tag are not replaced to find out.
  const isFirstSight = !push && policy.policy.kind === 'exact' && current.tag === tag && current.digest === undefined;
  const found: ImagePush = {
    receiver: receiver.name,
    source: push?.source ?? 'poll',
    ...(push?.trust ? { trust: push.trust } : {}),
    eventId: sha256([receiver.host, repository, tag, digest].join('|')),
    eventIdKind: 'derived',
    host: receiver.host,
    repository,
    tag,
    digest,
    ...(push?.actor ? { actor: push.actor } : {}),
  };
  return { push: found, digest, ...(isFirstSight ? { baseline: true } : {}) };
}

async function candidateTags(
  { tags }: Asking,
  access: RegistryAccess,
  { policy: { policy }, repository }: Pick<Bound, 'policy' | 'repository'>,
  push: ImagePush | undefined,
): Promise<readonly { readonly tag: string }[] | undefined> {
  if (policy.kind === 'exact') return [{ tag: policy.tag }];
  const listed = await tags(access, repository);
  const pushed = push && follows(policy, push.tag) ? [push.tag] : [];
  if (listed === undefined && pushed.length === 0) return undefined;
  return [...(listed ?? []), ...pushed].filter((tag) => !isAttachmentTag(tag)).map((tag) => ({ tag }));
}

interface Place {
  readonly access: RegistryAccess;
  readonly receiver: RegistryBinding;
  readonly repository: string;
}

/** R8: what is gone from the registry changes no pods, but the next node that needs it cannot have it. */
async function warnWhenGone(
  { resolve, recordEvent }: Asking,
  canary: KubernetesObject,
  { access, receiver, repository }: Place,
  situation: Situation,
): Promise<void> {
  const { digest } = currentOf(situation);
  if (digest === undefined) return;
  const resolution = await resolve(receiver, access, repository, digest);
  if (!('missing' in resolution) || resolution.denied) return;
  const image = `${receiver.host}/${repository}@${digest}`;
  const message = `${image} is not in the registry any more; pods that have to pull it cannot start`;
  await recordEvent(canary, { scope: `image/gone/${digest}`, type: 'Warning', message });
}
