import type { AnalysisSettings, Weights } from './observation.ts';

/** What comes after a weight that has been proven. */
export type NextStep =
  | { readonly type: 'shift'; readonly weights: Weights }
  /** The ladder is climbed: the revision has earned its promotion. */
  | { readonly type: 'complete' }
  /** The settings lead nowhere, such as a step of 0. */
  | { readonly type: 'stuck'; readonly step: number };

/**
 * The next rung of the canary strategy. `maxWeight` is a trigger and not a cap: the last step may go past it.
 *
 * @see engine spec 9.2, Q17 and Q20
 */
export function nextStep(analysis: AnalysisSettings, canaryWeight: number): NextStep {
  const max = effectiveMaxWeight(analysis);
  const step = stepFrom(analysis, canaryWeight);
  if (canaryWeight >= max && canaryWeight > 0) return { type: 'complete' };
  if (step <= 0) return { type: 'stuck', step };
  const canary = Math.min(100, canaryWeight + step);
  return { type: 'shift', weights: { primary: 100 - canary, canary } };
}

/** The weight that earns promotion: the end of a list of steps, else `maxWeight`; never above 100 (Q20). */
export function effectiveMaxWeight(analysis: AnalysisSettings): number {
  const { stepWeights, maxWeight } = analysis;
  return Math.min(100, stepWeights.at(-1) ?? maxWeight);
}

/** The weights after one step of a progressive promotion. @see engine spec 7.4 */
export function promotionStep(analysis: AnalysisSettings, weights: Weights): Weights {
  const primary = Math.min(100, weights.primary + analysis.stepWeightPromotion);
  return { primary, canary: 100 - primary };
}

function stepFrom({ stepWeight, stepWeights }: AnalysisSettings, canaryWeight: number): number {
  if (stepWeight > 0 || stepWeights.length === 0) return stepWeight;
  const room = 100 - canaryWeight;
  if (canaryWeight === 0) return Math.min(room, stepWeights[0] ?? 0);
  const index = stepWeights.indexOf(canaryWeight);
  // A weight that is in no position, after an edit of the list in mid-run, goes on with the next higher one (Q20).
  const next = index >= 0 ? stepWeights[index + 1] : stepWeights.find((weight) => weight > canaryWeight);
  return next === undefined ? room : Math.min(room, next - canaryWeight);
}
