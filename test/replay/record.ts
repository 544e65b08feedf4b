import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { startStack } from '../../local/stack.ts';
import { bundleWorkflows } from '../../src/bundle.ts';
import { openBench, type Bench } from '../support/temporal.ts';
import { imageScenarios } from './image-scenarios.ts';
import { scenarios } from './scenarios.ts';

/**
 * Plays every scenario of a kind against a Temporal server and keeps the histories:
 * `node test/replay/record.ts releases|images <version>`. A recorded history is never changed: new behaviour of a run in
 * flight adds a folder beside the old ones.
 */
interface Kind {
  /** Below this folder. */
  readonly folder: string;
  /** Plays each, and says which workflow's runs to keep. */
  readonly play: (bench: Bench) => AsyncIterable<{ readonly name: string; readonly workflowId: string }>;
}

const kinds: Readonly<Record<string, Kind>> = {
  releases: {
    folder: 'recorded',
    async *play(bench) {
      for (const { name, cluster, play } of scenarios) {
        const world = cluster();
        yield { name, workflowId: await bench.whileWorking(world.activities, () => play(bench, world)) };
      }
    },
  },
  images: {
    folder: 'recorded-images',
    async *play(bench) {
      for (const { name, activities, play } of imageScenarios)
        yield { name, workflowId: await bench.whileWorking(activities(), () => play(bench)) };
    },
  },
};

const [kind, version] = [kinds[process.argv[2] ?? ''], process.argv[3]];
if (!kind || !version) throw new Error('write node test/replay/record.ts releases|images <version>, such as 0.1');
const folder = fileURLToPath(new URL(`./${kind.folder}/${version}/`, import.meta.url));
await mkdir(folder, { recursive: true });

const stack = await startStack({ parts: ['temporal'], progress: (line) => console.error(line) });
const bundle = `${stack.directory}/workflows.js`;
try {
  await bundleWorkflows(bundle);
  const bench = await openBench({ SERIN_TEST_TEMPORAL: stack.temporal, SERIN_TEST_BUNDLE: bundle });
  for await (const { name, workflowId } of kind.play(bench)) {
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
