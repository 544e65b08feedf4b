import type { AnalysisSettings, Settings, Weights } from './observation.ts';
import type { Release } from './state.ts';

/** What comes after a test that has been passed. */
export type NextStep =
  /** The canary strategy: more traffic, or, before that, a copy of it. */
  | { readonly type: 'shift'; readonly weights: Weights }
  /** A/B testing and blue/green: the same traffic for another interval. */
  | { readonly type: 'iterate'; readonly iteration: number; readonly weights: Weights }
  /** Blue/green: all traffic, once the iterations are through. */
  | { readonly type: 'switch'; readonly iteration: number; readonly weights: Weights }
  /** The revision has earned its promotion. */
  | { readonly type: 'complete' }
  /** The settings lead nowhere, such as a step of 0. */
  | { readonly type: 'stuck'; readonly step: number };

/** The next step of a strategy. @see engine spec 9 */
export function nextStep({ analysis, splitsTraffic }: Settings, { rules, weights, status }: Release): NextStep {
  switch (analysis.strategy) {
    case 'canary':
      return nextRung(analysis, weights);
    case 'ab-testing':
      return nextIteration(analysis, status.iterations, allOnCanary) ?? { type: 'complete' };
    case 'blue-green': {
      const tested = weights.canary === 0 && analysis.mirror && splitsTraffic ? mirrored : weights;
      const isUnswitched = rules >= 4 && splitsTraffic && weights.canary < 100;
      return (
        nextIteration(analysis, status.iterations, tested) ??
        afterIterations(analysis, status.iterations, splitsTraffic ? allOnCanary : weights, isUnswitched)
      );
    }
  }
}

const allOnCanary: Weights = { primary: 0, canary: 100 };
const mirrored: Weights = { primary: 100, canary: 0, mirrored: true };

/** Iterations that were lowered below the count that was reached are complete (Q18). */
function nextIteration({ iterations }: AnalysisSettings, reached: number, weights: Weights): NextStep | undefined {
  return reached < iterations ? { type: 'iterate', iteration: Math.max(0, reached) + 1, weights } : undefined;
}

/** The iteration after the last one is the test of the canary with all traffic, which no promotion goes without (Q18). */
function afterIterations(
  { iterations }: AnalysisSettings,
  reached: number,
  weights: Weights,
  isUnswitched: boolean,
): NextStep {
  const isNext = reached === iterations || isUnswitched;
  return isNext ? { type: 'switch', iteration: reached + 1, weights } : { type: 'complete' };
}

/** Whether the canary is being tested: it gets requests, copies of them, or an iteration has begun. */
export function isUnderTest({ weights, status }: Pick<Release, 'weights' | 'status'>): boolean {
  return (
    weights.canary > 0 || weights.mirrored === true || status.iterations > 0 || status.phase === 'WaitingPromotion'
  );
}

/**
 * The next rung of the canary strategy. `maxWeight` is a trigger and not a cap: the last step may go past it.
 *
 * @see engine spec 9.2, Q17 and Q20
 */
export function nextRung(analysis: AnalysisSettings, weights: Weights): Exclude<NextStep, { iteration: number }> {
  const max = effectiveMaxWeight(analysis);
  const step = stepFrom(analysis, weights.canary);
  if (weights.canary >= max && weights.canary > 0) return { type: 'complete' };
  if (step <= 0) return { type: 'stuck', step };
  if (analysis.mirror && weights.canary === 0 && !weights.mirrored) return { type: 'shift', weights: mirrored };
  const canary = Math.min(100, weights.canary + step);
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
