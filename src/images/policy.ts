import semver from 'semver';
import { isTag } from './reference.ts';

/**
 * Which tag a container follows, and whether a pushed one is to be taken. Pure: the receiver's path, a poll and a dry run
 * all ask the same functions. Parsing is for comparing; the tag that is written is byte for byte the registry's.
 */
export type TagPolicy =
  /** One mutable tag; taken whenever it points to another digest. */
  | { readonly kind: 'exact'; readonly tag: string }
  /** The highest version in a range. */
  | {
      readonly kind: 'semver';
      readonly range: semver.Range;
      /** Also reads `1.2` and `v1` as versions. */
      readonly coerce: boolean;
    };

/** Kinds of policies by the word before the colon. */
export const policyKinds = ['exact', 'semver'] as const;

/** Reads `exact:<tag>` or `semver:<range>`; an empty range takes any release. */
export function parsePolicy(
  text: string,
  options: { readonly coerce?: boolean } = {},
): { readonly policy: TagPolicy } | { readonly problem: string } {
  const colon = text.indexOf(':');
  const kind = colon < 0 ? text : text.slice(0, colon);
  const value = colon < 0 ? '' : text.slice(colon + 1).trim();
  switch (kind) {
    case 'exact':
      return isTag(value)
        ? { policy: { kind, tag: value } }
        : { problem: `exact:${value} does not name a tag; write exact:<tag>` };
    case 'semver': {
      const range = parseRange(value);
      return range
        ? { policy: { kind, range, coerce: options.coerce ?? false } }
        : { problem: `semver:${value} is not a range; write for example semver:^1.4` };
    }
    default:
      return { problem: `policy kind "${kind}" is not known; use exact:<tag> or semver:<range>` };
  }
}

/** What a container has now: the tag and digest last accepted. Each may be unknown. */
export interface Current {
  readonly tag?: string;
  readonly digest?: string;
}

/** A tag and what the registry says it points to. */
export interface Candidate {
  readonly tag: string;
  readonly digest: string;
}

export type Selection =
  | { readonly take: Candidate }
  | {
      /**
       * Why nothing is taken: `no-match` (no candidate fits the policy), `older` (none ranks above the current tag),
       * `same-digest` (the mutable tag did not move), `pinned` (the current image is a bare digest someone chose),
       * `not-adopted` (the current tag fits no order, and taking over from it was switched off).
       */
      readonly none: 'no-match' | 'older' | 'same-digest' | 'pinned' | 'not-adopted';
    };

/**
 * The candidate to move to from `current`, if any. Candidates may come in any order, and more than once.
 *
 * @param adopt whether to take over from a current tag that has no place in the policy's order
 */
export function select(policy: TagPolicy, current: Current, candidates: readonly Candidate[], adopt = true): Selection {
  const best = highest(policy, candidates);
  if (best === undefined) return { none: 'no-match' };
  if (current.tag === undefined && current.digest !== undefined) return { none: 'pinned' };
  switch (policy.kind) {
    case 'exact':
      if (best.digest === current.digest) return { none: 'same-digest' };
      return adopt || current.tag === undefined || current.tag === policy.tag
        ? { take: best }
        : { none: 'not-adopted' };
    case 'semver': {
      const now = current.tag === undefined ? undefined : versionOf(policy, current.tag);
      if (now === undefined) return adopt || current.tag === undefined ? { take: best } : { none: 'not-adopted' };
      return semver.gt(versionOf(policy, best.tag)!, now) ? { take: best } : { none: 'older' };
    }
  }
}

/** The higher of two tags in the policy's order; a tag without a place in it is lower than any other. */
export function higherTag(policy: TagPolicy, a: string | undefined, b: string | undefined): string | undefined {
  if (policy.kind === 'exact' || a === undefined || b === undefined) return a ?? b;
  const [versionA, versionB] = [versionOf(policy, a), versionOf(policy, b)];
  if (versionA === undefined || versionB === undefined) return versionB === undefined ? a : b;
  return semver.gt(versionB, versionA) ? b : a;
}

function highest(policy: TagPolicy, candidates: readonly Candidate[]): Candidate | undefined {
  if (policy.kind === 'exact') return candidates.find((candidate) => candidate.tag === policy.tag);
  return candidates
    .flatMap((candidate) => {
      const version = versionOf(policy, candidate.tag);
      return version && policy.range.test(version) ? [{ candidate, version }] : [];
    })
    .reduce<{ candidate: Candidate; version: semver.SemVer } | undefined>((best, next) => {
      if (best === undefined) return next;
      // Two tags of one version, such as 1.2.3 and v1.2.3: the order of arrival must not decide.
      const order = semver.compare(next.version, best.version) || (next.candidate.tag > best.candidate.tag ? 1 : -1);
      return order > 0 ? next : best;
    }, undefined)?.candidate;
}

/** node-semver is strict: `1.2` and dates are no versions; a leading `v` is. */
function versionOf(policy: Extract<TagPolicy, { kind: 'semver' }>, tag: string): semver.SemVer | undefined {
  const strict = semver.parse(tag);
  if (strict || !policy.coerce) return strict ?? undefined;
  // Only whole short versions: semver.coerce would find a version inside any text.
  const short = /^v?(\d+)(?:\.(\d+))?$/.exec(tag);
  return short ? (semver.parse(`${short[1]}.${short[2] ?? 0}.0`) ?? undefined) : undefined;
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
