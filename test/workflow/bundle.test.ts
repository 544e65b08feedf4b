import { readFile } from 'node:fs/promises';
import { expect, it } from '@jest/globals';

it('the workflow bundle holds no schema library and no I/O library: one triples the memory of a cached release', async () => {
  const code = await readFile(process.env.SERIN_TEST_BUNDLE ?? '', 'utf8');
  const modules = new Set([...code.matchAll(/node_modules\/((?:@[a-z0-9-]+\/)?[a-z0-9.-]+)/g)].map(([, name]) => name));
  // What the SDK itself brings into every bundle.
  const allowed = ['@temporalio/common', '@temporalio/workflow', '@temporalio/worker', 'long', 'ms', 'nexus-rpc'];
  expect([...modules].filter((name) => !allowed.includes(name!))).toEqual([]);
  expect(code).not.toMatch(/src\/(schemas|clients|activities)\/[a-z/-]+\.ts/);
  expect(code).toMatch(/src\/workflows\/domain\/release\.ts/);
});
