import { tutorial, type TutorialOptions } from '../../local/tutorial.ts';
import { resources, type KubernetesObject } from '../../src/clients/kubernetes.ts';
import { eventually, openCluster, openStack, type TestCluster } from './cluster.ts';
import { imageOf, keepDiary, type Diary } from './diary.ts';

/** The tutorial's application in a namespace of its own, on the stack of the end-to-end level. */
export interface Podinfo {
  readonly namespace: string;
  readonly cluster: TestCluster;
  readonly diary: Diary;
  /** Sets another image by its tag, as `kubectl set image` does. */
  setImage(tag: string): Promise<void>;
  patchCanary(patch: object): Promise<void>;
  canary(): Promise<KubernetesObject & { status?: CanaryStatus }>;
  deployment(name: string): Promise<KubernetesObject>;
  image(name: string): Promise<string>;
  phase(...wanted: string[]): Promise<CanaryStatus>;
  /** Waits until an event with this text was recorded. */
  told(text: string, timeoutMs?: number): Promise<void>;
  /** Waits until the VirtualService gives the canary this weight. */
  weight(canary: number): Promise<void>;
  close(): Promise<void>;
}

export interface CanaryStatus {
  readonly phase: string;
  readonly canaryWeight: number;
  readonly failedChecks: number;
  readonly iterations: number;
  readonly lastAppliedSpec: string;
  readonly lastPromotedSpec: string;
  readonly conditions: readonly { type: string; status: string; reason: string; message: string }[];
}

export type PodinfoOptions = Partial<TutorialOptions> & {
  /** Changes the manifests before they are applied. */
  readonly edit?: (objects: object[]) => object[];
};

/** Applies the tutorial, with three steps of two seconds and single pods unless told otherwise. */
export async function openPodinfo(options: PodinfoOptions = {}): Promise<Podinfo> {
  const cluster = openCluster();
  const { kubernetes } = cluster;
  const stack = openStack();
  const namespace = await cluster.namespace('podinfo');
  const diary = keepDiary(kubernetes, namespace, 'podinfo');
  const { edit = (objects) => objects, ...rest } = options;
  const objects = tutorial({
    loadTester: stack.loadTester,
    prometheus: stack.prometheus,
    interval: '2s',
    minReplicas: 1,
    namespace,
    ...rest,
    analysis: { maxWeight: 30, ...rest.analysis },
  });
  await cluster.apply(namespace, ...edit(objects));

  const canary = () => cluster.read(resources.canaries, namespace, 'podinfo') as ReturnType<Podinfo['canary']>;
  const deployment = (name: string) => cluster.read(resources.deployments, namespace, name);
  return {
    namespace,
    cluster,
    diary,
    canary,
    deployment,
    image: async (name) => imageOf(await deployment(name)),
    async setImage(tag) {
      const image = `${rest.image ?? 'stefanprodan/podinfo'}:${tag}`;
      const patch = {
        spec: { template: { spec: { containers: [{ ...containerOf(await deployment('podinfo')), image }] } } },
      };
      await kubernetes.patch(resources.deployments, namespace, 'podinfo', patch);
    },
    async patchCanary(patch) {
      await kubernetes.patch(resources.canaries, namespace, 'podinfo', patch);
    },
    async phase(...wanted) {
      return eventually(
        `phase ${wanted.join(' or ')}`,
        async () => {
          const { status } = await canary();
          return status && wanted.includes(status.phase) ? status : undefined;
        },
        90_000,
      );
    },
    async told(text, timeoutMs = 60_000) {
      await eventually(`event "${text}"`, () => diary.events().some((event) => event.includes(text)), timeoutMs);
    },
    async weight(wanted) {
      await eventually(`weight ${wanted}`, () => diary.weights().at(-1)?.canary === wanted, 60_000);
    },
    async close() {
      await diary.close();
      await kubernetes.remove(resources.namespaces, undefined, namespace);
    },
  };
}

function containerOf(deployment: KubernetesObject): object {
  const spec = deployment.spec as { template: { spec: { containers: object[] } } };
  return spec.template.spec.containers[0] ?? {};
}
