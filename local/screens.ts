import { mkdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { launch, type Page } from 'puppeteer-core';
import { createKubernetes, loadKubeConfig } from '../src/clients/kubernetes-client.ts';
import { resources, type Kubernetes } from '../src/clients/kubernetes.ts';
import { orderUpdates, progressQuery, releaseId } from '../src/workflows/messages.ts';
import { programOnPath } from './programs.ts';
import { startSerin } from './serin.ts';
import { startStack } from './stack.ts';
import { tutorial } from './tutorial.ts';

/**
 * Takes the pictures in `docs/pictures`: `npm run screens`. Plays releases on the local stack and looks at Temporal's pages
 * with a headless browser, the one that `CHROMIUM` names or `chromium` on `PATH` (Debian: `apt install chromium`).
 */
const folder = fileURLToPath(new URL('../docs/pictures/', import.meta.url));

/** Columns of the list, as people choose them in the page itself; it keeps them in the browser. */
const columns = [
  'Workflow ID',
  'CanaryPhase',
  'CanaryWeight',
  'CanaryOutcome',
  'CanaryImage',
  'CanaryCluster',
  'Start',
];

interface Scene {
  readonly namespace: string;
  readonly tag: string;
  readonly analysis?: object;
  /** What has to be so before the pictures are taken. */
  readonly until: { readonly phase: string; readonly weight?: number };
}

const approvals = [
  {
    ...{ name: 'managers', before: 'promotion', quorum: 2, approvers: ['ada', 'bob', 'cyd'] },
    ...{ deadline: '24h', defaultOutcome: 'reject' },
  },
];
const scenes: readonly Scene[] = [
  { namespace: 'mail', tag: '3.1.1', until: { phase: 'Succeeded' } },
  { namespace: 'search', tag: '3.1.2-err50', until: { phase: 'Failed' } },
  { namespace: 'shop', tag: '3.1.3', analysis: { maxWeight: 20, approvals }, until: { phase: 'WaitingPromotion' } },
  { namespace: 'pay', tag: '3.1.4', analysis: { interval: '2m' }, until: { phase: 'Progressing', weight: 10 } },
];

async function main(): Promise<void> {
  const executablePath = process.env.CHROMIUM ?? programOnPath('chromium', process.env);
  if (!executablePath) throw new Error('no browser: set CHROMIUM to the path of one');
  const say = (line: string) => console.error(line);
  const stack = await startStack({ progress: say });
  try {
    const serin = await startSerin(stack, { minimumIntervalMs: 1_000, env: { SERIN_CLUSTER_NAME: 'eu-1' } });
    const connection = await Connection.connect({ address: stack.temporal });
    try {
      const client = new Client({ connection });
      const kubernetes = createKubernetes(loadKubeConfig(stack.kubeconfig), { fieldManager: 'screens' });
      await Promise.all(scenes.map((scene) => play(kubernetes, client, scene, serin.loadTester)));
      say('the releases are where they should be');
      const shop = client.workflow.getHandle(releaseId({ namespace: 'shop', name: 'podinfo' }));
      await shop.executeUpdate(orderUpdates.approve, { args: [{ by: 'ada', reason: 'numbers look good' }] });
      await takePictures(executablePath, `${stack.temporalUi}/namespaces/default/workflows`, shop.workflowId);
      say(`pictures are in ${folder}`);
    } finally {
      await connection.close();
      await serin.stop();
    }
  } finally {
    await stack.stop();
  }
}

async function play(kubernetes: Kubernetes, client: Client, scene: Scene, loadTester: string): Promise<void> {
  const { namespace, tag, until } = scene;
  await kubernetes.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  const analysis = { interval: '2s', threshold: 2, ...scene.analysis };
  const objects = tutorial({ namespace, loadTester, analysis, interval: analysis.interval }) as { kind: string }[];
  const byKind = new Map(Object.values(resources).map((resource) => [resource.kind, resource]));
  for (const object of objects) await kubernetes.apply(byKind.get(object.kind as 'Canary')!, object, 'screens', true);
  await reached(kubernetes, namespace, 'Initialized');
  const { spec } = (await kubernetes.get(resources.deployments, namespace, 'podinfo'))!;
  const { template } = spec as { template: { spec: { containers: object[] } } };
  const containers = [{ ...template.spec.containers[0], image: `stefanprodan/podinfo:${tag}` }];
  await kubernetes.patch(resources.deployments, namespace, 'podinfo', { spec: { template: { spec: { containers } } } });
  await reached(kubernetes, namespace, until.phase, until.weight);
  if (until.phase === 'Succeeded' || until.phase === 'Failed') return;
  // The page is answered by the worker: what it shows is what it does.
  const handle = client.workflow.getHandle(releaseId({ namespace, name: 'podinfo' }));
  await handle.query(progressQuery);
}

async function reached(kubernetes: Kubernetes, namespace: string, phase: string, weight?: number): Promise<void> {
  for (const end = Date.now() + 120_000; Date.now() < end; await sleep(500)) {
    const { status } = ((await kubernetes.get(resources.canaries, namespace, 'podinfo')) ?? {}) as {
      status?: { phase?: string; canaryWeight?: number };
    };
    if (status?.phase === phase && (weight === undefined || status.canaryWeight === weight)) return;
  }
  throw new Error(`${namespace}/podinfo did not come to ${phase}`);
}

async function takePictures(executablePath: string, list: string, workflowId: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const browser = await launch({ executablePath, args: ['--no-sandbox', '--force-device-scale-factor=1'] });
  try {
    const page = await browser.newPage();
    await page.setViewport({ width: 1500, height: 640 });
    // Before any of the page's own code: what it would have kept of an earlier visit.
    await page.evaluateOnNewDocument((labels: string[]) => {
      const store = (globalThis as unknown as { localStorage: Storage }).localStorage;
      const chosen = { default: labels.map((label) => ({ label })) };
      store.setItem('namespace-workflow-table-columns', JSON.stringify(chosen));
      store.setItem('nav-open', 'closed');
    }, columns);
    await page.goto(`${list}?query=${encodeURIComponent("`WorkflowType`='release'")}`);
    await shot(page, 'shop/podinfo', 'releases.png');
    await page.setViewport({ width: 1500, height: 1050 });
    await page.goto(`${list}/${encodeURIComponent(workflowId)}`);
    await shot(page, 'Advance podinfo.shop', 'timeline.png');
    await page.locator('::-p-text(User Metadata)').click();
    await page.setViewport({ width: 1500, height: 860 });
    // What the release says of itself is in a frame of its own.
    await shot(page, 'Current Details', 'release.png');
  } finally {
    await browser.close();
  }
}

/** Waits until the page shows this, and a moment more for the rest of it. */
async function shot(page: Page, text: string, file: `${string}.png`): Promise<void> {
  await page
    .locator(`::-p-text(${text})`)
    .setTimeout(30_000)
    .wait()
    .catch(async (error: unknown) => {
      await page.screenshot({ path: `${folder}${file}` });
      throw error;
    });
  await sleep(2_000);
  await page.screenshot({ path: `${folder}${file}` });
}

await main();
