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

/** `<group>/<resource>: <verbs>`, `/pods` being of the core group. */
const rights = {
  'serin-worker': {
    may: [
      'flagger.app/canaries: get list patch',
      'flagger.app/canaries/status: update patch',
      'flagger.app/canaries/finalizers: update',
      'flagger.app/metrictemplates: get',
      'flagger.app/alertproviders: get',
      'apps/deployments: get create update patch',
      'apps/daemonsets: get create update patch',
      'apps/controllerrevisions: get list create delete',
      '/pods: list',
      '/services: get create update',
      '/secrets: get create update delete',
      '/configmaps: get create update delete',
      '/events: get create patch',
      'autoscaling/horizontalpodautoscalers: get create update',
      'networking.istio.io/virtualservices: get create update',
      'networking.istio.io/destinationrules: get create update',
      'gateway.networking.k8s.io/httproutes: get create update',
      'keda.sh/scaledobjects: get create update patch',
    ],
    mayNot: [
      'flagger.app/canaries: create delete',
      'apps/deployments: delete',
      '/secrets: list watch patch',
      '/configmaps: list watch patch',
      '/services: delete',
      '/pods: create delete',
      '/pods/exec: create',
      '/namespaces: get create delete',
      'rbac.authorization.k8s.io/clusterroles: get create update bind escalate',
    ],
  },
  'serin-starter': {
    may: [
      'flagger.app/canaries: get list watch',
      'apps/deployments: get list watch',
      'apps/daemonsets: get list watch',
      '/configmaps: list watch',
      '/secrets: list watch',
      '/services: get list watch',
      'autoscaling/horizontalpodautoscalers: get list watch',
      'networking.istio.io/virtualservices: get list watch',
      'networking.istio.io/destinationrules: get list watch',
      'gateway.networking.k8s.io/httproutes: get list watch',
      'keda.sh/scaledobjects: get list watch',
    ],
    mayNot: [
      'flagger.app/canaries: create update patch delete deletecollection',
      'flagger.app/canaries/status: update patch',
      'apps/deployments: create update patch delete deletecollection',
      '/services: create update patch delete deletecollection',
      '/events: create update patch delete deletecollection',
      '/pods: get list watch create update patch delete deletecollection',
      '/secrets: get create update patch delete deletecollection',
      '/configmaps: get create update patch delete deletecollection',
      'networking.istio.io/virtualservices: create update patch delete deletecollection',
    ],
  },
};

describe.each(Object.entries(rights))('%s', (account, { may, mayNot }) => {
  it.each(may)('may %s', async (what) => {
    expect(await refusedVerbs(account, what)).toEqual([]);
  });

  it.each(mayNot)('may not %s', async (what) => {
    expect(await refusedVerbs(account, what)).toEqual(verbsOf(what));
  });
});

/** The verbs that the API server refuses the account, in any namespace. */
async function refusedVerbs(account: string, what: string): Promise<string[]> {
  const [path = ''] = what.split(':');
  const [group = '', resource = '', subresource = ''] = path.split('/');
  const refused: string[] = [];
  for (const verb of verbsOf(what)) {
    const { status } = await kubernetes.create(subjectAccessReviews, {
      apiVersion: subjectAccessReviews.apiVersion,
      kind: subjectAccessReviews.kind,
      metadata: { name: '' },
      spec: {
        user: `system:serviceaccount:${namespace}:${account}`,
        groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
        resourceAttributes: { namespace: 'shop', verb, group, resource, subresource },
      },
    });
    if (!(status as { allowed: boolean }).allowed) refused.push(verb);
  }
  return refused;
}

function verbsOf(what: string): string[] {
  return what.split(': ')[1]!.split(' ');
}

const pods: Resource = { apiVersion: 'v1', kind: 'Pod', plural: 'pods' };
const subjectAccessReviews: Resource = {
  apiVersion: 'authorization.k8s.io/v1',
  kind: 'SubjectAccessReview',
  plural: 'subjectaccessreviews',
};

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
