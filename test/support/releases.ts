import { begin } from '../../src/workflows/domain/release.ts';
import { evolve } from '../../src/workflows/domain/evolve.ts';
import type { CanaryStatus, Observation, Phase, Settings } from '../../src/workflows/domain/observation.ts';
import type { Release } from '../../src/workflows/domain/state.ts';
import { settings } from './script.ts';

/** A Canary that runs `v1:1` and is taking up `v1:2`, with pods of both ready. */
export function observed(
  status: Partial<CanaryStatus>,
  more: Partial<Observation> = {},
  rules: Settings = settings(),
): Observation {
  const canaryWeight = status.canaryWeight ?? 0;
  return {
    canary: {
      uid: 'uid',
      generation: 1,
      deleting: false,
      finalizer: false,
      settings: rules,
      status: {
        phase: 'Progressing',
        canaryWeight,
        failedChecks: 0,
        iterations: 0,
        lastAppliedSpec: 'v1:2',
        lastPromotedSpec: 'v1:1',
        ...status,
      },
    },
    target: { revision: 'v1:2', replicas: 1, available: 1, readiness: { ready: true } },
    primary: {
      revision: 'v1:primary',
      replicas: 1,
      available: 1,
      readiness: { ready: true },
      equalsTarget: false,
      ours: true,
    },
    routes: { primary: 100 - canaryWeight, canary: canaryWeight },
    drift: [],
    ...more,
  };
}

/** A release that has just looked. */
export function lookedAt(observation: Observation, now = 0): Release {
  const release = begin({ id: 'run-1', canary: { namespace: 'prod', name: 'shop' } });
  return evolve(release, { type: 'looked', observation, answered: 0, now });
}

/** A release that found the Canary in this phase. */
export function releaseIn(phase: Phase, canaryWeight = 0, more: Partial<Observation> = {}): Release {
  return lookedAt(observed({ phase, canaryWeight }, more));
}
