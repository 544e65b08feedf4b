import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { KubeConfig } from '@kubernetes/client-node';

/**
 * Digest of the certificates that a kubeconfig names for its cluster, be they in it or in a file; '' where it names none, or
 * does not look at any. Two clusters may answer under one URL, each in its own network: their certificates differ.
 */
export function authorityOf(config: KubeConfig): string {
  const { caData, caFile, skipTLSVerify } = config.getCurrentCluster() ?? {};
  if (skipTLSVerify) return '';
  const pem = caData ? Buffer.from(caData, 'base64').toString() : contentOf(caFile);
  // Line ends and spaces are the writer's.
  const content = pem.replaceAll(/\s+/g, '');
  return content === '' ? '' : createHash('sha256').update(content).digest('hex');
}

/** A file that is not there yet fails the first request, which says more about it. */
function contentOf(path: string | undefined): string {
  try {
    return path ? readFileSync(path, 'utf8') : '';
  } catch {
    return '';
  }
}
