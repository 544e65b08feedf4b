import * as z from 'zod';
import { choice, stringMap, time, whole } from './rules.ts';

const Condition = z.object({
  type: z.string(),
  status: z.string(),
  reason: z.string(),
  message: z.string().optional(),
  lastUpdateTime: time().optional(),
  lastTransitionTime: time().optional(),
});

/** What is known about a Canary at rest: all that a later release needs from an earlier one. */
export const CanaryStatus = z.object({
  phase: choice([
    '',
    'Initializing',
    'Initialized',
    'Waiting',
    'Progressing',
    'WaitingPromotion',
    'Promoting',
    'Finalising',
    'Succeeded',
    'Failed',
    'Terminating',
    'Terminated',
  ]).optional(),
  failedChecks: whole().optional(),
  canaryWeight: whole().optional().describe('Percent of requests that go to the canary.'),
  iterations: whole().optional(),
  lastAppliedSpec: z.string().optional().describe('Hash of the revision last taken up by a release.'),
  lastPromotedSpec: z.string().optional().describe('Hash of the revision that the primary runs.'),
  trackedConfigs: stringMap().optional().describe('Hashes of the ConfigMaps and Secrets that the revision used.'),
  lastTransitionTime: time().optional(),
  sessionAffinityCookie: z.string().optional(),
  primarySessionAffinityCookie: z.string().optional(),
  previousSessionAffinityCookie: z.string().optional(),
  conditions: z.array(Condition).optional(),
});

export type CanaryStatus = z.infer<typeof CanaryStatus>;
