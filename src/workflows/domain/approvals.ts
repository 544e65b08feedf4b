import { isAtRest } from './phases.ts';
import { canaryName } from './names.ts';
import { alert, carryOut, enterPhase, record, warning } from './plans.ts';
import { beginEnding, rolledBack } from './ending.ts';
import { hookCalls } from './gates.ts';
import type { Approval, HookType, Moment, Settings } from './observation.ts';
import type { Order } from './orders.ts';
import type { Action, AskedApproval, CarryOut, Release, Vote } from './state.ts';

/** What people are asked, and what they said. Webhook gates, where there are any, are asked first. */

/** An approval that holds the release up. */
export interface PendingApproval {
  readonly approval: Approval;
  readonly asked: AskedApproval;
}

/** Approvals that people have been asked for and that still hold the release up. */
export function pendingApprovals(release: Release): PendingApproval[] {
  const approvals = release.observation?.canary?.settings.analysis.approvals ?? [];
  return approvals.flatMap((approval) => {
    const asked = askedFor(release, approval);
    return asked && !isSettled(approval, asked) ? [{ approval, asked }] : [];
  });
}

/** Nothing more is to be had from people now than patience. */
export function awaitsPeople(release: Release, now: number): boolean {
  const pending = pendingApprovals(release);
  return pending.length > 0 && pending.every(({ approval, asked }) => !isLate(approval, asked, now));
}

/** Asks people, or waits for them. Undefined when they have agreed, or nobody is asked. */
export function askPeople(release: Release, settings: Settings, moment: Moment, now: number): Action | undefined {
  const approvals = (settings.analysis.approvals ?? []).filter(({ before }) => before === moment);
  const unasked = approvals.filter((approval) => !askedFor(release, approval));
  if (unasked.length > 0) return ask(release, settings, moment, unasked);
  const pending = pendingApprovals(release).filter(({ approval }) => approval.before === moment);
  const late = pending.find(({ approval, asked }) => isLate(approval, asked, now));
  if (late) return overdue(release, settings, late.approval);
  if (pending.length === 0) return undefined;
  const why = named(pending);
  // A tick is only needed by what is asked, or judged, at every tick.
  const hooks: readonly HookType[] = ['rollback', gateBefore[moment]];
  const ticks = hooks.some((type) => hookCalls(settings, type, 'Progressing').length > 0);
  if (ticks && release.ticked) return carryOut('tell', why, 'halted', []);
  const times = pending.filter(({ asked }) => !asked.overdue).map(({ approval, asked }) => deadlineOf(approval, asked));
  const until = Math.min(...times, ticks || now < release.dueAt ? Math.max(now, release.dueAt) : Infinity);
  return { type: 'wait', why, ...(until === Infinity ? {} : { until }) };
}

/** Whom the release waits for, in words; undefined when for nobody. */
export function waitingFor(release: Release): string | undefined {
  const pending = pendingApprovals(release);
  return pending.length > 0 ? named(pending) : undefined;
}

function named(pending: readonly PendingApproval[]): string {
  return `waiting for approval ${pending.map(({ approval, asked }) => tally(approval, asked)).join(', ')}`;
}

const gateBefore = {
  rollout: 'confirm-rollout',
  'traffic-increase': 'confirm-traffic-increase',
  promotion: 'confirm-promotion',
} as const satisfies Record<Moment, HookType>;

