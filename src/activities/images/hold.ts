import { resources, type Kubernetes, type KubernetesObject } from '../../clients/kubernetes.ts';
import { standingConflicts } from '../../images/conflict.ts';
import { imageManager } from '../../images/gitops.ts';
import { memoryOf, type ImageMemory } from '../../images/memory.ts';
import { memoryPatch } from '../../images/patch.ts';
import { templateOf } from '../../images/pods.ts';
import type { Candidate } from '../../images/policy.ts';
import type { ContainerPolicy, ImageSettings } from '../../images/settings.ts';
import { whileReleasing } from '../../images/waiting.ts';
import type { ImagePush } from '../../workflows/image-push.ts';
import { revisionOf } from '../revision.ts';
import type { ImageWritten } from './contract.ts';
import { tellOwner } from './owner.ts';
import { isReleasing, type Known, type Target } from './world.ts';

/** An image that policies want changed, and what may stand against it. */
export interface Intent extends Known {
  readonly found: Target;
  readonly push: ImagePush;
  readonly candidate: Candidate;
  /** It waited for the end of a release before. */
  readonly queued: boolean;
  /** Policies whose image would change. */
  readonly changed: readonly ContainerPolicy[];
}

/** What keeps a change from being made now, done or told as far as it has to be; undefined when nothing does. */
export async function holdBack(kubernetes: Kubernetes, argoNamespace: string, intent: Intent) {
  const { settings } = intent;
  const released = await duringRelease(kubernetes, intent);
  if (released) return released;
  if (settings.writeBack === 'none') return { outcome: 'unchanged', reason: 'image-write-back is none' } as const;
  if (settings.writeBack === 'cluster') return conflictOf(kubernetes, intent);
  const slots = intent.changed.map(({ slot }) => slot);
  return tellOwner(kubernetes, argoNamespace, { ...intent, slots, must: settings.writeBack === 'notify' });
}

/** A release in progress: by default an image goes ahead, and the release begins again. */
async function duringRelease(kubernetes: Kubernetes, intent: Intent): Promise<ImageWritten | undefined> {
  const { canary, settings, candidate, changed, queued, target } = intent;
  if (settings.during === 'restart' || !isReleasing(canary)) return undefined;
  const decided = whileReleasing(settings.during, candidate, changed, target, queued);
  const { remember: news, ...written } = decided;
  if (news) await remember(kubernetes, intent, news);
  return written;
}

/**
 * The circuit breaker: an image that a GitOps tool put back after we wrote it is not written again until somebody
 * changes the policy or the pod template. Noticing it writes it down and is the refusal to tell people of.
 */
export async function conflictOf(
  kubernetes: Kubernetes,
  intent: Known & { readonly found: Target },
): Promise<(ImageWritten & { readonly outcome: 'refused' }) | undefined> {
  const { found, settings } = intent;
  const { target, what } = found;
  const standing = standingConflicts(target, settings, revisionOf(templateOf(target)));
  const [first] = Object.values(standing);
  if (!first) return undefined;
  if (JSON.stringify(standing) !== JSON.stringify(memoryOf(target).conflicts)) {
    await remember(kubernetes, intent, { conflicts: standing });
    await setCondition(kubernetes, target, settings, first.owner);
  }
  return { outcome: 'refused', reason: `${first.owner} put the image of ${what} back; ${cureFor(first.owner)}` };
}

function cureFor(owner: string): string {
  return /argo/i.test(owner)
    ? `have it ignore the field (ignoreDifferences with managedFieldsManagers: [${imageManager}], and the sync option RespectIgnoreDifferences=true), or set serin.dev/image-write-back: notify`
    : 'have it leave the object alone (kustomize.toolkit.fluxcd.io/ssa: IfNotPresent), or set serin.dev/image-write-back: notify';
}

/** Changes what a target remembers, and nothing else of it. */
export async function remember(
  kubernetes: Kubernetes,
  { found, settings }: Pick<Intent, 'found' | 'settings'>,
  change: Partial<ImageMemory>,
): Promise<void> {
  await kubernetes.apply(found.resource, memoryPatch(found.target, change, settings), imageManager, true);
}

/** On the ImageTrigger, if there is one: whether a GitOps tool and we are at odds. */
export async function setCondition(
  kubernetes: Kubernetes,
  { metadata }: KubernetesObject,
  { trigger }: ImageSettings,
  owner: string | undefined,
): Promise<void> {
  if (trigger === undefined) return;
  const found = await kubernetes.get(resources.imageTriggers, metadata.namespace, trigger);
  const conditions = ((found?.status as { conditions?: Condition[] } | undefined)?.conditions ?? []).filter(Boolean);
  const before = conditions.find(({ type }) => type === 'GitOpsConflict');
  const status = owner === undefined ? 'False' : 'True';
  if (!found || (before?.status ?? 'False') === status) return;
  const condition: Condition = {
    type: 'GitOpsConflict',
    status,
    reason: owner === undefined ? 'Written' : 'PutBack',
    message: owner === undefined ? 'The last image stayed.' : `${owner} put the image back; ${cureFor(owner)}.`,
    lastTransitionTime: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
  };
  const others = conditions.filter(({ type }) => type !== 'GitOpsConflict');
  await kubernetes.patch(
    resources.imageTriggers,
    metadata.namespace,
    trigger,
    { metadata: { resourceVersion: found.metadata.resourceVersion }, status: { conditions: [...others, condition] } },
    'status',
  );
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
}
