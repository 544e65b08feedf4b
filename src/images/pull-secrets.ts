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

const DockerConfig = z.object({ auths: z.record(z.string(), Entry).default({}) });

/**
 * What the kubelet would show to a registry to pull the images of a workload: from `imagePullSecrets` of its pods, and
 * of their service account. Undefined when there is nothing for this registry.
 *
 * @see Kubernetes documentation, "Pull an Image from a Private Registry"
 */
export async function pullCredentials(
  kubernetes: Kubernetes,
  workload: KubernetesObject,
  names: RegistryNames,
): Promise<Credentials | undefined> {
  const { namespace = '' } = workload.metadata;
  const { spec = {} } = templateOf(workload);
  const account = await kubernetes.get(resources.serviceAccounts, namespace, spec.serviceAccountName || 'default');
  const listed = [spec.imagePullSecrets, account?.['imagePullSecrets']].flatMap(
    (list) => (list ?? []) as readonly { readonly name?: string }[],
  );
  for (const { name } of listed) {
    const secret = name ? await kubernetes.get(resources.secrets, namespace, name) : undefined;
    const found = secret && entryFor(secret, names);
    if (found) return found;
  }
  return undefined;
}

function entryFor(secret: KubernetesObject, names: RegistryNames): Credentials | undefined {
  const data = (secret['data'] ?? {}) as Readonly<Record<string, string>>;
  const config = data['.dockerconfigjson'];
  const parsed = DockerConfig.safeParse(config === undefined ? undefined : json(config));
  for (const [server, entry] of Object.entries(parsed.data?.auths ?? {})) {
    // `https://index.docker.io/v1/` is how Docker Hub is called here.
    const host = canonicalHost(server.replace(/^https?:\/\//, '').split('/')[0] ?? '');
    if (host === undefined || !isHostOf(names, host)) continue;
    const credentials = credentialsOf(entry);
    if (credentials) return credentials;
  }
  return undefined;
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
