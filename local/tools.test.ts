import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { findTool, provideTool, tools, type ToolName } from './tools.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'serin-tools-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const file = (path: string, mode = 0o755) => {
  const full = join(folder, path);
  mkdirSync(join(full, '..'), { recursive: true });
  writeFileSync(full, '#!/bin/sh\n');
  chmodSync(full, mode);
  return full;
};
const env = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  SERIN_CACHE: join(folder, 'cache'),
  PATH: [join(folder, 'empty'), join(folder, 'path')].join(':'),
  ...more,
});

describe('a tool of the local stack', () => {
  it('is what its variable names, then what is on PATH, then what the cache holds', () => {
    expect(findTool('etcd', env())).toBeUndefined();
    const cached = file('cache/bin/etcd-3.6.5');
    expect(findTool('etcd', env())).toBe(cached);
    const onPath = file('path/etcd');
    expect(findTool('etcd', env())).toBe(onPath);
    const named = file('elsewhere/my-etcd');
    expect(findTool('etcd', env({ SERIN_ETCD: named }))).toBe(named);
  });

  it('is not taken from the cache when the version has changed', () => {
    file('cache/bin/etcd-3.6.4');
    expect(findTool('etcd', env())).toBeUndefined();
  });

  it.each([
    ['a file that cannot be executed', () => void file('path/etcd', 0o644)],
    ['a folder of its name', () => void mkdirSync(join(folder, 'path/etcd'), { recursive: true })],
  ])('is not %s on PATH', (_what, make) => {
    make();
    expect(findTool('etcd', env())).toBeUndefined();
  });

  it('is refused, not replaced, when its variable names something that is not there', () => {
    file('path/etcd');
    const missing = join(folder, 'missing');
    expect(() => findTool('etcd', env({ SERIN_ETCD: missing }))).toThrow(
      `SERIN_ETCD is "${missing}", which is not an executable file`,
    );
  });

  it('may be a file that is no program', () => {
    const crds = file('crds.yaml', 0o644);
    expect(findTool('istio-crds', env({ SERIN_ISTIO_CRDS: crds }))).toBe(crds);
  });

  it.each(Object.keys(tools) as ToolName[])('%s can be named by a variable of its own', (name) => {
    const sharing = Object.values(tools).filter(({ env }) => env === tools[name].env);
    expect(sharing).toHaveLength(1);
  });

  it.each([
    ['etcd', 'go', 'SERIN_ETCD'],
    ['temporal', 'python3', 'TEMPORAL_CLI'],
    ['prometheus', 'apt-get', 'SERIN_PROMETHEUS'],
  ] as const)(
    '%s cannot be built without %s, and the message says what to set instead',
    async (name, missing, variable) => {
      await expect(provideTool(name, () => undefined, env())).rejects.toThrow(
        new RegExp(
          `${name} .* cannot be built: needs .*no ${missing} on PATH. Or set ${variable} to a file that you have`,
        ),
      );
    },
  );
});
