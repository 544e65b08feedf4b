import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import { serveControl } from '../../local/control.ts';
import { previousBuild, previousVersion } from '../../local/previous.ts';
import type { Server } from '../../local/process.ts';
import { startStack, type Stack } from '../../local/stack.ts';
import { provideTool } from '../../local/tools.ts';
import { releaseId } from '../../src/workflows/messages.ts';
import { eventually } from '../support/cluster.ts';
import { openFleet, type Fleet } from '../support/fleet.ts';
import { openPodinfo, type Podinfo } from '../support/podinfo.ts';

/*
 * Upgrades with releases in flight. First the way everybody has: workers of the version before are replaced by those of
 * this one, and releases that began there end here. Then the other one, for those who keep old workers: versions that are
 * pinned by configuration.
 */
let stack: Stack;
let control: Awaited<ReturnType<typeof serveControl>>;
let connection: Connection;
let client: Client;
let fleet: Fleet;

beforeAll(async () => {
  stack = await startStack({ parts: ['cluster', 'workloads', 'metrics', 'temporal'] });
  control = await serveControl(stack);
  process.env.SERIN_TEST_STACK = JSON.stringify(control.description);
  connection = await Connection.connect({ address: stack.temporal });
  client = new Client({ connection });
  fleet = openFleet(stack, { minimumIntervalMs: 1_000, drainMs: 500 });
}, 240_000);

afterAll(async () => {
  await fleet?.stop();
  await connection?.close();
  await control?.close();
  await stack?.stop();
}, 60_000);

const idOf = ({ namespace }: Podinfo) => releaseId({ namespace, name: 'podinfo' });
const runOf = async (podinfo: Podinfo) => client.workflow.getHandle(idOf(podinfo)).describe();
const order = (podinfo: Podinfo, kind: string) =>
  client.workflow.getHandle(idOf(podinfo)).executeUpdate(kind, { args: [{ by: 'test' }] });

/** Types of the events of a run, and who carried its tasks. */
async function historyOf(podinfo: Podinfo, runId: string) {
  const { events = [] } = (await client.workflow.getHandle(idOf(podinfo), runId).fetchHistory()) as {
    events?: readonly {
      readonly eventType: unknown;
      readonly workflowTaskCompletedEventAttributes?: { readonly identity?: string };
      readonly workflowTaskFailedEventAttributes?: { readonly failure?: { readonly message?: string } };
    }[];
  };
  return {
    carriers: events.flatMap((event) => event.workflowTaskCompletedEventAttributes?.identity ?? []),
    // A message that meets a run which is about to end makes the server refuse the end: the run looks once more.
    failures: events
      .flatMap((event) => event.workflowTaskFailedEventAttributes?.failure?.message ?? [])
      .filter((message) => message !== 'UnhandledCommand'),
  };
}

