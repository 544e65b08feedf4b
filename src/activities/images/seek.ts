import type { Kubernetes, KubernetesObject } from '../../clients/kubernetes.ts';
import { boundImages, type Bound, type RegistryBinding } from '../../images/binding.ts';
import { currentOf, failuresOf, judge, type Judgment } from '../../images/judge.ts';
import { memoryOf, withFailures } from '../../images/memory.ts';
import { slotKey } from '../../images/pods.ts';
import { follows, select, type Candidate } from '../../images/policy.ts';
import { pullCredentials } from '../../images/pull-secrets.ts';
import { isAttachmentTag } from '../../images/reference.ts';
import type { Registries, RegistryAccess, Resolution } from '../../images/registry.ts';
import type { ImagePush } from '../../workflows/image-push.ts';
import type { RecordEvent } from '../events.ts';
import { sha256 } from '../revision.ts';
import type { Found, ImageChange, Sought } from './contract.ts';
import { remember } from './hold.ts';
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
    settleMs?: number,
  ) => Promise<Resolution>;
}

/** Ways to ask for a repository: with the receiver's credentials, or else with all that the kubelet would try. */
export async function accessesFor(
  kubernetes: Kubernetes,
  receiver: RegistryBinding,
  target: KubernetesObject,
  repository: string,
): Promise<readonly RegistryAccess[]> {
  const { registry } = receiver;
  if (registry.credentials) return [registry];
  const found = await pullCredentials(kubernetes, target, receiver, repository);
  return found.length === 0
    ? [registry]
    : found.map((one) => ({ ...registry, credentials: () => Promise.resolve(one) }));
}

/** What a tag points to, as far as one of the ways to ask is told. */
export async function resolveBy(
  { resolve }: Pick<Asking, 'resolve'>,
  receiver: RegistryBinding,
  accesses: readonly RegistryAccess[],
  repository: string,
  tag: string,
  settleMs?: number,
): Promise<Resolution> {
  let answer: Resolution = { missing: `nobody may ask for ${repository}:${tag}`, denied: true };
  for (const access of accesses) {
    answer = await resolve(receiver, access, repository, tag, settleMs);
    if (!('missing' in answer) || !answer.denied) break;
  }
  return answer;
}

/** What the policies of a target would take now. */
export async function seek(asking: Asking, known: Known & { readonly found: Target }, sought: Sought): Promise<Found> {
  const bound = boundImages(asking.receivers, known.settings, known.target).filter((one) => isSought(one, sought));
  if (bound.length === 0) return { changes: [], reason: 'no receiver covers this image' };
  const changes = new Map<string, ImageChange>();
  const reasons: string[] = [];
  // One receiver is enough: several that cover an image tell of the same registry.
  const images = [...new Map(bound.toReversed().map((one) => [slotKey(one.policy.slot), one])).values()];
  await rememberFailures(asking.kubernetes, known, images);
  for (const one of images) {
    const result = await seekOne(asking, known, one, 'push' in sought ? sought.push : undefined);
    if (typeof result === 'string') reasons.push(`${slotKey(one.policy.slot)}: ${result}`);
    else changes.set(result.push.eventId, result);
  }
  return { changes: [...changes.values()], ...(reasons.length > 0 ? { reason: reasons.join(', ') } : {}) };
}

/** What failed is known only until the next release, which may come before the next image does. */
async function rememberFailures(
  kubernetes: Kubernetes,
  known: Known & { readonly found: Target },
  bound: readonly Bound[],
): Promise<void> {
  if (['none', 'notify'].includes(known.settings.writeBack)) return;
  const memory = memoryOf(known.target);
  const news = bound.flatMap(({ policy, image }) => {
    const situation = situationOf(known, policy, image);
    const digests = failuresOf(situation);
    if (digests.at(-1) === situation.failedDigests.at(-1)) return [];
    return [{ container: slotKey(policy.slot), policy: policy.text, digests }];
  });
  if (news.length > 0) await remember(kubernetes, known, { failed: withFailures(memory, news) });
}

function isSought({ policy, receiver, repository }: Bound, sought: Sought): boolean {
  if ('container' in sought) return slotKey(policy.slot) === sought.container;
  return receiver.name === sought.push.receiver && repository === sought.push.repository;
}

