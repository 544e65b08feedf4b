import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';
import { workflowSources } from './workflow-sources.ts';

/** Bundles the workflows once, at build time, so that a worker starts at once and every replica runs the same code. */
export async function bundleWorkflows(target: string): Promise<void> {
  const { code } = await bundleWorkflowCode(workflowSources());
  await writeFile(target, code);
}

if (import.meta.main) {
  await bundleWorkflows(process.argv[2] ?? fileURLToPath(new URL('./workflow-bundle.js', import.meta.url)));
}
