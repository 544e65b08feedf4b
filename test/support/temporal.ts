import { randomUUID } from 'node:crypto';
import { Client, Connection, type WorkflowHandle, type WorkflowHandleWithSignaledRunId } from '@temporalio/client';
import {
  DefaultLogger,
  NativeConnection,
  Runtime,
  Worker,
  type InjectedSinks,
  type WorkerOptions,
} from '@temporalio/worker';
import { ensureSearchAttributes } from '../../src/search-attributes.ts';
import { hintSignal, progressQuery, releaseId, type Hint } from '../../src/workflows/messages.ts';
import type { release } from '../../src/workflows/release.ts';
import type { TracingSinks } from '../../src/workflows/tracing.ts';

/** A worker of its own on a task queue of its own, so that suites do not disturb each other. */
export interface Bench {
  readonly client: Client;
  readonly taskQueue: string;
  /** A Canary name nobody else uses. */
  canary(): { namespace: string; name: string };
  /** Starts a release, or tells a running one that something may have changed. */
  hint(
    canary: { namespace: string; name: string },
    hint?: Partial<Hint>,
  ): Promise<WorkflowHandleWithSignaledRunId<typeof release>>;
  /** Runs `work` while a worker carries these activities. */
  whileWorking<T>(activities: object, work: () => Promise<T>, options?: Partial<WorkerOptions>): Promise<T>;
  close(): Promise<void>;
}

/** Takes the spans of runs, for tests that do not listen to them. Without it the SDK reports each as an error. */
export const silentSinks: InjectedSinks<TracingSinks> = { tracing: { ran: { fn: () => undefined } } };

let installed = false;

/** Connects to the test server. Close it in `afterAll`. */
export async function openBench(env: NodeJS.ProcessEnv = process.env): Promise<Bench> {
  // The server and the bundle that the level's set-up has made.
  const { SERIN_TEST_TEMPORAL: address = '127.0.0.1:7233', SERIN_TEST_BUNDLE: codePath = '' } = env;
  if (!installed) Runtime.install({ logger: new DefaultLogger('ERROR') });
  installed = true;
  const connection = await Connection.connect({ address });
  const native = await NativeConnection.connect({ address });
  const client = new Client({ connection });
  expectNothing(await ensureSearchAttributes(connection, 'default'));
  const taskQueue = `test-${randomUUID()}`;
  return {
    client,
    taskQueue,
    canary: () => ({ namespace: 'prod', name: `shop-${randomUUID().slice(0, 8)}` }),
    async hint(canary, hint = {}) {
      return client.workflow.signalWithStart<typeof release, [Hint]>('release', {
        workflowId: releaseId(canary),
        taskQueue,
        args: [{ canary }],
        signal: hintSignal,
        signalArgs: [{ source: 'test', eventId: randomUUID(), ...hint }],
      });
    },
    async whileWorking(activities, work, options = {}) {
      const worker = await Worker.create({
        connection: native,
        taskQueue,
        workflowBundle: { codePath },
        activities,
        sinks: silentSinks,
        shutdownGraceTime: 1_000,
        maxHeartbeatThrottleInterval: 200,
        ...options,
      });
      return worker.runUntil(work);
    },
    async close() {
      await native.close();
      await connection.close();
    },
  };
}

/** Flags of a server that suggests to begin a new history after so many events. */
export function suggesting(events: number): readonly string[] {
  return ['--dynamic-config-value', `limit.historyCount.suggestContinueAsNew=${events}`];
}

function expectNothing(problems: readonly string[]): void {
  if (problems.length > 0) throw new Error(problems.join('; '));
}

/** Waits until `probe` is true, looking every 50 ms, and fails with `what` after `timeoutMs`. */
export async function until(what: string, probe: () => boolean | Promise<boolean>, timeoutMs = 20_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await probe())) {
    if (Date.now() > end) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The release itself knows that this weight is in force: the route is there a little earlier. */
export async function reached(handle: WorkflowHandle, weight: number): Promise<void> {
  await until(`weight ${weight}`, async () => (await handle.query(progressQuery)).canaryWeight === weight);
}
