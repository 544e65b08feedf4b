import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { allows } from '../images/binding.ts';
import type { Call } from './credentials/credential.ts';
import { loadReceivers, type Receiver } from './receivers.ts';

const folder = mkdtempSync(join(tmpdir(), 'receivers-'));

function file(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

/** Secrets of the least length. */
const [one, two] = ['1'.repeat(32), '2'.repeat(32)] as const;

const demo = {
  name: 'demo',
  type: 'distribution',
  host: 'Registry.example.com:5000',
  tokensEnv: 'DEMO_TOKENS',
  repositories: ['shop/*'],
  namespaces: ['shop'],
};

/** Whether a receiver lets a call with this bearer token in. */
async function lets(receiver: Receiver | undefined, token: string): Promise<boolean> {
  const call: Call = {
    raw: Buffer.from(''),
    rawHeaders: ['Authorization', `Bearer ${token}`],
    query: new URLSearchParams(),
  };
  return 'trust' in (await receiver!.credential.check(call));
}

describe('the receivers file', () => {
  it('needs few fields; the rest has defaults', async () => {
    const env = { DEMO_TOKENS: `${one}, ${two}` };
    const [receiver] = await loadReceivers(file('demo.json', [demo]), { env });
    expect(receiver).toMatchObject({
      host: 'registry.example.com:5000',
      settleMs: 5_000,
      registry: { url: 'https://registry.example.com:5000', authHosts: [] },
    });
    expect(await lets(receiver, one)).toBe(true);
    expect(await lets(receiver, two)).toBe(true);
    expect(await lets(receiver, `${one}3`)).toBe(false);
    expect(await receiver!.address()).toBe('/hooks/v1/demo');
  });

  it('reads secrets from files each time, so that a rotated one counts at once', async () => {
    const tokens = file('tokens', `${one}\n`);
    const password = file('password', 'hunter2\n');
    const { tokensEnv: _, ...rest } = demo;
    const registry = { url: 'http://127.0.0.1:5000', username: 'bot', passwordFile: password };
    const [receiver] = await loadReceivers(file('files.json', [{ ...rest, tokensFile: tokens, registry }]), {
      env: {},
    });
    expect(await receiver!.registry.credentials!()).toEqual({ username: 'bot', password: 'hunter2' });
    writeFileSync(tokens, `${two}\n${one}\n`);
    expect(await lets(receiver, two)).toBe(true);
    expect(await lets(receiver, one)).toBe(true);
  });

  it('Docker Hub is asked where it lives', async () => {
    const [receiver] = await loadReceivers(file('hub.json', [{ ...demo, host: 'index.docker.io' }]), { env: {} });
    expect(receiver).toMatchObject({
      host: 'docker.io',
      registry: { url: 'https://registry-1.docker.io', authHosts: ['auth.docker.io'] },
    });
  });

  it.each`
    change                                                        | problem
    ${{ name: 'Demo!' }}                                          | ${/name/}
    ${{ type: 'harbour' }}                                        | ${/not one of distribution/}
    ${{ host: 'https://registry' }}                               | ${/is not a registry host/}
    ${{ tokensEnv: undefined }}                                   | ${/needs tokensFile or tokensEnv/}
    ${{ repositories: [] }}                                       | ${/repositories/}
    ${{ namespaces: undefined }}                                  | ${/namespaces/}
    ${{ token: 'oops' }}                                          | ${/token/}
    ${{ registry: { url: 'ftp://x' } }}                           | ${/url/}
    ${{ registry: { url: 'http://a:b@c' } }}                      | ${/must not carry a password/}
    ${{ auth: { scheme: 'capability' } }}                         | ${/auth.scheme capability is nothing its sender can do; use bearer, basic, header/}
    ${{ auth: { scheme: 'basic' } }}                              | ${/auth.username is missing/}
    ${{ auth: { scheme: 'magic' } }}                              | ${/scheme/}
    ${{ options: { a: 1 } }}                                      | ${/has none/}
    ${{ type: 'nexus' }}                                          | ${/repositories/}
    ${{ type: 'ghcr' }}                                           | ${/tells of ghcr.io only/}
    ${{ type: 'gar' }}                                            | ${/auth.claims.email is missing/}
    ${{ type: 'aliyun-eventbridge' }}                             | ${/auth.url is missing/}
    ${{ allowPayloadDigest: true }}                               | ${/allowPayloadDigest/}
    ${{ origins: ['*'] }}                                         | ${/eventgrid.azure.net, not "\*"[^]*origins/}
    ${{ origins: ['*.azure.net'] }}                               | ${/origins/}
    ${{ type: 'aliyun-eventbridge', auth: { scheme: 'header' } }} | ${/scheme header of aliyun-eventbridge needs "capability": true[^]*auth/}
  `('with $change is refused with the field', async ({ change, problem }) => {
    const path = file('bad.json', [{ ...demo, ...(change as object) }]);
    await expect(loadReceivers(path, { env: {} })).rejects.toMatchObject({
      type: 'InvalidSpec',
      message: expect.stringMatching(problem as RegExp),
    });
  });

  it('is refused when it is no JSON, not there, or names a receiver twice', async () => {
    await expect(loadReceivers(file('text.json', 'demo'))).rejects.toMatchObject({ type: 'InvalidSpec' });
    await expect(loadReceivers(join(folder, 'none.json'))).rejects.toThrow(/none\.json/);
    await expect(loadReceivers(file('twice.json', [demo, demo]), { env: {} })).rejects.toThrow(
      /two receivers named demo/,
    );
  });

  it('a missing, empty or short token lets nobody in', async () => {
    const path = file('short.json', [demo]);
    const tokens = async (env: Record<string, string>) => lets((await loadReceivers(path, { env }))[0], 'short');
    await expect(tokens({})).rejects.toMatchObject({
      type: 'Unauthorized',
      message: expect.stringContaining('DEMO_TOKENS'),
    });
    await expect(tokens({ DEMO_TOKENS: ' ' })).rejects.toThrow(/has no token/);
    const problem =
      'receiver demo: a secret in tokensEnv has less than 32 characters; make one with: openssl rand -hex 32';
    for (const short of ['short', one.slice(1), `${one} ${two.slice(1)}`])
      await expect(tokens({ DEMO_TOKENS: short })).rejects.toMatchObject({ type: 'Unauthorized', message: problem });
  });

  it('a short key makes no secret address, and a short token is no longer for the word before it', async () => {
    const hub = { ...demo, type: 'dockerhub', host: undefined };
    const [capability] = await loadReceivers(file('short-key.json', [hub]), { env: { DEMO_TOKENS: one.slice(1) } });
    await expect(capability!.address()).rejects.toThrow(/tokensEnv has less than 32 characters/);
    const header = { ...demo, auth: { scheme: 'header' } };
    const [whole] = await loadReceivers(file('short-value.json', [header]), {
      env: { DEMO_TOKENS: `Bearer ${one.slice(1)}` },
    });
    await expect(lets(whole, one.slice(1))).rejects.toThrow(/less than 32 characters/);
  });

  it('a sender that can only be given an address is given a secret one, and another when it leaks', async () => {
    const hub = {
      ...{ name: 'hub', type: 'dockerhub', tokensEnv: 'KEY', repositories: ['acme/*'], namespaces: ['shop'] },
    };
    const env = { KEY: one };
    const [first, second] = await loadReceivers(
      file('addresses.json', [hub, { ...hub, name: 'hub2', auth: { generation: 2, acceptPrevious: true } }]),
      { env },
    );
    const [before] = await loadReceivers(file('before.json', [{ ...hub, name: 'hub2' }]), { env });
    const call = (address: string): Call => ({
      raw: Buffer.from(''),
      rawHeaders: [],
      query: new URLSearchParams(),
      pathToken: address.split('/').at(-1)!,
    });
    const addresses = await Promise.all([first!.address(), second!.address(), before!.address()]);
    for (const address of addresses) expect(address).toMatch(/^\/hooks\/v1\/hub2?\/[A-Za-z0-9_-]{43}$/);
    expect(new Set(addresses).size).toBe(3);
    expect(await second!.credential.check(call(addresses[1]))).toEqual({ trust: 'capability-url' });
    expect(await second!.credential.check(call(addresses[2]))).toEqual({ trust: 'capability-url' });
    expect(await second!.credential.check(call(addresses[0]))).toEqual({ refused: 'address' });
    expect(await before!.credential.check(call(addresses[1]))).toEqual({ refused: 'address' });
  });

  it.each`
    glob          | repository          | allowed
    ${'shop/*'}   | ${'shop/cart'}      | ${true}
    ${'shop/*'}   | ${'shop/team/cart'} | ${false}
    ${'shop/**'}  | ${'shop/team/cart'} | ${true}
    ${'**'}       | ${'shop/team/cart'} | ${true}
    ${'**/cart'}  | ${'shop/team/cart'} | ${true}
    ${'shop/*'}   | ${'workshop/cart'}  | ${false}
    ${'shop/*'}   | ${'evil/shop/cart'} | ${false}
    ${'shop/c.t'} | ${'shop/cat'}       | ${false}
    ${'shop/ca*'} | ${'shop/cart'}      | ${true}
    ${'shop'}     | ${'shop/cart'}      | ${false}
  `('$glob and $repository: $allowed', ({ glob, repository, allowed }) => {
    expect(allows([glob as string], repository as string)).toBe(allowed);
  });
});
