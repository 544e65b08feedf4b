import type { CanaryRef } from '../activities/contract.ts';
import type { KubernetesObject } from '../clients/kubernetes.ts';
import { slotKey } from '../images/pods.ts';
import { canaryOf, imagePolicies, imageSettings } from '../images/settings.ts';

/** What a Canary itself says about images, of which nothing is kept when it says nothing. */
export interface ImageWishes {
  readonly annotations: Readonly<Record<string, string>>;
}

/** Keeps of a Canary what its images need. */
export function viewWishes({ metadata }: KubernetesObject): ImageWishes | undefined {
  const { annotations = {} } = metadata;
  if (annotations[imagePolicies] === undefined) return undefined;
  const ours = Object.entries(annotations).filter(([key]) => key.startsWith('serin.dev/'));
  return { annotations: Object.fromEntries(ours) };
}

/** An image whose registry is to be looked into now and then. */
export interface WantedPoll {
  readonly canary: CanaryRef;
  /** As `slotKey` spells it. */
  readonly container: string;
  readonly intervalMs: number;
  /** Receivers that the Canary names; any, if it names none. */
  readonly receivers?: readonly string[];
  /** People want nothing changed for now; when that ends, it is looked into at once. */
  readonly suspended: boolean;
}

/** The part of a Canary that decides about polls. */
export interface ImageFollower {
  readonly canary: CanaryRef;
  readonly suspended: boolean;
  readonly deleting: boolean;
  readonly images?: ImageWishes | undefined;
}

/** What is to be polled for some Canaries. Wishes that cannot be read want nothing; writing is where they are told. */
export function wantedPolls(
  canaries: Iterable<ImageFollower>,
  triggers: Iterable<KubernetesObject>,
): ReadonlyMap<string, WantedPoll> {
  const byNamespace = Map.groupBy(triggers, ({ metadata }) => metadata.namespace ?? '');
  const wanted = new Map<string, WantedPoll>();
  for (const { canary, images, suspended, deleting } of canaries) {
    const beside = byNamespace.get(canary.namespace) ?? [];
    if (deleting || (!images && !beside.some((trigger) => canaryOf(trigger) === canary.name))) continue;
    const metadata = { ...canary, annotations: { ...images?.annotations } };
    const read = imageSettings({ apiVersion: 'flagger.app/v1beta1', kind: 'Canary', metadata }, beside);
    if (!read || 'problem' in read || read.settings.pollMs === 0) continue;
    const { settings } = read;
    for (const { slot } of settings.policies) {
      const container = slotKey(slot);
      wanted.set(pollId(canary, container), {
        canary,
        container,
        intervalMs: settings.pollMs,
        suspended: suspended || settings.suspended,
        ...(settings.receivers ? { receivers: settings.receivers } : {}),
      });
    }
  }
  return wanted;
}

/** Every poll of ours has an id that begins so. */
export const pollPrefix = 'poll/';

export function pollId({ namespace, name }: CanaryRef, container: string): string {
  return `${pollPrefix}${namespace}/${name}/${container}`;
}