describe(`releases that began on ${previousVersion().version}`, () => {
  const analysis = {
    metrics: [{ name: 'request-success-rate', thresholdRange: { min: 99 }, interval: '5s' }],
    webhooks: [],
  };
  const open = (more: object = {}, interval = '2s') => openPodinfo({ interval, analysis: { ...analysis, ...more } });
  let before: readonly Server[];
  let scenes: Readonly<Record<'stepping' | 'paused' | 'failing' | 'asking' | 'counting', Podinfo>>;
  const runs = new Map<Podinfo, string>();

  beforeAll(async () => {
    const app = await previousBuild();
    before = await Promise.all([fleet.worker('old-worker', { app }), fleet.starter('old-starter', { app })]);
    const [stepping, paused, failing, asking, counting] = await Promise.all([
      open({ maxWeight: 50 }),
      open({ maxWeight: 50 }),
      open({ threshold: 3 }, '4s'),
      open({ approvals: [{ name: 'managers', before: 'promotion' }], maxWeight: 20 }),
      open({ iterations: 12, stepWeight: undefined, maxWeight: undefined }),
    ]);
    scenes = { stepping, paused, failing, asking, counting };
    const all = Object.values(scenes);
    await Promise.all(all.map((podinfo) => podinfo.phase('Initialized')));
    await Promise.all(all.map((podinfo) => podinfo.setImage(podinfo === failing ? '3.1.1-err50' : '3.1.1')));
    // Each in the middle of something when the old worker goes.
    await Promise.all([
      stepping.weight(20),
      paused.weight(20).then(() => order(paused, 'pause')),
      failing.weight(10),
      eventually(
        'an approval asked for',
        async () => (await asking.canary()).status?.phase === 'WaitingPromotion',
        60_000,
      ),
      eventually('some iterations', async () => ((await counting.canary()).status?.iterations ?? 0) >= 2, 60_000),
    ]);
    for (const podinfo of all) runs.set(podinfo, (await runOf(podinfo)).runId);
    await Promise.all(before.map((server) => server.stop(40_000)));
    await Promise.all([fleet.worker('worker'), fleet.starter('starter')]);
  }, 240_000);

  afterAll(() => Promise.all(Object.values(scenes ?? {}).map((podinfo) => podinfo.close())), 30_000);

  it('end on this one, where they were, without beginning anew', async () => {
    const { stepping, paused, failing, asking, counting } = scenes;
    expect((await paused.canary()).status).toMatchObject({ phase: 'Progressing', canaryWeight: 20 });
    await order(paused, 'resume');
    await order(asking, 'approve');
    await Promise.all([stepping, paused, asking, counting].map((podinfo) => podinfo.phase('Succeeded')));
    await failing.phase('Failed');
    for (const podinfo of [stepping, paused, asking, counting])
      expect(await podinfo.image('podinfo-primary')).toMatch(/:3\.1\.1$/);
    expect(await failing.image('podinfo-primary')).toMatch(/:3\.1\.0$/);
    // Weights go on from where they were: none is taken back, and none is given twice.
    for (const podinfo of [stepping, paused])
      expect(podinfo.diary.weights().map(({ canary }) => canary)).toEqual([0, 10, 20, 30, 40, 50, 0]);
  }, 120_000);

  it('are the same runs, replayed by this code without a failure', async () => {
    for (const [name, podinfo] of Object.entries(scenes)) {
      await eventually(`the end of the run of ${name}`, async () => (await runOf(podinfo)).status.name === 'COMPLETED');
      const { carriers, failures } = await historyOf(podinfo, runs.get(podinfo)!);
      expect([name, failures]).toEqual([name, []]);
      expect([name, new Set(carriers).size]).toEqual([name, 2]);
    }
  });

  it('are told once', async () => {
    const isEnd = (event: string) => /New revision detected|Promotion completed|Canary failed/.test(event);
    for (const [name, podinfo] of Object.entries(scenes)) {
      const told = await eventually(`the last word on ${name}`, () => {
        const found = podinfo.diary.events().filter(isEnd);
        return found.length >= 2 && found;
      });
      expect([name, told.length]).toEqual([name, 2]);
    }
  });

  it('leave Canaries on which the next release is an ordinary one', async () => {
    const { stepping } = scenes;
    await stepping.setImage('3.1.2');
    await eventually(
      'the next release',
      async () => (await stepping.image('podinfo-primary')).endsWith(':3.1.2'),
      90_000,
    );
    await stepping.phase('Succeeded');
  }, 120_000);
});

describe('pinned versions', () => {
  const version = (buildId: string) => ({ env: { SERIN_DEPLOYMENT_NAME: 'serin', SERIN_BUILD_ID: buildId } });
  let temporal: (...args: string[]) => string;

  it('let a release end on the version it began on, while the next one begins on the next', async () => {
    await fleet.stop();
    const program = await provideTool('temporal', () => undefined);
    temporal = (...args) =>
      execFileSync(program, [...args, '--address', stack.temporal], { encoding: 'utf8', stdio: 'pipe' });
    const makeCurrent = (buildId: string) =>
      eventually(`version ${buildId} to be current`, () =>
        temporal(
          'worker',
          'deployment',
          'set-current-version',
          '--deployment-name',
          'serin',
          '--build-id',
          buildId,
          '--yes',
        ),
      );
    await fleet.starter('pinned-starter');
    const one = await fleet.worker('one', version('1'));
    await makeCurrent('1');
    const podinfo = await openPodinfo({ interval: '3s', analysis: { metrics: [], webhooks: [] } });
    await podinfo.phase('Initialized');
    await podinfo.setImage('3.1.1');
    await podinfo.weight(10);
    const { runId } = await runOf(podinfo);
    await fleet.worker('two', version('2'));
    await makeCurrent('2');
    const other = await openPodinfo({ interval: '2s', analysis: { metrics: [], webhooks: [] } });
    await Promise.all([podinfo.phase('Succeeded'), other.phase('Initialized')]);
    await eventually('the end of the run', async () => (await runOf(podinfo)).status.name === 'COMPLETED');
    const buildOf = async (of: Podinfo, run?: string) =>
      (
        JSON.parse(temporal('workflow', 'describe', '-w', idOf(of), ...(run ? ['-r', run] : []), '-o', 'json')) as {
          workflowExecutionInfo: { versioningInfo: { deploymentVersion: { buildId: string } } };
        }
      ).workflowExecutionInfo.versioningInfo.deploymentVersion.buildId;
    expect(await buildOf(podinfo, runId)).toBe('1');
    expect(await buildOf(other)).toBe('2');

    // One whose workers are gone waits, as it is, and goes on when it is moved by hand.
    await makeCurrent('1');
    await podinfo.setImage('3.1.2');
    await podinfo.weight(10);
    await makeCurrent('2');
    await one.stop(40_000);
    temporal(...['workflow', 'update-options', '-w', idOf(podinfo), '--versioning-override-behavior', 'auto_upgrade']);
    await eventually(
      'its end on the other version',
      async () => (await podinfo.image('podinfo-primary')).endsWith(':3.1.2'),
      90_000,
    );
    await Promise.all([podinfo.close(), other.close()]);
  }, 240_000);
});
