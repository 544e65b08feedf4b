import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { allows, loadReceivers } from './receivers.ts';

const folder = mkdtempSync(join(tmpdir(), 'receivers-'));

function file(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const demo = {
  name: 'demo',
  type: 'distribution',
  host: 'Registry.example.com:5000',
  tokensEnv: 'DEMO_TOKENS',
  repositories: ['shop/*'],
  namespaces: ['shop'],
};

describe('the receivers file', () => {
  it('needs few fields; the rest has defaults', async () => {
    const [receiver] = await loadReceivers(file('demo.json', [demo]), {
      DEMO_TOKENS: 'first-token-of-two, second-token-of-two',
    });
    expect(receiver).toMatchObject({
      host: 'registry.example.com:5000',
      settleMs: 5_000,
      registry: { url: 'https://registry.example.com:5000', authHosts: [] },
    });
    expect(await receiver!.tokens()).toEqual(['first-token-of-two', 'second-token-of-two']);
  });

  it('reads secrets from files each time, so that a rotated one counts at once', async () => {
    const tokens = file('tokens', 'the-old-token-0000\n');
    const password = file('password', 'hunter2\n');
    const { tokensEnv: _, ...rest } = demo;
    const registry = { url: 'http://127.0.0.1:5000', username: 'bot', passwordFile: password };
    const [receiver] = await loadReceivers(file('files.json', [{ ...rest, tokensFile: tokens, registry }]), {});
    expect(await receiver!.registry.credentials!()).toEqual({ username: 'bot', password: 'hunter2' });
    writeFileSync(tokens, 'the-new-token-0000\nthe-old-token-0000\n');
    expect(await receiver!.tokens()).toEqual(['the-new-token-0000', 'the-old-token-0000']);
  });

  it('Docker Hub is asked where it lives', async () => {
    const [receiver] = await loadReceivers(file('hub.json', [{ ...demo, host: 'index.docker.io' }]), {});
    expect(receiver).toMatchObject({
      host: 'docker.io',
      registry: { url: 'https://registry-1.docker.io', authHosts: ['auth.docker.io'] },
    });
  });

  it.each`
    change                                   | problem
    ${{ name: 'Demo!' }}                     | ${/name/}
    ${{ type: 'harbour' }}                   | ${/not one of distribution/}
    ${{ host: 'https://registry' }}          | ${/is not a registry host/}
    ${{ tokensEnv: undefined }}              | ${/needs tokensFile or tokensEnv/}
    ${{ repositories: [] }}                  | ${/repositories/}
    ${{ namespaces: undefined }}             | ${/namespaces/}
    ${{ token: 'oops' }}                     | ${/token/}
    ${{ registry: { url: 'ftp://x' } }}      | ${/url/}
    ${{ registry: { url: 'http://a:b@c' } }} | ${/must not carry a password/}
  `('with $change is refused with the field', async ({ change, problem }) => {
    const path = file('bad.json', [{ ...demo, ...(change as object) }]);
    await expect(loadReceivers(path, {})).rejects.toMatchObject({
      type: 'InvalidSpec',
      message: expect.stringMatching(problem as RegExp),
    });
  });

  it('is refused when it is no JSON, not there, or names a receiver twice', async () => {
    await expect(loadReceivers(file('text.json', 'demo'))).rejects.toMatchObject({ type: 'InvalidSpec' });
    await expect(loadReceivers(join(folder, 'none.json'))).rejects.toThrow(/none\.json/);
    await expect(loadReceivers(file('twice.json', [demo, demo]), {})).rejects.toThrow(/two receivers named demo/);
  });

  it('a missing, empty or short token lets nobody in', async () => {
    const path = file('short.json', [demo]);
    const tokens = async (env: Record<string, string>) => (await loadReceivers(path, env))[0]!.tokens();
    await expect(tokens({})).rejects.toMatchObject({
      type: 'Unauthorized',
      message: expect.stringContaining('DEMO_TOKENS'),
    });
    await expect(tokens({ DEMO_TOKENS: ' ' })).rejects.toThrow(/has no token/);
    await expect(tokens({ DEMO_TOKENS: 'short' })).rejects.toThrow(/at least 16 characters/);
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
