import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { serveControl } from '../../local/control.ts';
import { startSerin, type Serin } from '../../local/serin.ts';
import { startStack, type Stack } from '../../local/stack.ts';
import { provideTools } from '../../local/tools.ts';
import { eventually } from '../support/cluster.ts';
import { read } from '../support/manifests.ts';
import { openPodinfo } from '../support/podinfo.ts';
import { wholeLadder } from '../support/trouble.ts';

/*
 * An installation as people make it: the commands of the README, the chart applied by kubectl, worker and starter from a
 * package that was installed in a clean folder, each with the token of its service account. On a stack of its own.
 */
const root = new URL('../..', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'serin-install-'));
const app = join(folder, 'app');
const bin = join(folder, 'bin');
let stack: Stack;
let tester: Serin;
let control: Awaited<ReturnType<typeof serveControl>>;
const pods: Pod[] = [];

interface Pod {
  readonly child: ChildProcess;
  /** What it listens on, by the variable that says so. */
  readonly ports: ReadonlyMap<string, string>;
}

beforeAll(async () => {
  const [tools] = await Promise.all([
    provideTools(['helm', 'kubectl'], () => undefined),
    startStack().then((started) => (stack = started)),
  ]);
  mkdirSync(bin);
  for (const [name, path] of Object.entries(tools)) symlinkSync(path, join(bin, name));
  tester = await startSerin(stack, { only: ['loadtester'] });
  control = await serveControl(stack, tester);
  process.env.SERIN_TEST_STACK = JSON.stringify(control.description);
}, 180_000);

