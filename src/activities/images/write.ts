import { resources, type Kubernetes, type KubernetesObject } from '../../clients/kubernetes.ts';
import { failureType } from '../../errors.ts';
import { boundImages, type Bound, type RegistryBinding } from '../../images/binding.ts';
import { imageManager } from '../../images/gitops.ts';
import { asBaseline, judge, type Judgment } from '../../images/judge.ts';
import { lastImageEvent, memoryOf } from '../../images/memory.ts';
import { eventOf, patchOf, type Judged } from '../../images/patch.ts';
import { imageText, slotKey } from '../../images/pods.ts';
import type { Resolution } from '../../images/registry.ts';
import type { EventRecord } from '../../workflows/domain/plan.ts';
import type { ImagePush } from '../../workflows/image-push.ts';
import { companions, waitsFor } from './companions.ts';
import type { ImageChange, ImageWritten } from './contract.ts';
import { holdBack, setCondition } from './hold.ts';
import type { Asking } from './seek.ts';
import { isSuspended, settingsOf, situationOf, targetOf } from './world.ts';

export interface Writing {
  readonly asking: Asking;
  readonly argoNamespace: string;
  readonly now: () => Date;
  /** What the writing is part of, as a header has it. */
  readonly trace?: () => string | undefined;
  /** What a pushed tag points to now, asked on behalf of a target. */
  readonly resolve: (push: ImagePush, target: KubernetesObject) => Promise<Resolution>;
}

/** Judges a change once more, at the moment of writing, and writes it if it still stands. */
export async function write(
  writing: Writing,
  canary: KubernetesObject,
  change: ImageChange,
  receiver: RegistryBinding,
): Promise<ImageWritten> {
  const { asking, argoNamespace, now, trace } = writing;
  const { kubernetes } = asking;
  const { push, queued = false, baseline = false } = change;
  const wanted = await settingsOf(kubernetes, canary);
  if (wanted === undefined) return { outcome: 'unchanged', reason: 'the Canary follows no image any more' };
  if ('problem' in wanted) return { outcome: 'refused', reason: wanted.problem };
  const { settings } = wanted;
  if (isSuspended(canary, settings)) return { outcome: 'unchanged', reason: 'image updates are suspended' };

  const found = await targetOf(kubernetes, canary);
  if (typeof found === 'string') return { outcome: 'refused', reason: found };
  const { target, resource, what } = found;
  const keel = [target.metadata.labels, target.metadata.annotations].some(
    (map) => map?.['keel.sh/policy'] !== undefined,
  );
  if (keel) return { outcome: 'refused', reason: `${what} is updated by Keel (keel.sh/policy)` };

  const bound = boundImages([receiver], settings, target).filter(({ repository }) => repository === push.repository);
  if (bound.length === 0) return { outcome: 'unchanged', reason: 'no container follows this repository' };
  // After the target was read: whoever writes it from here on makes this attempt a Conflict, and the next one asks again.
  const digest = await digestNow(writing, target, change, bound);
  if (typeof digest !== 'string') return { outcome: 'unchanged', reason: digest.missing };
  const primary = await kubernetes.get(resource, canary.metadata.namespace, `${target.metadata.name}-primary`);
  const known = { canary, target, primary, settings };
  const candidate = { tag: push.tag, digest };
  let judged: Judged = new Map(
    bound.map(({ policy, image }) => {
      const judgment = judge(situationOf(known, policy, image), candidate);
      return [slotKey(policy.slot), { policy, judgment: baseline ? asBaseline(judgment) : judgment }];
    }),
  );
  const changed = writesIn(judged).map(({ policy }) => policy);
  if (changed.length > 0) {
    const held = await holdBack(kubernetes, argoNamespace, { ...known, found, push, candidate, queued, changed });
    if (held) return held;
    const others = await companions(asking, known, bound, push);
    // Their own events know best who made them; but those may never come.
    if (others.size > 0 && !queued && push.source !== 'poll') return { outcome: 'queued', reason: waitsFor(others) };
    judged = new Map([...judged, ...others]);
  }

  const writes = writesIn(judged);
  const patch = patchOf(target, judged, settings, asWritten(push, judged), now().toISOString(), trace?.());
  // Forced: until the first push the field belongs to whoever created the target. The version guards the judgment.
  if (patch !== undefined) await kubernetes.apply(resource, patch, imageManager, true);
  const reasons = [...judged].map(([key, { judgment }]) => `${key}: ${reasonOf(judgment)}`).join(', ');
  if (writes.length > 0) {
    if (Object.keys(memoryOf(target).conflicts).length > 0) await setCondition(kubernetes, target, settings, undefined);
    const images = Object.fromEntries(writes.map(({ key, image }) => [key, image]));
    return { outcome: 'written', images, ...(writes.length === judged.size ? {} : { reason: reasons }) };
  }
  // An earlier attempt may have written and then lost its answer.
  if (target.metadata.annotations?.[lastImageEvent] === eventOf(push)) {
    const images = [...judged].map(([key, { policy }]) => [key, imageText(target, policy.slot) ?? ''] as const);
    return { outcome: 'written', images: Object.fromEntries(images) };
  }
  return { outcome: 'unchanged', reason: reasons };
}

