import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { startStack } from '../../local/stack.ts';
import { bundleWorkflows } from '../../src/bundle.ts';
import { openBench } from '../support/temporal.ts';
import { scenarios } from './scenarios.ts';

/**
 * Plays every scenario against a Temporal server and keeps the histories: `node test/replay/record.ts <version>`. A
 * recorded history is never changed: a new version of the rules adds a folder beside the old ones.
 */
const version = process.argv[2];
if (!version) throw new Error('which version? node test/replay/record.ts <version>, such as 0.1');
const folder = fileURLToPath(new URL(`./recorded/${version}/`, import.meta.url));
await mkdir(folder, { recursive: true });

const stack = await startStack({ parts: ['temporal'], progress: (line) => console.error(line) });
const bundle = `${stack.directory}/workflows.js`;
try {
  await bundleWorkflows(bundle);
  const bench = await openBench({ SERIN_TEST_TEMPORAL: stack.temporal, SERIN_TEST_BUNDLE: bundle });
  for (const { name, cluster, play } of scenarios) {
    const world = cluster();
    const workflowId = await bench.whileWorking(world.activities, () => play(bench, world));
    let index = 0;
    for await (const { runId } of bench.client.workflow.list({ query: `WorkflowId = '${workflowId}'` })) {
      const history = await bench.client.workflow.getHandle(workflowId, runId).fetchHistory();
      await writeFile(`${folder}${name}${index === 0 ? '' : `-${index}`}.json`, historyToJSON(history));
      index += 1;
    }
    console.log(`${name}: ${index} run(s)`);
  }
  await bench.close();
} finally {
  await stack.stop();
}
