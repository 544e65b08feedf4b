import { defineSearchAttributeKey } from '@temporalio/common';
import { setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import { orderKinds } from './domain/orders.ts';
import { describe } from './domain/progress.ts';
import type { Action, Release } from './domain/state.ts';

/** What lists can be filtered by. A server must know these before a release can start. */
export const searchAttributes = {
  phase: defineSearchAttributeKey('CanaryPhase', 'KEYWORD'),
  weight: defineSearchAttributeKey('CanaryWeight', 'INT'),
  target: defineSearchAttributeKey('CanaryTarget', 'KEYWORD'),
  revision: defineSearchAttributeKey('CanaryRevision', 'KEYWORD'),
} as const;

/** Shows people what the release is doing: attributes for lists, a page in Markdown for the run itself. */
export function show(release: Release, action: Action, now: number): void {
  const { canary, status, weights, observation } = release;
  // Before the first look there is nothing to show that would be true.
  if (!observation?.canary) return;
  updateAttributes({
    phase: status.phase || 'New',
    weight: weights.canary,
    target: `${canary.namespace}/${observation.canary.settings.target.name}`,
    revision: shortRevision(status.lastAppliedSpec),
  });
  setCurrentDetails(page(release, action, now));
}

interface Attributes {
  readonly phase: string;
  readonly weight: number;
  readonly target: string;
  readonly revision: string;
}

/** Each upsert is an event in history, so only what has changed is sent. */
function updateAttributes(wanted: Attributes): void {
  const known = workflowInfo().typedSearchAttributes;
  const { phase, weight, target, revision } = searchAttributes;
  const pairs = [
    ...(known.get(phase) === wanted.phase ? [] : [{ key: phase, value: wanted.phase }]),
    ...(known.get(weight) === wanted.weight ? [] : [{ key: weight, value: wanted.weight }]),
    ...(known.get(target) === wanted.target ? [] : [{ key: target, value: wanted.target }]),
    ...(known.get(revision) === wanted.revision ? [] : [{ key: revision, value: wanted.revision }]),
  ];
  if (pairs.length > 0) upsertSearchAttributes(pairs);
}

function page(release: Release, action: Action, now: number): string {
  const { canary, status, weights, observation, paused } = release;
  const threshold = observation?.canary?.settings.analysis.threshold ?? 0;
  const until = action.type === 'wait' && action.until !== undefined ? new Date(action.until).toISOString() : '';
  const rows = [
    ['Phase', status.phase || 'new'],
    ['Traffic', `${weights.canary} % canary, ${weights.primary} % primary`],
    ['Failed checks', `${status.failedChecks} of ${threshold}`],
    ['Revision', shortRevision(status.lastAppliedSpec) || 'none yet'],
    ['Doing', describe(action) + (until ? `, until ${until}` : '')],
    ...(paused ? [['Paused', `by ${paused.by ?? 'someone'}${paused.reason ? `: ${paused.reason}` : ''}`]] : []),
  ];
  return [
    `## ${canary.namespace}/${canary.name}`,
    '',
    '| | |',
    '| --- | --- |',
    ...rows.map(([label, value]) => `| **${label}** | ${value} |`),
    '',
    `As of ${new Date(now).toISOString()}. Orders: ${orderKinds.map((kind) => `\`${kind}\``).join(', ')}, as signal or update.`,
  ].join('\n');
}

/** Enough of a hash to tell two revisions apart. */
function shortRevision(revision: string): string {
  return revision.slice(0, 15);
}
