import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  createKubernetes,
  loadKubeConfig,
  resources,
  type Kubernetes,
  type KubernetesObject,
} from '../src/clients/kubernetes.ts';
import { messageOf } from '../src/errors.ts';
import { createPicture, type Picture } from './demo/picture.ts';
import { openView, type View } from './demo/view.ts';
import { pushImage } from './push-image.ts';
import { planPushRoute, startSerin } from './serin.ts';
import { startStack, type Stack } from './stack.ts';
import { tutorial } from './tutorial.ts';

/**
 * The podinfo tutorial on a real API server, driven by real pushes to a real registry: a good version is promoted, one
 * with many errors and one that never becomes ready are rolled back. `KEEP=1` leaves everything running afterwards.
 */
const namespace = 'test';
const threshold = 2;

interface Chapter {
  readonly tag: string;
  readonly about: string;
  readonly phase: 'Succeeded' | 'Failed';
  /** Tag that the primary runs in the end. */
  readonly primary: string;
  /** Events that have to come, in this order; others may come between them. */
  readonly events: readonly string[];
}

const chapters: readonly Chapter[] = [
  {
    tag: '3.1.1',
    about: 'a good version',
    phase: 'Succeeded',
    primary: '3.1.1',
    events: [
      'New revision detected! Scaling up podinfo.test',
      'Starting canary analysis for podinfo.test',
      'Pre-rollout check acceptance-test passed',
      ...[10, 20, 30, 40, 50].map((weight) => `Advance podinfo.test canary weight ${weight}`),
      'Copying podinfo.test template spec to podinfo-primary.test',
      'Routing all traffic to primary',
      'Promotion completed! Scaling down podinfo.test',
    ],
  },
  {
    tag: '3.1.2-err50',
    about: 'a version half of whose answers are errors',
    phase: 'Failed',
    primary: '3.1.1',
    events: [
      'New revision detected! Scaling up podinfo.test',
      'Advance podinfo.test canary weight 10',
      `Rolling back podinfo.test failed checks threshold reached ${threshold}`,
      'Canary failed! Scaling down podinfo.test',
    ],
  },
  {
    tag: '3.1.3-neverready',
    about: 'a version that never becomes ready',
    phase: 'Failed',
    primary: '3.1.1',
    events: [
      'New revision detected! Scaling up podinfo.test',
      'Rolling back podinfo.test progress deadline exceeded',
      'Canary failed! Scaling down podinfo.test',
    ],
  },
];

async function main(): Promise<number> {
  const picture = createPicture(process.stdout);
  const interrupted = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  const route = await planPushRoute();
  picture.line('starting etcd, kube-apiserver, controllers, KWOK, Prometheus, a registry and Temporal');
  const stack = await startStack({
    ports: { registry: route.registryPort },
    pushListeners: [route.listener],
    progress: (text) => picture.line(text),
  });
  try {
    const serin = await startSerin(stack, { route, minimumIntervalMs: 5_000 });
    stack.scrape('serin', serin.metrics);
    picture.line(`Serin is up. Temporal UI: ${stack.temporalUi}/namespaces/default/workflows`);
    try {
      const kubernetes = createKubernetes(loadKubeConfig(stack.kubeconfig), { fieldManager: 'demo' });
      const played = play(stack, kubernetes, serin.loadTester, picture);
      const wrong = await Promise.race([played, interrupted.then(() => ['interrupted'])]);
      picture.end();
      for (const problem of wrong) picture.line(`WRONG: ${problem}`);
      if (wrong.length === 0) picture.line('All three releases ended as they should.');
      if (process.env.KEEP === '1' && !wrong.includes('interrupted')) {
        picture.line(`still running; export KUBECONFIG=${stack.kubeconfig}`);
        picture.line(`push your own: registry ${stack.registry}, repository podinfo. Ctrl-C ends it.`);
        await interrupted;
      }
      return wrong.length === 0 ? 0 : 1;
    } finally {
      await serin.stop();
    }
  } finally {
    picture.line('stopping');
    await stack.stop();
  }
}

