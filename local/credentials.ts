import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';

/** Who may speak to the API server. The names of the kubeconfig file and of the user may differ, as for service accounts. */
export interface User {
  /** `<kubeconfig>.kubeconfig` is the file. */
  readonly kubeconfig: string;
  readonly user: string;
  readonly groups: readonly string[];
}

/** A user for each client, so that `metadata.managedFields` and audit logs tell them apart. */
export const localUsers: readonly User[] = [
  'admin',
  'kube-controller-manager',
  'kube-scheduler',
  'kwok',
  'traffic',
].map((name) => ({ kubeconfig: name, user: name, groups: ['system:masters'] }));

/**
 * A user whom RBAC takes for a service account, so that the roles we ship can be tried without pods that run.
 *
 * @param name `<namespace>/<service account>`
 */
export function serviceAccount(kubeconfig: string, name: `${string}/${string}`): User {
  const [namespace, account] = name.split('/');
  return {
    kubeconfig,
    user: `system:serviceaccount:${namespace}:${account}`,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
  };
}

export interface Credentials {
  /** Tokens and users in the format of `--token-auth-file`. */
  readonly tokenFile: string;
  /** RSA key that signs service account tokens. */
  readonly serviceAccountKey: string;
  /** Where the API server puts the certificate it makes for itself. */
  readonly certificates: string;
  /** Writes the kubeconfig files, once the API server has its certificate. Returns their paths by name. */
  writeKubeconfigs(server: string): Readonly<Record<string, string>>;
}

/** Makes tokens for the users in `directory`, and a signing key if there is none yet. */
export function prepareCredentials(directory: string, users: readonly User[]): Credentials {
  const folder = join(directory, 'credentials');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const tokenFile = join(folder, 'tokens.csv');
  const serviceAccountKey = join(folder, 'service-account.key');
  const certificates = join(folder, 'certificates');
  if (!existsSync(serviceAccountKey)) {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(serviceAccountKey, privateKey.export({ type: 'pkcs1', format: 'pem' }), { mode: 0o600 });
  }
  const tokens = new Map(users.map(({ kubeconfig }) => [kubeconfig, randomBytes(16).toString('hex')]));
  const lines = users.map(
    ({ kubeconfig, user, groups }) => `${tokens.get(kubeconfig)},${user},${user},"${groups.join(',')}"`,
  );
  writeFileSync(tokenFile, `${lines.join('\n')}\n`, { mode: 0o600 });

  return {
    tokenFile,
    serviceAccountKey,
    certificates,
    writeKubeconfigs(server) {
      const authority = readFileSync(certificateOf(certificates)).toString('base64');
      const write = ({ kubeconfig, user }: User) => {
        const path = join(directory, `${kubeconfig}.kubeconfig`);
        const config = {
          apiVersion: 'v1',
          kind: 'Config',
          clusters: [{ name: 'local', cluster: { server, 'certificate-authority-data': authority } }],
          users: [{ name: user, user: { token: tokens.get(kubeconfig) } }],
          contexts: [{ name: 'local', context: { cluster: 'local', user } }],
          'current-context': 'local',
        };
        writeFileSync(path, stringify(config), { mode: 0o600 });
        return [kubeconfig, path] as const;
      };
      return Object.fromEntries(users.map(write));
    },
  };
}

/** The certificate the API server makes comes with the authority that signed it, in one file. */
export function certificateOf(certificates: string): string {
  return join(certificates, 'apiserver.crt');
}
