import { describe, expect, it } from '@jest/globals';
import type { Pin } from '../schemas/image-choices.ts';
import { failuresOf, judge, type Situation } from './judge.ts';
import { parseReference } from './reference.ts';
import { imageSettings } from './settings.ts';

const A = `sha256:${'a'.repeat(64)}`;
const B = `sha256:${'b'.repeat(64)}`;
const C = `sha256:${'c'.repeat(64)}`;

const referenceOf = (text: string) => {
  const parsed = parseReference(text);
  return 'reference' in parsed ? parsed.reference : undefined;
};

const settingsOf = (annotations: Record<string, string>) =>
  imageSettings({ apiVersion: 'flagger.app/v1beta1', kind: 'Canary', metadata: { name: 'cart', annotations } });

function settings(policies: object[], more: Record<string, string> = {}) {
  const read = settingsOf({ 'serin.dev/image-policies': JSON.stringify(policies), ...more });
  if (!read || 'problem' in read) throw new Error(read?.problem ?? 'no settings');
  return read.settings;
}

interface Given {
  policy?: string;
  coerce?: boolean;
  pin?: Pin;
  rollOnRetag?: boolean;
  template: string;
  promoted?: string;
  desired?: { tag: string; digest: string };
  failed?: boolean;
  failedDigests?: string[];
  restartOnDigestChange?: boolean;
  overwritten?: boolean;
  reverted?: boolean;
  moved?: boolean;
}

function verdict(given: Given, tag: string, digest: string) {
  const { policy = 'semver:^1', coerce, rollOnRetag = false, template, promoted, ...rest } = given;
  const sorted = policy.startsWith('regex:') ? { sort: 'numerical' } : {};
  const situation: Situation = {
    pin: 'tag+digest',
    restartOnDigestChange: false,
    failed: false,
    failedDigests: [],
    ...rest,
    policy: settings([{ container: 'cart', policy, rollOnRetag, ...sorted, ...(coerce ? { coerce } : {}) }])
      .policies[0]!,
    template: referenceOf(template)!,
    ...(promoted ? { promoted: referenceOf(promoted)! } : {}),
  };
  const judgment = judge(situation, { tag, digest });
  if ('write' in judgment) return judgment.write;
  return 'skip' in judgment ? judgment.skip : `keep ${judgment.desired.tag}`;
}

