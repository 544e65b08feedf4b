import type { KubernetesObject } from '../../clients/kubernetes.ts';
import { failure } from '../../errors.ts';
import type { Canary } from '../../schemas/canary.ts';
import { serviceNames } from '../../schemas/defaults.ts';
import type { Weights } from '../../workflows/domain/observation.ts';
import { difference, isObject, omit, type JsonObject } from './compare.ts';
import { isCookiePattern } from './cookies.ts';
import { isCanaryMirror, keepsUsers } from './gateway-rules.ts';
import { present } from './matches.ts';

/** Fields that a spec of ours decides. */
export const ownedFields = { HTTPRoute: ['parentRefs', 'hostnames', 'rules'] } as const;

/** A spec with the defaults of the HTTPRoute's own schema, which the API server fills in. */
export function complete(spec: JsonObject): JsonObject {
  const completed: JsonObject = { ...spec };
  if (spec.parentRefs) completed.parentRefs = listOf(spec, 'parentRefs').map(completeParent);
  if (spec.rules) completed.rules = listOf(spec, 'rules').map(completeRule);
  return completed;
}

/**
 * The weights of the last rule that has the canary as one of its two backends, users with a cookie left aside; undefined
 * when none has.
 */
export function weightsIn(canary: Canary, spec: unknown): Weights | undefined {
  const names = serviceNames(canary);
  const found = listOf(spec, 'rules').findLast((rule) => {
    const backends = listOf(rule, 'backendRefs');
    return backends.length === 2 && backends.some((backend) => fieldOf(backend, 'name') === names.canary);
  });
  if (!found) return undefined;
  const weightOf = (name: string) => {
    const backend = listOf(found, 'backendRefs').find((one) => fieldOf(one, 'name') === name);
    const weight = fieldOf(backend, 'weight');
    // What has no weight has one share: the API says so.
    return typeof weight === 'number' ? weight : backend ? 1 : 0;
  };
  const weights = { primary: weightOf(names.primary), canary: weightOf(names.canary) };
  const mirrored = listOf(found, 'filters').some((filter) => isCanaryMirror(canary, filter));
  return mirrored ? { ...weights, mirrored } : weights;
}

/**
 * A complete spec without what changes in the course of a release: weights, mirrors to the canary, and, where users are
 * kept on one side, their rules and the cookies. A rule for a cookie that says anything but what the last one says is not
 * such a rule.
 */
export function withoutTraffic(canary: Canary, spec: JsonObject): JsonObject {
  const rules = listOf(spec, 'rules');
  const isSide = (rule: unknown) => keepsUsers(canary) && isStickyCopy(canary, rule, rules.at(-1));
  return { ...spec, rules: rules.filter((rule) => !isSide(rule)).map((rule) => plain(canary, rule)) };
}

/**
 * @throws `Conflict` with Flagger's words while a gateway has not taken the last change over: what is measured now was
 *   not served with these weights
 * @see routers spec 7.7
 */
export function assertReady(canary: Canary, live: KubernetesObject): void {
  const { generation = 0, name } = live.metadata;
  const parents = listOf(live.status, 'parents');
  for (const parentRef of listOf(live.spec, 'parentRefs')) {
    const own = completeParent(parentRef);
    for (const parent of parents) {
      if (difference(own, completeParent(fieldOf(parent, 'parentRef')), '')) continue;
      const accepted = listOf(parent, 'conditions').find((condition) => fieldOf(condition, 'type') === 'Accepted');
      if (!accepted) continue;
      const status = String(fieldOf(accepted, 'status'));
      const observed = Number(fieldOf(accepted, 'observedGeneration') ?? 0);
      if (status === 'True' && observed >= generation) continue;
      const text = `HTTPRoute ${name}.${canary.metadata.namespace} parent ${String(fieldOf(parentRef, 'name'))} is not ready`;
      const generations = `observed generation: ${observed}, current generation: ${generation}`;
      throw failure('Conflict', `${text} (status: ${status}, ${generations})`);
    }
  }
}

function completeParent(parentRef: unknown): JsonObject {
  return { group: 'gateway.networking.k8s.io', kind: 'Gateway', ...asObject(parentRef) };
}

function completeRule(rule: unknown): unknown {
  if (!isObject(rule)) return rule;
  const matches = listOf(rule, 'matches');
  return {
    ...rule,
    matches: (matches.length > 0 ? matches : [{}]).map(completeMatch),
    filters: listOf(rule, 'filters').map(completeFilter),
    backendRefs: listOf(rule, 'backendRefs').map((backend) => ({
      weight: 1,
      ...service,
      ...asObject(backend),
      filters: listOf(backend, 'filters').map(completeFilter),
    })),
  };
}

const service = { group: '', kind: 'Service' };

function completeMatch(match: unknown): JsonObject {
  const { path, ...others } = asObject(match);
  const named = (field: string) => listOf(match, field).map((one) => ({ type: 'Exact', ...asObject(one) }));
  return {
    ...others,
    path: { type: 'PathPrefix', value: '/', ...asObject(path) },
    headers: named('headers'),
    queryParams: named('queryParams'),
  };
}

function completeFilter(filter: unknown): JsonObject {
  const { requestMirror, ...others } = asObject(filter);
  if (!isObject(requestMirror)) return others;
  return {
    ...others,
    requestMirror: { ...requestMirror, backendRef: { ...service, ...asObject(requestMirror.backendRef) } },
  };
}

/** A rule without weights, mirrors to the canary, and cookies. */
function plain(canary: Canary, rule: unknown): unknown {
  if (!isObject(rule)) return rule;
  const filters = listOf(rule, 'filters').filter((filter) => !isCanaryMirror(canary, filter));
  const backendRefs = listOf(rule, 'backendRefs').map((backend) =>
    omit(backend, keepsUsers(canary) ? ['weight', 'filters'] : ['weight']),
  );
  return { ...rule, filters: keepsUsers(canary) ? withoutCookie(filters) : filters, backendRefs };
}

/** Filters without the cookie that they set, and without the one that is there for nothing else. */
function withoutCookie(filters: readonly unknown[]): unknown[] {
  return filters.flatMap((filter) => {
    const { responseHeaderModifier: modifier, ...others } = asObject(filter);
    if (!isObject(modifier)) return [filter];
    const add = listOf(modifier, 'add').filter((header) => fieldOf(header, 'name') !== 'Set-Cookie');
    const left = present({ ...modifier, add });
    return Object.keys(left).length > 0 ? [{ ...others, responseHeaderModifier: left }] : [];
  });
}

/** For users with a cookie of ours, and but for the conditions and the cookie what the last rule is. */
function isStickyCopy(canary: Canary, rule: unknown, last: unknown): boolean {
  if (rule === last) return false;
  const matches = listOf(rule, 'matches');
  if (matches.length === 0 || !matches.every(asksForCookie)) return false;
  const bare = (one: unknown) => omit(plain(canary, one), ['matches']);
  return !difference(bare(last), bare(rule), '');
}

function asksForCookie(match: unknown): boolean {
  const [header, ...others] = listOf(match, 'headers');
  if (!header || others.length > 0 || fieldOf(header, 'name') !== 'Cookie') return false;
  return fieldOf(header, 'type') === 'RegularExpression' && isCookiePattern(fieldOf(header, 'value'));
}

function listOf(object: unknown, field: string): unknown[] {
  const list = fieldOf(object, field);
  return Array.isArray(list) ? list : [];
}

function fieldOf(object: unknown, field: string): unknown {
  return isObject(object) ? object[field] : undefined;
}

function asObject(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}
