import type { CreateRouter, RouterKind } from './router.ts';

/**
 * No mesh at all: the apex Service sends everybody to the primary, whatever is asked for. A canary is tested beside the
 * traffic, and promoted.
 *
 * @see routers spec 4; unlike in Flagger the answer does not depend on `status.iterations`
 */
const createNothing: CreateRouter = () => ({
  drift: () => Promise.resolve([]),
  ensure: () => Promise.resolve([]),
  getWeights: () => Promise.resolve({ primary: 100, canary: 0 }),
  setWeights: () => Promise.resolve(),
  revert: () => Promise.resolve(),
});

export const kubernetes: RouterKind = {
  can: { weights: false, match: false, mirror: false, sessionAffinity: false },
  create: createNothing,
};
