import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  follows,
  higherTag,
  isUnanchored,
  parsePolicy,
  select,
  type Current,
  type PolicyOptions,
  type TagPolicy,
} from './policy.ts';

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

describe('patterns', () => {
  const by = (text: string, options: PolicyOptions, tags: string[], current?: string) => {
    const parsed = parsePolicy(text, options);
    if ('problem' in parsed) return parsed.problem;
    const selection = select(
      parsed.policy,
      { tag: current },
      tags.map((tag) => ({ tag })),
    );
    return 'take' in selection ? selection.take.tag : selection.none;
  };
  const build = 'regex:^main-[0-9a-f]+-(?P<n>[0-9]+)$';
  const minio = 'regex:^RELEASE\\.(?P<ts>.*)Z$';

  it.each`
    policy                         | options                                     | tags                                                                | current                           | result
    ${build}                       | ${{ extract: '$n', sort: 'numerical' }}     | ${['main-ab-9', 'main-cd-10', 'main-ef-8']}                         | ${undefined}                      | ${'main-cd-10'}
    ${build}                       | ${{ extract: '$n', sort: 'numerical' }}     | ${['main-ab-9']}                                                    | ${'main-cd-10'}                   | ${'older'}
    ${build}                       | ${{ extract: '$n', sort: 'numerical' }}     | ${['main-ab-10']}                                                   | ${'main-cd-10'}                   | ${'older'}
    ${build}                       | ${{ extract: '$n', sort: 'numerical' }}     | ${['feature-ab-99', 'latest']}                                      | ${'main-cd-10'}                   | ${'no-match'}
    ${'regex:^(?P<n>[0-9]+)$'}     | ${{ sort: 'numerical' }}                    | ${['551067109282848', '551067109282849', '42']}                     | ${'9'}                            | ${'551067109282849'}
    ${'regex:^(?P<n>[0-9]+)$'}     | ${{ sort: 'numerical' }}                    | ${['18446744073709551617', '18446744073709551616']}                 | ${'9'}                            | ${'18446744073709551617'}
    ${'regex:^b(.*)$'}             | ${{ extract: '$1', sort: 'numerical' }}     | ${['b1', 'bx', 'b']}                                                | ${undefined}                      | ${'b1'}
    ${'regex:^b(?P<n>[0-9]+)'}     | ${{ extract: '${n}', sort: 'numerical' }}   | ${['b007', 'b6-x']}                                                 | ${undefined}                      | ${'b007'}
    ${minio}                       | ${{ extract: '$ts', sort: 'timestamp' }}    | ${['RELEASE.2026-01-08T22-40-51Z', 'RELEASE.2026-01-31T20-20-33Z']} | ${undefined}                      | ${'RELEASE.2026-01-31T20-20-33Z'}
    ${minio}                       | ${{ extract: '$ts', sort: 'alphabetical' }} | ${['RELEASE.2025-12-31T20-20-33Z', 'zzz']}                          | ${'RELEASE.2026-01-08T22-40-51Z'} | ${'older'}
    ${'regex:^[a-z]+$'}            | ${{ sort: 'alphabetical' }}                 | ${['alpha', 'beta', 'Zeta']}                                        | ${'alpha'}                        | ${'beta'}
    ${'regex:^v(?P<v>.*)-alpine$'} | ${{ extract: '$v', sort: 'semver' }}        | ${['v1.10.0-alpine', 'v1.9.0-alpine', 'v2.0.0']}                    | ${'v1.8.0-alpine'}                | ${'v1.10.0-alpine'}
    ${'glob:v1.*'}                 | ${{}}                                       | ${['v1.10.0', 'v1.9.0', 'v2.0.0']}                                  | ${'v1.8.0'}                       | ${'v1.10.0'}
    ${'glob:v1.*'}                 | ${{}}                                       | ${['v1.x', 'v1.9.0']}                                               | ${'v1.8.0'}                       | ${'no-order'}
    ${'glob:build-*'}              | ${{ sort: 'alphabetical' }}                 | ${['build-b', 'build-a', 'c']}                                      | ${undefined}                      | ${'build-b'}
    ${'glob:v?.0'}                 | ${{ sort: 'alphabetical' }}                 | ${['v1.0', 'v10.0', 'v1x0']}                                        | ${undefined}                      | ${'v1.0'}
  `('$policy with $options and $tags after $current: $result', ({ policy, options, tags, current, result }) => {
    expect(by(policy as string, options as PolicyOptions, tags as string[], current as string)).toBe(result);
    expect(by(policy as string, options as PolicyOptions, [...(tags as string[])].reverse(), current as string)).toBe(
      result,
    );
  });

  it('BC-39: order numbers of any length, leave out what does not fit before sorting, and write tags as they are', () => {
    const tags = ['551067109282848', '20260102030405060708', 'latest', 'v9'];
    expect(by('regex:^[0-9]+$', { sort: 'numerical' }, tags)).toBe('20260102030405060708');
    expect(by('regex:^[a-z]+$', { sort: 'alphabetical' }, ['zeta-1', 'alpha', 'beta'])).toBe('beta');
    for (const tag of ['42', 'v1.2', '01', '1.2.3_45'])
      expect(by('regex:^.*$', { sort: 'alphabetical' }, [tag])).toBe(tag);
  });

  it.each`
    policy                        | options                                           | problem
    ${'regex:^(?=a)'}             | ${{ sort: 'numerical' }}                          | ${/not a pattern of RE2/}
    ${'regex:('}                  | ${{ sort: 'numerical' }}                          | ${/not a pattern of RE2/}
    ${'regex:^(?P<n>[0-9]+)$'}    | ${{ sort: 'numerical', extract: '$m' }}           | ${/extract names \$m/}
    ${'regex:^([0-9]+)$'}         | ${{ sort: 'numerical', extract: '$2' }}           | ${/extract names \$2/}
    ${'regex:^(a)$'}              | ${{ sort: 'numerical', extract: '$constructor' }} | ${/extract names \$constructor/}
    ${`regex:${'a'.repeat(600)}`} | ${{ sort: 'numerical' }}                          | ${/1 to 512 characters/}
    ${'semver:^1'}                | ${{ extract: '$n' }}                              | ${/extract is for regex/}
    ${'exact:prod'}               | ${{ sort: 'numerical' }}                          | ${/sort is for regex/}
  `('$policy with $options is refused', ({ policy, options, problem }) => {
    expect(parsePolicy(policy as string, options as PolicyOptions)).toEqual({
      problem: expect.stringMatching(problem as RegExp),
    });
  });

  it('take linear time on any tag, whatever they are', () => {
    const tags = [`${'a'.repeat(127)}!`, 'x'.repeat(128)];
    for (const pattern of ['^(a+)+$', '^(a|aa)+$', '^(.*a){20}$', '(x+x+)+y']) {
      const look = () => {
        const since = performance.now();
        expect(by(`regex:${pattern}`, { sort: 'alphabetical' }, tags)).toBe('no-match');
        return performance.now() - since;
      };
      // The best of three: the machine may have other things to do. A backtracking engine takes hours each time.
      expect([pattern, Math.min(look(), look(), look()) < 50]).toEqual([pattern, true]);
    }
  });

  it('that look anywhere in a tag are noticed', () => {
    expect(['regex:main', 'regex:^main', 'regex:main$', 'regex:^main\\$'].map(isUnanchored)).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(['regex:^main-.*$', 'semver:^1', 'glob:v*'].map(isUnanchored)).toEqual([false, false, false]);
  });

  it('say of a single tag whether it would be followed at all', () => {
    const parsed = parsePolicy(build, { extract: '$n', sort: 'numerical' });
    const policy = 'policy' in parsed ? parsed.policy : undefined!;
    expect([follows(policy, 'main-ab-9'), follows(policy, 'latest')]).toEqual([true, false]);
    expect(follows({ kind: 'exact', tag: 'prod' }, 'prod')).toBe(true);
  });
});