describe('judging a pushed image', () => {
  const at140 = { template: `reg.io/cart:1.4.0@${A}`, desired: { tag: '1.4.0', digest: A } };

  it.each`
    rule                                                   | given                                                                                                                                  | tag        | digest | result
    ${'a higher version is written with tag and digest'}   | ${at140}                                                                                                                               | ${'1.4.1'} | ${B}   | ${`reg.io/cart:1.4.1@${B}`}
    ${'R1: a late lower version is dropped'}               | ${at140}                                                                                                                               | ${'1.3.9'} | ${B}   | ${'older'}
    ${'R1: below what a person set by hand'}               | ${{ ...at140, template: `reg.io/cart:1.6.0@${C}` }}                                                                                    | ${'1.5.0'} | ${B}   | ${'older'}
    ${'R6: a rollback by hand is not undone'}              | ${{ template: 'reg.io/cart:1.3.0', desired: { tag: '1.4.0', digest: A } }}                                                             | ${'1.4.0'} | ${A}   | ${'older'}
    ${'R3: a new tag of the same digest rolls nothing'}    | ${at140}                                                                                                                               | ${'1.4.1'} | ${A}   | ${'keep 1.4.1'}
    ${'unless asked to'}                                   | ${{ ...at140, rollOnRetag: true }}                                                                                                     | ${'1.4.1'} | ${A}   | ${`reg.io/cart:1.4.1@${A}`}
    ${'R2: a mutable tag that moved'}                      | ${{ ...at140, policy: 'exact:prod' }}                                                                                                  | ${'prod'}  | ${B}   | ${`reg.io/cart:prod@${B}`}
    ${'R2: a mutable tag that did not move'}               | ${{ ...at140, policy: 'exact:prod' }}                                                                                                  | ${'prod'}  | ${A}   | ${'same-digest'}
    ${'R3: what the primary runs is not news'}             | ${{ policy: 'exact:prod', template: `reg.io/cart:prod@${B}`, promoted: `reg.io/cart:prod@${A}`, desired: { tag: 'prod', digest: B } }} | ${'prod'}  | ${A}   | ${'promoted'}
    ${'R4: what failed before stays out'}                  | ${{ ...at140, failedDigests: [B] }}                                                                                                    | ${'1.4.1'} | ${B}   | ${'failed-before'}
    ${'R4: a re-tag of what has just failed'}              | ${{ template: `reg.io/cart:1.4.1@${B}`, promoted: `reg.io/cart:1.4.0@${A}`, desired: { tag: '1.4.1', digest: B }, failed: true }}      | ${'1.4.2'} | ${B}   | ${'failed-before'}
    ${'R4: also after a person put the old one back'}      | ${{ template: `reg.io/cart:1.4.0@${A}`, promoted: `reg.io/cart:1.4.0@${A}`, desired: { tag: '1.4.1', digest: B }, failed: true }}      | ${'1.4.2'} | ${B}   | ${'failed-before'}
    ${'a fix after a failure is written'}                  | ${{ template: `reg.io/cart:1.4.1@${B}`, promoted: `reg.io/cart:1.4.0@${A}`, desired: { tag: '1.4.1', digest: B }, failed: true }}      | ${'1.4.2'} | ${C}   | ${`reg.io/cart:1.4.2@${C}`}
    ${'a first push takes over from a plain tag'}          | ${{ template: 'reg.io/cart:1.4.0' }}                                                                                                   | ${'1.4.1'} | ${B}   | ${`reg.io/cart:1.4.1@${B}`}
    ${'a bare digest was somebody’s choice'}               | ${{ template: `reg.io/cart@${A}` }}                                                                                                    | ${'1.4.1'} | ${B}   | ${'pinned'}
    ${'also after something had been accepted'}            | ${{ template: `reg.io/cart@${C}`, desired: { tag: '1.4.0', digest: A } }}                                                              | ${'1.4.1'} | ${B}   | ${'pinned'}
    ${'a mutable tag does not end such a choice'}          | ${{ template: `reg.io/cart@${C}`, policy: 'exact:prod', desired: { tag: 'prod', digest: A } }}                                         | ${'prod'}  | ${B}   | ${'pinned'}
    ${'what was there before is no such choice'}           | ${{ template: `reg.io/cart@${C}`, pin: 'digest', desired: { tag: '1.4.0', digest: A }, reverted: true }}                               | ${'1.4.1'} | ${B}   | ${`reg.io/cart@${B}`}
    ${'BC-39: a tag of digits stays as it is'}             | ${{ template: 'reg.io/cart:41', policy: 'regex:^[0-9]+$' }}                                                                            | ${'42'}    | ${B}   | ${`reg.io/cart:42@${B}`}
    ${'BC-39: so does one that only looks like a version'} | ${{ template: 'reg.io/cart:v1.1', coerce: true }}                                                                                      | ${'v1.2'}  | ${B}   | ${`reg.io/cart:v1.2@${B}`}
    ${'unless we wrote it'}                                | ${{ template: `reg.io/cart@${A}`, pin: 'digest', desired: { tag: '1.4.0', digest: A } }}                                               | ${'1.4.1'} | ${B}   | ${`reg.io/cart@${B}`}
    ${'pinned by tag'}                                     | ${{ template: 'reg.io/cart:1.4.0', pin: 'tag' }}                                                                                       | ${'1.4.1'} | ${B}   | ${'reg.io/cart:1.4.1'}
    ${'unless it may bump an annotation'}                  | ${{ template: 'reg.io/cart:prod', pin: 'tag', policy: 'exact:prod', restartOnDigestChange: true }}                                     | ${'prod'}  | ${B}   | ${'reg.io/cart:prod'}
    ${'a tag alone cannot roll what keeps its name'}       | ${{ template: 'reg.io/cart:prod', pin: 'tag', policy: 'exact:prod' }}                                                                  | ${'prod'}  | ${B}   | ${'cannot-roll'}
  `('$rule', ({ given, tag, digest, result }) => {
    expect(verdict(given as Given, tag as string, digest as string)).toBe(result);
  });

  const prod = { tag: 'prod', digest: B };
  it.each<[string, string, string, Given & { promoted: string }]>([
    [
      'the digest that failed, when the next one is written',
      ...(['semver:^1', '1.4.2'] as const),
      {
        template: `reg.io/cart:1.4.1@${B}`,
        promoted: `reg.io/cart:1.4.0@${A}`,
        desired: { tag: '1.4.1', digest: B },
      },
    ],
    [
      'it beside a primary whose own digest nobody knows',
      ...(['exact:prod', 'prod'] as const),
      { template: `reg.io/cart:prod@${B}`, promoted: 'reg.io/cart:prod', desired: prod },
    ],
    [
      'it after a person has put back what nobody knows the digest of',
      ...(['exact:prod', 'prod'] as const),
      { template: 'reg.io/cart:prod', promoted: 'reg.io/cart:prod', desired: prod, overwritten: true },
    ],
  ])('R4: remembers %s', (_, policy, tag, { template, promoted, desired, overwritten = false }) => {
    const judgment = judge(
      {
        ...{ pin: 'tag+digest', restartOnDigestChange: false, failed: true, failedDigests: [], desired, overwritten },
        policy: settings([{ container: 'cart', policy }]).policies[0]!,
        template: referenceOf(template)!,
        promoted: referenceOf(promoted)!,
      },
      { tag, digest: C },
    );
    expect(judgment).toMatchObject({
      write: `reg.io/cart:${tag}@${C}`,
      desired: { tag, digest: C },
      failedDigests: [B],
    });
  });
});

