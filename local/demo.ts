import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { createKubernetes, loadKubeConfig } from '../src/clients/kubernetes-client.ts';
import { resources, type Kubernetes, type KubernetesObject } from '../src/clients/kubernetes.ts';
import { messageOf } from '../src/errors.ts';
import { chapters, missingIn, threshold, wrongWith, type Chapter } from './demo/chapters.ts';
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
  chapter: Chapter,
  view: View,
  picture: Picture,
  push: (tag: string) => Promise<void>,
): Promise<string[]> {
  const { tag, about, phase, events } = chapter;
  picture.line('');
  picture.line(`pushing podinfo:${tag}, ${about}`);
  await push(tag);
  const seen: string[] = [];
  await watch(view, picture, seen, (status) => status.phase === 'Progressing', 30_000, `podinfo:${tag} is taken up`);
  await watch(view, picture, seen, (status) => status.phase === phase, 120_000, `podinfo:${tag} ends ${phase}`);
  // The last events follow the last status.
  await watch(view, picture, seen, () => missingIn(events, seen) === undefined, 5_000, undefined);
  const primaryImage = view.image('podinfo-primary');
  return wrongWith(chapter, { seen, primaryImage, canaryWeight: view.scene()?.canaryWeight });
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
