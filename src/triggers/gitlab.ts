import { distribution } from './distribution.ts';
import type { Trigger } from './trigger.ts';

/**
 * The registry of a self-managed GitLab: distribution's notifications. GitLab.com calls nobody; there a job of the
 * pipeline posts to a `generic` receiver.
 */
export const gitlab: Trigger = {
  ...distribution,
  credentials: [{ scheme: 'bearer' }, { scheme: 'header', header: 'authorization' }],
};