/** What one image would be moved to, or why it stays. */
async function seekOne(
  asking: Asking,
  known: Known & { readonly found: Target },
  bound: Bound,
  push: ImagePush | undefined,
): Promise<ImageChange | string> {
  const { receiver, repository } = bound;
  const wanted = await wantedNow(asking, known, bound, push);
  if ('none' in wanted) {
    if (!push) await warnWhenGone(asking, known, bound, wanted.digest);
    return wanted.none;
  }
  const { tag, digest } = wanted.candidate;
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
  // Nobody has pushed anything, as far as is known: pods that run the tag are not replaced to find out.
  return { push: found, digest, ...(!push && wanted.isFirstSight ? { baseline: true } : {}) };
}

export type WantedNow =
  | {
      readonly candidate: Candidate;
      readonly judgment: Exclude<Judgment, { skip: unknown }>;
      /** A mutable tag that the pods run, and that nothing is known of but its name. */
      readonly isFirstSight: boolean;
    }
  /** Why nothing is; and what the registry said of the tag, if it was asked. */
  | { readonly none: string; readonly digest?: string };

/** What a policy would take of what is in the registry. */
export async function wantedNow(
  asking: Asking,
  known: Known,
  { policy, receiver, repository, image }: Bound,
  push: ImagePush | undefined,
): Promise<WantedNow> {
  const accesses = await accessesFor(asking.kubernetes, receiver, known.target, repository);
  const situation = situationOf(known, policy, image);
  const tags = await candidateTags(asking, accesses, { policy, repository }, push);
  if (tags === undefined) return { none: 'the registry does not list its tags' };
  // By name alone: what a tag points to is asked only for the one that would be taken.
  const current = currentOf(situation);
  const byName = current.tag === undefined ? current : { tag: current.tag };
  const selection = select(policy.policy, byName, tags, policy.adopt);
  if ('none' in selection) return selection;
  const { tag } = selection.take;
  const resolution = await resolveBy(asking, receiver, accesses, repository, tag);
  if ('missing' in resolution) return { none: resolution.missing };
  const { digest } = resolution;
  const judgment = judge(situation, { tag, digest });
  if ('skip' in judgment) return { none: judgment.skip, digest };
  const isFirstSight = policy.policy.kind === 'exact' && current.tag === tag && current.digest === undefined;
  return { candidate: { tag, digest }, judgment, isFirstSight };
}

async function candidateTags(
  { tags }: Asking,
  accesses: readonly RegistryAccess[],
  { policy: { policy }, repository }: Pick<Bound, 'policy' | 'repository'>,
  push: ImagePush | undefined,
): Promise<readonly { readonly tag: string }[] | undefined> {
  if (policy.kind === 'exact') return [{ tag: policy.tag }];
  let listed: readonly string[] | undefined;
  for (const access of accesses) listed ??= await tags(access, repository);
  const pushed = push && follows(policy, push.tag) ? [push.tag] : [];
  if (listed === undefined && pushed.length === 0) return undefined;
  return [...(listed ?? []), ...pushed].filter((tag) => !isAttachmentTag(tag)).map((tag) => ({ tag }));
}

/**
 * R8: what is gone from the registry changes no pods, but the next node that needs it cannot have it.
 *
 * @param there what was found there just now
 */
async function warnWhenGone(
  asking: Asking,
  known: Known,
  { policy, receiver, repository, image: reference }: Bound,
  there: string | undefined,
): Promise<void> {
  const { digest } = currentOf(situationOf(known, policy, reference));
  if (digest === undefined || digest === there) return;
  const accesses = await accessesFor(asking.kubernetes, receiver, known.target, repository);
  const resolution = await resolveBy(asking, receiver, accesses, repository, digest);
  if (!('missing' in resolution) || resolution.denied) return;
  const image = `${receiver.host}/${repository}@${digest}`;
  const message = `${image} is not in the registry any more; pods that have to pull it cannot start`;
  await asking.recordEvent(known.canary, { scope: `image/gone/${digest}`, type: 'Warning', message });
}
