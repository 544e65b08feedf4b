import type { Kubernetes, KubernetesObject } from '../../clients/kubernetes.ts';
import { boundImages, type RegistryBinding } from '../../images/binding.ts';
import { templateOf } from '../../images/pods.ts';
import { createQuestion, type Question } from '../../images/question.ts';
import { imageSettings, type ImageSettings } from '../../images/settings.ts';
import type { ImagePush } from '../../workflows/image-push.ts';
import type { CanaryRef } from '../contract.ts';
import { canariesIn, targetOf } from './world.ts';

/** A Canary that follows images. */
interface Follower {
  readonly ref: CanaryRef;
  /** What it follows, in which pods; absent when its wishes cannot be read. */
  readonly following?: { readonly settings: ImageSettings; readonly target: KubernetesObject };
}

/** Most Canaries that one push changes. */
const maxTargets = 500;

/** Targets that are read at the same time. */
const width = 10;

/**
 * Finds the Canaries that follow a repository. Many pushes at once look into the cluster once: whoever comes while a look
 * is due shares it, and none is shown anything older than their question.
 *
 * @param only the only namespace; '' for all
 */
export function createFollowers(kubernetes: Kubernetes, only: string, spacingMs = 1_000) {
  const questions = new Map<string, Question<readonly Follower[]>>();

  return async (push: ImagePush, receiver: RegistryBinding): Promise<readonly CanaryRef[]> => {
    const key = [...receiver.namespaces].sort().join(' ');
    const question = questions.get(key) ?? createQuestion<readonly Follower[]>();
    questions.set(key, question);
    const followers = await question.ask(() => followersIn(kubernetes, receiver, only), spacingMs);
    return followers
      .filter(
        ({ following }) =>
          // A Canary that cannot be read is a target too: writing is where its problem is told.
          following === undefined ||
          boundImages([receiver], following.settings, following.target).some(
            ({ repository }) => repository === push.repository,
          ),
      )
      .slice(0, maxTargets)
      .map(({ ref }) => ref);
  };
}

async function followersIn(kubernetes: Kubernetes, receiver: RegistryBinding, only: string): Promise<Follower[]> {
  const followers: Follower[] = [];
  const readable: { readonly canary: KubernetesObject; readonly settings: ImageSettings }[] = [];
  for await (const { canary, triggers } of canariesIn(kubernetes, receiver, only)) {
    const wanted = imageSettings(canary, triggers);
    if (wanted === undefined) continue;
    if ('problem' in wanted) followers.push({ ref: refOf(canary) });
    else readable.push({ canary, settings: wanted.settings });
  }
  for (let next = 0; next < readable.length; next += width) {
    const some = readable.slice(next, next + width).map(async ({ canary, settings }) => {
      const found = await targetOf(kubernetes, canary);
      return typeof found === 'string'
        ? []
        : [{ ref: refOf(canary), following: { settings, target: imagesOnly(found.target) } }];
    });
    followers.push(...(await Promise.all(some)).flat());
  }
  return followers;
}

function refOf({ metadata }: KubernetesObject): CanaryRef {
  return { namespace: metadata.namespace ?? '', name: metadata.name };
}

/** What of a workload says which images it has; there may be thousands of them at a time. */
function imagesOnly(workload: KubernetesObject): KubernetesObject {
  const { apiVersion, kind, metadata } = workload;
  const { containers = [], initContainers = [], volumes = [] } = templateOf(workload).spec ?? {};
  const named = (list: readonly { readonly name: string; readonly image?: unknown }[]) =>
    list.map(({ name, image }) => ({ name, image }));
  const pod = { containers: named(containers), initContainers: named(initContainers), volumes: named(volumes) };
  return {
    ...{ apiVersion, kind, metadata: { name: metadata.name, namespace: metadata.namespace ?? '' } },
    spec: { template: { spec: pod } },
  };
}
