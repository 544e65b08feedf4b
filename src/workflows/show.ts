import { defineSearchAttributeKey, type SearchAttributeUpdatePair } from '@temporalio/common';
import { setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import { orderKinds } from './domain/orders.ts';
import { describe, progress, type ApprovalProgress } from './domain/progress.ts';
import { outcome } from './domain/release.ts';
import type { Action, Release } from './domain/state.ts';

/** What lists can be filtered by. A server must know these before a release can start; the worker sees to that. */
export const searchAttributes = {
  phase: defineSearchAttributeKey('CanaryPhase', 'KEYWORD'),
  weight: defineSearchAttributeKey('CanaryWeight', 'INT'),
  target: defineSearchAttributeKey('CanaryTarget', 'KEYWORD'),
  revision: defineSearchAttributeKey('CanaryRevision', 'KEYWORD'),
  namespace: defineSearchAttributeKey('CanaryNamespace', 'KEYWORD'),
  cluster: defineSearchAttributeKey('CanaryCluster', 'KEYWORD'),
  image: defineSearchAttributeKey('CanaryImage', 'KEYWORD'),
  outcome: defineSearchAttributeKey('CanaryOutcome', 'KEYWORD'),
} as const;

/** Shows people what the release is doing: attributes for lists, a page in Markdown for the run itself. */
export function show(release: Release, action: Action, now: number): void {
  const { canary, status, weights, observation } = release;
  // Before the first look there is nothing to show that would be true.
  if (!observation?.canary) return;
  const { settings } = observation.canary;
  updateAttributes([
    { key: searchAttributes.phase, value: status.phase || 'New' },
    { key: searchAttributes.weight, value: weights.canary },
    { key: searchAttributes.target, value: keyword(`${canary.namespace}/${settings.target.name}`) },
    { key: searchAttributes.revision, value: shortRevision(status.lastAppliedSpec) },
    ...(release.rules < 3
      ? []
      : [
          { key: searchAttributes.namespace, value: canary.namespace },
          { key: searchAttributes.cluster, value: keyword(settings.cluster) },
          { key: searchAttributes.image, value: keyword(observation.target?.image) },
          { key: searchAttributes.outcome, value: outcomeSoFar(release, action) ?? null },
        ]),
  ]);
  setCurrentDetails(page(release, action, now));
}

/** As much as a database of Temporal's keeps. */
function keyword(text: string | undefined): string | null {
  return text?.slice(0, 255) ?? null;
}

interface Shown {
  readonly key: (typeof searchAttributes)[keyof typeof searchAttributes];
  /** Null takes the attribute away: a run that continues another one begins with its attributes. */
  readonly value: string | number | null;
}

/** Each upsert is an event in history, so only what has changed is sent. */
function updateAttributes(wanted: readonly Shown[]): void {
  const known = workflowInfo().typedSearchAttributes;
  const pairs = wanted.filter(({ key, value }) => (known.get(key) ?? null) !== value);
  if (pairs.length > 0) upsertSearchAttributes(pairs as SearchAttributeUpdatePair[]);
}

/** What a run that is over came to; a newer revision takes the place of one that is not. */
function outcomeSoFar(release: Release, { type }: Action): string | undefined {
  if (type === 'rest') return outcome(release).outcome;
  return type === 'start-over' ? (release.ended ? outcome(release).outcome : 'superseded') : undefined;
}

function page(release: Release, action: Action, now: number): string {
  const { canary, status, weights, observation, paused } = release;
  const threshold = observation?.canary?.settings.analysis.threshold ?? 0;
  const until = action.type === 'wait' && action.until !== undefined ? clock(action.until) : '';
  const doing = describe(action);
  const rows = [
    ['Phase', status.phase || 'new'],
    ['Traffic', `${weights.canary} % canary, ${weights.primary} % primary`],
    ['Failed checks', `${status.failedChecks} of ${threshold}`],
    ['Revision', shortRevision(status.lastAppliedSpec) || 'none yet'],
    ...(observation?.target?.image ? [['Image', `\`${observation.target.image}\``]] : []),
    ['Doing', doing + (until ? `, until ${until}` : '')],
    ...(paused ? [['Paused', `by ${paused.by ?? 'someone'}${paused.reason ? `: ${paused.reason}` : ''}`]] : []),
    ...(progress(release, doing).approvals ?? []).map((approval) => [`Approval ${approval.name}`, asked(approval)]),
  ];
  return [
    `## ${canary.namespace}/${canary.name}`,
    '',
    '| | |',
    '| --- | --- |',
    ...rows.map(([label = '', value = '']) => `| **${cell(label)}** | ${cell(value)} |`),
    '',
    `As of ${clock(now)}. Orders: ${orderKinds.map((kind) => `\`${kind}\``).join(', ')}, as signal or update.`,
  ].join('\n');
}

/** What people write may hold what would end a cell, or the table. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replace(/\s+/g, ' ');
}

/** Who has approved, who else may, and what happens if nobody does. */
function asked({ votes, quorum, approvers, deadline, otherwise }: ApprovalProgress): string {
  const given = votes.length > 0 ? `, by ${votes.map(({ by }) => by).join(', ')}` : '';
  const silence = { approve: 'counts as given', reject: 'rolls back', 'keep-waiting': 'is still waited for' }[
    otherwise
  ];
  return [
    `${votes.length} of ${quorum}${given}`,
    approvers.length > 0 ? `asked: ${approvers.join(', ')}` : 'everybody may',
    ...(deadline ? [`after ${clock(Date.parse(deadline))} it ${silence}`] : []),
    'order `approve` or `reject`',
  ].join('; ');
}

/** As people write it. */
function clock(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** Enough of a hash to tell two revisions apart. */
function shortRevision(revision: string): string {
  return revision.slice(0, 15);
}
