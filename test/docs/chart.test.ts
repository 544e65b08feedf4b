import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { chart, helm, objectsOf, renderChart } from '../../local/chart.ts';
import { chartValues } from '../../local/reference/values.ts';
import { routers } from '../../src/activities/routers/index.ts';
import { apiNames, effectiveSettings, unknownVariables } from '../../src/config.ts';
import { read } from '../support/manifests.ts';

const valueSets = globSync('ci/*.yaml', { cwd: chart }).sort();
const valuesIn = (path: string) => join(chart, path);
const defaults = valuesIn('ci/defaults.yaml');

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly description?: string;
  readonly [more: string]: unknown;
}

interface Pod {
  readonly containers: readonly [
    {
      readonly envFrom: readonly object[];
      readonly volumeMounts: readonly { readonly name: string }[];
    },
  ];
  readonly volumes: readonly { readonly name: string; readonly secret?: { readonly secretName: string } }[];
}

const schema = JSON.parse(readFileSync(valuesIn('values.schema.json'), 'utf8')) as Schema;

const schemaOf = (path: string) =>
  path.split('.').reduce<Schema | undefined>((at, key) => at?.properties?.[key], schema);

describe('the chart', () => {
  it.each(valueSets)('is one that helm has nothing to say about, with %s', (path) => {
    expect(helm(['lint', chart, '--strict', '--values', valuesIn(path)])).toContain('0 chart(s) failed');
  });

  it('has the version of the package', () => {
    const { version } = JSON.parse(read('package.json')) as { version: string };
    expect(parse(readFileSync(valuesIn('Chart.yaml'), 'utf8'))).toMatchObject({ version, appVersion: version });
  });

  it('says of each value what it may be', () => {
    const unchecked = chartValues().filter(({ path }) => schemaOf(path) === undefined);
    expect(unchecked).toEqual([]);
  });

  it('explains each value', () => {
    expect(
      chartValues()
        .filter(({ about }) => about === '')
        .map(({ path }) => path),
    ).toEqual([]);
  });

  it.each([
    ['a misspelt value', { meshProvder: 'istio' }, /meshProvder/],
    ['a provider that nobody has', { meshProvider: 'linkerd' }, /\/meshProvider/],
    ['an API that nobody knows', { providers: ['istio', 'linkerd'] }, /\/providers\/1/],
    ['an address of Temporal with a scheme', { 'temporal.address': 'https://temporal:7233' }, /\/temporal\/address/],
    ['a metrics server that is no URL', { metricsServer: 'prometheus:9090' }, /\/metricsServer/],
    ['a number of replicas that is none', { 'worker.replicaCount': -1 }, /\/worker\/replicaCount/],
    ['an audit sink of another kind', { auditSink: 'gs://bucket' }, /\/auditSink/],
    ['receivers that may write nothing', { 'images.enabled': false, 'receivers.secretName': 'r' }, /secretName/],
    [
      'a worker without an account',
      { 'worker.serviceAccount.create': false },
      /worker\.serviceAccount\.name is needed/,
    ],
  ])('refuses %s by name', (_, set, message) => {
    expect(() => renderChart({ values: [defaults], set })).toThrow(message);
  });

  it('says that it needs to know where Temporal is', () => {
    expect(() => renderChart()).toThrow('temporal.address is needed');
  });

  it.each(valueSets)('gives worker and starter settings that they take, with %s', (path) => {
    const objects = objectsOf(renderChart({ values: [valuesIn(path)] }));
    const { data } = objects.find(
      ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'serin',
    )! as unknown as {
      data: Record<string, string>;
    };
    expect(unknownVariables(data)).toEqual([]);
    expect(effectiveSettings(data).length).toBeGreaterThan(30);
    for (const deployment of objects.filter(({ kind }) => kind === 'Deployment')) {
      const { spec } = deployment as unknown as {
        spec: { template: { spec: { containers: { env?: { name: string; value?: string }[] }[] } } };
      };
      const own = spec.template.spec.containers.flatMap(({ env = [] }) =>
        env.map(({ name, value = '' }) => [name, value]),
      );
      expect(unknownVariables(Object.fromEntries(own) as Record<string, string>)).toEqual([]);
      if (!deployment.metadata.name.endsWith('loadtester')) effectiveSettings(Object.fromEntries(own) as never);
    }
  });

  it('makes no ClusterRole for one namespace', () => {
    const objects = objectsOf(renderChart({ values: [valuesIn('ci/namespaced.yaml')] }));
    expect(objects.filter(({ kind }) => kind.startsWith('Cluster'))).toEqual([]);
    const roles = objects.filter(({ kind }) => kind === 'Role' || kind === 'RoleBinding');
    expect(roles.map(({ metadata }) => metadata.namespace)).toEqual(Array(4).fill('shop'));
    const { rules } = roles.find(
      ({ metadata, kind }) => kind === 'Role' && metadata.name === 'serin-worker',
    )! as unknown as {
      rules: { apiGroups: string[]; resources: string[] }[];
    };
    const groups = new Set(rules.flatMap(({ apiGroups }) => apiGroups));
    expect([...groups].sort()).toEqual(['', 'apps', 'autoscaling', 'flagger.app', 'networking.istio.io']);
  });

  it('has a role for each API that can be used', () => {
    const one = (api: string) => renderChart({ values: [defaults], set: { providers: [api] } });
    const rolesOf = (text: string) =>
      objectsOf(text).find(({ kind, metadata }) => kind === 'ClusterRole' && metadata.name === 'serin-worker');
    const roles = apiNames.map((api) => JSON.stringify(rolesOf(one(api))));
    expect(new Set(roles).size).toBe(apiNames.length);
  });

  it('lets values name every API and every provider that the code knows, and no other', () => {
    expect(schemaOf('providers')).toMatchObject({ items: { enum: apiNames } });
    expect(chartValues().find(({ path }) => path === 'providers')?.fallback).toEqual(apiNames);
    const pattern = new RegExp(String(schemaOf('meshProvider')!.pattern));
    expect([...routers.keys(), 'linkerd'].filter((name) => !pattern.test(name))).toEqual(['linkerd']);
  });

  it.each([
    ['controlplane', 'kubeconfig'],
    ['controlplane', 'mesh.yaml'],
    ['istio', 'kubeconfig'],
    ['istio', 'mesh.yaml'],
  ])('mounts the Secret that %s.kubeconfig names where both processes read its key %s', (value, key) => {
    const set = { [`${value}.kubeconfig.secretName`]: 'istio-kubeconfig', [`${value}.kubeconfig.key`]: key };
    const objects = objectsOf(renderChart({ values: [defaults], set }));
    const { data } = objects.find(
      ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'serin',
    )! as unknown as {
      data: Record<string, string>;
    };
    const path = effectiveSettings(data).find((setting) => setting.key === 'meshKubeconfig')!.value as string;
    for (const name of ['serin-worker', 'serin-starter']) {
      const { spec } = objects.find(
        ({ kind, metadata }) => kind === 'Deployment' && metadata.name === name,
      ) as unknown as {
        spec: { template: { spec: Pod } };
      };
      const [{ volumeMounts, envFrom }] = spec.template.spec.containers;
      expect(envFrom).toContainEqual({ configMapRef: { name: 'serin' } });
      const volume = spec.template.spec.volumes.find(({ secret }) => secret?.secretName === 'istio-kubeconfig')!;
      // Without items or a sub-path: every key is a file, and a rotated Secret replaces it.
      expect(volume.secret).toEqual({ secretName: 'istio-kubeconfig' });
      const mount = volumeMounts.find((one) => one.name === volume.name)!;
      expect(mount).toEqual({ name: volume.name, mountPath: dirname(path), readOnly: true });
      expect(basename(path)).toBe(key);
    }
  });

  it('mounts no kubeconfig where none is named, and leaves what Canaries made there only when told to', () => {
    const settingsOf = (set: object) => {
      const text = renderChart({ values: [defaults], set: set as never });
      expect(text).not.toContain('/etc/serin/mesh');
      return text.includes('SERIN_MESH_CLEANUP');
    };
    expect([settingsOf({}), settingsOf({ 'controlplane.cleanup': false })]).toEqual([false, true]);
  });

  it('does not link Services into the environment of pods', () => {
    const objects = objectsOf(renderChart({ values: [valuesIn('ci/everything.yaml')] }));
    const pods = objects.filter(({ kind }) => kind === 'Deployment') as unknown as {
      spec: { template: { spec: { enableServiceLinks?: boolean } } };
    }[];
    expect(pods.map(({ spec }) => spec.template.spec.enableServiceLinks)).toEqual([false, false, false]);
  });

  it('replaces the pods when what they read at their start changes', () => {
    const sums = (set: object) =>
      [...renderChart({ values: [defaults], set: set as never }).matchAll(/checksum\/settings: (\w+)/g)].map(
        ([, sum]) => sum,
      );
    expect(sums({})).toEqual(sums({}));
    expect(sums({ clusterName: 'blue' })).not.toEqual(sums({}));
    expect(sums({ 'slack.url': 'https://hooks.example/x' })).not.toEqual(sums({}));
  });

  it('puts no secret of its values into a ConfigMap', () => {
    const text = renderChart({ values: [valuesIn('ci/flagger.yaml')] });
    const holders = objectsOf(text).filter((object) => JSON.stringify(object).includes('hooks.slack.example'));
    expect(holders.map(({ kind }) => kind)).toEqual(['Secret']);
  });

  it('leaves the namespace of a Canary in its series, for alerts and the dashboard to find', () => {
    const monitors = objectsOf(renderChart({ values: [valuesIn('ci/everything.yaml')] })).filter(({ kind }) =>
      kind.endsWith('Monitor'),
    ) as unknown as { spec: Readonly<Record<string, readonly { readonly honorLabels: boolean }[]>> }[];
    const endpoints = monitors.flatMap(({ spec }) => spec.podMetricsEndpoints ?? spec.endpoints ?? []);
    expect(endpoints.map(({ honorLabels }) => honorLabels)).toEqual([true, true, true, true]);
  });

  it('brings the alert rules as they are written, with what Prometheus fills in', () => {
    const objects = objectsOf(renderChart({ values: [valuesIn('ci/everything.yaml')] }));
    const { spec } = objects.find(({ kind }) => kind === 'PrometheusRule')!;
    expect(spec).toEqual(parse(readFileSync(valuesIn('files/alerts.yaml'), 'utf8')));
    expect(JSON.stringify(spec)).toContain('{{ $labels.name }}');
  });

  it('brings the dashboard where Grafana’s sidecar finds it', () => {
    const objects = objectsOf(renderChart({ values: [valuesIn('ci/everything.yaml')] }));
    const found = objects.find(({ metadata }) => metadata.labels?.grafana_dashboard === '1')! as unknown as {
      data: Readonly<Record<string, string>>;
    };
    expect(found.data).toEqual({ 'serin.json': readFileSync(valuesIn('files/dashboard.json'), 'utf8') });
  });
});