function ask(release: Release, settings: Settings, moment: Moment, approvals: readonly Approval[]): CarryOut {
  const name = canaryName(release);
  const { phase, word, told } = {
    rollout: { phase: 'Waiting', word: '', told: 'Canary is waiting for approval.' },
    'traffic-increase': {
      phase: undefined,
      word: 'traffic increase ',
      told: 'Canary traffic increase is waiting for approval.',
    },
    promotion: { phase: 'WaitingPromotion', word: 'promotion ', told: 'Canary promotion is waiting for approval.' },
  }[moment] as { readonly phase?: 'Waiting' | 'WaitingPromotion'; readonly word: string; readonly told: string };
  const events = approvals.map((approval) =>
    warning(`Halt ${name} advancement waiting for ${word}approval ${approval.name}: ${terms(approval)}`),
  );
  const enters = phase !== undefined && release.status.phase !== phase;
  const loud = approvals.some(({ muteAlert }) => !muteAlert);
  return {
    ...carryOut(
      'tell',
      `ask for approval ${approvals.map((approval) => approval.name).join(', ')}`,
      'halted',
      [...(enters ? [enterPhase(settings, phase)] : []), ...record(release, ...events)],
      loud ? [alert('warn', told)] : [],
    ),
    people: { asked: approvals.map((approval) => approval.name) },
  };
}

/** Nobody decided in time. */
function overdue(release: Release, settings: Settings, approval: Approval): Action {
  const { name, otherwise, deadline: time } = approval;
  const late = `approval ${name} was not given within ${time?.text}`;
  if (otherwise === 'reject') {
    return beginEnding(release, settings, {
      ...rolledBack(late),
      reasons: [warning(`Rolling back ${canaryName(release)} ${late}`)],
      alerts: [alert('error', `Rolling back ${late}`)],
    });
  }
  const message = `A${late.slice(1)}: ${otherwise === 'approve' ? 'it counts as given' : 'it is still waited for'}`;
  return {
    ...carryOut('tell', message, 'noted', record(release, warning(message)), [alert('warn', message)]),
    people: { overdue: [name] },
  };
}

/** Records what a plan has asked people, or told them. */
export function peopleTold(release: Release, { people }: CarryOut, now: number): Release {
  if (!people) return release;
  const { asked = [], overdue: late = [] } = people;
  const revision = revisionAsked(release);
  const approvals = { ...release.approvals };
  for (const name of asked) approvals[name] = { revision, since: now, votes: [] };
  for (const name of late) if (approvals[name]) approvals[name] = { ...approvals[name], overdue: true };
  return { ...release, approvals };
}

/** An increase of traffic needs people's consent each time. */
export function consentUsed(release: Release): Release {
  if (!release.approvals) return release;
  const used = (release.observation?.canary?.settings.analysis.approvals ?? []).filter(
    ({ before }) => before === 'traffic-increase',
  );
  const left = Object.entries(release.approvals).filter(([name]) => !used.some((approval) => approval.name === name));
  return { ...release, approvals: Object.fromEntries(left) };
}

/** Why this person may not decide now, or undefined. */
export function notToDecide(release: Release, kind: 'approve' | 'reject', order: Order): string | undefined {
  const pending = pendingApprovals(release);
  if (pending.length === 0) return 'no approval is waited for';
  const named = order.gate === undefined ? pending : pending.filter(({ approval }) => approval.name === order.gate);
  if (named.length === 0) {
    return `approval ${order.gate} is not waited for, but ${pending.map(({ approval }) => approval.name).join(', ')}`;
  }
  // Who asks is known once the token has been looked at.
  if (order.token) return undefined;
  if (!order.by?.trim()) return `who is it? ${kind} needs a name in "by"`;
  const reasons = named.map((one) => mayNot(release, kind, one, order.by ?? ''));
  if (!reasons.includes(undefined)) return reasons[0];
  return decidable(release, kind, order).length > 1
    ? `several approvals are waited for; say which as "gate": ${named.map(({ approval }) => approval.name).join(', ')}`
    : undefined;
}

/** What is left that this person may decide. */
function decidable(release: Release, kind: 'approve' | 'reject', order: Order): PendingApproval[] {
  return pendingApprovals(release).filter(
    (one) =>
      (order.gate === undefined || one.approval.name === order.gate) &&
      mayNot(release, kind, one, order.by ?? '') === undefined,
  );
}

