import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { workflowSources } from '../../src/workflow-sources.ts';
import { startStack } from '../../local/stack.ts';
import { atTeardown, say } from './teardown.ts';

/**
 * One Temporal server and one bundle of the workflows for all workflow tests. Publishes `SERIN_TEST_TEMPORAL`
 * (`host:port`; set it yourself to use a server that runs already) and `SERIN_TEST_BUNDLE` (a file).
 */
export default async function setUp(): Promise<void> {
  const [bundle, address] = await Promise.all([bundleOnce(), startTemporal()]);
  process.env.SERIN_TEST_BUNDLE = bundle;
  process.env.SERIN_TEST_TEMPORAL = address;
}

async function startTemporal(): Promise<string> {
  if (process.env.SERIN_TEST_TEMPORAL) return process.env.SERIN_TEST_TEMPORAL;
  const stack = await startStack({ parts: ['temporal'], progress: say });
  atTeardown(stack.stop);
  return stack.temporal;
}

async function bundleOnce(): Promise<string> {
  const { code } = await bundleWorkflowCode({ ...workflowSources(), logger: new DefaultLogger('WARN') });
  const folder = mkdtempSync(join(tmpdir(), 'serin-bundle-'));
  atTeardown(async () => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'workflows.js');
  writeFileSync(path, code);
  return path;
}
