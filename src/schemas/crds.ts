import * as z from 'zod';
import { AlertProviderSpec } from './alert-provider.ts';
import { CanarySpec } from './canary.ts';
import { CanaryStatus } from './canary-status.ts';
import { ImageTriggerSpec, ImageTriggerStatus } from './image-trigger.ts';
import { MetricTemplateSpec } from './metric-template.ts';

/** A CustomResourceDefinition, ready to be written as YAML. */
export interface Crd {
  readonly apiVersion: 'apiextensions.k8s.io/v1';
  readonly kind: 'CustomResourceDefinition';
  readonly metadata: { readonly name: string; readonly annotations: Readonly<Record<string, string>> };
  readonly spec: object;
}

interface Kind {
  /** `flagger.app` and `v1beta1`, as Flagger has them, if not said. */
  readonly group?: string;
  readonly version?: string;
  readonly kind: string;
  readonly plural: string;
  readonly description: string;
  readonly spec: z.ZodType;
  readonly status?: z.ZodType;
  readonly columns: readonly Column[];
}

interface Column {
  readonly name: string;
  readonly type: 'string' | 'boolean';
  readonly jsonPath: string;
  /** 1 is for wide output only. */
  readonly priority?: 1;
}

/** The columns of `kubectl get`, in Flagger's order, which scripts rely on. Further ones go last, with priority 1. */
const canaryColumns: readonly Column[] = [
  { name: 'Status', type: 'string', jsonPath: '.status.phase' },
  { name: 'Weight', type: 'string', jsonPath: '.status.canaryWeight' },
  { name: 'Suspended', type: 'boolean', jsonPath: '.spec.suspend', priority: 1 },
  { name: 'FailedChecks', type: 'string', jsonPath: '.status.failedChecks', priority: 1 },
  { name: 'Interval', type: 'string', jsonPath: '.spec.analysis.interval', priority: 1 },
  { name: 'Mirror', type: 'boolean', jsonPath: '.spec.analysis.mirror', priority: 1 },
  { name: 'StepWeight', type: 'string', jsonPath: '.spec.analysis.stepWeight', priority: 1 },
  { name: 'StepWeights', type: 'string', jsonPath: '.spec.analysis.stepWeights', priority: 1 },
  { name: 'MaxWeight', type: 'string', jsonPath: '.spec.analysis.maxWeight', priority: 1 },
  { name: 'LastTransitionTime', type: 'string', jsonPath: '.status.lastTransitionTime' },
];

const kinds: readonly Kind[] = [
  {
    kind: 'Canary',
    plural: 'canaries',
    description: 'A workload whose new revisions reach people step by step.',
    spec: CanarySpec,
    status: CanaryStatus,
    columns: canaryColumns,
  },
  {
    kind: 'MetricTemplate',
    plural: 'metrictemplates',
    description: 'A query that Canaries are judged by.',
    spec: MetricTemplateSpec,
    columns: [{ name: 'Provider', type: 'string', jsonPath: '.spec.provider.type' }],
  },
  {
    kind: 'AlertProvider',
    plural: 'alertproviders',
    description: 'A place where alerts go.',
    spec: AlertProviderSpec,
    columns: [{ name: 'Type', type: 'string', jsonPath: '.spec.type' }],
  },
  {
    group: 'serin.dev',
    version: 'v1alpha1',
    kind: 'ImageTrigger',
    plural: 'imagetriggers',
    description: 'Which images of a Canary follow which tags.',
    spec: ImageTriggerSpec,
    status: ImageTriggerStatus,
    columns: [
      { name: 'Canary', type: 'string', jsonPath: '.spec.canaryRef.name' },
      { name: 'Suspended', type: 'boolean', jsonPath: '.spec.suspend' },
      {
        name: 'Conflict',
        type: 'string',
        jsonPath: '.status.conditions[?(@.type=="GitOpsConflict")].status',
        priority: 1,
      },
    ],
  },
];

/**
 * The CRDs. Those of Flagger take all that Flagger's take and keep all that Flagger's keep: a rule that is stricter would
 * lock people out of objects that are stored already, so it lives in `validate` instead.
 */
export const crds: readonly Crd[] = kinds.map((kind) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: {
    name: `${kind.plural}.${kind.group ?? 'flagger.app'}`,
    // Without it, removing the chart would remove every Canary and what they own.
    annotations: { 'helm.sh/resource-policy': 'keep' },
  },
  spec: {
    group: kind.group ?? 'flagger.app',
    names: {
      kind: kind.kind,
      listKind: `${kind.kind}List`,
      plural: kind.plural,
      singular: kind.kind.toLowerCase(),
      categories: ['all'],
    },
    scope: 'Namespaced',
    versions: [
      {
        name: kind.version ?? 'v1beta1',
        served: true,
        storage: true,
        subresources: { status: {} },
        additionalPrinterColumns: kind.columns,
        schema: { openAPIV3Schema: rootSchema(kind) },
      },
    ],
  },
}));

/** Of Flagger's kinds no field of the root is required: its CRD stores a Canary without a spec, and so must this. */
function rootSchema({ description, spec, status, group }: Kind): object {
  return {
    description,
    type: 'object',
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec: structural(spec, group === undefined),
      ...(status && { status: structural(status, group === undefined) }),
    },
    ...(group === undefined ? {} : { required: ['spec'] }),
  };
}

/**
 * A schema as Kubernetes wants it: every type once, no references, and no closed objects.
 *
 * @param withDefaults whether the API server stores defaults, as Flagger's does for some fields. Stored ones stay what
 * they were when a later version has better ones, so kinds of our own leave them to the code.
 */
function structural(schema: z.ZodType, withDefaults: boolean): object {
  const { $schema: _, ...json } = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: 'input', // the other side would require every field that has a default
    override: ({ jsonSchema }) => {
      simplify(jsonSchema);
      if (!withDefaults) delete jsonSchema.default;
    },
  }) as Record<string, unknown>;
  return json;
}

function simplify(json: Record<string, unknown>): void {
  // Open objects stay open in the parser alone; the API server prunes what it does not know, and says so.
  const { additionalProperties } = json;
  if (json.properties && typeof additionalProperties === 'object') delete json.additionalProperties;
  if (json['x-kubernetes-int-or-string']) delete json.anyOf;
  if (Math.abs(Number(json.minimum)) >= 2 ** 31 - 1) delete json.minimum;
  if (Math.abs(Number(json.maximum)) >= 2 ** 31 - 1) delete json.maximum;
}
