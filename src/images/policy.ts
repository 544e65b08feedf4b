import { RE2JS } from 're2js';
import semver from 'semver';
import { messageOf } from '../errors.ts';
import { sorts, type Sort } from '../schemas/image-choices.ts';
import { isTag } from './reference.ts';

/**
 * Which tag a container follows, and whether a pushed one is to be taken. Pure: the receiver's path, a poll and a dry run
 * all ask the same functions. Parsing is for comparing; the tag that is written is byte for byte the registry's.
 */
export type TagPolicy =
  /** One mutable tag; taken whenever it points to another digest. */
  | { readonly kind: 'exact'; readonly tag: string }
  /** The highest of the tags that have a place in an order. */
  | {
      readonly kind: 'ordered';
      readonly sort: Sort | 'automatic';
      /** What of a tag is compared, or undefined for one that the policy has no eyes for. */
      readonly keyOf: (tag: string) => string | undefined;
      /** Semver: only versions in this range are taken. */
      readonly range?: semver.Range;
      /** Semver: also reads `1.2` and `v1` as versions. */
      readonly coerce: boolean;
    };

/** Kinds of policies by the word before the colon. */
export const policyKinds = ['exact', 'semver', 'regex', 'glob'] as const;

export interface PolicyOptions {
  readonly coerce?: boolean;
  /** Regex: what is compared, in terms of its groups: `$n`, `${name}`, `$1`. The whole tag, if not said. */
  readonly extract?: string;
  readonly sort?: Sort;
}

/** Longest pattern. Compiling one takes time that grows with it. */
const maxPattern = 512;

/**
 * Reads `exact:<tag>`, `semver:<range>` (an empty range takes any release), `regex:<pattern>` or `glob:<pattern>`.
 * Patterns are RE2's, which take linear time on any tag, and search: anchor them.
 */
export function parsePolicy(
  text: string,
  options: PolicyOptions = {},
): { readonly policy: TagPolicy } | { readonly problem: string } {
  const colon = text.indexOf(':');
  const kind = colon < 0 ? text : text.slice(0, colon);
  const value = colon < 0 ? '' : text.slice(colon + 1).trim();
  const { coerce = false, extract, sort } = options;
  if (kind !== 'regex' && extract !== undefined) return { problem: `extract is for regex:<pattern>, not ${kind}` };
  if (kind !== 'regex' && kind !== 'glob' && sort !== undefined)
    return { problem: `sort is for regex:<pattern> and glob:<pattern>, not ${kind}` };
  switch (kind) {
    case 'exact':
      return isTag(value)
        ? { policy: { kind, tag: value } }
        : { problem: `exact:${value} does not name a tag; write exact:<tag>` };
    case 'semver': {
      const range = parseRange(value);
      return range
        ? { policy: { kind: 'ordered', sort: 'semver', keyOf: (tag) => tag, range, coerce } }
        : { problem: `semver:${value} is not a range; write for example semver:^1.4` };
    }
    case 'regex': {
      if (sort === undefined) return { problem: `regex:${value} needs sort, one of ${sorts.join(', ')}` };
      const read = extractor(value, extract);
      return 'problem' in read ? read : { policy: { kind: 'ordered', sort, coerce, ...read } };
    }
    case 'glob': {
      const read = globMatcher(value);
      return 'problem' in read ? read : { policy: { kind: 'ordered', sort: sort ?? 'automatic', coerce, ...read } };
    }
    default:
      return {
        problem: `policy kind "${kind}" is not known; use exact:<tag>, semver:<range>, regex:<pattern> or glob:<pattern>`,
      };
  }
}

/** Whether a policy's text is a pattern that looks anywhere in a tag, which is seldom meant. */
export function isUnanchored(text: string): boolean {
  const [, pattern] = /^regex:\s*(.*?)\s*$/s.exec(text) ?? [];
  return pattern !== undefined && !(pattern.startsWith('^') && /(?:^|[^\\])(?:\\\\)*\$$/.test(pattern));
}

/** What a container has now: the tag and digest last accepted. Each may be unknown. */
export interface Current {
  readonly tag?: string | undefined;
  readonly digest?: string | undefined;
}

/** A tag and what the registry says it points to. */
export interface Candidate {
  readonly tag: string;
  readonly digest: string;
}

