import { resources, type Kubernetes } from '../clients/kubernetes.ts';
import { failure } from '../errors.ts';

/**
 * The entries of a Secret, decoded, each without the one line break that editors leave at the end. Read afresh at every
 * use, so that a rotated credential counts at once, and never handed to a workflow.
 *
 * @throws `NotFound`, or what the API server answered
 */
export async function readSecret(
  kubernetes: Kubernetes,
  namespace: string,
  name: string,
): Promise<Readonly<Record<string, string>>> {
  const secret = await kubernetes.get(resources.secrets, namespace, name);
  if (!secret) throw failure('NotFound', `secrets "${name}" not found`);
  const data = (secret['data'] ?? {}) as Readonly<Record<string, string>>;
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [
      key,
      Buffer.from(value, 'base64')
        .toString('utf8')
        .replace(/\r?\n$/, ''),
    ]),
  );
}
