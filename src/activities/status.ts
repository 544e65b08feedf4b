import { resources, type Kubernetes, type KubernetesObject } from '../clients/kubernetes.ts';
import { failure } from '../errors.ts';
import type { ObservedTarget } from '../schemas/canary-status.ts';
import type { CanaryStatus, Cookies, Phase } from '../workflows/domain/observation.ts';
import type { StatusPatch } from '../workflows/domain/plan.ts';
import { during, retryOnConflict } from './attempts.ts';
import type { CanaryRef } from './contract.ts';

/** `Canary.status` as it may be found: by Flagger's hand, by ours, or by somebody's. */
export type StoredStatus = Record<string, unknown> & { readonly conditions?: readonly StoredCondition[] };

interface StoredCondition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message?: string;
  readonly lastUpdateTime?: string;
  readonly lastTransitionTime?: string;
}

/** What to remember of the target of a Canary whose status is about to be this. */
export type ObserveTarget = (canary: KubernetesObject) => Promise<ObservedTarget | undefined>;

/** Writes what differs from the stored status, and nothing when nothing does. */
export type WriteStatus = (canary: CanaryRef, patch: StatusPatch) => Promise<void>;

const counters = ['canaryWeight', 'failedChecks', 'iterations'] as const;
const fields = ['phase', ...counters, 'lastAppliedSpec', 'lastPromotedSpec'] as const;
const cookieFields = {
  canary: 'sessionAffinityCookie',
  previous: 'previousSessionAffinityCookie',
  primary: 'primarySessionAffinityCookie',
} as const;

/**
 * A JSON merge patch of the status subresource that holds only if nobody wrote the Canary in between; then it is worked
 * out anew. `lastTransitionTime` moves with every write, as in Flagger.
 *
 * @see engine spec 5.3 and 5.5
 */
export function createWriteStatus(
  kubernetes: Kubernetes,
  now: () => Date = () => new Date(),
  observeTarget: ObserveTarget = () => Promise.resolve(undefined),
): WriteStatus {
  return async (ref, patch) => {
    const { namespace, name } = ref;
    const what = `${name}.${namespace}`;
    await during('failed after retries', () =>
      retryOnConflict(async () => {
        const canary = await during(`canary ${what} get query failed`, () =>
          kubernetes.get(resources.canaries, namespace, name),
        );
        if (!canary) {
          const why = `canaries.flagger.app "${name}" not found`;
          throw failure('NotFound', `canary ${what} get query failed: ${why}`);
        }
        const status = statusChange(
          storedStatus(canary),
          patch,
          now()
            .toISOString()
            .replace(/\.\d+Z$/, 'Z'),
        );
        if (!status) return;
        // It comes along with a write that is due anyway: whoever installed an older CRD has none, and loses nothing else.
        const names = patch.phase !== undefined || patch.lastAppliedSpec !== undefined;
        const observedTarget = names ? await observeTarget(withRevision(canary, patch, status)) : undefined;
        const { resourceVersion } = canary.metadata;
        const written = await during(`updating canary ${what} status failed`, () =>
          kubernetes.patch(
            resources.canaries,
            namespace,
            name,
            {
              metadata: { resourceVersion },
              status: { ...status, ...(observedTarget ? { observedTarget } : {}) },
            },
            'status',
          ),
        );
        checkKept(written, patch, what);
      }),
    );
  };
}

/** The Canary with what its status will say of its revision. */
function withRevision(canary: KubernetesObject, patch: StatusPatch, change: object): KubernetesObject {
  const stored = storedStatus(canary);
  const { lastAppliedSpec = stored.lastAppliedSpec, trackedConfigs = stored.trackedConfigs } = patch;
  const isForgotten = (change as StoredStatus).trackedConfigs === null;
  return {
    ...canary,
    status: { ...stored, lastAppliedSpec, trackedConfigs: isForgotten ? undefined : trackedConfigs },
  };
}

export function storedStatus(canary: KubernetesObject): StoredStatus {
  return (canary.status ?? {}) as StoredStatus;
}

/** The part of the status that decisions depend on. Anything that was never written has Flagger's zero. */
export function canaryStatus(stored: StoredStatus): CanaryStatus {
  const number = (field: string) => (typeof stored[field] === 'number' ? stored[field] : 0);
  const text = (field: string) => (typeof stored[field] === 'string' ? stored[field] : '');
  const cookies: Cookies = Object.fromEntries(
    Object.entries(cookieFields).flatMap(([which, field]) => (text(field) ? [[which, text(field)]] : [])),
  );
  return {
    phase: text('phase') as Phase,
    canaryWeight: number('canaryWeight'),
    failedChecks: number('failedChecks'),
    iterations: number('iterations'),
    lastAppliedSpec: text('lastAppliedSpec'),
    lastPromotedSpec: text('lastPromotedSpec'),
    ...(isMap(stored.trackedConfigs) ? { trackedConfigs: stored.trackedConfigs } : {}),
    ...(Object.keys(cookies).length > 0 ? { cookies } : {}),
  };
}

function isMap(value: unknown): value is Record<string, string> {
  return typeof value === 'object' && value !== null;
}

