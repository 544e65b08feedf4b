import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { provideTool } from '../../local/tools.ts';
import { openStack } from '../support/cluster.ts';
import { withPodinfo } from '../support/trouble.ts';

/**
 * The gate of docs/load-tester.md, "Signatures of images", as it is written there, through the load tester. Only what
 * verifies is another program: openssl with real keys, for cosign takes long to build. Both go by the digest.
 */
const folder = mkdtempSync(join(tmpdir(), 'signatures-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ours = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const others = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const publicKey = join(folder, 'cosign.pub');
writeFileSync(publicKey, ours.publicKey.export({ type: 'spki', format: 'pem' }));

const digestOf = (content: string) => `sha256:${createHash('sha256').update(content).digest('hex')}`;

/** Puts a signature of a digest where the gate looks for it. */
function signWith(key: KeyObject, digest: string, signed = digest): void {
  writeFileSync(join(folder, digest.slice(7)), sign('sha256', Buffer.from(signed), key));
}

interface Hook {
  readonly metadata: { readonly cmd: string };
}

async function gate(): Promise<object> {
  const page = readFileSync(new URL('../../docs/load-tester.md', import.meta.url), 'utf8');
  const [, text = ''] = /^## Signatures of images$[^]*?^```yaml\n([^]*?)^```$/m.exec(page) ?? [];
  const [hook] = (parse(text) as { webhooks: Hook[] }).webhooks;
  const { kubeconfig, loadTester } = openStack();
  const kubectl = await provideTool('kubectl', () => undefined);
  const changes: readonly (readonly [string, string])[] = [
    [
      'kubectl -n shop get deployment cart',
      `'${kubectl}' --kubeconfig '${kubeconfig}' -n NAMESPACE get deployment podinfo`,
    ],
    ['@.name=="cart"', '@.name=="podinfod"'],
    [
      'cosign verify --key /etc/signatures/cosign.pub "$image"',
      `printf %s "\${image##*@}" | openssl dgst -sha256 -verify '${publicKey}' -signature '${folder}'/"\${image##*:}"`,
    ],
  ];
  const cmd = changes.reduce((before, [from, to]) => {
    expect(before).toContain(from);
    return before.replace(from, () => to);
  }, hook!.metadata.cmd);
  return { ...hook, url: loadTester, metadata: { ...hook!.metadata, cmd } };
}

it('an image that nobody signed does not run, and one that is signed is released', async () => {
  const hook = await gate();
  const named = (objects: object[], namespace: string) =>
    JSON.parse(JSON.stringify(objects).replaceAll('NAMESPACE', namespace)) as object[];
  const edit = (objects: object[]) => {
    const [{ metadata }] = objects as [{ metadata: { namespace: string } }];
    return named(objects, metadata.namespace);
  };
  await withPodinfo({ interval: '1s', analysis: { metrics: [], webhooks: [hook] }, edit }, async (podinfo) => {
    await podinfo.phase('Initialized');
    const held = async (image: string) => {
      await podinfo.setImage(image);
      await podinfo.phase('Waiting');
      // Long enough for some more questions.
      await new Promise((done) => setTimeout(done, 4_000));
      expect((await podinfo.canary()).status?.phase).toBe('Waiting');
      expect((await podinfo.deployment('podinfo')).spec).toMatchObject({ replicas: 0 });
      expect(await podinfo.image('podinfo-primary')).toMatch(/:3\.1\.0$/);
    };
    const [unsigned, stolen, moved, good] = ['1', '2', '3', '4'].map(digestOf) as [string, string, string, string];
    signWith(ours.privateKey, good);
    signWith(others.privateKey, stolen);
    // A true signature, but of another digest.
    signWith(ours.privateKey, moved, good);

    await held(`3.1.1@${unsigned}`);
    await podinfo.told(`W Halt podinfo.${podinfo.namespace} advancement waiting for approval signed`);
    await held(`3.1.2@${stolen}`);
    await held(`3.1.3@${moved}`);
    await held('3.1.4');
    await podinfo.setImage(`3.1.4@${good}`);
    await podinfo.phase('Succeeded');
    expect(await podinfo.image('podinfo-primary')).toContain(`:3.1.4@${good}`);
  });
}, 240_000);
