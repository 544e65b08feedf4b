import { setTimeout as sleep } from 'node:timers/promises';
import type { Diary } from './diary.ts';
import type { Call } from './receiver.ts';

/** Kinds of steps that a release is in the middle of; what somebody who wants to hurt it would wait for. */
export const moments = [
  'initialization',
  'the pods of the canary',
  'a pre-rollout hook',
  'just before a weight moves',
  'just after a weight moved',
  'the wait at a weight',
  'a rollout hook',
  'the way into a promotion',
  'the pods of the primary',
  'finalising',
  'a rollback',
  'a post-rollout hook',
  'an alert',
] as const;

export type Moment = (typeof moments)[number];

/** Names of the hooks whose calls are moments. */
export const hookMoments: Readonly<Record<string, Moment>> = {
  acceptance: 'a pre-rollout hook',
  'more-traffic': 'just before a weight moves',
  'load-test': 'a rollout hook',
  release: 'the way into a promotion',
  farewell: 'a post-rollout hook',
  alert: 'an alert',
};

/** The moment that a call to the receiver shows. */
export function momentOfCall({ name }: Call): Moment | undefined {
  return hookMoments[name];
}

/** Tells the moments that show in a diary, until `signal` aborts. */
export async function followMoments(diary: Diary, tell: (moment: Moment) => void, signal: AbortSignal): Promise<void> {
  let [statuses, events, weights] = [0, 0, 0];
  while (!signal.aborted) {
    for (const status of diary.statuses().slice(statuses)) {
      const moment = phaseMoments[status.split(' ')[0] ?? ''];
      if (moment) tell(moment);
    }
    for (const event of diary.events().slice(events)) {
      if (event.startsWith('New revision detected!')) tell('the pods of the canary');
      if (event.startsWith('W Rolling back')) tell('a rollback');
    }
    for (const { canary } of diary.weights().slice(weights)) {
      if (canary === 0) continue;
      tell('just after a weight moved');
      // Somewhere between the change of a weight and its judgment, which is an interval away.
      void sleep(1_000, undefined, { signal }).then(
        () => tell('the wait at a weight'),
        () => undefined,
      );
    }
    statuses = diary.statuses().length;
    events = diary.events().length;
    weights = diary.weights().length;
    await sleep(25, undefined, { signal }).catch(() => undefined);
  }
}

const phaseMoments: Readonly<Record<string, Moment>> = {
  Initializing: 'initialization',
  Promoting: 'the pods of the primary',
  Finalising: 'finalising',
};
