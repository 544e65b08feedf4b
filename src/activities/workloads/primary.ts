import type { Settings } from '../../config.ts';
import { failure } from '../../errors.ts';
import type { Canary } from '../../schemas/canary.ts';
import { primaryTargetName } from '../../schemas/defaults.ts';
import { controllerOf, isControlledBy, keptByPrefix, ownerReference } from '../ownership.ts';
import type { Tracked } from '../configs/tracker.ts';
import { sha256 } from '../revision.ts';
import type { PodController, PodKind } from './pod-kind.ts';
import { idOf, primaryTemplate, runsTemplate, type PodTemplate, type Renaming } from './primary-template.ts';
import type { ContainerPort, Pods } from './workload.ts';

/** A target, and its primary as far as there is one: what follows from them, and nothing is read. */
export interface Pair {
  readonly kind: PodKind;
  readonly canary: Canary;
  readonly target: PodController;
  readonly primary?: PodController;
  readonly settings: Settings;
}

/**
 * The primary that a Canary without one gets.
 *
 * @param template the one to run, with references to the primary's configuration
 * @see engine spec 10.2; metadata as after a promotion (BC-20)
 */
export function newPrimary(pair: Pair, template: PodTemplate, key: string): PodController {
  const { kind, canary, target } = pair;
  const renaming = renamingOf(pair);
  return {
    apiVersion: kind.resource.apiVersion,
    kind: kind.resource.kind,
    metadata: {
      name: primaryTargetName(canary),
      namespace: canary.metadata.namespace,
      ...copiedMetadata(pair, renaming),
      ownerReferences: [ownerReference(canary)],
    },
    spec: {
      ...kind.rollout(target),
      ...(kind.counted ? { replicas: kind.counted.written(target) || 1 } : {}),
      selector: { matchLabels: { ...renaming.selector } },
      template: primaryTemplate(template, renaming, uuidOf(key)),
    },
  };
}

/** What the id of the primary's pods is made of. */
export interface PromotionId {
  readonly key: string;
  /** The key changes with whatever pods have to be started anew for, their configuration included. */
  readonly tellsAll: boolean;
}

/** Pods read most configuration only once, so that a change of it alone has to start them anew. */
export function promotionId(revision: string, { checksums }: Tracked, key: string): PromotionId {
  return checksums ? { key: revision, tellsAll: true } : { key, tellsAll: false };
}

/**
 * The primary as a promotion of the target leaves it.
 *
 * @param template the target's, with references to the primary's configuration
 * @param id of what is promoted; the live one is kept where the template alone tells that nothing changed
 * @param atLeast least number of replicas for a primary that an autoscaler scales
 * @see engine spec 10.7
 */
export function promotedPrimary(
  pair: Pair,
  primary: PodController,
  template: PodTemplate,
  id: PromotionId,
  atLeast = 0,
): PodController {
  const { kind, target } = pair;
  const renaming = renamingOf(pair);
  const live = primary.spec.template;
  const fresh = primaryTemplate(template, renaming, uuidOf(id.key));
  // A promotion that is carried out again must not make the pods roll again.
  const kept = !id.tellsAll && runsTemplate(live, fresh) ? idOf(live) : undefined;
  const { labels, annotations } = copiedMetadata(pair, renaming);
  return {
    ...primary,
    metadata: { ...primary.metadata, labels, annotations: { ...annotations, ...rolloutHistory(primary) } },
    spec: {
      ...primary.spec,
      ...kind.rollout(target),
      ...promotedReplicas(pair, primary, atLeast),
      template: kept === undefined ? fresh : primaryTemplate(template, renaming, kept),
    },
  };
}

/** Zero is never copied: on the target it means parked, and is nobody's wish (BC-30). */
function promotedReplicas({ kind: { counted }, canary, target }: Pair, primary: PodController, atLeast: number) {
  if (!counted) return {};
  const [wanted, now] = [counted.written(target), counted.written(primary)];
  return { replicas: canary.spec.autoscalerRef ? Math.max(now ?? 1, atLeast) : wanted || now };
}

/** Whether the primary's pods are what promoting the target as it is now would write, its configuration left aside. */
export function equalsTarget(pair: Pair, primary: PodController): boolean {
  const template = pair.kind.template(pair.target);
  return runsTemplate(primary.spec.template, primaryTemplate(template, renamingOf(pair), ''));
}