async function play(stack: Stack, kubernetes: Kubernetes, loadTester: string, picture: Picture): Promise<string[]> {
  const image = `${stack.registry}/podinfo`;
  const push = async (tag: string) => {
    await pushImage(stack.registry, 'podinfo', tag);
  };
  await push('3.1.0');
  await create(kubernetes, resources.namespaces.kind, { metadata: { name: namespace } });
  const annotations = {
    'serin.dev/image-policies': JSON.stringify([{ container: 'podinfod', policy: 'semver:>=3.1.0-0' }]),
  };
  const options = {
    ...{ namespace, image, tag: '3.1.0', loadTester, annotations, interval: '5s', progressDeadlineSeconds: 20 },
    analysis: { threshold },
  };
  for (const object of tutorial(options)) await create(kubernetes, (object as KubernetesObject).kind, object);

  const view = openView(kubernetes, namespace, 'podinfo');
  const problems: string[] = [];
  try {
    picture.line('applied the tutorial: Deployment, HorizontalPodAutoscaler, Canary');
    await watch(view, picture, [], ({ phase }) => phase === 'Initialized', 60_000, 'the Canary is initialized');
    for (const chapter of chapters) problems.push(...(await tell(chapter, view, picture, push)));
  } catch (error) {
    problems.push(messageOf(error));
  } finally {
    view.stop();
  }
  return problems;
}

/** Pushes an image, watches the release, and says what was not as expected. */
async function tell(
  { tag, about, phase, primary, events }: Chapter,
  view: View,
  picture: Picture,
  push: (tag: string) => Promise<void>,
): Promise<string[]> {
  picture.line('');
  picture.line(`pushing podinfo:${tag}, ${about}`);
  await push(tag);
  const seen: string[] = [];
  await watch(view, picture, seen, (status) => status.phase === 'Progressing', 30_000, `podinfo:${tag} is taken up`);
  await watch(view, picture, seen, (status) => status.phase === phase, 120_000, `podinfo:${tag} ends ${phase}`);
  // The last events follow the last status.
  await watch(view, picture, seen, () => inOrder(events, seen) === undefined, 5_000, undefined);
  const missing = inOrder(events, seen);
  return [
    ...(missing === undefined ? [] : [`podinfo:${tag}: no event "${missing}" in its place`]),
    ...(view.image('podinfo-primary').includes(`:${primary}`)
      ? []
      : [`podinfo:${tag}: the primary runs ${view.image('podinfo-primary')}, expected ${primary}`]),
    ...(view.scene()?.canaryWeight === 0 ? [] : [`podinfo:${tag}: traffic is left on the canary`]),
  ];
}

/** Shows what happens until `done`, for at most `timeoutMs`. Without `what`, running out of time is no failure. */
async function watch(
  view: View,
  picture: Picture,
  seen: string[],
  done: (status: ReturnType<View['status']>) => boolean,
  timeoutMs: number,
  what: string | undefined,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    for (const { type, message } of view.newEvents()) {
      seen.push(message);
      picture.line(type === 'Warning' ? `! ${message}` : `  ${message}`);
    }
    const scene = view.scene();
    if (scene) picture.show(scene);
    if (done(view.status())) return;
    if (Date.now() > deadline) {
      if (what === undefined) return;
      throw new Error(`not within ${timeoutMs / 1000} s: ${what}`);
    }
    await sleep(100);
  }
}

/** The first expected event that did not come in its place; undefined when all did. */
function inOrder(expected: readonly string[], seen: readonly string[]): string | undefined {
  let from = 0;
  for (const text of expected) {
    const at = seen.findIndex((message, index) => index >= from && message.startsWith(text));
    if (at < 0) return text;
    from = at + 1;
  }
  return undefined;
}

async function create(kubernetes: Kubernetes, kind: string, object: object): Promise<void> {
  const resource = Object.values(resources).find((candidate) => candidate.kind === kind);
  if (!resource) throw new Error(`nothing is known about kind ${kind}`);
  await kubernetes.create(resource, { apiVersion: resource.apiVersion, kind, ...object } as KubernetesObject);
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 1;
}
