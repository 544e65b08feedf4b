import { describe, expect, it } from '@jest/globals';
import { settings } from '../../../test/support/script.ts';
import { effectiveMaxWeight, nextRung, promotionStep } from './steps.ts';
import type { AnalysisSettings } from './observation.ts';

const analysis = (given: Partial<AnalysisSettings>) => settings(given).analysis;

const onCanary = (canary: number) => ({ primary: 100 - canary, canary });

/** Canary weights from 0 until the ladder is climbed, or what it ends with. */
function ladder(given: Partial<AnalysisSettings>): (number | string)[] {
  const climbed: (number | string)[] = [];
  for (let weight = 0; climbed.length < 20;) {
    const next = nextRung(analysis(given), onCanary(weight));
    if (next.type === 'stuck') return [...climbed, `stuck at a step of ${next.step}`];
    if (next.type === 'complete') return [...climbed, 'promote'];
    expect(next.weights.primary + next.weights.canary).toBe(100);
    weight = next.weights.canary;
    climbed.push(weight);
  }
  throw new Error('the ladder has no end');
}

describe('the ladder of weights', () => {
  it.each([
    { when: 'a step of 10 up to 30', given: { stepWeight: 10, maxWeight: 30 }, then: [10, 20, 30, 'promote'] },
    {
      when: 'BC-01: a maximum that is no multiple',
      given: { stepWeight: 15, maxWeight: 61 },
      then: [15, 30, 45, 60, 75, 'promote'],
    },
    { when: 'a step of 20 up to 50', given: { stepWeight: 20, maxWeight: 50 }, then: [20, 40, 60, 'promote'] },
    { when: 'a step of 50 up to 100', given: { stepWeight: 50, maxWeight: 100 }, then: [50, 100, 'promote'] },
    { when: 'no maximum', given: { stepWeight: 30, maxWeight: 100 }, then: [30, 60, 90, 100, 'promote'] },
    { when: 'a step of 100', given: { stepWeight: 100, maxWeight: 50 }, then: [100, 'promote'] },
    { when: 'a list of steps', given: { stepWeight: 0, stepWeights: [1, 2, 10, 80] }, then: [1, 2, 10, 80, 'promote'] },
    {
      when: 'a list that ends above 100',
      given: { stepWeight: 0, stepWeights: [1, 2, 10, 200] },
      then: [1, 2, 10, 100, 'promote'],
    },
    { when: 'a list of one', given: { stepWeight: 0, stepWeights: [40] }, then: [40, 'promote'] },
    { when: 'Q20: a maximum above 100', given: { stepWeight: 40, maxWeight: 150 }, then: [40, 80, 100, 'promote'] },
    { when: 'Q17: neither a step nor a list', given: { stepWeight: 0 }, then: ['stuck at a step of 0'] },
    {
      when: 'Q17: a list that begins with 0',
      given: { stepWeight: 0, stepWeights: [0, 10] },
      then: ['stuck at a step of 0'],
    },
    {
      when: 'D-01: equal neighbours',
      given: { stepWeight: 0, stepWeights: [5, 20, 20, 50] },
      then: [5, 20, 'stuck at a step of 0'],
    },
    {
      when: 'D-01: a falling list, whose end is passed at once',
      given: { stepWeight: 0, stepWeights: [10, 5] },
      then: [10, 'promote'],
    },
    {
      when: 'D-01: a falling neighbour',
      given: { stepWeight: 0, stepWeights: [10, 5, 50] },
      then: [10, 'stuck at a step of -5'],
    },
  ])('$when', ({ given, then }) => {
    expect(ladder(given)).toEqual(then);
  });

  it.each([
    { when: 'a weight between two steps', weight: 15, then: 20 },
    { when: 'a weight below the first step', weight: 3, then: 10 },
  ])('Q20: after an edit of the list, $when goes on with the next higher one', ({ weight, then }) => {
    const next = nextRung(analysis({ stepWeight: 0, stepWeights: [10, 20, 40] }), onCanary(weight));
    expect(next).toEqual({ type: 'shift', weights: { primary: 100 - then, canary: then } });
  });

  it('a weight past the maximum, after an edit of it, is enough', () => {
    expect(nextRung(analysis({ stepWeight: 10, maxWeight: 20 }), onCanary(50))).toEqual({ type: 'complete' });
  });

  it.each([
    { given: { maxWeight: 30 }, then: 30 },
    { given: { maxWeight: 300 }, then: 100 },
    { given: { maxWeight: 30, stepWeights: [1, 80] }, then: 80 },
    { given: { maxWeight: 30, stepWeights: [1, 200] }, then: 100 },
  ])('$given earns promotion at $then', ({ given, then }) => {
    expect(effectiveMaxWeight(analysis(given))).toBe(then);
  });
});

describe('a promotion in steps', () => {
  it.each([
    { when: '10 from 70/30', step: 10, from: { primary: 70, canary: 30 }, then: { primary: 80, canary: 20 } },
    { when: '50 from 0/100', step: 50, from: { primary: 0, canary: 100 }, then: { primary: 50, canary: 50 } },
    { when: 'more than is left', step: 50, from: { primary: 80, canary: 20 }, then: { primary: 100, canary: 0 } },
  ])('$when', ({ step, from, then }) => {
    expect(promotionStep(analysis({ stepWeightPromotion: step }), from)).toEqual(then);
  });
});