describe('whatever the tags', () => {
  const number = fc.nat({ max: 30 });
  const tags = fc.oneof(
    fc
      .tuple(fc.constantFrom('', 'v'), number, number, number, fc.constantFrom('', '-rc.1', '-64.abc'))
      .map(([v, major, minor, patch, more]) => `${v}${major}.${minor}.${patch}${more}`),
    number.map((n) => `main-${n}`),
    fc.constantFrom('latest', 'prod', '20260102', '01.2', 'main-x'),
  );
  const policies = [
    ['semver:*', {}],
    ['semver:>=1.0.0-0', {}],
    ['regex:^main-([0-9]+)$', { extract: '$1', sort: 'numerical' }],
    ['regex:^.*$', { sort: 'alphabetical' }],
    ['glob:*.*.*', { sort: 'semver' }],
    ['exact:prod', {}],
  ] as const;
  const asked = fc.constantFrom(...policies).map(([text, options]) => {
    const parsed = parsePolicy(text, options);
    if ('problem' in parsed) throw new Error(parsed.problem);
    return parsed.policy;
  });

  it('the choice does not depend on their order or number, and none of them ranks above it', () => {
    fc.assert(
      fc.property(asked, fc.array(tags, { maxLength: 12 }), fc.option(tags, { nil: undefined }), (policy, all, tag) => {
        const of = (some: readonly string[]) =>
          select(
            policy,
            { tag },
            some.map((one) => ({ tag: one })),
          );
        const chosen = of(all);
        expect(of([...all].reverse())).toEqual(chosen);
        expect(of([...all, ...all])).toEqual(chosen);
        if (!('take' in chosen)) return;
        expect(all).toContain(chosen.take.tag);
        expect(follows(policy, chosen.take.tag)).toBe(true);
        // Taken once, it is not taken again, and nothing else of them is either.
        const next = select(
          policy,
          { tag: chosen.take.tag, digest: digest('a') },
          all.map((one) => ({ tag: one, digest: digest('a') })),
        );
        expect(next).toHaveProperty('none');
      }),
    );
  });

  it('of two, the higher one is the same whichever comes first, unless they rank alike', () => {
    fc.assert(
      fc.property(asked, tags, tags, (policy, a, b) => {
        fc.pre(policy.kind === 'ordered');
        const [one, other] = [higherTag(policy, a, b), higherTag(policy, b, a)];
        const alike =
          !('take' in select(policy, { tag: a }, [{ tag: b }], false)) &&
          !('take' in select(policy, { tag: b }, [{ tag: a }], false));
        expect(one === other || alike).toBe(true);
      }),
    );
  });
});
