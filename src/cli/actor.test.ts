import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { UnsecuredJWT } from 'jose';
import { stringify } from 'yaml';
import { selfSigned } from '../../test/support/certificate.ts';
import { actorOf } from './actor.ts';

const folder = mkdtempSync(join(tmpdir(), 'serin-actor-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function kubeconfig(user: object): string {
  const path = join(folder, 'config');
  const content = {
    ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'main' },
    clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:1' } }],
    contexts: [{ name: 'main', context: { cluster: 'c', user: 'entry' } }],
    users: [{ name: 'entry', user }],
  };
  writeFileSync(path, stringify(content));
  return path;
}

const actor = (env: Record<string, string>, options: Record<string, string> = {}) =>
  actorOf({ words: [], options }, { env, out: () => undefined, err: () => undefined });
const jwt = (claims: Record<string, unknown>) => new UnsecuredJWT(claims).encode().replace(/\.$/, '.signature');

describe('who sends an order', () => {
  const USER = 'local';

  it('is who the kubeconfig is for: by its OpenID token, its certificate, or its entry', () => {
    const oidc = {
      'auth-provider': { name: 'oidc', config: { 'id-token': jwt({ sub: '42', email: 'ada@example.com' }) } },
    };
    expect(actor({ USER, KUBECONFIG: kubeconfig(oidc) })).toEqual({ by: 'ada@example.com' });
    const account = { token: jwt({ sub: 'system:serviceaccount:ci:deployer' }) };
    expect(actor({ USER, KUBECONFIG: kubeconfig(account) })).toEqual({ by: 'system:serviceaccount:ci:deployer' });
    const { cert } = selfSigned();
    const certificate = { 'client-certificate-data': Buffer.from(cert).toString('base64') };
    expect(actor({ USER, KUBECONFIG: kubeconfig(certificate) })).toEqual({ by: '127.0.0.1' });
    expect(actor({ USER, KUBECONFIG: kubeconfig({ token: 'opaque' }) })).toEqual({ by: 'entry' });
    expect(actor({ USER, HOME: folder })).toEqual({ by: 'local' });
  });

  it('is whom they name, before that, and the user of the machine after it', () => {
    const KUBECONFIG = kubeconfig({ token: 'opaque' });
    expect(actor({ USER, KUBECONFIG, SERIN_ACTOR: 'bob' })).toEqual({ by: 'bob' });
    expect(actor({ USER, KUBECONFIG, SERIN_ACTOR: 'bob' }, { by: 'cyd' })).toEqual({ by: 'cyd' });
    writeFileSync(KUBECONFIG, '{');
    expect(actor({ USER, KUBECONFIG })).toEqual({ by: 'local' });
    expect(actor({})).toEqual({});
  });

  it('is proved by a token, which comes from a file or the environment, and never from the kubeconfig', () => {
    const file = join(folder, 'token');
    writeFileSync(file, 'from-file\n');
    expect(actor({ SERIN_TOKEN: 'from-env' })).toEqual({ token: 'from-env' });
    expect(actor({ SERIN_TOKEN: 'from-env', SERIN_TOKEN_FILE: file })).toEqual({ token: 'from-file' });
    expect(actor({ SERIN_TOKEN: 'from-env' }, { 'token-file': file })).toEqual({ token: 'from-file' });
    expect(() => actor({ SERIN_TOKEN_FILE: join(folder, 'none') })).toThrow(/^no token: .*ENOENT/);
  });
});
