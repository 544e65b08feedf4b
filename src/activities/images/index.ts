import type { Registry } from 'prom-client';
import type { Kubernetes, KubernetesObject } from '../../clients/kubernetes.ts';
import type { RegistryBinding } from '../../images/binding.ts';
import { createRegistries, type Registries, type RegistryAccess, type Resolution } from '../../images/registry.ts';
import type { Log } from '../../log.ts';
import type { ImagePush } from '../../workflows/image-push.ts';
import type { CanaryRef } from '../contract.ts';
import { createRecordEvent } from '../events.ts';
import type { ImageActivities } from './contract.ts';
import { conflictOf } from './hold.ts';
import { createFollowers } from './followers.ts';
import { imageMeters } from './meters.ts';
import { accessesFor, resolveBy, seek, type Asking } from './seek.ts';
import { isSuspended, receiverOf, settingsOf, targetOf } from './world.ts';
import { canaryNow, newsOf, write } from './write.ts';

export { imageManager } from '../../images/gitops.ts';

export interface ImageDeps {
  /** The cluster with the workloads. */
  readonly kubernetes: Kubernetes;
  /** The same receivers as the starter's; only their registries and namespaces are used here. */
  readonly receivers: readonly RegistryBinding[];
  readonly settings: {
    /** Only this namespace is read and written; '' for all. */
    readonly namespace: string;
    /** Where Argo CD's Applications are. */
    readonly argoNamespace?: string;
  };
  readonly log?: Pick<Log, 'info'>;
  readonly metrics?: Registry;
  readonly registries?: Registries;
  readonly now?: () => Date;
  /** The trace of what goes on at the moment, as a header has it. */
  readonly trace?: () => string | undefined;
}

/** Most targets whose pull secrets are tried on behalf of a receiver without credentials. */
const maxSecretsTried = 5;

/** Longest wait of a write for others that ask for the same tag, in milliseconds. */
const sharedMs = 1_000;

/** The activities of the workflows about images. */
export function createImageActivities(deps: ImageDeps): ImageActivities {
  const { kubernetes, receivers, settings, registries = createRegistries(), now = () => new Date(), trace } = deps;
  const { argoNamespace = 'argocd' } = settings;
  const recordEvent = createRecordEvent(kubernetes, deps.log);
  const counted = onceEach();
  const followersOf = createFollowers(kubernetes, settings.namespace);
  const meters = deps.metrics
    ? imageMeters(
        deps.metrics,
        receivers.map(({ name }) => name),
      )
    : undefined;
  const asking: Asking = {
    kubernetes,
    recordEvent,
    receivers,
    tags: (...question) => registries.tags(...question),
    async resolve(receiver, access, repository, tag, settleMs = receiver.settleMs) {
      const end = meters?.resolve.startTimer({ receiver: receiver.name });
      try {
        return await registries.resolve(access, repository, tag, settleMs);
      } finally {
        end?.();
      }
    },
  };

  /** Registries that want credentials which only the pods have. */
  async function resolveForTargets(push: ImagePush, receiver: RegistryBinding, denied: Resolution) {
    const targets = await findTargets(push);
    for (const ref of targets.slice(0, maxSecretsTried)) {
      const canary = await canaryNow(kubernetes, ref);
      const found = canary && (await targetOf(kubernetes, canary));
      if (!found || typeof found === 'string') continue;
      const accesses = await accessesFor(kubernetes, receiver, found.target, push.repository);
      const answer = await resolveBy(asking, receiver, withCredentials(accesses), push.repository, push.tag);
      if ('digest' in answer) return answer;
    }
    return denied;
  }

  /** What a pushed tag points to, with the credentials of the receiver, or else with those of pods that follow it. */
  async function resolve(push: ImagePush, receiver: RegistryBinding, target?: KubernetesObject): Promise<Resolution> {
    const { repository, tag } = push;
    // Many targets are written at the same time, and share an answer; none of them waits for it as for the tags of a build.
    const settleMs = target ? Math.min(receiver.settleMs, sharedMs) : receiver.settleMs;
    const accesses = target ? await accessesFor(kubernetes, receiver, target, repository) : [receiver.registry];
    const resolution = await resolveBy(asking, receiver, accesses, repository, tag, settleMs);
    const isDenied = 'missing' in resolution && resolution.denied === true;
    return isDenied && !receiver.registry.credentials ? resolveForTargets(push, receiver, resolution) : resolution;
  }

  async function findTargets(push: ImagePush): Promise<readonly CanaryRef[]> {
    return followersOf(push, receiverOf(receivers, push));
  }

  return {
    findTargets,

    async resolveImage(push) {
      return resolve(push, receiverOf(receivers, push));
    },

    async seekImages(ref, sought) {
      const nothing = (reason: string) => ({ changes: [], reason });
      const canary = await canaryNow(kubernetes, ref);
      if (!canary) return nothing('the Canary is gone');
      const wanted = await settingsOf(kubernetes, canary);
      if (wanted === undefined) return nothing('the Canary follows no image any more');
      if ('problem' in wanted) return nothing(wanted.problem);
      if (isSuspended(canary, wanted.settings)) return nothing('image updates are suspended');
      const found = await targetOf(kubernetes, canary);
      if (typeof found === 'string') return nothing(found);
      const { target, resource } = found;
      const primary = await kubernetes.get(resource, ref.namespace, `${target.metadata.name}-primary`);
      const known = { canary, target, primary, settings: wanted.settings, found };
      const conflict = wanted.settings.writeBack === 'cluster' ? await conflictOf(kubernetes, known) : undefined;
      if (conflict?.reason) {
        await recordEvent(canary, {
          scope: 'image/conflict',
          type: 'Warning',
          message: `Images are not applied: ${conflict.reason}`,
        });
        return nothing(conflict.reason);
      }
      return seek(asking, known, sought);
    },

    async writeImage(ref, change) {
      const receiver = receiverOf(receivers, change.push);
      const canary = await canaryNow(kubernetes, ref);
      if (!canary) return { outcome: 'unchanged', reason: 'the Canary is gone' };
      const writing = {
        ...{ asking, argoNamespace, now, trace },
        resolve: (push: ImagePush, target: KubernetesObject) => resolve(push, receiver, target),
      };
      const result = await write(writing, canary, change, receiver);
      const news = newsOf(change.push, result);
      if (news) await recordEvent(canary, news, news.scope);
      const { push } = change;
      const isMissed = push.source === 'poll' && (result.outcome === 'written' || result.outcome === 'notified');
      // A poll finds it again and again until its owner has changed it, and an activity may be repeated.
      if (isMissed && counted.isNew(`${ref.namespace}/${ref.name} ${push.eventId}`))
        meters?.missed.inc({ receiver: receiver.name });
      return result;
    },
  };
}

function withCredentials(accesses: readonly RegistryAccess[]): readonly RegistryAccess[] {
  return accesses.filter(({ credentials }) => credentials !== undefined);
}

/** Tells what comes for the first time, among the last thousand. */
function onceEach() {
  const known = new Set<string>();
  return {
    isNew(text: string): boolean {
      if (known.has(text)) return false;
      known.add(text);
      const [oldest] = known;
      if (known.size > 1_000 && oldest !== undefined) known.delete(oldest);
      return true;
    },
  };
}