export function podsOf(pair: Pair): Pods {
  const { label, selector } = renamingOf(pair);
  const { template, selector: own } = pair.target.spec;
  return { label, target: own.matchLabels ?? {}, primary: selector, ports: containerPorts(template) };
}

/**
 * Refuses an object that has the primary's name, and neither belongs to this Canary nor selects what its primary
 * would: some other application's.
 *
 * @throws `Conflict`
 */
export function checkPrimary(pair: Pair, found: PodController): void {
  if (isControlledBy(found, pair.canary)) return;
  const { label, value } = selectorLabel(pair);
  const owner = controllerOf(found);
  if (!owner && found.spec.selector.matchLabels?.[label] === `${value}-primary`) return;
  const { name, namespace } = pair.canary.metadata;
  const whose = owner ? `is controlled by ${owner.kind} ${owner.name}` : `does not select ${label}=${value}-primary`;
  throw failure(
    'Conflict',
    `${pair.kind.word} ${found.metadata.name}.${namespace} is not the primary of canary ${name}.${namespace}: it ${whose}; ` +
      'rename or delete it, or rename the target',
  );
}

function selectorLabel({ kind, canary, target, settings }: Pair): { label: string; value: string } {
  const labels = target.spec.selector.matchLabels ?? {};
  const label = settings.selectorLabels.find((candidate) => labels[candidate] !== undefined);
  const what = `getSelectorLabel failed: ${kind.word} ${target.metadata.name}.${canary.metadata.namespace}`;
  if (label === undefined) {
    const accepted = settings.selectorLabels.join(' ');
    throw failure(
      'InvalidSpec',
      `${what} spec.selector.matchLabels must contain one of [${accepted}]${kind.selectorErrorEnd}`,
    );
  }
  const value = labels[label] ?? '';
  if (`${value}-primary`.length > 63) {
    const limit = `${value}-primary is longer than the 63 characters of a label value`;
    throw failure('InvalidSpec', `${what} spec.selector.matchLabels.${label} is too long: ${limit}`);
  }
  return { label, value };
}

/**
 * A new primary selects by all labels of the target, so that two releases of one chart stay apart (BC-26). A selector
 * cannot change once it is there: an existing primary goes on being selected as it was made, whatever the settings
 * say by now (BC-27).
 */
function renamingOf(pair: Pair): Renaming {
  const { label, value } = selectorLabel(pair);
  const { kind, target, primary, settings } = pair;
  const created = { ...target.spec.selector.matchLabels, [label]: `${value}-primary` };
  const selector = primary?.spec.selector.matchLabels ?? created;
  const selectorLabels = kind.rewritesScheduling ? settings.selectorLabels : undefined;
  return { targetName: target.metadata.name, label, value, selectorLabels, selector };
}

function copiedMetadata({ target, settings }: Pair, { label, value }: Renaming) {
  const { labels, annotations } = target.metadata;
  const prefixes = settings.includeLabelPrefix;
  return {
    labels: { ...keptByPrefix(labels, prefixes), [label]: `${value}-primary` },
    annotations: keptByPrefix(annotations, prefixes),
  };
}

/** The Deployment controller's own count of rollouts, which it would only write back. */
function rolloutHistory({ metadata }: PodController): Record<string, string> {
  const key = 'deployment.kubernetes.io/revision';
  const count = metadata.annotations?.[key];
  return count === undefined ? {} : { [key]: count };
}

function containerPorts({ spec }: PodTemplate): ContainerPort[] {
  const apps = (spec?.containers ?? []).filter(({ name }) => name !== 'istio-proxy' && name !== 'envoy');
  return apps.flatMap(({ name: container, ports }) =>
    (ports ?? []).map(({ name, containerPort: port, protocol = 'TCP' }, index) => {
      return { container, index, ...(name ? { name } : {}), port, protocol };
    }),
  );
}

/** A UUID, version 4 in form, that is the same for the same key. */
function uuidOf(key: string): string {
  const hex = sha256(key);
  const variant = ((parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16);
  const groups = [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, variant + hex.slice(17, 20)];
  return [...groups, hex.slice(20, 32)].join('-');
}
