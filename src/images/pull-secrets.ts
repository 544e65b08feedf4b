import { z } from 'zod';
import { resources, type Kubernetes, type KubernetesObject } from '../clients/kubernetes.ts';
import { isHostOf, type RegistryNames } from './aliases.ts';
import { templateOf } from './pods.ts';
import { canonicalHost } from './reference.ts';
import type { Credentials } from './registry.ts';

const Entry = z.object({
  auth: z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
});

const Entries = z.record(z.string(), Entry);
const DockerConfig = z.object({ auths: Entries.default({}) });

/**
 * What the kubelet would show to a registry to pull an image of a workload: from `imagePullSecrets` of its pods, and of
 * their service account. The most special first; the kubelet too tries one after the other. Empty when there is nothing
 * for this registry.
 *
 * @param repository path inside the registry
 * @see Kubernetes documentation, "Pull an Image from a Private Registry"
 */
export async function pullCredentials(
  kubernetes: Kubernetes,
  workload: KubernetesObject,
  names: RegistryNames,
  repository: string,
): Promise<readonly Credentials[]> {
  const { namespace = '' } = workload.metadata;
  const { spec = {} } = templateOf(workload);
  const account = await kubernetes.get(resources.serviceAccounts, namespace, spec.serviceAccountName || 'default');
  const listed = [spec.imagePullSecrets, account?.['imagePullSecrets']].flatMap(
    (list) => (list ?? []) as readonly { readonly name?: string }[],
  );
  const found: { readonly path: string; readonly credentials: Credentials }[] = [];
  for (const { name } of listed) {
    const secret = name ? await kubernetes.get(resources.secrets, namespace, name) : undefined;
    if (secret) found.push(...entriesFor(secret, names, repository));
  }
  const texts = new Set<string>();
  return found
    .sort((a, b) => b.path.length - a.path.length)
    .map(({ credentials }) => credentials)
    .filter((credentials) => {
      const text = JSON.stringify(credentials);
      return !texts.has(text) && texts.add(text);
    })
    .slice(0, maxTried);
}

/** A registry that is shown many wrong passwords locks people out. */
const maxTried = 5;

/** The entries of a Secret that are about a repository. */
function entriesFor(secret: KubernetesObject, names: RegistryNames, repository: string) {
  const data = (secret['data'] ?? {}) as Readonly<Record<string, string>>;
  return Object.entries(authsIn(data)).flatMap(([server, entry]) => {
    // `https://index.docker.io/v1/` is how Docker Hub is called here; the version of the interface is no part of a path.
    const [host = '', ...rest] = server.replace(/^https?:\/\//, '').split('/');
    const path = rest.join('/').replace(/^v[12](?:\/|$)/, '');
    if (!isServer(names, host) || !repository.startsWith(path)) return [];
    const credentials = credentialsOf(entry);
    return credentials ? [{ path, credentials }] : [];
  });
}

/** Of both formats: `kubernetes.io/dockerconfigjson`, and the older `kubernetes.io/dockercfg`. */
function authsIn(data: Readonly<Record<string, string>>): z.output<typeof Entries> {
  const { '.dockerconfigjson': config, '.dockercfg': older } = data;
  if (config !== undefined) return DockerConfig.safeParse(json(config)).data?.auths ?? {};
  return older === undefined ? {} : (Entries.safeParse(json(older)).data ?? {});
}

/** Whether a server of a Secret is a registry; `*` stands for one part of a name, or some of it, as for the kubelet. */
function isServer(names: RegistryNames, server: string): boolean {
  if (!server.includes('*')) {
    const host = canonicalHost(server);
    return host !== undefined && isHostOf(names, host);
  }
  if (!/^[a-z0-9.*:-]+$/i.test(server)) return false;
  const pattern = new RegExp(`^${server.toLowerCase().replaceAll('.', '\\.').replaceAll('*', '[^.:]*')}$`);
  return [names.host, ...names.hostAliases].some((host) => pattern.test(host));
}

function credentialsOf({ auth, username, password }: z.output<typeof Entry>): Credentials | undefined {
  if (username !== undefined && password !== undefined) return { username, password };
  const decoded = Buffer.from(auth ?? '', 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  return colon < 0 ? undefined : { username: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
}

function json(base64: string): unknown {
  try {
    return JSON.parse(Buffer.from(base64, 'base64').toString('utf8'));
  } catch {
    return undefined; // a Secret that holds something else has nothing for us
  }
}
