import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectStack, type RemoteStack, type StackDescription } from '../../local/control.ts';
import { parseObjects } from '../../local/crds.ts';
import { createKubernetes, loadKubeConfig } from '../../src/clients/kubernetes-client.ts';
import { resources, type Kubernetes, type KubernetesObject, type Resource } from '../../src/clients/kubernetes.ts';

/** A real API server and helpers for tests that share it: each works in namespaces of its own. */
export interface TestCluster {
  /** Path of the administrator's kubeconfig. */
  readonly kubeconfig: string;
  readonly kubernetes: Kubernetes;
  /** Makes a namespace nobody else uses. */
  namespace(prefix?: string): Promise<string>;
  /**
   * Applies objects, given as YAML text (one or several documents) or plain objects, in order. Those that name no
   * namespace go to `namespace`. Returns them as stored.
   */
  apply(namespace: string, ...manifests: (string | object)[]): Promise<KubernetesObject[]>;
  /** The object, which has to be there. */
  read(resource: Resource, namespace: string, name: string): Promise<KubernetesObject>;
}

/** A client of the level's cluster, for tests that need nothing more. */
export async function connect(): Promise<Kubernetes> {
  const { kubernetes } = openCluster();
  await kubernetes.list(resources.namespaces, undefined, { limit: 1 });
  return kubernetes;
}

/** The cluster of the level's set-up. */
export function openCluster(env: NodeJS.ProcessEnv = process.env): TestCluster {
  const kubeconfig = env.SERIN_TEST_STACK ? describedStack(env).kubeconfig : (env.SERIN_TEST_KUBECONFIG ?? '');
  if (kubeconfig === '') throw new Error('no cluster: neither SERIN_TEST_STACK nor SERIN_TEST_KUBECONFIG is set');
  const kubernetes = createKubernetes(loadKubeConfig(kubeconfig), { fieldManager: 'test' });
  return {
    kubeconfig,
    kubernetes,
    async namespace(prefix = 'test') {
      const name = `${prefix}-${randomUUID().slice(0, 8)}`;
      await kubernetes.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
      return name;
    },
    async apply(namespace, ...manifests) {
      const objects = manifests.flatMap((manifest) =>
        typeof manifest === 'string' ? parseObjects(manifest) : [manifest as KubernetesObject],
      );
      const stored: KubernetesObject[] = [];
      for (const object of objects) {
        const metadata = { namespace, ...object.metadata };
        stored.push(await kubernetes.apply(resourceFor(object), { ...object, metadata }, 'test', true));
      }
      return stored;
    },
    async read(resource, namespace, name) {
      const found = await kubernetes.get(resource, namespace, name);
      if (!found) throw new Error(`${resource.kind} ${namespace}/${name} is not there`);
      return found;
    },
  };
}

/** The whole stack of the end-to-end level, to be disturbed and adjusted. */
export function openStack(env: NodeJS.ProcessEnv = process.env): RemoteStack {
  return connectStack(describedStack(env));
}

function describedStack(env: NodeJS.ProcessEnv): StackDescription {
  if (!env.SERIN_TEST_STACK)
    throw new Error('SERIN_TEST_STACK is not set: this test belongs to the levels e2e and images');
  const described = JSON.parse(env.SERIN_TEST_STACK) as StackDescription | StackDescription[];
  if (!Array.isArray(described)) return described;
  const stack = described[Number(env.JEST_WORKER_ID ?? '1') - 1];
  if (!stack)
    throw new Error(
      `SERIN_TEST_STACK describes ${described.length} stacks, none for Jest's process ${env.JEST_WORKER_ID}`,
    );
  return stack;
}

/** The resource of an object by its apiVersion and kind; for kinds we do not know, the plural is the kind with an s. */
function resourceFor({ apiVersion, kind }: KubernetesObject): Resource {
  const known = Object.values(resources).find((resource) => resource.kind === kind);
  return { apiVersion, kind, plural: known?.plural ?? `${kind.toLowerCase()}s` };
}

/**
 * Looks until `look` returns something and returns that; `false`, `undefined` and failures count as nothing yet.
 *
 * @throws Error saying what was waited for, and the last failure, once `timeoutMs` have passed
 */
export async function eventually<T>(
  what: string,
  look: () => T | Promise<T>,
  timeoutMs = 30_000,
): Promise<Exclude<T, undefined | null | false>> {
  const begunAt = Date.now();
  const deadline = begunAt + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined && found !== null && found !== false)
        return found as Exclude<T, undefined | null | false>;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`, { cause: last });
    // What takes long need not be seen as soon: looking costs the servers that are waited for.
    await sleep(Date.now() - begunAt < 2_000 ? 250 : 500);
  }
}
