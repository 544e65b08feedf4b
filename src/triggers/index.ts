import { distribution } from './distribution.ts';
import type { Trigger } from './trigger.ts';

/** Triggers by the `type` that a receiver's configuration gives them. */
export const triggers: ReadonlyMap<string, Trigger> = new Map([['distribution', distribution]]);
