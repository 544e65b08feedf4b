import { resources, type Kubernetes, type KubernetesObject } from '../../clients/kubernetes.ts';
import { boundImages, type RegistryBinding } from '../../images/binding.ts';
import { imageManager } from '../../images/gitops.ts';
import { asBaseline, judge, type Judgment } from '../../images/judge.ts';
import { lastImageEvent, memoryOf } from '../../images/memory.ts';
import { eventOf, patchOf, type Judged } from '../../images/patch.ts';
import { imageText, slotKey } from '../../images/pods.ts';
import type { EventRecord } from '../../workflows/domain/plan.ts';
import type { ImagePush } from '../../workflows/image-push.ts';
import type { ImageChange, ImageWritten } from './contract.ts';
import { holdBack, setCondition } from './hold.ts';
import { isSuspended, settingsOf, situationOf, targetOf } from './world.ts';

export interface Writing {
  readonly kubernetes: Kubernetes;
  readonly argoNamespace: string;
  readonly now: () => Date;
  /** What the writing is part of, as a header has it. */
  readonly trace?: () => string | undefined;
}

/** Judges a change once more, at the moment of writing, and writes it if it still stands. */
export async function write(
  { kubernetes, argoNamespace, now, trace }: Writing,
  canary: KubernetesObject,
  { push, digest, queued = false, baseline = false }: ImageChange,
  receiver: RegistryBinding,
): Promise<ImageWritten> {
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
  const primary = await kubernetes.get(resource, canary.metadata.namespace, `${target.metadata.name}-primary`);
  const known = { canary, target, primary, settings };
  const candidate = { tag: push.tag, digest };
  const judged: Judged = new Map(
    bound.map(({ policy, image }) => {
      const judgment = judge(situationOf(known, policy, image), candidate);
      return [slotKey(policy.slot), { policy, judgment: baseline ? asBaseline(judgment) : judgment }];
    }),
  );
  const writes = [...judged].flatMap(([key, { policy, judgment }]) =>
    'write' in judgment ? [{ key, policy, image: judgment.write }] : [],
  );
  if (writes.length > 0) {
    const changed = writes.map(({ policy }) => policy);
    const held = await holdBack(kubernetes, argoNamespace, { ...known, found, push, candidate, queued, changed });
    if (held) return held;
  }

  const patch = patchOf(target, judged, settings, push, now().toISOString(), trace?.());
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
