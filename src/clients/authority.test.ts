import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { expect, it } from '@jest/globals';
import { authorityOf } from './authority.ts';
import { createKubernetes } from './kubernetes-client.ts';

const pem = (body: string) => `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`;

function config(cluster: object): KubeConfig {
  const config = new KubeConfig();
  config.loadFromClusterAndUser(
    { name: 'x', server: 'https://10.0.0.1', skipTLSVerify: false, ...cluster },
    { name: 'x' },
  );
  return config;
}

const inside = (text: string) => config({ caData: Buffer.from(text).toString('base64') });

it('two clusters of one URL are told apart by their certificates', () => {
  const [one, other] = [inside(pem('MIIB')), inside(pem('MIIC'))].map((cluster) =>
    createKubernetes(cluster, { fieldManager: 'test' }),
  );
  expect(one!.server).toBe(other!.server);
  expect(one!.authority).not.toBe(other!.authority);
});

it('certificates are the same in a kubeconfig and in a file, whatever the line ends', () => {
  const folder = mkdtempSync(join(tmpdir(), 'authority-'));
  try {
    const caFile = join(folder, 'ca.crt');
    writeFileSync(caFile, pem('MIIB').replaceAll('\n', '\r\n'));
    expect(authorityOf(config({ caFile }))).toBe(authorityOf(inside(pem('MIIB'))));
    expect(authorityOf(config({ caFile }))).toMatch(/^[0-9a-f]{64}$/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

it.each([
  ['names no certificates', {}],
  ['names a file that is not there', { caFile: '/nowhere/ca.crt' }],
  ['does not look at any', { caData: Buffer.from(pem('MIIB')).toString('base64'), skipTLSVerify: true }],
])('a kubeconfig that %s has no digest', (_, cluster) => {
  expect(authorityOf(config(cluster))).toBe('');
});
