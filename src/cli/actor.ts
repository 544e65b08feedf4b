import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { loadKubeConfig } from '../clients/kubernetes-client.ts';
import { messageOf } from '../errors.ts';
import { CommandError, text, type Given, type Option, type Terminal } from './command.ts';

/** Who sends an order: a name that is only claimed, or a token by which the worker finds out. */
export interface Actor {
  readonly by?: string;
  readonly token?: string;
}

export const actorOptions: Readonly<Record<string, Option>> = {
  by: { type: 'string', text: 'who asks; default SERIN_ACTOR, the user of the kubeconfig, or USER. A claim' },
  'token-file': {
    type: 'string',
    text: 'signed token that proves who asks; default SERIN_TOKEN_FILE, or SERIN_TOKEN itself',
  },
};

/** @throws CommandError when there is a token that cannot be read */
export function actorOf(given: Given, { env }: Terminal): Actor {
  const token = tokenOf(text(given, 'token-file') ?? env.SERIN_TOKEN_FILE, env.SERIN_TOKEN);
  const by = text(given, 'by') ?? (env.SERIN_ACTOR || kubernetesUser(env) || env.USER);
  return { ...(by ? { by } : {}), ...(token ? { token } : {}) };
}

function tokenOf(file: string | undefined, otherwise: string | undefined): string | undefined {
  if (!file) return otherwise?.trim();
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new CommandError(`no token: ${messageOf(error)}`);
  }
}

/**
 * Whom the kubeconfig makes known to the API server, as far as the file says so. Its credentials are read and not sent:
 * whoever holds them could act in the cluster.
 */
function kubernetesUser({ KUBECONFIG, HOME = '' }: Terminal['env']): string | undefined {
  const path = KUBECONFIG || join(HOME, '.kube/config');
  if (!existsSync(path)) return undefined;
  try {
    const user = loadKubeConfig(path).getCurrentUser();
    if (!user) return undefined;
    const provider = user.authProvider as { config?: Record<string, unknown> } | undefined;
    const token = provider?.config?.['id-token'] ?? user.token;
    return nameInToken(token) ?? nameInCertificate(user.certData, user.certFile) ?? user.name;
  } catch {
    // A file that cannot be read names nobody; the command may not need the cluster at all.
    return undefined;
  }
}

function nameInToken(token: unknown): string | undefined {
  if (typeof token !== 'string' || token.split('.').length !== 3) return undefined;
  const { email, sub } = decodeJwt(token);
  return typeof email === 'string' ? email : sub;
}

function nameInCertificate(data: string | undefined, file: string | undefined): string | undefined {
  const pem = data ? Buffer.from(data, 'base64') : file ? readFileSync(file) : undefined;
  return pem && /^CN=(.+)$/m.exec(new X509Certificate(pem).subject)?.[1];
}
