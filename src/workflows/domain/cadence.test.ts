import { expect, it } from '@jest/globals';
import { nextTick } from './cadence.ts';

it.each([
  { when: 'on time, the next one', anchor: 100, now: 100, then: 110 },
  { when: 'in between, the next one', anchor: 100, now: 109, then: 110 },
  { when: 'exactly one late, the one after', anchor: 100, now: 110, then: 120 },
  { when: 'late by several, missed ticks are skipped', anchor: 100, now: 147, then: 150 },
  { when: 'early, never before the anchor', anchor: 100, now: 40, then: 110 },
])('$when', ({ anchor, now, then }) => {
  expect(nextTick(anchor, 10, now)).toBe(then);
});
