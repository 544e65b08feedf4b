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

/** The target when its revision was named last: while its generation is the same, its revision is. */
const ObservedTarget = z.object({
  uid: z.string().describe('Tells it from one of the same name that was there before.'),
  generation: whole().describe('`metadata.generation`, which moves with each change of its spec.'),
  revision: z.string().describe('`lastAppliedSpec` of that time.'),
});

export type ObservedTarget = z.infer<typeof ObservedTarget>;

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
  observedTarget: ObservedTarget.optional().describe(
    'Generation of the target at which it was the revision last taken up. Defaults that a newer API server adds start no release.',
  ),
  lastTransitionTime: time().optional(),
  sessionAffinityCookie: z.string().optional(),
  primarySessionAffinityCookie: z.string().optional(),
  previousSessionAffinityCookie: z.string().optional(),
  conditions: z.array(Condition).optional(),
});

export type CanaryStatus = z.infer<typeof CanaryStatus>;
