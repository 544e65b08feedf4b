import type { AuditRecord } from '../audit/records.ts';
import type { MetricCheck, Observation } from '../workflows/domain/observation.ts';
import type { HookAnswer, Plan, PlanFailure, Reading } from '../workflows/domain/plan.ts';

/** What happened in a run, as its history has it. */
export interface StoryLine {
  /** ISO 8601. */
  readonly at: string;
  /** `event` and `warning` were told on the Canary, `check` was read, `hook` answered, `order` came from somebody, `failure` kept a plan from its end. */
  readonly kind: 'event' | 'warning' | 'check' | 'hook' | 'order' | 'failure';
  readonly text: string;
}

type Line = Omit<StoryLine, 'at'>;

/** Puts the records of a run into lines for people. */
export function storyOf(records: readonly AuditRecord[]): StoryLine[] {
  return records.flatMap((record) => linesOf(record).map((line) => ({ at: record.at, ...line })));
}

function linesOf(record: AuditRecord): Line[] {
  switch (record.kind) {
    case 'order':
      return [{ kind: 'order', text: orderText(record) }];
    case 'actors':
      return record.actors.map((actor) => ({
        kind: 'order',
        text: 'verified' in actor ? `token of ${actor.verified} (verified)` : `token refused: ${actor.refused}`,
      }));
    case 'plan':
      return told(record.plan, record.failure);
    case 'hooks':
      return record.answers.map(answered);
    case 'examined':
      return [...record.hooks.map(answered), ...read(record.observation, record.readings)];
    case 'failed':
      return [{ kind: 'failure', text: `${record.activity}: ${record.message}` }];
    case 'started':
    case 'hint':
    case 'looked':
    case 'messages':
    case 'wait':
    case 'ended':
    case 'continued':
    case 'closed':
      return [];
  }
}

/** The events that a plan recorded before it ended, or failed. */
function told({ steps }: Plan, failure: PlanFailure | undefined): Line[] {
  const lines = steps
    .slice(0, failure?.step ?? steps.length)
    .flatMap((step): Line[] =>
      step.do === 'record-event'
        ? [{ kind: step.event.type === 'Warning' ? 'warning' : 'event', text: step.event.message }]
        : [],
    );
  return failure ? [...lines, { kind: 'failure', text: `${failure.reason}: ${failure.message}` }] : lines;
}

function answered({ name, type, error }: HookAnswer): Line {
  return { kind: 'hook', text: `${type} ${name} ${error === undefined ? 'said yes' : `said no: ${error}`}` };
}

/** What an examination read, each with its bounds. */
function read(observation: Observation, readings: readonly Reading[]): Line[] {
  const checks = observation.canary?.settings.analysis.metrics ?? [];
  return readings.map((reading, index) => ({
    kind: 'check',
    text: [
      `${reading.name} ${'value' in reading ? `${reading.value}` : `${reading.failure}: ${reading.error}`}`,
      `${boundsOf(checks[index])}${reading.query ? `: ${reading.query}` : ''}`,
    ].join(''),
  }));
}

function boundsOf(check: MetricCheck | undefined): string {
  const { min, max, threshold } = check ?? {};
  const bounds = [
    ...(min === undefined ? [] : [`min ${min}`]),
    ...(max === undefined ? [] : [`max ${max}`]),
    ...(threshold === undefined || check?.hasRange ? [] : [`threshold ${threshold}`]),
  ];
  return bounds.length > 0 ? ` (${bounds.join(', ')})` : '';
}

function orderText({ order, claimed, token, details }: Extract<AuditRecord, { kind: 'order' }>): string {
  const { reason, weight, force, gate } = details;
  const what = `${order}${weight === undefined ? '' : ` ${weight}`}${gate ? ` ${gate}` : ''}${force ? ' --force' : ''}`;
  const who = token ? 'the holder of a token' : claimed ? `${claimed} (claimed)` : 'someone';
  return `${what} by ${who}${reason ? `: ${reason}` : ''}`;
}
