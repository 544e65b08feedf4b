import { describe, expect, it } from '@jest/globals';
import { canonicalHost, isAttachmentTag, parseReference, repositoryKey } from './reference.ts';

const digest = `sha256:${'1bc04b52'.repeat(8)}`;

function canonical(text: string) {
  const parsed = parseReference(text);
  if ('problem' in parsed) return 'rejected';
  const { reference } = parsed;
  return [repositoryKey(reference), reference.tag, reference.digest].filter((part) => part !== undefined).join(' · ');
}

describe('image references', () => {
  it.each`
    written                                    | means
    ${'nginx'}                                 | ${'docker.io/library/nginx · latest'}
    ${'index.docker.io/library/nginx:1'}       | ${'docker.io/library/nginx · 1'}
    ${'registry-1.docker.io/nginx:1'}          | ${'docker.io/library/nginx · 1'}
    ${'registry:5000'}                         | ${'docker.io/library/registry · 5000'}
    ${'localhost:5000/app:v1'}                 | ${'localhost:5000/app · v1'}
    ${'localhost/app'}                         | ${'localhost/app · latest'}
    ${`REG.example.com:443/a/b:Tag@${digest}`} | ${`reg.example.com/a/b · Tag · ${digest}`}
    ${`registry.example.com/a@${digest}`}      | ${`registry.example.com/a · ${digest}`}
    ${'[::1]:5000/a'}                          | ${'[::1]:5000/a · latest'}
    ${'10.0.0.7:5000/a:1'}                     | ${'10.0.0.7:5000/a · 1'}
    ${'evil.io/docker.io/library/nginx'}       | ${'evil.io/docker.io/library/nginx · latest'}
    ${'acme/cart_api__x/y-z.w:1.0'}            | ${'docker.io/acme/cart_api__x/y-z.w · 1.0'}
    ${'ghcr.io/Owner/x'}                       | ${'rejected'}
    ${'a//b'}                                  | ${'rejected'}
    ${'-a/b'}                                  | ${'rejected'}
    ${'foo/bar:1:2'}                           | ${'rejected'}
    ${'nginx@sha256:abc'}                      | ${'rejected'}
    ${`nginx@${digest}@${digest}`}             | ${'rejected'}
    ${`nginx:${'t'.repeat(129)}`}              | ${'rejected'}
    ${'nginx:1.2.3+build'}                     | ${'rejected'}
    ${'nginx\n:1'}                             | ${'rejected'}
    ${'ngin\u0000x'}                           | ${'rejected'}
    ${'https://registry.example.com/a'}        | ${'rejected'}
    ${'user@registry.example.com/a'}           | ${'rejected'}
    ${'-reg.example.com/a'}                    | ${'rejected'}
    ${'reg.example.com:port/a'}                | ${'rejected'}
    ${`reg.example.com/${'a/'.repeat(128)}a`}  | ${'rejected'}
    ${''}                                      | ${'rejected'}
    ${'a'.repeat(1025)}                        | ${'rejected'}
  `('$written means $means', ({ written, means }) => {
    expect(canonical(written!)).toBe(means);
  });

  it('keeps the name as its author wrote it, so that an update changes nothing else', () => {
    const parsed = parseReference(`REG.example.com:443/a/b:1@${digest}`);
    expect('reference' in parsed && parsed.reference.name).toBe('REG.example.com:443/a/b');
    const short = parseReference('nginx:1');
    expect('reference' in short && short.reference.name).toBe('nginx');
  });

  it('tells hosts from words', () => {
    expect(canonicalHost('Registry.Example.com:443')).toBe('registry.example.com');
    expect(canonicalHost('registry.example.com/path')).toBeUndefined();
    expect(canonicalHost('')).toBeUndefined();
  });

  it.each([
    [`sha256-${'ab'.repeat(32)}.sig`, true],
    [`sha256-${'ab'.repeat(32)}`, true],
    ['sha256-notes', false],
    ['1.4.2', false],
  ])('the tag %s carries an attachment of an image: %s', (tag, expected) => {
    expect(isAttachmentTag(tag)).toBe(expected);
  });
});