/**
 * What the tag points to now. A mutable one may have moved since it was resolved, however long ago that was, and the newer
 * image may have been written already (R2, R6).
 */
async function digestNow(
  { resolve }: Writing,
  target: KubernetesObject,
  { push, digest, baseline = false }: ImageChange,
  bound: readonly Bound[],
): Promise<string | { readonly missing: string }> {
  const isMutable = bound.some(({ policy: { policy } }) => policy.kind === 'exact' && policy.tag === push.tag);
  if (!isMutable || baseline) return digest;
  try {
    const resolution = await resolve(push, target);
    return 'digest' in resolution ? resolution.digest : resolution;
  } catch (error) {
    // The word of a sender that signs, where its receiver takes that when the registry stays silent (R7).
    const isBelieved = push.digestIsSigned === true && (push.trust === 'signed' || push.trust === 'oidc');
    if (!isBelieved || push.digest !== digest || failureType(error) === 'InvalidSpec') throw error;
    return digest;
  }
}

function writesIn(judged: Judged) {
  return [...judged].flatMap(([key, { policy, judgment }]) =>
    'write' in judgment ? [{ key, policy, image: judgment.write }] : [],
  );
}

/** Who pushed one tag is not named for another. */
function asWritten(push: ImagePush, judged: Judged): ImagePush {
  const { actor, ...rest } = push;
  const isOwn = [...judged.values()].some(({ judgment }) => 'write' in judgment && judgment.desired.tag === push.tag);
  return isOwn && actor !== undefined ? { ...rest, actor } : rest;
}

/** What people are told by an Event on the Canary: what was written, what waits, or what needs them. */
export function newsOf(push: ImagePush, { outcome, images = {}, reason }: ImageWritten): EventRecord | undefined {
  const scope = `image/${eventOf(push)}`;
  const image = `${push.host}/${push.repository}:${push.tag}`;
  switch (outcome) {
    case 'written': {
      const changes = Object.entries(images).map(([container, written]) => `${container} to ${written}`);
      return { scope, type: 'Normal', message: `New image pushed! Setting ${changes.join(', ')}` };
    }
    case 'notified':
    case 'queued':
      return { scope, type: 'Normal', message: `New image ${image} pushed: ${reason}` };
    case 'refused':
      return { scope, type: 'Warning', message: `New image ${image} is not applied: ${reason}` };
    case 'unchanged':
    case 'failed':
      return undefined;
  }
}

/** The Canary, unless it is on its way out. */
export async function canaryNow(
  kubernetes: Kubernetes,
  { namespace, name }: { readonly namespace: string; readonly name: string },
): Promise<KubernetesObject | undefined> {
  const canary = await kubernetes.get(resources.canaries, namespace, name);
  return canary?.metadata.deletionTimestamp ? undefined : canary;
}

function reasonOf(judgment: Judgment): string {
  if ('write' in judgment) return 'written';
  return 'skip' in judgment ? judgment.skip : judgment.keep;
}
