import * as z from 'zod';
import { AnalysisMatch } from './istio.ts';
import { choice, duration, oneOfSets, stringMap, whole } from './rules.ts';

const CanaryMetric = z.object({
  name: z
    .string()
    .describe('request-success-rate and request-duration are built in; others need a templateRef or a query.'),
  interval: duration().optional().describe('Window of the query. 1m by default, but none for a template.'),
  threshold: z
    .number()
    .optional()
    .describe('Deprecated: a minimum for request-success-rate, a maximum for every other check. Use thresholdRange.'),
  thresholdRange: z
    .object({ min: z.number().optional(), max: z.number().optional() })
    .optional()
    .describe('Bounds that the value stays within, both inclusive.'),
  query: z.string().optional().describe('Deprecated: a PromQL query. Use templateRef.'),
  templateRef: z
    .object({ name: z.string(), namespace: z.string().optional() })
    .optional()
    .describe('MetricTemplate, in the namespace of the Canary by default.'),
  templateVariables: stringMap().optional().describe('Values of {{ variables.<key> }} in the template.'),
});

const CanaryAlert = z.object({
  name: z.string(),
  severity: choice(['', 'info', 'warn', 'error']).optional().describe('Least severity that is sent, info by default.'),
  providerRef: z
    .object({ name: z.string(), namespace: z.string().optional() })
    .describe('AlertProvider, in the namespace of the Canary by default.'),
});

const CanaryWebhook = z.object({
  name: z.string(),
  type: choice([
    '',
    'confirm-rollout',
    'pre-rollout',
    'rollout',
    'confirm-promotion',
    'post-rollout',
    'event',
    'rollback',
    'confirm-traffic-increase',
  ])
    .optional()
    .describe('When the hook is called; rollout by default.'),
  url: z.string(),
  timeout: duration().optional().describe('Longest one attempt may take, 10s by default.'),
  retries: whole().optional().describe('Further attempts when the receiver fails, 0 by default.'),
  disableTLS: z.boolean().optional().describe('Do not verify the certificate of the receiver.'),
  muteAlert: z.boolean().optional().describe('Send no alert while this gate is closed.'),
  metadata: stringMap().optional().describe('Copied into the payload.'),
});

const CanaryApproval = z.object({
  name: z.string().min(1).describe('Name by which people answer.'),
  before: choice(['rollout', 'traffic-increase', 'promotion']).describe(
    'What needs approval: the start of the canary, each step to more traffic, or the copy to the primary.',
  ),
  quorum: z.int().min(1).max(100).optional().describe('Number of people who have to approve, 1 by default.'),
  approvers: z.array(z.string().min(1)).optional().describe('People who may decide; everybody by default.'),
  excludeAuthor: z
    .boolean()
    .optional()
    .describe('Whoever made the change (annotation serin.dev/author of the target) may not approve it.'),
  deadline: z
    .string()
    .regex(/^([0-9]+(h|m|s))+$/, {
      error: ({ input }) => `"${String(input)}" is not a duration in hours, minutes or seconds such as 24h or 1h30m`,
    })
    .optional()
    .describe('Time that people have, from when they are asked; as long as they like by default.'),
  defaultOutcome: choice(['approve', 'reject', 'keep-waiting'])
    .optional()
    .describe('What it means when the deadline passes; keep-waiting by default.'),
  muteAlert: z.boolean().optional().describe('Send no alert when people are asked.'),
});

const SessionAffinity = z.object({
  cookieName: z.string().describe('Cookie that keeps a visitor on the canary.'),
  primaryCookieName: z.string().optional().describe('Cookie that keeps a visitor on the primary.'),
  maxAge: whole().default(86400).describe('Seconds that the cookie lives.'),
  domain: z.string().optional(),
  path: z.string().optional(),
  httpOnly: z.boolean().optional(),
  partitioned: z.boolean().optional(),
  secure: z.boolean().optional(),
  sameSite: choice(['Strict', 'Lax', 'None']).optional(),
});

/** How a release is analysed. */
export const CanaryAnalysis = oneOfSets(
  z.object({
    interval: duration().describe('Time between a change of weight and its judgment, 10s at least.'),
    threshold: whole().describe('Failed checks at which the release rolls back.'),
    iterations: whole().optional().describe('Number of checks of a release without weights: blue/green or A/B.'),
    stepWeight: whole().optional().describe('Percent by which the weight of the canary grows.'),
    stepWeights: z.array(whole()).optional().describe('Weights of the canary, in percent, from step to step.'),
    maxWeight: whole()
      .optional()
      .describe('Weight, in percent, that earns promotion; 100 by default, the last of stepWeights if there are any.'),
    stepWeightPromotion: whole()
      .optional()
      .describe('Percent by which a promotion returns traffic to the primary; all at once by default.'),
    mirror: z.boolean().optional().describe('Send the canary copies of requests before it gets any.'),
    mirrorWeight: whole().optional().describe('Percent of requests that are copied.'),
    primaryReadyThreshold: whole()
      .optional()
      .describe('Percent of primary pods that have to be available, 100 by default.'),
    canaryReadyThreshold: whole()
      .optional()
      .describe('Percent of canary pods that have to be available, 100 by default.'),
    match: z.array(AnalysisMatch).optional().describe('Requests that go to the canary in an A/B test.'),
    metrics: z.array(CanaryMetric).optional(),
    alerts: z.array(CanaryAlert).optional().describe('Alerts of this Canary, instead of the global ones.'),
    webhooks: z.array(CanaryWebhook).optional(),
    approvals: z.array(CanaryApproval).optional().describe('What people have to agree to. Flagger has no such thing.'),
    sessionAffinity: SessionAffinity.optional(),
  }),
  [
    ['interval', 'threshold', 'iterations'],
    ['interval', 'threshold', 'stepWeight'],
    ['interval', 'threshold', 'stepWeights'],
  ],
);

export type CanaryAnalysis = z.infer<typeof CanaryAnalysis>;
export type CanaryMetric = z.infer<typeof CanaryMetric>;
export type CanaryApproval = z.infer<typeof CanaryApproval>;
export type SessionAffinity = z.infer<typeof SessionAffinity>;
export type CanaryAlert = z.infer<typeof CanaryAlert>;
export type CanaryWebhook = z.infer<typeof CanaryWebhook>;
