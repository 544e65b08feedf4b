import type { KubernetesObject } from '../clients/kubernetes.ts';
import { gitOpsOwner, imageManager } from './gitops.ts';
import { memoryOf, type ImageMemory } from './memory.ts';
import { imageText, slotKey } from './pods.ts';
import type { ContainerPolicy, ImageSettings } from './settings.ts';

/** Time in which a tool that puts an image back is taken to do so because of us, in milliseconds. */
const revertWindowMs = 15 * 60_000;

/**
 * The circuit breaker: images that a GitOps tool put back after they were written here, and that nobody has seen to
 * since by changing the policy or the pod template.
 *
 * @param template name of the pod template as it is now
 */
export function standingConflicts(
  target: KubernetesObject,
  { policies }: ImageSettings,
  template: string,
): ImageMemory['conflicts'] {
  const memory = memoryOf(target);
  const standing: ImageMemory['conflicts'] = {};
  for (const policy of policies) {
    const key = slotKey(policy.slot);
    const known = memory.conflicts[key];
    const write = memory.writes[key];
    if (!write) continue;
    if (known?.at === write.at) {
      if (known.policy === policy.text && known.template === template) standing[key] = known;
      continue;
    }
    const owner = reverter(target, policy, write);
    if (owner !== undefined) standing[key] = { policy: policy.text, template, owner, at: write.at };
  }
  return standing;
}

/** The tool that put back what had been written over, soon after. */
function reverter(
  target: KubernetesObject,
  { slot }: ContainerPolicy,
  write: ImageMemory['writes'][string],
): string | undefined {
  const owner = gitOpsOwner(target, slot, imageManager);
  if (!owner || write.from === write.to || imageText(target, slot) !== write.from) return undefined;
  // Managed fields know seconds only.
  const after = (owner.wroteAt ?? 0) + 999 - Date.parse(write.at);
  return owner.wroteAt !== undefined && after >= 0 && after <= revertWindowMs ? owner.name : undefined;
}
