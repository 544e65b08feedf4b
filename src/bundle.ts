import { writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';

/** Bundles the workflows once, at build time, so that a worker starts at once and every replica runs the same code. */
export async function bundleWorkflows(target: string): Promise<void> {
  const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
  const workflowsPath = [here('./workflows/index.js'), here('./workflows/index.ts')].find((path) => existsSync(path));
  if (!workflowsPath) throw new Error('src/workflows/index is missing');
  const { code } = await bundleWorkflowCode({ workflowsPath });
  await writeFile(target, code);
}

if (import.meta.main) {
  await bundleWorkflows(process.argv[2] ?? fileURLToPath(new URL('./workflow-bundle.js', import.meta.url)));
}