describe('what failed', () => {
  const failed = (more: Partial<Situation>) =>
    failuresOf({
      ...{ pin: 'tag+digest', restartOnDigestChange: false, failed: true, failedDigests: [A] },
      policy: settings([{ container: 'cart', policy: 'semver:^1' }]).policies[0]!,
      template: referenceOf(`reg.io/cart:1.4.1@${B}`)!,
      promoted: referenceOf(`reg.io/cart:1.4.0@${C}`)!,
      desired: { tag: '1.4.1', digest: B },
      ...more,
    });

  it('is what runs, once a release of it has failed', () => {
    expect(failed({})).toEqual([A, B]);
    expect(failed({ failedDigests: [B] })).toEqual([B]);
    expect(failed({ failed: false })).toEqual([A]);
  });

  it('is not what took its place since, whose release has not begun yet', () => {
    expect(failed({ moved: true })).toEqual([A]);
  });

  it('is what was written, also after a person has put the old image back', () => {
    expect(failed({ moved: true, template: referenceOf(`reg.io/cart:1.4.0@${C}`)! })).toEqual([A, B]);
  });
});

describe('image annotations', () => {
  it('are optional, with tag and digest pinned by default', () => {
    expect(settingsOf({})).toBeUndefined();
    expect(settings([{ container: 'cart', policy: 'semver:^1.4' }])).toMatchObject({
      pin: 'tag+digest',
      suspended: false,
      writeBack: 'auto',
    });
  });

  it.each`
    annotations                                                                               | problem
    ${{ 'serin.dev/image-policies': 'cart=semver' }}                                          | ${/not a JSON array/}
    ${{ 'serin.dev/image-policies': '[{"container":"cart"}]' }}                               | ${/policy/}
    ${{ 'serin.dev/image-policies': '[{"container":"cart","policy":"exact:x","colour":1}]' }} | ${/colour/}
    ${{ 'serin.dev/image-policies': '[{"container":"cart","policy":"newest-build"}]' }}       | ${/container cart: policy kind "newest-build"/}
    ${{ 'serin.dev/image-policies': '[]', 'serin.dev/image-pin': 'sha' }}                     | ${/image-pin is "sha"/}
    ${{ 'serin.dev/image-policies': '[]', 'serin.dev/image-write-back': 'git' }}              | ${/image-write-back is "git"/}
    ${{ 'serin.dev/image-policies': '[]', 'serin.dev/image-during-release': 'stop' }}         | ${/image-during-release is "stop"/}
    ${{ 'serin.dev/image-policies': '[]', 'serin.dev/image-poll': '10s' }}                    | ${/image-poll is "10s"/}
  `('$annotations is refused with its name', ({ annotations, problem }) => {
    expect(settingsOf(annotations as Record<string, string>)).toEqual({
      problem: expect.stringMatching(problem as RegExp),
    });
  });
});
