import { existsSync, readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { stale } from '../../local/generated.ts';
import { installFiles } from '../../local/generate-install.ts';
import { settingsTable } from '../../src/config.ts';
import { documentedVariables, install, read } from '../support/manifests.ts';

interface Container {
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value: string }[];
  readonly ports: readonly { readonly name: string }[];
  readonly resources: { readonly limits: { readonly memory: string } };
  readonly [field: string]: unknown;
}

interface Deployment {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly replicas: number;
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: {
        readonly containers: readonly [Container];
        readonly terminationGracePeriodSeconds: number;
        readonly securityContext: object;
      };
    };
  };
}

interface Role {
  readonly metadata: { readonly name: string };
  readonly rules: readonly { readonly resources: readonly string[]; readonly verbs: readonly string[] }[];
}

const objects = install();
const ofKind = <T>(kind: string) => objects.filter((object) => object.kind === kind) as unknown as T[];
const deployments = ofKind<Deployment>('Deployment').map(
  (deployment) => [deployment.metadata.name, deployment] as const,
);
const pod = (name: string) => deployments.find(([found]) => found === name)![1].spec.template.spec;

describe('the install', () => {
  it('applies the namespace before what is in it', () => {
    expect(objects[0]).toMatchObject({ kind: 'Namespace', metadata: { name: 'serin-system' } });
  });

  it('is what the chart says; otherwise run `npm run manifests`', async () => {
    expect([...(await stale(installFiles())).keys()]).toEqual([]);
  });

  it('is a kustomize base with all its files', () => {
    const { resources } = parse(read('deploy/install/kustomization.yaml')) as { resources: string[] };
    const files = readdirSync(new URL('../../deploy/install', import.meta.url));
    expect(resources).toEqual(files.filter((file) => file !== 'kustomization.yaml').sort());
    expect(resources.slice(1)).toEqual([...installFiles().keys()].map((path) => basename(path)).sort());
  });

  it.each(deployments)('%s starts a program of the image, in this version', (_, { spec }) => {
    const [{ image, command, args }] = spec.template.spec.containers;
    const [node, built = ''] = command ?? args ?? [];
    expect(node).toBe('node');
    const source = built.replace(/^dist\//, 'src/').replace(/\.js$/, '.ts');
    expect(existsSync(new URL(`../../${source}`, import.meta.url))).toBe(true);
    const { version } = JSON.parse(read('package.json')) as { version: string };
    expect(image.split(':')[1]).toBe(version);
  });

  it.each(deployments)('%s is given only variables that docs/reference/settings.md explains', (name, { spec }) => {
    const known = documentedVariables();
    const own = (spec.template.spec.containers[0].env ?? []).map((variable) => variable.name);
    const [config] = ofKind<{ data: object }>('ConfigMap');
    const names =
      name === 'serin-loadtester'
        ? own.filter((variable) => variable !== 'HOME')
        : [...own, ...Object.keys(config!.data)];
    expect(names.filter((variable) => !known.has(variable))).toEqual([]);
  });

  it('leaves the worker a quarter of its memory for what is in neither of its heaps', () => {
    const [{ env = [], resources }] = pod('serin-worker').containers;
    const options = env.find(({ name }) => name === 'NODE_OPTIONS')?.value ?? '';
    const heapMib = Number(/--max-old-space-size=(\d+)/.exec(options)?.[1]);
    expect(resources.limits.memory).toBe('1Gi');
    expect(2 * heapMib).toBeLessThanOrEqual(0.75 * 1024);
  });

  it.each(deployments)('%s has probes, requests, a limit, and no rights on its node', (_, { spec }) => {
    const { securityContext, containers } = spec.template.spec;
    expect(securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
    expect(containers[0]).toMatchObject({
      livenessProbe: { httpGet: { path: '/healthz', port: 'http' } },
      readinessProbe: { httpGet: { port: 'http' } },
      resources: {
        requests: { cpu: expect.any(String), memory: expect.any(String) },
        limits: { memory: expect.any(String) },
      },
      securityContext: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      },
    });
  });

  it('gives every process longer to stop than it takes', () => {
    expect(pod('serin-worker').terminationGracePeriodSeconds * 1000).toBeGreaterThanOrEqual(
      settingsTable.shutdownMs.fallback + 10_000,
    );
    const drainMs = Number(/drainMs = ([\d_]+)/.exec(read('src/loadtester/index.ts'))![1]!.replaceAll('_', ''));
    expect(pod('serin-loadtester').terminationGracePeriodSeconds * 1000).toBeGreaterThanOrEqual(drainMs + 10_000);
    expect(pod('serin-starter').terminationGracePeriodSeconds).toBeGreaterThanOrEqual(20);
  });

  it.each(
    ofKind<{ metadata: { name: string }; spec: { selector: object; ports: { targetPort: string }[] } }>('Service'),
  )('Service $metadata.name leads to a pod that listens', ({ spec }) => {
    const [, target] = deployments.find(([, { spec: found }]) =>
      Object.entries(spec.selector).every(([key, value]) => found.template.metadata.labels[key] === value),
    )!;
    const ports = target.spec.template.spec.containers[0].ports.map(({ name }) => name);
    for (const { targetPort } of spec.ports) expect(ports).toContain(targetPort);
  });
});

describe('the roles', () => {
  const roles = ofKind<Role>('ClusterRole');
  const role = (name: string) => roles.find(({ metadata }) => metadata.name === name)!;

  it.each(roles)('$metadata.name names what it grants', ({ rules }) => {
    for (const { resources, verbs } of rules) expect([...resources, ...verbs]).not.toContain('*');
  });

  it('let the starter read, and nothing else', () => {
    const verbs = new Set(role('serin-starter').rules.flatMap((rule) => rule.verbs));
    expect([...verbs].sort()).toEqual(['list', 'watch']);
  });

  it('let the worker read Secrets by name only', () => {
    const verbs = role('serin-worker').rules.filter(({ resources }) => resources.includes('secrets'));
    const all = new Set(verbs.flatMap((rule) => rule.verbs));
    expect([...all].sort()).toEqual(['create', 'delete', 'get', 'update']);
  });
});