function mayNot(
  release: Release,
  kind: 'approve' | 'reject',
  { approval, asked }: PendingApproval,
  by: string,
): string | undefined {
  const { name, approvers, excludesAuthor } = approval;
  if (approvers.length > 0 && !approvers.some((one) => isSame(one, by))) {
    return `${by} is none of those who decide on ${name}: ${approvers.join(', ')}`;
  }
  if (kind === 'reject') return undefined;
  if (excludesAuthor) {
    const author = release.observation?.target?.author;
    if (author === undefined) {
      return (
        `nobody knows who made this change, and who did may not approve ${name}: ` +
        'name them in the annotation serin.dev/author of the target'
      );
    }
    if (isSame(author, by)) return `${by} made this change, and may not approve ${name}`;
  }
  if (asked.votes.some((vote) => isSame(vote.by, by))) {
    return `${by} has approved ${tally(approval, asked)} already`;
  }
  return undefined;
}

/** Counts a vote. Only asked of an order that may be followed. */
export function vote(release: Release, order: Order, at: number): { readonly release: Release; readonly told: string } {
  const { by = '', verified, reason } = order;
  const [one] = decidable(release, 'approve', order);
  if (!one) throw new Error('only an order that may be followed is counted');
  const { approval, asked } = one;
  const mine: Vote = { by, at, ...(verified ? { verified } : {}), ...(reason ? { reason } : {}) };
  const now: AskedApproval = { ...asked, votes: [...asked.votes, mine] };
  const next = { ...release, approvals: { ...release.approvals, [approval.name]: now } };
  const because = reason ? `: ${reason}` : '';
  return {
    release: next,
    told: `Approved by ${by}${verified ? ' (verified)' : ''}, ${tally(approval, now)}${because}`,
  };
}

/** The approval that a rejection is about. Only asked of an order that may be followed. */
export function rejectedGate(release: Release, order: Order): string {
  return decidable(release, 'reject', order)[0]?.approval.name ?? '';
}

/** Enough people have approved, or their silence means the same. */
function isSettled({ quorum, otherwise }: Approval, { votes, overdue: late }: AskedApproval): boolean {
  return votes.length >= quorum || (late === true && otherwise === 'approve');
}

/** What was asked about this revision; what was said of another one counts for nothing. */
function askedFor(release: Release, { name }: Approval): AskedApproval | undefined {
  const asked = release.approvals?.[name];
  return asked?.revision === revisionAsked(release) ? asked : undefined;
}

function revisionAsked({ status, observation }: Release): string {
  const begins = isAtRest(status.phase) || status.phase === 'Waiting';
  return begins ? (observation?.target?.revision ?? '') : status.lastAppliedSpec;
}

/** Their time is over, and nothing has come of that yet. */
function isLate(approval: Approval, asked: AskedApproval, now: number): boolean {
  return !asked.overdue && now >= deadlineOf(approval, asked);
}

/** When people's time is over, in milliseconds since the epoch. */
export function deadlineOf({ deadline }: Approval, { since }: AskedApproval): number {
  return deadline === undefined ? Infinity : since + deadline.ms;
}

/** `<name> (1 of 2)` */
export function tally({ name, quorum }: Approval, { votes }: AskedApproval): string {
  return `${name} (${votes.length} of ${quorum})`;
}

/** Who has to do what until when. */
function terms({ quorum, approvers, excludesAuthor, deadline, otherwise }: Approval): string {
  const who = approvers.length > 0 ? ` of ${approvers.join(', ')}` : '';
  const whom = excludesAuthor ? ', but not its author,' : '';
  const silence = { approve: 'else it counts as given', reject: 'else rolling back', 'keep-waiting': '' }[otherwise];
  const time = deadline === undefined ? '' : ` within ${deadline.text}${silence ? `, ${silence}` : ''}`;
  return `${quorum}${who}${whom} ${quorum === 1 ? 'has' : 'have'} to approve${time}`;
}

/** Names of people are compared as mail addresses are: nobody counts twice for a capital letter. */
function isSame(one: string, other: string): boolean {
  return one.trim().toLowerCase() === other.trim().toLowerCase();
}
