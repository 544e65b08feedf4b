import { configKey, configReferences, renamed, type ConfiguredTemplate } from '../../schemas/config-references.ts';
import { sameJson } from '../revision.ts';
import { withoutToolkitKeys } from '../ownership.ts';
import type { Labels } from './workload.ts';

/** A pod template as far as it is rewritten; whatever else it holds is carried along. */
export interface PodTemplate {
  readonly metadata?: { readonly labels?: Labels; readonly annotations?: Labels };
  readonly spec?: PodSpec;
}

type Configured = NonNullable<ConfiguredTemplate['spec']>;

interface PodSpec extends Omit<Configured, 'containers'> {
  readonly topologySpreadConstraints?: readonly { labelSelector?: LabelSelector }[];
  readonly affinity?: {
    readonly podAntiAffinity?: {
      readonly preferredDuringSchedulingIgnoredDuringExecution?: readonly {
        podAffinityTerm?: { labelSelector?: LabelSelector };
      }[];
      readonly requiredDuringSchedulingIgnoredDuringExecution?: readonly { labelSelector?: LabelSelector }[];
    };
  };
  readonly nodeSelector?: Readonly<Record<string, string>>;
  readonly containers?: readonly (NonNullable<Configured['containers']>[number] & Container)[];
}

interface Container {
  readonly name: string;
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number; readonly protocol?: string }[];
}

export interface LabelSelector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

/** How the primary's pods differ from the target's. */
export interface Renaming {
  readonly targetName: string;
  /** The selector label, and the value the target selects by. */
  readonly label: string;
  readonly value: string;
  /** All labels that may be selector labels. Without them rules of scheduling stay as they are. */
  readonly selectorLabels?: readonly string[];
  /** What the primary selects its pods by. */
  readonly selector: Labels;
}

const flaggerId = 'flagger-id';

/**
 * The primary's pod template: the target's under another label, spread among its own pods. `id` goes into an
 * annotation of Flagger's, which makes pods roll though nothing else changed.
 *
 * @see engine spec 10.2 and 10.3
 */
export function primaryTemplate(template: PodTemplate, renaming: Renaming, id: string): PodTemplate {
  const { labels, annotations } = template.metadata ?? {};
  return {
    metadata: {
      labels: { ...withoutToolkitKeys(labels), [renaming.label]: `${renaming.value}-primary`, ...renaming.selector },
      annotations: { ...withoutToolkitKeys(annotations), [flaggerId]: id },
    },
    spec: renaming.selectorLabels ? spreadAmongPrimary(template.spec ?? {}, renaming) : { ...template.spec },
  };
}

/** The id that a primary's template carries. */
export function idOf(template: PodTemplate | undefined): string | undefined {
  return template?.metadata?.annotations?.[flaggerId];
}

/**
 * Whether a live primary runs `wanted`, its id excepted. References to the copies that Flagger makes of ConfigMaps and
 * Secrets, `<name>-primary`, count as references to the originals, so that a cluster can be taken over as it is.
 */
export function runsTemplate(live: PodTemplate, wanted: PodTemplate): boolean {
  return sameJson(comparable(withOriginalConfigs(live, wanted)), comparable(wanted));
}

function comparable({ metadata, spec }: PodTemplate): unknown {
  const { [flaggerId]: _, ...annotations } = metadata?.annotations ?? {};
  return { labels: metadata?.labels, annotations, spec };
}

function spreadAmongPrimary(spec: PodSpec, renaming: Renaming): PodSpec {
  const result = structuredClone(spec);
  const affinity = result.affinity?.podAntiAffinity;
  const selectors = [
    ...(result.topologySpreadConstraints ?? []).map((constraint) => constraint.labelSelector),
    ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(
      (term) => term.podAffinityTerm?.labelSelector,
    ),
    ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).map((term) => term.labelSelector),
  ];
  for (const selector of selectors) if (selector) renameIn(selector, renaming);
  return result;
}

/** Flagger goes by the target's name alone; a label that has another value would go on counting the canary's pods. */
function renameIn(selector: LabelSelector, { targetName, label, value, selectorLabels = [] }: Renaming): void {
  const means = (key: string, found: string) =>
    (selectorLabels.includes(key) && found === targetName) || (key === label && found === value);
  for (const [key, found] of Object.entries(selector.matchLabels ?? {})) {
    if (means(key, found)) selector.matchLabels = { ...selector.matchLabels, [key]: `${found}-primary` };
  }
  for (const { key, values = [] } of selector.matchExpressions ?? []) {
    const index = values.findIndex((found) => means(key, found));
    if (index >= 0) values[index] = `${values[index]}-primary`;
  }
}

function withOriginalConfigs(live: PodTemplate, wanted: PodTemplate): PodTemplate {
  const originals = new Set(configReferences(wanted).map(({ kind, name }) => configKey(kind, name)));
  return renamed(live, (kind, name) => {
    const original = name.replace(/-primary$/, '');
    return !originals.has(configKey(kind, name)) && originals.has(configKey(kind, original)) ? original : undefined;
  });
}
