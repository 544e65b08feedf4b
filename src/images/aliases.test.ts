import { describe, expect, it } from '@jest/globals';
import { authHostsOf, repositoryIn } from './aliases.ts';
import { parseReference } from './reference.ts';

const inside = (host: string, image: string, more: Partial<Parameters<typeof repositoryIn>[0]> = {}) => {
  const parsed = parseReference(image);
  if ('problem' in parsed) throw new Error(parsed.problem);
  return repositoryIn({ host, hostAliases: [], ...more }, parsed.reference);
};

const personal = 'registry.cn-hangzhou.aliyuncs.com';
const newer = 'crpi-abc123.cn-hangzhou.personal.cr.aliyuncs.com';
const enterprise = 'acme-prod-registry.cn-hangzhou.cr.aliyuncs.com';

describe('names of a registry', () => {
  it.each`
    host          | image                                                               | repository
    ${personal}   | ${'registry.cn-hangzhou.aliyuncs.com/acme/cart:1'}                  | ${'acme/cart'}
    ${personal}   | ${'registry-vpc.cn-hangzhou.aliyuncs.com/acme/cart:1'}              | ${'acme/cart'}
    ${personal}   | ${'registry-internal.cn-hangzhou.aliyuncs.com/acme/cart:1'}         | ${'acme/cart'}
    ${personal}   | ${'registry-vpc.cn-shanghai.aliyuncs.com/acme/cart:1'}              | ${undefined}
    ${personal}   | ${'evil.io/registry-vpc.cn-hangzhou.aliyuncs.com/acme/cart'}        | ${undefined}
    ${personal}   | ${'registry-vpc.cn-hangzhou.aliyuncs.com.evil.io/acme/cart'}        | ${undefined}
    ${newer}      | ${'crpi-abc123-vpc.cn-hangzhou.personal.cr.aliyuncs.com/acme/cart'} | ${'acme/cart'}
    ${newer}      | ${'crpi-other-vpc.cn-hangzhou.personal.cr.aliyuncs.com/acme/cart'}  | ${undefined}
    ${enterprise} | ${'acme-prod-registry-vpc.cn-hangzhou.cr.aliyuncs.com/acme/cart'}   | ${'acme/cart'}
    ${enterprise} | ${'other-registry-vpc.cn-hangzhou.cr.aliyuncs.com/acme/cart'}       | ${undefined}
  `('$image is in $host: $repository', ({ host, image, repository }) => {
    expect(inside(host as string, image as string)).toBe(repository);
  });

  it('count both ways: a receiver that is named by the inner name knows the outer one', () => {
    expect(inside('registry-vpc.cn-hangzhou.aliyuncs.com', `${personal}/acme/cart`)).toBe('acme/cart');
  });

  it('are what the configuration says beside, aliases and mirrors alike', () => {
    expect(inside('docker.io', 'hub.internal/acme/cart', { hostAliases: ['hub.internal'] })).toBe('acme/cart');
    const mirrors = [{ from: 'mirror.local/docker.io', to: 'docker.io' }];
    expect(inside('docker.io', 'mirror.local/docker.io/library/nginx', { mirrors })).toBe('library/nginx');
    expect(inside('docker.io', 'mirror.local/docker.io/library/nginx')).toBeUndefined();
    expect(inside('docker.io', 'mirror.local/docker.iox/library/nginx', { mirrors })).toBeUndefined();
    expect(inside('docker.io', 'mirror.local/ghcr.io/acme/cart', { mirrors })).toBeUndefined();
  });

  it('tell where tokens come from', () => {
    expect(authHostsOf('docker.io')).toEqual(['auth.docker.io']);
    const hangzhou = ['dockerauth.cn-hangzhou.aliyuncs.com', 'dockerauth-vpc.cn-hangzhou.aliyuncs.com'];
    for (const host of [personal, newer, enterprise]) expect(authHostsOf(host)).toEqual(hangzhou);
    expect(authHostsOf('registry.cn-hangzhou.aliyuncs.com.evil.io')).toEqual([]);
    expect(authHostsOf('ghcr.io')).toEqual([]);
  });
});
