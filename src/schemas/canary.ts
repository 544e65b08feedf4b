import * as z from 'zod';
import { CanaryAnalysis } from './canary-analysis.ts';
import { CanaryService } from './canary-service.ts';
import { CanaryStatus } from './canary-status.ts';
import { Metadata } from './metadata.ts';
import { dropNulls, parseWith } from './parse.ts';
import { choice, stringMap, wholeInt32 } from './rules.ts';

export type { CanaryAlert, CanaryAnalysis, CanaryMetric, CanaryWebhook } from './canary-analysis.ts';
export type { CanaryService } from './canary-service.ts';

/** Routers that Flagger knows. Which of them work here, `unsupported` tells. */
export const providers = [
  'apisix',
  'appmesh',
  'appmesh:v1beta2',
  'contour',
  'gatewayapi:v1',
  'gatewayapi:v1beta1',
  'gloo',
  'istio',
  'knative',
  'kubernetes',
  'kuma',
  'linkerd',
  'nginx',
  'osm',
  'skipper',
  'smi:v1alpha1',
  'smi:v1alpha2',
  'smi:v1alpha3',
  'traefik',
] as const;

const AutoscalerRef = z.object({
  apiVersion: z.string().describe('Not read: autoscaling/v2 and keda.sh/v1alpha1 are used.'),
  kind: choice(['HorizontalPodAutoscaler', 'ScaledObject']),
  name: z.string(),
  primaryScalerQueries: stringMap().optional().describe('Query of the primary for each trigger (ScaledObject).'),
  primaryScalerReplicas: z
    .object({
      minReplicas: z.int().min(1).optional(),
      maxReplicas: z.int().min(1).optional(),
    })
    .optional()
    .describe('Bounds of the primary that differ from those of the target.'),
});

export const CanarySpec = z.object({
  provider: choice(providers).optional().describe('Mesh or ingress that carries the traffic.'),
  metricsServer: z.string().optional().describe('Address of the Prometheus that answers built-in and inline checks.'),
  progressDeadlineSeconds: wholeInt32()
    .optional()
    .describe('Seconds without progress after which a workload has failed, 600 by default.'),
  targetRef: z
    .object({
      apiVersion: z.string(),
      kind: choice(['DaemonSet', 'Deployment', 'Service']),
      name: z.string(),
    })
    .describe('Workload that a team deploys.'),
  autoscalerRef: AutoscalerRef.optional().describe('Autoscaler of the target. The primary gets a copy.'),
  ingressRef: objectRef(['Ingress']).optional().describe('Ingress of the application (nginx, skipper).'),
  routeRef: objectRef(['ApisixRoute']).optional().describe('Route of the application (apisix).'),
  upstreamRef: objectRef(['Upstream'])
    .extend({ namespace: z.string().optional() })
    .optional()
    .describe('Upstream whose settings are copied (gloo).'),
  service: CanaryService.optional().describe('Services and routes that are made for the target.'),
  analysis: CanaryAnalysis.describe('How a release is analysed.'),
  skipAnalysis: z.boolean().optional().describe('Promote without checks.'),
  revertOnDeletion: z.boolean().optional().describe('Put the target back as it was when the Canary is deleted.'),
  suspend: z.boolean().optional().describe('Leave everything as it is until this is false again.'),
});

/** A Canary as the API server stores it, with the five defaults of the CRD. The other defaults are in `defaults.ts`. */
export const Canary = z.object({
  apiVersion: z.literal('flagger.app/v1beta1'),
  kind: z.literal('Canary'),
  metadata: Metadata,
  spec: CanarySpec,
  status: CanaryStatus.optional(),
});

export type Canary = z.infer<typeof Canary>;
export type CanarySpec = z.infer<typeof CanarySpec>;
export type CanaryStatusObject = CanaryStatus;

/**
 * Reads a Canary as the API server would: nulls count as absent and unknown fields are left out. The deprecated
 * `spec.canaryAnalysis` is read where there is no `spec.analysis`. Never throws; a `problem` has a sentence for each
 * thing that is wrong, with its path.
 */
export function parseCanary(object: unknown): { readonly canary: Canary } | { readonly problem: string } {
  const parsed = parseWith(Canary, withAnalysis(dropNulls(object)));
  return 'problem' in parsed ? parsed : { canary: parsed.value };
}

function withAnalysis(object: unknown): unknown {
  const { spec } = (object ?? {}) as { spec?: { analysis?: unknown; canaryAnalysis?: unknown } };
  if (!spec?.canaryAnalysis || spec.analysis) return object;
  return { ...(object as object), spec: { ...spec, analysis: spec.canaryAnalysis } };
}

function objectRef<const T extends readonly string[]>(kinds: T) {
  return z.object({ apiVersion: z.string(), kind: choice(kinds), name: z.string() });
}
