import type { Names } from './analysis.ts';
import type { Settings } from './observation.ts';
import type { Release } from './state.ts';

/** `<canary name>.<namespace>`: `C` in the event catalogue. */
export function canaryName({ canary }: Release): string {
  return `${canary.name}.${canary.namespace}`;
}

/** `<target name>.<namespace>`: `T` in the event catalogue. */
export function targetName({ canary }: Release, settings: Settings): string {
  return `${settings.target.name}.${canary.namespace}`;
}

/** `<target name>-primary.<namespace>`: `P` in the event catalogue. */
export function primaryName({ canary }: Release, settings: Settings): string {
  return `${settings.target.name}-primary.${canary.namespace}`;
}

export function names(release: Release, settings: Settings): Names {
  return {
    canary: canaryName(release),
    target: targetName(release, settings),
    provider: settings.provider,
  };
}

/** The revision an unfinished release is about. In `Waiting` that is whatever the target is, and no status says it yet. */
export function revisionInFlight({ status, observation }: Release): string {
  return status.phase === 'Waiting' ? (observation?.target?.revision ?? '') : status.lastAppliedSpec;
}