export type Selection<T> =
  | { readonly take: T }
  | {
      /**
       * Why nothing is taken: `no-match` (no candidate fits the policy), `older` (none ranks above the current tag),
       * `same-digest` (the mutable tag did not move), `pinned` (the current image is a bare digest someone chose),
       * `not-adopted` (the current tag fits no order, and taking over from it was switched off), `no-order` (a glob
       * without `sort` met tags that are no versions).
       */
      readonly none: 'no-match' | 'older' | 'same-digest' | 'pinned' | 'not-adopted' | 'no-order';
    };

/**
 * The candidate to move to from `current`, if any. Candidates may come in any order, and more than once. One without a
 * digest is a tag of which only the name is known yet.
 *
 * @param adopt whether to take over from a current tag that has no place in the policy's order
 */
export function select<T extends { readonly tag: string; readonly digest?: string }>(
  policy: TagPolicy,
  current: Current,
  candidates: readonly T[],
  adopt = true,
): Selection<T> {
  const isPinned = current.tag === undefined && current.digest !== undefined;
  if (policy.kind === 'exact') {
    const found = candidates.find((candidate) => candidate.tag === policy.tag);
    if (found === undefined) return { none: 'no-match' };
    if (isPinned) return { none: 'pinned' };
    if (found.digest !== undefined && found.digest === current.digest) return { none: 'same-digest' };
    return adopt || current.tag === undefined || current.tag === policy.tag ? { take: found } : { none: 'not-adopted' };
  }
  const order = orderOf(policy, [
    ...candidates.map(({ tag }) => tag),
    ...(current.tag === undefined ? [] : [current.tag]),
  ]);
  if (order === undefined) return { none: 'no-order' };
  const best = highest(policy, order, candidates);
  if (best === undefined) return { none: 'no-match' };
  if (isPinned) return { none: 'pinned' };
  const now = current.tag === undefined ? undefined : order.rankOf(current.tag);
  if (now === undefined) return adopt || current.tag === undefined ? { take: best } : { none: 'not-adopted' };
  return order.compare(order.rankOf(best.tag)!, now) > 0 ? { take: best } : { none: 'older' };
}

/** The higher of two tags in the policy's order; a tag without a place in it is lower than any other. */
export function higherTag(policy: TagPolicy, a: string | undefined, b: string | undefined): string | undefined {
  if (policy.kind === 'exact' || a === undefined || b === undefined) return a ?? b;
  const order = orderOf(policy, [a, b]);
  const [rankA, rankB] = [order?.rankOf(a), order?.rankOf(b)];
  if (order === undefined || rankA === undefined || rankB === undefined) return rankB === undefined ? a : b;
  return order.compare(rankB, rankA) > 0 ? b : a;
}

/** Whether a tag is one that the policy may take, whatever is current. */
export function follows(policy: TagPolicy, tag: string): boolean {
  return 'take' in select(policy, {}, [{ tag }]);
}

type Ordered = Extract<TagPolicy, { kind: 'ordered' }>;
type Rank = semver.SemVer | bigint | string;

interface Order {
  rankOf(tag: string): Rank | undefined;
  compare(a: Rank, b: Rank): number;
}

/** How the tags at hand are compared; undefined when they were to be versions by themselves, and are not. */
function orderOf(policy: Ordered, tags: readonly string[]): Order | undefined {
  if (policy.sort !== 'automatic') return orders[policy.sort](policy);
  const order = orders.semver(policy);
  const keyed = tags.filter((tag) => policy.keyOf(tag) !== undefined);
  return keyed.every((tag) => order.rankOf(tag) !== undefined) ? order : undefined;
}

const orders: Readonly<Record<Sort, (policy: Ordered) => Order>> = {
  semver: (policy) => ({
    rankOf: (tag) => {
      const key = policy.keyOf(tag);
      return key === undefined ? undefined : versionOf(key, policy.coerce);
    },
    compare: (a, b) => semver.compare(a as semver.SemVer, b as semver.SemVer),
  }),
  // Build numbers may have more digits than a double holds.
  numerical: ({ keyOf }) => ({
    rankOf: (tag) => {
      const key = keyOf(tag);
      return key !== undefined && /^\d+$/.test(key) ? BigInt(key) : undefined;
    },
    compare: (a, b) => (a > b ? 1 : a < b ? -1 : 0),
  }),
  // Code points, not a locale: the same everywhere.
  alphabetical: ({ keyOf }) => ({ rankOf: keyOf, compare: (a, b) => (a > b ? 1 : a < b ? -1 : 0) }),
  timestamp: (policy) => orders.alphabetical(policy),
};

