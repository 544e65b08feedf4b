import { randomUUID } from 'node:crypto';
import { globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chart, helm, objectsOf, renderChart } from '../../local/chart.ts';
import { applyCrds } from '../../local/crds.ts';
import { kubectlFor, type Kubectl } from '../../local/kubectl.ts';
import { grants, type Grant } from '../../local/reference/permissions.ts';
import { provideTools } from '../../local/tools.ts';
import { resources, type Kubernetes, type KubernetesObject, type Resource } from '../../src/clients/kubernetes.ts';
import { openCluster } from '../support/cluster.ts';

const suffix = randomUUID().slice(0, 8);
const valueSets = globSync('ci/*.yaml', { cwd: chart }).sort();
let kubernetes: Kubernetes;
let kubeconfig: string;
let kubectl: Kubectl;
const made: string[] = [];

beforeAll(async () => {
  ({ kubernetes, kubeconfig } = openCluster());
  kubectl = await kubectlFor(kubeconfig);
  const operator = await provideTools(
    ['pod-monitor-crd', 'service-monitor-crd', 'prometheus-rule-crd'],
    () => undefined,
  );
  await applyCrds(kubernetes, Object.values(operator), true);
});

afterAll(async () => {
  for (const name of made) await kubernetes.remove(resources.namespaces, undefined, name);
});

/** A namespace for one install, with the admission that the installation asks for. */
async function namespaceFor(name: string): Promise<string> {
  const namespace = `chart-${name}-${suffix}`;
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  await kubernetes.create(resources.namespaces, {
    ...{ apiVersion: 'v1', kind: 'Namespace' },
    metadata: { name: namespace, labels },
  });
  made.push(namespace);
  return namespace;
}

describe.each(valueSets.map((path) => [path.replace(/^ci\/(.*)\.yaml$/, '$1')]))(
  'the chart with ci/%s.yaml',
  (name) => {
    let text: string;
    let objects: KubernetesObject[];
    let namespace: string;

    beforeAll(async () => {
      namespace = await namespaceFor(name);
      // The definitions are the cluster's own already, and would go with the rest in the end.
      text = renderChart({
        ...{ release: `serin-${suffix}`, namespace, values: [join(chart, 'ci', `${name}.yaml`)] },
        set: { 'crd.create': false, ...placesIn(name, namespace) },
      });
      objects = objectsOf(text);
    });

    afterAll(() => void kubectl(['delete', '--ignore-not-found', '--wait=false', '-f', '-'], text));

    it('is applied whole to a real API server', () => {
      const said = kubectl(['apply', '--server-side', '-f', '-'], text).trim().split('\n');
      expect(said.filter((line) => !line.endsWith(' serverside-applied'))).toEqual([]);
      expect(said).toHaveLength(objects.length);
    });

    it('is stored as it is written', () => {
      // What the server would change about it: nothing.
      const said = kubectl(['diff', '--server-side', '-f', '-'], text);
      expect(said).toBe('');
    });

    it('makes pods that a restricted namespace admits', async () => {
      const deployments = objects.filter(({ kind }) => kind === 'Deployment');
      expect(deployments.length).toBeGreaterThanOrEqual(2);
      for (const { metadata, spec } of deployments) {
        const { template } = spec as { template: { metadata: object; spec: object } };
        const pod = { ...template.metadata, name: `${metadata.name}-admission`, namespace };
        // Priority classes and accounts are the cluster's; admission of what they may do is what is asked.
        kubectl(
          ['create', '--dry-run=server', '-f', '-'],
          JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: pod, spec: template.spec }),
        );
      }
    });
  },
);

/** Values that name namespaces, which have to be there. */
function placesIn(name: string, namespace: string): Readonly<Record<string, unknown>> {
  switch (name) {
    case 'namespaced':
      return { namespace };
    case 'minimal':
      return { 'rbac.secretNamespaces': [namespace] };
    case 'everything':
      return { 'serviceMonitor.namespace': namespace };
    default:
      return {};
  }
}

describe('helm install', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'values-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const installed = (namespace: string, verb: string, ...more: string[]) =>
    helm([
      ...[
        verb,
        'serin',
        chart,
        '--namespace',
        namespace,
        '--kubeconfig',
        kubeconfig,
        '--set',
        'namespace=' + namespace,
      ],
      ...['--skip-crds', ...more],
    ]);

  it('takes a values file of Flagger’s, and tells what of it means nothing', async () => {
    const namespace = await namespaceFor('notes');
    const notes = installed(namespace, 'install', '--dry-run=server', '-f', join(chart, 'ci/flagger.yaml'));
    expect(notes).toContain('threadiness, leaderElection, linkerdAuthPolicy, prometheus, serviceAccount, resources');
    expect(notes).toContain('istio.kubeconfig is an old name');
    expect(notes).toContain('Addresses of chat rooms are secrets');
  });

  it('tells who asks for a Prometheus that none comes with the chart', () => {
    const path = join(folder, 'prometheus.yaml');
    writeFileSync(path, 'temporal: {address: "temporal:7233"}\nprometheus: {install: true}\n');
    expect(installed(made.at(-1)!, 'install', '--dry-run=server', '-f', path)).toContain(
      'No Prometheus comes with this chart',
    );
  });

  it('installs, upgrades to other values, and goes without a trace', async () => {
    const namespace = await namespaceFor('helm');
    const values = ['-f', join(chart, 'ci/defaults.yaml')];
    installed(namespace, 'install', ...values);
    expect(kubectl(['-n', namespace, 'get', 'deployments', '-o', 'name']).trim().split('\n')).toEqual([
      'deployment.apps/serin-starter',
      'deployment.apps/serin-worker',
    ]);
    installed(namespace, 'upgrade', ...values, '--set', 'worker.replicaCount=3,loadtester.enabled=true');
    expect(kubectl(['-n', namespace, 'get', 'deployment', 'serin-worker', '-o', 'jsonpath={.spec.replicas}'])).toBe(
      '3',
    );
    helm(['uninstall', 'serin', '--namespace', namespace, '--kubeconfig', kubeconfig]);
    const left = kubectl(['-n', namespace, 'get', 'all,role,rolebinding,networkpolicy,pdb,sa', '-o', 'name']);
    expect(left.split('\n').filter((line) => line.includes('serin'))).toEqual([]);
  });
});

