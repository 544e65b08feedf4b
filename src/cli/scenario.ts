import { z } from 'zod';
import { parseDuration } from '../schemas/duration.ts';
import { parseWith } from '../schemas/parse.ts';
import { setRevision } from '../simulation/world.ts';
import type { Act, Behaviour, Script } from '../simulation/script.ts';
import type { MetricCheck, Settings } from '../workflows/domain/observation.ts';
import { orderKinds } from '../workflows/domain/orders.ts';

/** The world that a Canary is played against, as people write it. Times count from the beginning of the play. */

const Time = z.string().transform((text, context) => {
  const ms = parseDuration(text);
  if (ms !== undefined && ms >= 0) return ms;
  context.addIssue({ code: 'custom', message: `"${text}" is no duration; write one such as 30s or 5m` });
  return z.NEVER;
});

/** A value that holds all the time, or from certain times on. */
function changing<T extends z.ZodType>(value: T) {
  return z.union([value, z.array(z.strictObject({ from: Time, value })).min(1)]);
}

const Reading = changing(z.union([z.number(), z.literal('none')]));
const Answer = changing(z.union([z.literal('yes'), z.literal('no')]));

const Revision = z.strictObject({
  /** Shown as the revision of the target. */
  name: z.string().min(1),
  at: Time.prefault('0s'),
  /** From a changed template to available pods, or `never`. */
  readyAfter: z.union([z.literal('never'), Time]).prefault('5s'),
  /** Its pods become available as canary only. */
  failsAsPrimary: z.boolean().default(false),
  /** What checks read of it, by name. */
  checks: z.record(z.string(), Reading).default({}),
});

const Order = z.strictObject({
  at: Time,
  order: z.enum(orderKinds),
  by: z.string().optional(),
  reason: z.string().optional(),
  weight: z.number().optional(),
  force: z.boolean().optional(),
  gate: z.string().optional(),
});

export const Scenario = z.strictObject({
  /** False: the Canary was just applied, and its primary does not exist yet. */
  initialized: z.boolean().default(true),
  /** What the target becomes, one after another. */
  revisions: z.array(Revision).default([]),
  /** What checks read, by name, of revisions that do not say. One that nobody names is within its bounds. */
  checks: z.record(z.string(), Reading).default({}),
  /** What hooks answer, by name; yes unless they are named. */
  hooks: z.record(z.string(), Answer).default({}),
  /** When no metrics provider answers. */
  metricsDown: z.array(z.strictObject({ from: Time, to: Time })).default([]),
  /** Who made the changes, for approvals. */
  author: z.string().optional(),
  orders: z.array(Order).default([]),
  /** When the play is cut, in case it does not end. */
  until: Time.prefault('24h'),
});
export type Scenario = z.infer<typeof Scenario>;

/** As hashes of ours look: any other would be taken for one that Flagger has left. */
const hashOf = (revision: string) => `v1:${revision}`;

/** The revision that runs when the play begins. */
const runningRevision = hashOf('the one before');

export function parseScenario(object: unknown): { readonly scenario: Scenario } | { readonly problem: string } {
  const parsed = parseWith(Scenario, object ?? {});
  if ('problem' in parsed) return parsed;
  const scenario = parsed.value;
  // Without a change there is nothing to play.
  const changes = [Revision.parse({ name: 'the new one' })];
  return {
    scenario: scenario.revisions.length > 0 || !scenario.initialized ? scenario : { ...scenario, revisions: changes },
  };
}

/** The script of a play: this Canary, in this world. */
export function scriptOf(
  canary: { readonly namespace: string; readonly name: string },
  settings: Settings,
  scenario: Scenario,
): Script {
  const revisions = new Map(scenario.revisions.map((revision) => [hashOf(revision.name), revision]));
  const behaviour = (name: string): Behaviour => {
    const { readyAfter = 5_000, failsAsPrimary = false } = revisions.get(name) ?? {};
    return { readyAfterMs: readyAfter, failsAsPrimary };
  };
  const acts: Act[] = [
    ...scenario.revisions.map(({ name, at }) => ({ atMs: at, do: setRevision(hashOf(name), behaviour) })),
    ...scenario.orders.map(({ at, order: kind, ...order }) => ({
      atMs: at,
      do: () => undefined,
      order: { kind, order },
    })),
  ];
  return {
    settings,
    canary,
    revision: runningRevision,
    behaviour,
    acts,
    reading: (check, now, revision) => {
      const said = revisions.get(revision)?.checks[check.name] ?? scenario.checks[check.name];
      const value = said === undefined ? passing(check) : at(said, now);
      return value === 'none' ? undefined : value;
    },
    hook: ({ name }, now) => (at(scenario.hooks[name] ?? 'yes', now) === 'no' ? 'it said no' : undefined),
    metricsDown: (now) =>
      scenario.metricsDown.some(({ from, to }) => now >= from && now < to) ? 'nobody answers' : undefined,
    start: { ...(scenario.initialized ? atRest(settings) : {}), author: scenario.author },
    endMs: scenario.until,
  };
}

function atRest(settings: Settings): Script['start'] {
  return {
    status: {
      ...{ phase: 'Initialized', canaryWeight: 0, failedChecks: 0, iterations: 0 },
      ...{ lastAppliedSpec: runningRevision, lastPromotedSpec: runningRevision },
    },
    primaryRevision: runningRevision,
    targetReplicas: settings.parks ? 0 : 1,
    weights: { primary: 100, canary: 0 },
  };
}

function at<T extends string | number>(
  said: T | readonly { readonly from: number; readonly value: T }[],
  now: number,
): T {
  if (!Array.isArray(said)) return said as T;
  const steps = [...(said as readonly { readonly from: number; readonly value: T }[])].sort((a, b) => a.from - b.from);
  // Before the first of them it is as it will be.
  return (steps.filter(({ from }) => from <= now).at(-1) ?? steps[0]!).value;
}

/** A value that this check lets pass. */
function passing({ kind, min, max, threshold, hasRange }: MetricCheck): number {
  if (kind === 'success-rate' && (max === undefined || max >= 100)) return 100;
  if (!hasRange) return threshold ?? 0;
  if (min !== undefined && max !== undefined) return (min + max) / 2;
  return min ?? max ?? 0;
}