function highest<T extends { readonly tag: string }>(
  { range }: Ordered,
  order: Order,
  candidates: readonly T[],
): T | undefined {
  return candidates
    .flatMap((candidate) => {
      const rank = order.rankOf(candidate.tag);
      return rank === undefined || (range && !range.test(rank as semver.SemVer)) ? [] : [{ candidate, rank }];
    })
    .reduce<{ candidate: T; rank: Rank } | undefined>((best, next) => {
      if (best === undefined) return next;
      // Two tags of one rank, such as 1.2.3 and v1.2.3: the order of arrival must not decide.
      const above = order.compare(next.rank, best.rank) || (next.candidate.tag > best.candidate.tag ? 1 : -1);
      return above > 0 ? next : best;
    }, undefined)?.candidate;
}

/** node-semver is strict: `1.2` and dates are no versions; a leading `v` is. */
function versionOf(text: string, coerce: boolean): semver.SemVer | undefined {
  const strict = semver.parse(text);
  if (strict || !coerce) return strict ?? undefined;
  // Only whole short versions: semver.coerce would find a version inside any text.
  const short = /^v?(\d+)(?:\.(\d+))?$/.exec(text);
  return short ? (semver.parse(`${short[1]}.${short[2] ?? 0}.0`) ?? undefined) : undefined;
}

/** Linear in the tag, whatever the pattern: patterns come from tenants, and tags from whoever can push. */
function extractor(
  pattern: string,
  template: string | undefined,
): Pick<Ordered, 'keyOf'> | { readonly problem: string } {
  const read = compiled(pattern);
  if ('problem' in read) return read;
  const { expression } = read;
  const unknown = template === undefined ? undefined : unknownGroup(template, expression);
  if (unknown !== undefined) return { problem: `extract names $${unknown}, which regex:${pattern} has no group for` };
  return {
    keyOf(tag) {
      const matcher = expression.matcher(tag);
      if (!matcher.find()) return undefined;
      if (template === undefined) return tag;
      return expand(template, (name) => matcher.group(/^\d+$/.test(name) ? Number(name) : name) ?? '');
    },
  };
}

/** `*` stands for any characters, `?` for one; everything else for itself. The whole tag has to match. */
function globMatcher(pattern: string): Pick<Ordered, 'keyOf'> | { readonly problem: string } {
  if (!/^[A-Za-z0-9_.*?-]+$/.test(pattern)) return { problem: `glob:${pattern} is no pattern such as glob:v1.*` };
  const translated = pattern.replaceAll('.', '\\.').replaceAll('*', '.*').replaceAll('?', '.');
  return extractor(`^${translated}$`, undefined);
}

function compiled(pattern: string): { readonly expression: RE2JS } | { readonly problem: string } {
  if (pattern === '' || pattern.length > maxPattern)
    return { problem: `regex:<pattern> is 1 to ${maxPattern} characters long` };
  try {
    return { expression: RE2JS.compile(pattern) };
  } catch (error) {
    return { problem: `regex:${pattern} is not a pattern of RE2: ${messageOf(error)}` };
  }
}

const groupReference = /\$(?:\$|\{(\w+)\}|(\w+))/g;

function expand(template: string, group: (name: string) => string): string {
  return template.replace(groupReference, (whole, braced?: string, bare?: string) =>
    whole === '$$' ? '$' : group(braced ?? bare ?? ''),
  );
}

function unknownGroup(template: string, expression: RE2JS): string | undefined {
  const named = expression.namedGroups();
  const names = [...template.matchAll(groupReference)].flatMap(([, braced, bare]) => braced ?? bare ?? []);
  return names.find((name) =>
    /^\d+$/.test(name) ? Number(name) > expression.groupCount() : !Object.hasOwn(named, name),
  );
}

/**
 * Pre-releases are in only when the range itself names one, as Flux, Argo CD and Keel users know it: node-semver would
 * otherwise want the very same version triple. `x-0` and `*-0` mean any version, pre-releases included,
 * and `2.1-0` is `2.1.0-0`.
 */
function parseRange(text: string): semver.Range | undefined {
  const range =
    text
      .replace(/(^|[\s|])[xX*]-0(?=$|[\s|])/g, '$1>=0.0.0-0')
      .replace(
        /(?<![\w.-])v?(\d+)(?:\.(\d+))?-(?=[0-9A-Za-z])/g,
        (_, major: string, minor = '0') => `${major}.${minor}.0-`,
      ) || '*';
  const includePrerelease = /[0-9xX*]-[0-9A-Za-z]/.test(range);
  try {
    return new semver.Range(range, { includePrerelease });
  } catch {
    return undefined; // the only thing the constructor throws for; the caller names the text
  }
}
