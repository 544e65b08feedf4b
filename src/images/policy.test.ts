import { describe, expect, it } from '@jest/globals';
import { higherTag, parsePolicy, select, type Current, type TagPolicy } from './policy.ts';

const digest = (seed: string) => `sha256:${seed.repeat(64).slice(0, 64)}`;

function policy(text: string, coerce = false): TagPolicy {
  const parsed = parsePolicy(text, { coerce });
  if ('problem' in parsed) throw new Error(parsed.problem);
  return parsed.policy;
}

function chosen(
  text: string,
  tags: readonly string[],
  current: { tag?: string; digest?: string } = {},
  coerce = false,
) {
  const selection = select(
    policy(text, coerce),
    current,
    tags.map((tag) => ({ tag, digest: digest('a') })),
  );
  return 'take' in selection ? selection.take.tag : selection.none;
}

describe('policies', () => {
  it.each`
    text                 | problem
    ${'regex:^main-.*$'} | ${/needs sort, one of semver, numerical, alphabetical, timestamp/}
    ${'newest-build'}    | ${/kind "newest-build" is not known; use exact:<tag>, semver:<range>, regex:/}
    ${'glob:v1 *'}       | ${/is no pattern such as glob:v1/}
    ${'exact:'}          | ${/does not name a tag/}
    ${'exact:a b'}       | ${/does not name a tag/}
    ${'semver:one.two'}  | ${/is not a range/}
  `('refuses $text by name', ({ text, problem }) => {
    expect(parsePolicy(text as string)).toEqual({ problem: expect.stringMatching(problem as RegExp) });
  });

  const bc38 = ['v1.0.0', 'v1.0.1-64.272fa09', 'v2.2.0', 'v2.3.0-rc.0'];
  it.each`
    range     | tag
    ${''}     | ${'v2.2.0'}
    ${'*'}    | ${'v2.2.0'}
    ${'~1.0'} | ${'v1.0.0'}
    ${'x-0'}  | ${'v2.3.0-rc.0'}
  `('BC-38: semver:"$range" takes $tag: pre-releases only where the range names one', ({ range, tag }) => {
    expect(chosen(`semver:${range}`, bc38)).toBe(tag);
    expect(chosen(`semver:${range}`, [...bc38].reverse())).toBe(tag);
  });

  it('BC-39: writes the tag byte for byte, and reads no version into a bare number', () => {
    expect(chosen('semver:^1', ['v1.2.0'])).toBe('v1.2.0');
    expect(chosen('semver:*', ['42', 'v1.2', '20260102030405', '01.2.3'])).toBe('no-match');
    expect(chosen('semver:*', ['v1.2', '1.1.0'], {}, true)).toBe('v1.2');
    expect(chosen('semver:*', ['42', '9.0.0'], {}, true)).toBe('42');
    expect(chosen('exact:42', ['42'])).toBe('42');
  });

  it.each`
    text                  | tags                       | current     | result
    ${'semver:^1.4'}      | ${['1.4.2']}               | ${'1.4.1'}  | ${'1.4.2'}
    ${'semver:^1.4'}      | ${['1.4.1']}               | ${'1.4.2'}  | ${'older'}
    ${'semver:^1.4'}      | ${['1.4.2']}               | ${'v1.4.2'} | ${'older'}
    ${'semver:^1.4'}      | ${['1.10.0', '1.9.0']}     | ${'1.4.2'}  | ${'1.10.0'}
    ${'semver:^1.4'}      | ${['2.0.0']}               | ${'1.4.2'}  | ${'no-match'}
    ${'semver:^1.4'}      | ${['1.5.0']}               | ${'2.0.0'}  | ${'older'}
    ${'semver:^1.4'}      | ${['1.5.0']}               | ${'latest'} | ${'1.5.0'}
    ${'semver:>=1.2 <2'}  | ${['1.3.0-rc.1']}          | ${'1.2.0'}  | ${'no-match'}
    ${'semver:>=1.2.0-0'} | ${['1.3.0-rc.1']}          | ${'1.2.0'}  | ${'1.3.0-rc.1'}
    ${'semver:~2.1-0'}    | ${['2.1.3-rc.1', '2.2.0']} | ${'2.1.2'}  | ${'2.1.3-rc.1'}
    ${'semver:^1.2'}      | ${['1.2.3-45']}            | ${'1.2.3'}  | ${'no-match'}
    ${'semver:^1.2.0-0'}  | ${['1.2.3-45']}            | ${'1.2.3'}  | ${'older'}
    ${'semver:^1'}        | ${['1.2.3', 'v1.2.3']}     | ${'1.0.0'}  | ${'v1.2.3'}
    ${'semver:^1'}        | ${['v1.2.3', '1.2.3']}     | ${'1.0.0'}  | ${'v1.2.3'}
  `('$text with $current and $tags pushed: $result', ({ text, tags, current, result }) => {
    expect(chosen(text as string, tags as string[], { tag: current as string })).toBe(result);
  });

  it.each`
    now            | current                                 | result
    ${digest('b')} | ${{ tag: 'prod', digest: digest('a') }} | ${'prod'}
    ${digest('a')} | ${{ tag: 'prod', digest: digest('a') }} | ${'same-digest'}
    ${digest('a')} | ${{ tag: 'prod' }}                      | ${'prod'}
    ${digest('a')} | ${{ tag: '1.0' }}                       | ${'prod'}
    ${digest('a')} | ${{ digest: digest('c') }}              | ${'pinned'}
  `('a mutable tag at $now is taken from $current: $result', ({ now, current, result }) => {
    const selection = select(policy('exact:prod'), current as Current, [{ tag: 'prod', digest: now as string }]);
    expect('take' in selection ? selection.take.tag : selection.none).toBe(result);
  });

  it('an exact policy has no eyes for other tags', () => {
    expect(chosen('exact:prod', ['prod-2', '1.0.0'])).toBe('no-match');
  });

  it('takes over from a tag without order only when allowed to', () => {
    const candidates = [{ tag: '1.5.0', digest: digest('a') }];
    expect(select(policy('semver:^1'), { tag: 'latest' }, candidates, false)).toEqual({ none: 'not-adopted' });
    expect(select(policy('exact:1.5.0'), { tag: 'latest' }, candidates, false)).toEqual({ none: 'not-adopted' });
  });

  it('knows the higher of two tags, and any version above what is none', () => {
    expect(higherTag(policy('semver:*'), '1.9.0', '1.10.0')).toBe('1.10.0');
    expect(higherTag(policy('semver:*'), '1.9.0', 'latest')).toBe('1.9.0');
    expect(higherTag(policy('semver:*'), 'latest', '1.9.0')).toBe('1.9.0');
    expect(higherTag(policy('semver:*'), undefined, 'latest')).toBe('latest');
  });
});