afterAll(async () => {
  await stopPods();
  await control?.close();
  await tester?.stop();
  await stack?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

const environment = () => ({
  ...process.env,
  PATH: `${bin}:${dirname(process.execPath)}:${process.env.PATH}`,
  KUBECONFIG: stack.kubeconfig,
  TEMPORAL_ADDRESS: stack.temporal,
  SERIN_METRICS_SERVER: stack.prometheus,
  NODE_OPTIONS: '',
});

const sh = (script: string, cwd = root) =>
  execFileSync('bash', ['-euo', 'pipefail', '-c', script], {
    cwd,
    env: environment(),
    encoding: 'utf8',
    stdio: 'pipe',
  });

/** The commands that the README gives for the local stack: those of an install, and those that start the processes. */
function commands(): readonly [install: string, start: readonly string[]] {
  const section = /## The same without a cluster\n(.*?)\n## /s.exec(read('README.md'))![1]!;
  const [install, start] = [...section.matchAll(/```sh\n(.*?)```/gs)].map(([, text]) => text!);
  return [install!, start!.trim().split('\n')];
}

/** Starts a process by its command, with the installed package instead of the checkout. Resolves once it is ready. */
async function startPod(command: string): Promise<Pod> {
  const child = spawn('bash', ['-c', `exec ${command} ${app}`], { cwd: root, env: environment(), detached: true });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')));
  const ports = await eventually('the ports of a pod', () => {
    if (child.exitCode !== null) throw new Error(said);
    const line = said.split('\n').find((text) => text.includes(' on SERIN_HOST='));
    if (line === undefined) return undefined;
    return new Map([...line.matchAll(/(SERIN_\w+)=(\S+)/g)].map(([, name, value]) => [name!, value!] as const));
  });
  const pod = { child, ports };
  pods.push(pod);
  const port = ports.get('SERIN_HEALTH_PORT') ?? ports.get('SERIN_PORT');
  await eventually(
    `${command} to be ready`,
    async () => {
      if (child.exitCode !== null) throw new Error(said);
      const response = await fetch(`http://127.0.0.1:${port}/readyz`);
      if (!response.ok) throw new Error(await response.text());
      return true;
    },
    60_000,
  );
  return pod;
}

async function stopPods(): Promise<void> {
  await Promise.all(
    pods.splice(0).map(
      ({ child }) =>
        new Promise<void>((resolve) => {
          child.once('exit', () => resolve());
          // The whole group: npm, the one who plays the kubelet, and the process itself.
          process.kill(-child.pid!, 'SIGTERM');
          if (child.exitCode !== null) resolve();
        }),
    ),
  );
}

/** A release that is promoted, and one that is rolled back. */
async function releases(): Promise<void> {
  const podinfo = await openPodinfo();
  try {
    await podinfo.phase('Initialized');
    await podinfo.setImage('3.1.1');
    await podinfo.phase('Succeeded');
    expect(await podinfo.image('podinfo-primary')).toMatch(/:3\.1\.1$/);
    expect(podinfo.diary.weights().map(({ canary }) => canary)).toEqual(wholeLadder);
    await podinfo.setImage('3.1.2-err50');
    await podinfo.phase('Failed');
    expect(await podinfo.image('podinfo-primary')).toMatch(/:3\.1\.1$/);
  } finally {
    await podinfo.close();
  }
}

/** Intervals of a second, as only tests want them. */
const quick = (namespace: string, name = 'serin') =>
  sh(
    `kubectl -n ${namespace} patch configmap ${name} --type=merge -p ` +
      `'{"data":{"SERIN_MINIMUM_INTERVAL_MS":"1000","SERIN_DRAIN_MS":"500","SERIN_LOG_LEVEL":"warn"}}'`,
  );

describe('a package', () => {
  it('holds the programs and what they need, and nothing else', () => {
    sh(`npm pack --silent --pack-destination ${folder}`);
    const [archive] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
    sh(`mkdir ${app} && tar -xzf ${archive} -C ${app} --strip-components=1`, folder);
    expect(readdirSync(app).sort()).toEqual(['LICENSE', 'README.md', 'dist', 'package.json']);
    expect(sh(`find ${app} -name '*.ts' -o -name '*.map' -o -name '*.test.js'`)).toBe('');
  });

  it('is installed with the dependencies of the image, and without those of its development', () => {
    copyFileSync(join(root, 'package-lock.json'), join(app, 'package-lock.json'));
    copyFileSync(join(root, '.npmrc'), join(app, '.npmrc'));
    sh('npm ci --omit=dev --prefer-offline --no-audit --no-fund --loglevel=error', app);
    expect(existsSync(join(app, 'node_modules/typescript'))).toBe(false);
    expect(existsSync(join(app, 'node_modules/jest'))).toBe(false);
  }, 180_000);

  it.each(['worker.js', 'starter.js'])('says which version it is: %s', (program) => {
    expect(sh(`node dist/${program} -version`, app)).toMatch(/^Serin version 0\.1\.0 revision /);
  });

  it('refuses to start with a value that cannot be, and says which', () => {
    expect(() => sh('SERIN_DRAIN_MS=soon node dist/worker.js', app)).toThrow(/SERIN_DRAIN_MS is \\"soon\\", expected/);
  });

  it('has the command line', () => {
    expect(sh('node dist/cli.js config worker -o json', app)).toContain('"SERIN_METRICS_SERVER"');
  });
});

describe('an installation by the README', () => {
  it('is applied, and its processes start with no other right than the chart gives', async () => {
    const [install, start] = commands();
    // The checkout was built for the package.
    const said = sh(install.replace('npm run build\n', ''));
    expect(said).toContain('deployment.apps/serin-worker serverside-applied');
    quick('serin-system');
    expect(start).toHaveLength(2);
    await Promise.all(start.map(startPod));
  }, 120_000);

  it('carries the release of the tutorial, and takes a bad one back', releases, 180_000);

  it.each([
    ['starter', 'create secret generic x -n default'],
    ['starter', 'get secret serin -n serin-system'],
    ['starter', 'delete canary --all -A'],
    ['starter', 'annotate canary podinfo x=y -n default'],
    ['starter', 'create token serin-worker -n serin-system'],
    ['worker', 'get secrets -A'],
    ['worker', 'delete deployment serin-worker -n serin-system'],
    ['worker', 'exec deployment/serin-worker -n serin-system -- true'],
    ['worker', 'create clusterrolebinding x --clusterrole=cluster-admin --user=x'],
    ['worker', 'create namespace x'],
    ['worker', 'create token serin-starter -n serin-system'],
  ])('lets its %s not %s', (component, what) => {
    const account = `system:serviceaccount:serin-system:serin-${component}`;
    expect(() => sh(`kubectl --as=${account} ${what}`)).toThrow(/forbidden/i);
  });
});

describe('an installation for one namespace', () => {
  it('carries releases there with Roles alone, and nothing anywhere else', async () => {
    await stopPods();
    sh('kubectl delete clusterrolebinding serin-worker serin-starter');
    const podinfo = openPodinfo();
    const { namespace } = await podinfo;
    sh(
      `helm template serin deploy/charts/serin --namespace ${namespace} --set namespace=${namespace} ` +
        `--set temporal.address=$TEMPORAL_ADDRESS --set metricsServer=$SERIN_METRICS_SERVER ` +
        `--set temporal.taskQueue=${namespace} --set-json 'providers=["istio"]' --set configTracking.enabled=false ` +
        `--set images.enabled=false | tee ${folder}/namespaced.yaml | kubectl apply --server-side -f -`,
    );
    expect(sh(`grep -c '^kind: Cluster' ${folder}/namespaced.yaml || true`).trim()).toBe('0');
    quick(namespace);
    await Promise.all(['worker', 'starter'].map((name) => startPod(`npm run pod -- ${namespace}/serin-${name}`)));
    const { phase, setImage, image, close } = await podinfo;
    await phase('Initialized');
    await setImage('3.1.1');
    await phase('Succeeded');
    expect(await image('podinfo-primary')).toMatch(/:3\.1\.1$/);
    const account = `system:serviceaccount:${namespace}:serin-worker`;
    expect(() => sh(`kubectl --as=${account} get canaries -n serin-system`)).toThrow(/forbidden/i);
    await close();
  }, 180_000);
});
