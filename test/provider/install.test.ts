import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Kubernetes, KubernetesObject, Resource } from '../../src/clients/kubernetes.ts';
import { openCluster } from '../support/cluster.ts';
import { install } from '../support/manifests.ts';

// Names of its own, so that a cluster with Serin in it keeps what it has.
const suffix = randomUUID().slice(0, 8);
const namespace = `serin-${suffix}`;
const objects = install().map(renamed);
let kubernetes: Kubernetes;

beforeAll(async () => {
  ({ kubernetes } = openCluster());
  for (const object of objects) await kubernetes.apply(resourceOf(object), object, 'install-test', true);
});

afterAll(async () => {
  for (const object of [...objects].reverse())
    await kubernetes.remove(resourceOf(object), object.metadata.namespace, object.metadata.name);
});

describe('deploy/install on a real API server', () => {
  it.each(objects)('$kind $metadata.name is stored as it is written', async (object) => {
    const { kind, metadata, ...rest } = object;
    expect(await kubernetes.get(resourceOf(object), metadata.namespace, metadata.name)).toMatchObject({
      kind,
      metadata,
      ...rest,
    });
  });

  it.each(objects.filter(({ kind }) => kind === 'Deployment'))(
    '$metadata.name makes pods that the namespace admits',
    async ({ metadata, spec }) => {
      const { template } = spec as { template: { metadata: object; spec: object } };
      // The token controller and the scheduler are not needed: admission is what is asked.
      const name = `${metadata.name}-admission`;
      await kubernetes.create(pods, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { ...template.metadata, name, namespace },
        spec: template.spec,
      });
      await kubernetes.remove(pods, namespace, name);
    },
  );

  it('admits no pod with more rights than ours', async () => {
    const pod = { containers: [{ name: 'root', image: 'x', securityContext: { privileged: true } }] };
    await expect(
      kubernetes.create(pods, { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'root', namespace }, spec: pod }),
    ).rejects.toThrow(/violates PodSecurity/);
  });
});

const pods: Resource = { apiVersion: 'v1', kind: 'Pod', plural: 'pods' };
function resourceOf({ apiVersion, kind }: KubernetesObject): Resource {
  const plural = kind === 'NetworkPolicy' ? 'networkpolicies' : `${kind.toLowerCase()}s`;
  return { apiVersion, kind, plural };
}

function renamed(object: KubernetesObject): KubernetesObject {
  const own = JSON.parse(JSON.stringify(object).replaceAll('serin-system', namespace)) as KubernetesObject;
  if (!own.kind.startsWith('ClusterRole')) return own;
  own.metadata.name += `-${suffix}`;
  if (own.roleRef) (own.roleRef as { name: string }).name += `-${suffix}`;
  return own;
}
