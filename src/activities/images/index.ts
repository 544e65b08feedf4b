import type { Registry } from 'prom-client';
import type { Kubernetes } from '../../clients/kubernetes.ts';
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
import { accessFor, seek, type Asking } from './seek.ts';
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

/** The activities of the workflows about images. */
export function createImageActivities(deps: ImageDeps): ImageActivities {
  const { kubernetes, receivers, settings, registries = createRegistries(), now = () => new Date(), trace } = deps;
  const { argoNamespace = 'argocd' } = settings;
  const recordEvent = createRecordEvent(kubernetes, deps.log);
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
    async resolve(receiver, access, repository, tag) {
      const end = meters?.resolve.startTimer({ receiver: receiver.name });
      try {
        return await registries.resolve(access, repository, tag, receiver.settleMs);
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
      const access: RegistryAccess = await accessFor(kubernetes, receiver, found.target);
      const answer = access.credentials && (await asking.resolve(receiver, access, push.repository, push.tag));
      if (answer && 'digest' in answer) return answer;
    }
    return denied;
  }

  async function findTargets(push: ImagePush): Promise<readonly CanaryRef[]> {
    return followersOf(push, receiverOf(receivers, push));
  }

  return {
    findTargets,

    async resolveImage(push) {
      const receiver = receiverOf(receivers, push);
      const resolution = await asking.resolve(receiver, receiver.registry, push.repository, push.tag);
      const isDenied = 'missing' in resolution && resolution.denied === true;
      return isDenied && !receiver.registry.credentials ? resolveForTargets(push, receiver, resolution) : resolution;
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
      const result = await write({ kubernetes, argoNamespace, now, trace }, canary, change, receiver);
      const news = newsOf(change.push, result);
      if (news) await recordEvent(canary, news, news.scope);
      if (result.outcome === 'written' && change.push.source === 'poll')
        meters?.missed.inc({ receiver: receiver.name });
      return result;
    },
  };
}