/** Message of a condition, while it holds. */
export function conditionMessage(stored: StoredStatus, wanted: 'Stalled' | 'Warning'): string | undefined {
  const condition = stored.conditions?.find(({ type, status }) => type === wanted && status === 'True');
  return condition && (condition.message ?? '');
}

/** The merge patch that makes `stored` what `patch` asks for, or undefined when it is that already. */
export function statusChange(stored: StoredStatus, patch: StatusPatch, now: string): object | undefined {
  const change: Record<string, unknown> = {};
  for (const field of fields) {
    if (patch[field] !== undefined && patch[field] !== stored[field]) change[field] = patch[field];
  }
  const conditions = changedConditions(stored.conditions ?? [], patch, now);
  if (conditions) change.conditions = conditions;
  const configs = changedConfigs(stored, patch);
  // A merge patch removes with null.
  if (configs !== undefined) change.trackedConfigs = configs;
  if (patch.cookies) {
    for (const [which, field] of Object.entries(cookieFields)) {
      const cookie = patch.cookies[which as keyof Cookies];
      if ((cookie ?? '') !== (stored[field] ?? '')) change[field] = cookie ?? null;
    }
  }
  if (Object.keys(change).length === 0) return undefined;
  for (const counter of counters) if (stored[counter] === undefined) change[counter] ??= 0;
  return { ...change, lastTransitionTime: now };
}

/**
 * The merge patch for the map of tracked configurations, or undefined when it is right. Tools that know Flagger read an
 * absent map as tracking switched off, so one of another revision does not stay behind.
 *
 * @see engine spec 5.2
 */
function changedConfigs(stored: StoredStatus, patch: StatusPatch): object | null | undefined {
  const { trackedConfigs: wanted, lastAppliedSpec = stored.lastAppliedSpec } = patch;
  const before = isMap(stored.trackedConfigs) ? stored.trackedConfigs : undefined;
  if (!wanted) return before && lastAppliedSpec !== stored.lastAppliedSpec ? null : undefined;
  if (!before) return wanted;
  const gone = Object.keys(before).filter((key) => !(key in wanted));
  const changed = Object.entries(wanted).filter(([key, checksum]) => before[key] !== checksum);
  if (gone.length + changed.length === 0) return undefined;
  return { ...Object.fromEntries(gone.map((key) => [key, null])), ...Object.fromEntries(changed) };
}

/** `Promoted` stays first, where Flagger's users look; conditions of others stay. */
function changedConditions(
  stored: readonly StoredCondition[],
  { condition, stalled, warned }: StatusPatch,
  now: string,
): StoredCondition[] | undefined {
  const before = ours.map((type) => stored.find((one) => one.type === type));
  const [promoted, stall, warning] = before;
  const after = [
    condition ? nextPromoted(promoted, condition, now) : promoted,
    next(stall, 'Stalled', stalled, now),
    // Whatever it is about is in the spec.
    next(warning, 'Warning', typeof warned === 'string' ? { reason: 'InvalidSpec', message: warned } : warned, now),
  ];
  if (after.every((one, index) => one === before[index])) return undefined;
  const others = stored.filter(({ type }) => !(ours as readonly string[]).includes(type));
  return [...after, ...others].filter((one) => one !== undefined);
}

/** Conditions that are ours, in their order. */
const ours = ['Promoted', 'Stalled', 'Warning'] as const;

function nextPromoted(
  before: StoredCondition | undefined,
  { status, reason, message }: NonNullable<StatusPatch['condition']>,
  now: string,
): StoredCondition {
  if (before?.status === status && before.reason === reason) return before;
  return { type: 'Promoted', status, reason, message, ...times(before, status, now) };
}

/** A condition that is there while it holds. */
function next(
  before: StoredCondition | undefined,
  type: 'Stalled' | 'Warning',
  wanted: StatusPatch['stalled'],
  now: string,
): StoredCondition | undefined {
  if (!wanted) return wanted === null ? undefined : before;
  const { reason, message } = wanted;
  if (before?.status === 'True' && before.reason === reason && before.message === message) return before;
  return { type, status: 'True', reason, message, ...times(before, 'True', now) };
}

function times(before: StoredCondition | undefined, status: string, now: string) {
  const kept = before?.status === status ? before.lastTransitionTime : undefined;
  return { lastUpdateTime: now, lastTransitionTime: kept ?? now };
}

/** A field that the installed CRD does not know is dropped without a word, and the same step would come again for ever. */
function checkKept(written: KubernetesObject, patch: StatusPatch, what: string): void {
  const kept = storedStatus(written);
  const lost: string[] = fields.filter((field) => patch[field] !== undefined && kept[field] !== patch[field]);
  const configs = Object.keys(patch.trackedConfigs ?? {});
  if (configs.length > 0 && !isMap(kept.trackedConfigs)) lost.push('trackedConfigs');
  for (const [which, field] of Object.entries(cookieFields)) {
    if (patch.cookies?.[which as keyof Cookies] && !kept[field]) lost.push(field);
  }
  if (lost.length === 0) return;
  const names = lost.map((field) => `status.${field}`).join(', ');
  throw failure(
    'InvalidSpec',
    `canary ${what}: the API server dropped ${names}; update the CustomResourceDefinition canaries.flagger.app`,
  );
}
