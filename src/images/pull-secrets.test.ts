import { describe, expect, it } from '@jest/globals';
import { memoryKubernetes } from '../../test/support/memory-kubernetes.ts';
import { pullCredentials } from './pull-secrets.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const entry = (name: string) => ({ auth: base64(`${name}:secret`) });

const secret = (name: string, data: Record<string, unknown>) => ({
  ...{ apiVersion: 'v1', kind: 'Secret', metadata: { namespace: 'shop', name } },
  data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, base64(JSON.stringify(value))])),
});

const config = (name: string, auths: object) => secret(name, { '.dockerconfigjson': { auths } });

/** Users that are shown to a registry for a repository, in order, by a pod that may use all of these Secrets. */
async function shown(host: string, repository: string, ...secrets: readonly ReturnType<typeof secret>[]) {
  const imagePullSecrets = secrets.map(({ metadata: { name } }) => ({ name }));
  const workload = {
    ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { namespace: 'shop', name: 'cart' } },
    spec: { template: { spec: { imagePullSecrets } } },
  };
  const found = await pullCredentials(memoryKubernetes(...secrets), workload, { host, hostAliases: [] }, repository);
  return found.map((credentials) => ('username' in credentials ? credentials.username : 'token'));
}

describe('the pull secrets of pods', () => {
  it.each`
    server                                | host                           | repository         | counts
    ${'registry.example.com'}             | ${'registry.example.com'}      | ${'shop/cart'}     | ${true}
    ${'https://registry.example.com/v2/'} | ${'registry.example.com'}      | ${'shop/cart'}     | ${true}
    ${'registry.example.com'}             | ${'registry.example.com:5000'} | ${'shop/cart'}     | ${false}
    ${'example.com'}                      | ${'registry.example.com'}      | ${'shop/cart'}     | ${false}
    ${'gitlab.example.com:5050/group'}    | ${'gitlab.example.com:5050'}   | ${'group/app'}     | ${true}
    ${'gitlab.example.com:5050/group'}    | ${'gitlab.example.com:5050'}   | ${'other/app'}     | ${false}
    ${'https://index.docker.io/v1/'}      | ${'docker.io'}                 | ${'library/nginx'} | ${true}
    ${'docker.io/acme'}                   | ${'docker.io'}                 | ${'acme/cart'}     | ${true}
    ${'docker.io/acme'}                   | ${'docker.io'}                 | ${'library/nginx'} | ${false}
    ${'*.azurecr.io'}                     | ${'acme.azurecr.io'}           | ${'shop/cart'}     | ${true}
    ${'*.azurecr.io'}                     | ${'a.acme.azurecr.io'}         | ${'shop/cart'}     | ${false}
  `('of $server count for $host/$repository: $counts', async ({ server, host, repository, counts }) => {
    const users = await shown(
      host as string,
      repository as string,
      config('one', { [server as string]: entry('bot') }),
    );
    expect(users).toEqual(counts ? ['bot'] : []);
  });

  it('are tried one after the other, those for the longest path first, and each once', async () => {
    const host = 'gitlab.example.com:5050';
    const first = config('first', { [host]: entry('all'), [`${host}/group`]: entry('group') });
    const second = config('second', { [`${host}/group/app`]: entry('app'), [`https://${host}`]: entry('all') });
    expect(await shown(host, 'group/app', first, second)).toEqual(['app', 'group', 'all']);
  });

  it('are read in the older format too, and what is none has nothing', async () => {
    const older = secret('older', { '.dockercfg': { 'registry.example.com': entry('old') } });
    const other = secret('other', { password: 'x', '.dockerconfigjson': 7 });
    expect(await shown('registry.example.com', 'shop/cart', other, older)).toEqual(['old']);
  });
});
