import { describe, expect, it } from '@jest/globals';
import { approval, settings } from '../../../test/support/script.ts';
import { lookedAt, observed, releaseIn } from '../../../test/support/releases.ts';
import { decide } from './release.ts';
import { evolve } from './evolve.ts';
import { refusal } from './obey.ts';
import { orderKinds, readOrder, type OrderKind } from './orders.ts';
import type { Event, Release } from './state.ts';

/** What hands at the Temporal UI have written into a message. */
const nothingMuch = [null, 'please', 7, ['ada'], true, {}, { by: 5 }, { by: null, reason: {} }] as const;
const halfSaid = [
  { payload: { by: 'ada', weight: 'x' }, why: '"weight" has to be a number' },
  { payload: { by: 'ada', id: 7 }, why: '"id" has to be a text' },
  { payload: { by: 'ada', revision: ['v1:2'] }, why: '"revision" has to be a text' },
  { payload: { by: 'ada', force: 'yes' }, why: '"force" has to be true or false' },
  { payload: { by: 'ada', token: {} }, why: '"token" has to be a text' },
  { payload: { by: 'ada', gate: 1 }, why: '"gate" has to be a text' },
];

const approvals = [approval()];
/** Releases in which an order may be followed, one or the other. */
const releases: readonly Release[] = [
  releaseIn('Progressing', 10),
  lookedAt(observed({ phase: 'WaitingPromotion', canaryWeight: 30 }, {}, settings({ approvals }))),
  { ...releaseIn('Failed'), paused: { at: 0 } },
];

const sent = (release: Release, kind: OrderKind, payload: unknown): Release =>
  evolve(release, { type: 'ordered', kind, order: readOrder(payload, release.rules), now: 1 });

describe.each(orderKinds.map((kind) => ({ kind })))('$kind', ({ kind }) => {
  it.each(nothingMuch.map((payload) => ({ payload })))('with $payload is an order without words', ({ payload }) => {
    for (const release of releases) {
      expect(readOrder(payload, 4)).toEqual({});
      expect(refusal(release, kind, readOrder(payload, 4))).toEqual(refusal(release, kind, {}));
      const after = sent(release, kind, payload);
      expect(after).toEqual(evolve(release, { type: 'ordered', kind, order: {}, now: 1 }));
      expect(() => decide(after, 2)).not.toThrow();
    }
  });

  it.each(halfSaid)('with $payload is refused, and says what it should be', ({ payload, why }) => {
    for (const release of releases) {
      const after = sent(release, kind, payload);
      expect(after.untold.map(({ message }) => message)).toEqual([`Order ${kind} by ada refused: ${why}`]);
      expect(after).toMatchObject({ ...release, turn: after.turn, acted: true, untold: after.untold });
    }
  });

  it('in a run of earlier rules is read as it was then, and does not stop it either', () => {
    const release: Release = { ...releaseIn('Progressing', 10), rules: 3 };
    for (const payload of [...nothingMuch, ...halfSaid.map((half) => half.payload)])
      expect(() => sent(release, kind, payload)).not.toThrow();
    expect(readOrder({ by: 5, force: 'yes' }, 3)).toEqual({ force: 'yes' });
  });
});

it('nobody says of themselves that they are verified', () => {
  expect(readOrder({ by: 'ada', verified: true, unreadable: 'x' }, 4)).toEqual({ by: 'ada' });
});

describe('a hint', () => {
  const hinted = (release: Release, hint: unknown): Release =>
    evolve(release, { type: 'hinted', hint, now: 1 } as unknown as Event);

  it.each([undefined, null, 'look', 7, [], {}, { eventId: null }, { eventId: 7 }, { source: {}, eventId: {} }])(
    'that is %j is looked at, each time it comes',
    (hint) => {
      const release = releaseIn('Progressing', 10);
      const twice = hinted(hinted(release, hint), hint);
      expect(twice).toMatchObject({ hinted: release.hinted + 2, seen: [] });
      expect(decide(twice, 2).type).toBe('look');
    },
  );

  it('with an id is looked at once', () => {
    const hint = { source: 'watch', eventId: 'a' };
    const release = releaseIn('Progressing', 10);
    expect(hinted(hinted(release, hint), hint).hinted).toBe(release.hinted + 1);
  });
});