describe('an overlay', () => {
  it.each(['istio', 'gatewayapi', 'kubernetes', 'knative'])(
    '%s is one that kustomize builds and the server takes',
    (name) => {
      const path = new URL(`../../deploy/overlays/${name}`, import.meta.url).pathname;
      const built = kubectl(['kustomize', path]);
      expect(built).toMatch(new RegExp(`SERIN_MESH_PROVIDER: ${name}(:v1)?\\n`));
      // Its namespace is not there for a dry run, so it goes to one that is.
      const text = built.replaceAll('serin-system', made[0]!);
      kubectl(['apply', '--dry-run=server', '--server-side', '-f', '-'], text);
    },
  );
});

/** All verbs that a role can give. */
const verbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'];

describe('what a process may do', () => {
  const release = `rights-${suffix}`;
  let text: string;
  let namespace: string;
  let served: readonly { readonly group: string; readonly resource: string }[];

  beforeAll(async () => {
    namespace = await namespaceFor('rights');
    text = renderChart({ release, namespace, values: [join(chart, 'ci/defaults.yaml')] });
    kubectl(['apply', '--server-side', '-f', '-'], text);
    served = await servedResources();
  });
  afterAll(() => void kubectl(['delete', '--ignore-not-found', '--wait=false', '-f', '-'], text));

  it.each(['worker', 'starter'] as const)(
    'is what docs/reference/permissions.md says of a %s, and nothing else that the server knows',
    async (component) => {
      const granted = grants({ values: [join(chart, 'ci/defaults.yaml')] })[component];
      const may = new Set(granted.flatMap((grant) => grant.verbs.map((verb) => asText({ ...grant, verb }))));
      const others = [
        { group: '', resource: 'pods/exec' },
        { group: '', resource: 'pods/ephemeralcontainers' },
        { group: '', resource: 'serviceaccounts/token' },
        { group: 'flagger.app', resource: 'canaries/scale' },
        { group: 'apps', resource: 'deployments/scale' },
      ];
      const all = [
        ...new Map([...granted, ...served, ...others].map((one) => [`${one.group}/${one.resource}`, one])).values(),
      ];
      const asked = all.flatMap(({ group, resource }) =>
        [...verbs, 'impersonate', 'escalate', 'bind'].map((verb) => ({ group, resource, verb })),
      );
      expect(asked.length).toBeGreaterThan(600);
      const wrong: string[] = [];
      for (let index = 0; index < asked.length; index += 20) {
        const answers = await Promise.all(
          asked.slice(index, index + 20).map(async (one) => [one, await isAllowed(component, one)] as const),
        );
        for (const [one, allowed] of answers) {
          if (allowed !== may.has(asText(one))) wrong.push(`${asText(one)} is ${allowed ? 'allowed' : 'refused'}`);
        }
      }
      expect(wrong).toEqual([]);
    },
  );

  async function isAllowed(component: string, { group, resource, verb }: Omit<Grant, 'verbs'> & { verb: string }) {
    const [name, subresource] = resource.split('/');
    const { status } = await kubernetes.create(subjectAccessReviews, {
      ...{ apiVersion: subjectAccessReviews.apiVersion, kind: subjectAccessReviews.kind, metadata: { name: '' } },
      spec: {
        user: `system:serviceaccount:${namespace}:${release}-serin-${component}`,
        groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
        resourceAttributes: {
          namespace: 'elsewhere',
          verb,
          group,
          resource: name,
          ...(subresource ? { subresource } : {}),
        },
      },
    });
    return (status as { readonly allowed: boolean }).allowed;
  }

  /** Every resource that the API server serves, ours and Kubernetes' own. */
  async function servedResources() {
    const lines = kubectl(['api-resources', '--no-headers', '-o', 'name']).trim().split('\n');
    // What anybody may ask of oneself is no right of ours.
    const own = /^(self|tokenreviews|localsubject|subjectaccess)/;
    return lines
      .filter((line) => !own.test(line))
      .map((line) => {
        const [resource = '', ...group] = line.split('.');
        return { group: group.join('.'), resource };
      });
  }
});

function asText({
  group,
  resource,
  verb,
}: {
  readonly group: string;
  readonly resource: string;
  readonly verb: string;
}) {
  return `${group}/${resource}: ${verb}`;
}

const subjectAccessReviews: Resource = {
  apiVersion: 'authorization.k8s.io/v1',
  kind: 'SubjectAccessReview',
  plural: 'subjectaccessreviews',
};
