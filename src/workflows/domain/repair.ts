import { carryOut, record, warning } from './plans.ts';
import { onPrimary, sameWeights, strandsTraffic, type World } from './world.ts';
import type { Step } from './plan.ts';
import type { Action, Release } from './state.ts';

/**
 * Puts generated objects back as the Canary asks for them, with the weights this release stands for. A weight that
 * somebody else set is drift like any other, told with both weights (Q53).
 */
export function repair(release: Release, world: World): Action | undefined {
  const { drift, routes } = world;
  const { weights, floor } = release;
  const moved = routes !== undefined && routes.canary !== weights.canary;
  const mirror = routes !== undefined && !moved && !sameWeights(routes, weights);
  if (drift.length === 0 && !moved && !mirror) return undefined;
  // Weights that would take traffic from pods that serve to pods that do not are put back once those are there.
  const before = routes ? release : { ...release, weights: onPrimary };
  if ((moved || !routes) && strandsTraffic(before, weights)) return undefined;
  const what = [
    ...drift,
    ...(moved ? [`weights ${routes.primary}/${routes.canary}`] : []),
    ...(mirror ? ['mirroring'] : []),
  ].join(', ');
  // What a repair could not put right, or somebody undoes at once, is left alone until something changes again.
  if (release.repaired === what) return undefined;
  const steps: Step[] = [
    { do: 'ensure-services' },
    { do: 'ensure-primary' },
    // One that was deleted took the floor with it.
    { do: 'ensure-autoscaler', mode: 'update', ...(floor === undefined ? {} : { floor }) },
    { do: 'ensure-apex' },
    { do: 'ensure-routes', weights },
  ];
  const told = moved
    ? record(
        release,
        warning(
          `Traffic weights were changed to ${routes.primary}/${routes.canary} by someone else, ` +
            `restoring ${weights.primary}/${weights.canary}`,
        ),
      )
    : [];
  return { ...carryOut('repair', `repair ${what}`, 'repaired', [...told, ...steps]), once: `repaired ${what}` };
}
