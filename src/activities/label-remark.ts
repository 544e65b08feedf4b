import type { Canary } from '../schemas/canary.ts';
import type { Pods } from './workloads/workload.ts';

/**
 * What to tell when the setting of selector labels has changed since a primary was made: nothing, so that its pods go on
 * being found (BC-27), which is not what the setting seems to say.
 */
export function labelRemark(canary: Canary, { label, target, primary }: Pods): string | undefined {
  if (primary[label] === `${target[label]}-primary`) return undefined;
  const { kind, name } = canary.spec.targetRef;
  const selector = Object.entries(primary).map(([key, value]) => `${key}=${value}`);
  return (
    `${kind} ${name}-primary.${canary.metadata.namespace} goes on being selected by ${selector.join(',')}, and not by ` +
    `${label} as the setting of selector labels asks: a selector cannot be changed once it is there`
  );
}
