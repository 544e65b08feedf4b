import type { Canary } from './canary.ts';
import { approvalsOf, isSkipped } from './defaults.ts';
import { parseDuration } from './duration.ts';
import { effectiveStrategy, type ProviderSettings } from './providers.ts';
import type { Finding } from './validate.ts';

/** Approvals that nobody would be asked for, or that can never be given: a release would run past them, or stop for good. */
export function findingsOnApprovals(canary: Canary, settings: ProviderSettings): Finding[] {
  const approvals = approvalsOf(canary);
  return approvals.flatMap((approval, index) => {
    const { name, before, quorum, approvers, deadline } = approval;
    const at = `spec.analysis.approvals[${index}]`;
    const found: Finding[] = [];
    const tell = (level: Finding['level'], id: string, field: string, text: string) =>
      found.push({ id, level, field: `${at}.${field}`, message: `${at}.${field}: ${text}` });
    if (approvals.findIndex((one) => one.name === name) < index) {
      tell('error', 'approval-repeated', 'name', `"${name}" is in the list before; rename it`);
    }
    if (before === 'traffic-increase' && effectiveStrategy(canary, settings).name !== 'canary') {
      const text = 'traffic does not increase step by step here, so nobody would be asked; write rollout or promotion';
      tell('error', 'approval-never-asked', 'before', text);
    }
    if (before === 'traffic-increase' && isSkipped(canary)) {
      tell('error', 'approval-never-asked', 'before', 'skipAnalysis leaves out every step; write rollout or promotion');
    }
    const people = new Set(approvers.map((one) => one.trim().toLowerCase())).size;
    if (people > 0 && people < quorum) {
      tell(
        'error',
        'approval-out-of-reach',
        'quorum',
        `${quorum} of ${people} approver(s) can never approve; lower it`,
      );
    }
    if (deadline !== undefined && (parseDuration(deadline) ?? 0) <= 0) {
      tell('error', 'approval-no-time', 'deadline', `"${deadline}" leaves no time; write one such as 30m or 24h`);
    }
    if (approval.defaultOutcome !== 'keep-waiting' && deadline === undefined) {
      tell('warning', 'approval-without-deadline', 'defaultOutcome', 'means nothing without a deadline; add one');
    }
    return found;
  });
}
