import * as z from 'zod';
import { Metadata } from './metadata.ts';
import { dropNulls, parseWith } from './parse.ts';
import { choice } from './rules.ts';

export const MetricTemplateSpec = z.object({
  provider: z.object({
    type: choice([
      'prometheus',
      'influxdb',
      'datadog',
      'externalmetrics',
      'stackdriver',
      'cloudwatch',
      'newrelic',
      'graphite',
      'dynatrace',
      'keptn',
      'splunk',
    ]),
    address: z.string().optional().describe('Base URL of the provider.'),
    headers: z
      .record(z.string(), z.array(z.string()))
      .optional()
      .describe('Further request headers, each with a list of values (prometheus).'),
    secretRef: z.object({ name: z.string() }).optional().describe('Secret with credentials, in this namespace.'),
    region: z.string().optional().describe('Region of the metrics (cloudwatch).'),
    insecureSkipVerify: z.boolean().optional().describe('Do not verify the certificate of the provider.'),
  }),
  query: z.string().describe('Query in the language of the provider, with {{ }} for what depends on the Canary.'),
});

/** A query that Canaries refer to from `analysis.metrics[].templateRef`. */
export const MetricTemplate = z.object({
  apiVersion: z.literal('flagger.app/v1beta1'),
  kind: z.literal('MetricTemplate'),
  metadata: Metadata,
  spec: MetricTemplateSpec,
});

export type MetricTemplate = z.infer<typeof MetricTemplate>;

/** Reads a MetricTemplate. Never throws; a `problem` has a sentence for each thing that is wrong, with its path. */
export function parseMetricTemplate(
  object: unknown,
): { readonly template: MetricTemplate } | { readonly problem: string } {
  const parsed = parseWith(MetricTemplate, dropNulls(object));
  return 'problem' in parsed ? parsed : { template: parsed.value };
}
