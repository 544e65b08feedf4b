import type { Canary } from './canary.ts';
import { analysisOf, maxWeightOf } from './defaults.ts';

/**
 * The weight, in percent, that a release by weights never gets past; undefined when it reaches its maximum. The
 * maximum of a list is its last entry, so a list that falls may well end: `[20, 10]` is over at 20.
 *
 * @see engine spec 9.2 and Q17
 */
export function stuckAt(canary: Canary): number | undefined {
  const { stepWeight = 0, stepWeights = [] } = analysisOf(canary);
  if (stepWeight > 0) return undefined;
  const max = maxWeightOf(canary);
  let weight = 0;
  for (const next of stepWeights) {
    if (next <= weight) return weight;
    weight = Math.min(100, next);
    if (weight >= max) return undefined;
  }
  return weight;
}
