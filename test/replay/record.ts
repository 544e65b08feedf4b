import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { startStack, type Stack } from '../../local/stack.ts';
import { bundleWorkflows } from '../../src/bundle.ts';
import { openBench, suggesting, type Bench } from '../support/temporal.ts';
import { imageScenarios } from './image-scenarios.ts';
import { longHistory, scenarios } from './scenarios.ts';

/**
 * Plays every scenario of a kind against a Temporal server and keeps the histories:
 * `node test/replay/record.ts releases|images <version>`. A recorded history is never changed: new behaviour of a run in
 * flight adds a folder beside the old ones.
 */
interface Kind {
  /** Below this folder. */
  readonly folder: string;
  /** Plays each, and says which workflow's runs to keep. On `long`, histories get too long after a few steps. */
  readonly play: (bench: Bench, long: Bench) => AsyncIterable<Played>;
}

interface Played {
  readonly name: string;
  readonly workflowId: string;
  /** Where its histories are. */
  readonly bench: Bench;
}

const kinds: Readonly<Record<string, Kind>> = {
  releases: {
    folder: 'recorded',
    async *play(usual, long) {
      for (const { name, cluster, play, isLong } of scenarios) {
        const world = cluster();
        const bench = isLong ? long : usual;
        yield { name, bench, workflowId: await bench.whileWorking(world.activities, () => play(bench, world)) };
      }
    },
  },
  images: {
    folder: 'recorded-images',
    async *play(bench) {
      for (const { name, activities, play } of imageScenarios)
        yield { name, bench, workflowId: await bench.whileWorking(activities(), () => play(bench)) };
    },
  },
};

const [kind, version] = [kinds[process.argv[2] ?? ''], process.argv[3]];
if (!kind || !version) throw new Error('write node test/replay/record.ts releases|images <version>, such as 0.1');
const folder = fileURLToPath(new URL(`./${kind.folder}/${version}/`, import.meta.url));
await mkdir(folder, { recursive: true });

const progress = (line: string) => console.error(line);
const stack = await startStack({ parts: ['temporal'], progress });
const longStack = await startStack({ parts: ['temporal'], progress, extraArgs: { temporal: suggesting(longHistory) } });
const bundle = `${stack.directory}/workflows.js`;
try {
  await bundleWorkflows(bundle);
  const open = ({ temporal }: Stack) => openBench({ SERIN_TEST_TEMPORAL: temporal, SERIN_TEST_BUNDLE: bundle });
  const benches = [await open(stack), await open(longStack)] as const;
  for await (const { name, workflowId, bench } of kind.play(...benches)) {
    let index = 0;
    for await (const { runId } of bench.client.workflow.list({ query: `WorkflowId = '${workflowId}'` })) {
      const history = await bench.client.workflow.getHandle(workflowId, runId).fetchHistory();
      await writeFile(`${folder}${name}${index === 0 ? '' : `-${index}`}.json`, historyToJSON(history));
      index += 1;
    }
    console.log(`${name}: ${index} run(s)`);
  }
  for (const bench of benches) await bench.close();
} finally {
  await stack.stop();
  await longStack.stop();
}
