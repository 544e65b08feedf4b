import { apis } from '../apis.ts';
import {
  both,
  chosen,
  formats,
  label,
  levels,
  list,
  number,
  ports,
  someOf,
  starter,
  text,
  url,
  worker,
  yesOrNo,
  type Entry,
} from './kinds.ts';
import { fieldManager, type ProcessSettings } from './settings.ts';

/** APIs of other products that Serin knows, as `SERIN_PROVIDERS` and the chart's `providers` name them. */
export const apiNames: readonly string[] = apis.map(({ name }) => name);

/** Every setting, where it comes from, what it is when nobody says anything, and what it means. */
export const settingsTable: { readonly [K in keyof ProcessSettings]: Entry<ProcessSettings[K]> } = {
  meshProvider: text('SERIN_MESH_PROVIDER', 'istio', {
    ...{ by: both, flagger: 'mesh-provider' },
    about: 'Provider of a Canary that names none.',
  }),
  apis: someOf('SERIN_PROVIDERS', apiNames, {
    by: both,
    about:
      'APIs of other products that may be used. What is left out is not watched, needs no permission, and a Canary that needs it is refused.',
  }),
  metricsServer: url('SERIN_METRICS_SERVER', 'http://prometheus:9090', {
    ...{ by: worker, flagger: 'metrics-server' },
    about: 'Prometheus of the built-in checks.',
  }),
  namespace: label('SERIN_NAMESPACE', '', {
    ...{ by: both, flagger: 'namespace' },
    about: 'Watch and write only there; all namespaces if not set.',
  }),
  selectorLabels: list('SERIN_SELECTOR_LABELS', ['app', 'name', 'app.kubernetes.io/name'], {
    ...{ by: worker, flagger: 'selector-labels' },
    about: 'Pod selector labels, in order of preference.',
  }),
  includeLabelPrefix: list('SERIN_INCLUDE_LABEL_PREFIX', [], {
    ...{ by: worker, flagger: 'include-label-prefix' },
    about: 'Prefixes of labels and annotations copied to the primary; `*` for all.',
  }),
  configTracking: yesOrNo('SERIN_CONFIG_TRACKING', true, {
    ...{ by: both, flagger: 'enable-config-tracking' },
    about: 'ConfigMaps and Secrets that pods read are part of a revision.',
  }),
  noCrossNamespaceRefs: yesOrNo('SERIN_NO_CROSS_NAMESPACE_REFS', false, {
    ...{ by: worker, flagger: 'no-cross-namespace-refs' },
    about: 'Refuse MetricTemplates and AlertProviders of other namespaces.',
  }),
  clusterName: text('SERIN_CLUSTER_NAME', '', {
    ...{ by: worker, flagger: 'cluster-name' },
    about: 'Shown in alerts, in the list of releases and in the audit.',
  }),
  eventWebhook: url(['EVENT_WEBHOOK_URL', 'SERIN_EVENT_WEBHOOK'], '', {
    ...{ by: worker, flagger: 'event-webhook', envWins: true, secret: true },
    about: 'Receives every event as JSON, unless a Canary has hooks of type `event`.',
  }),
  slackUrl: url('SLACK_URL', '', {
    ...{ by: worker, flagger: 'slack-url', envWins: true, secret: true },
    about: 'Slack hook that hears the alerts of Canaries without alerts of their own.',
  }),
  slackToken: text('SLACK_TOKEN', '', {
    ...{ by: worker, flagger: 'slack-token', envWins: true, secret: true },
    about: "Bot token, for Slack's API instead of a hook.",
  }),
  slackProxyUrl: url('SLACK_PROXY_URL', '', {
    ...{ by: worker, flagger: 'slack-proxy-url', envWins: true, secret: true },
    about: 'Proxy for Slack.',
  }),
  slackUser: text('SERIN_SLACK_USER', 'flagger', { by: worker, flagger: 'slack-user', about: 'As whom.' }),
  slackChannel: text('SERIN_SLACK_CHANNEL', 'general', { by: worker, flagger: 'slack-channel', about: 'Where.' }),
  msTeamsUrl: url('MSTEAMS_URL', '', {
    ...{ by: worker, flagger: 'msteams-url', envWins: true, secret: true },
    about: 'The same for Teams, which wins over Slack.',
  }),
  msTeamsProxyUrl: url('MSTEAMS_PROXY_URL', '', {
    ...{ by: worker, flagger: 'msteams-proxy-url', envWins: true, secret: true },
    about: 'Proxy for Teams.',
  }),
  kubeconfig: text('SERIN_KUBECONFIG', '', {
    ...{ by: both, flagger: 'kubeconfig' },
    about: "Cluster with the workloads; the pod's account, or `KUBECONFIG`, if not set.",
  }),
  meshKubeconfig: text('SERIN_MESH_KUBECONFIG', '', {
    ...{ by: both, flagger: 'kubeconfig-service-mesh' },
    about: 'Control plane of the mesh; the same cluster if not set.',
  }),
  meshCleanup: yesOrNo('SERIN_MESH_CLEANUP', true, {
    by: worker,
    about:
      'What a Canary made in the cluster of the mesh, if that is another one, is deleted with it; Flagger leaves it there.',
  }),
  master: url('SERIN_MASTER', '', {
    ...{ by: both, flagger: 'master' },
    about: 'URL of the API server, instead of what both kubeconfigs say.',
  }),
  kubernetesQps: number(
    'SERIN_KUBERNETES_QPS',
    400,
    {
      ...{ by: both, flagger: 'kubeconfig-qps' },
      about:
        'Most requests a second to one cluster, on average; a worker does half as many things at once, 200 at most. Flagger’s 100 are for two at once.',
    },
    [1, 100_000],
  ),
  kubernetesBurst: number(
    'SERIN_KUBERNETES_BURST',
    800,
    { by: both, flagger: 'kubeconfig-burst', about: 'Most requests to one cluster at once.' },
    [1, 100_000],
  ),
  taskQueue: text('SERIN_TASK_QUEUE', 'serin', {
    by: both,
    about: 'Must be the same in both processes, and another one for each cluster.',
  }),
  host: text('SERIN_HOST', '127.0.0.1', {
    by: both,
    about: 'Address to listen on, `0.0.0.0` for every one. The load tester reads it too; its default is every address.',
  }),
  port: number('SERIN_PORT', 8080, { by: both, flagger: 'port', about: '`/healthz`, `/readyz`, `/metrics`.' }, ports),
  healthPort: {
    ...number('SERIN_HEALTH_PORT', 0, { by: starter, about: 'The same, for a starter beside a worker.' }, ports),
    fallback: undefined,
  },
  hooksPort: number('SERIN_HOOKS_PORT', 8090, { by: starter, about: 'Container registries call here.' }, ports),
  temporalMetrics: {
    ...text('SERIN_TEMPORAL_METRICS', '', { by: worker, about: "Where the metrics of Temporal's own library are." }),
    parse: (value) => (/^\S+:\d{1,5}$/.test(value) ? value : undefined),
    expected: 'an address such as 0.0.0.0:9464',
  },
  logLevel: chosen('SERIN_LOG_LEVEL', levels, 'info', {
    ...{ by: both, flagger: 'log-level' },
    about: 'What is less serious is left out.',
  }),
  logFormat: chosen('SERIN_LOG_FORMAT', formats, 'json', {
    ...{ by: both, flagger: 'zap-encoding' },
    about: 'One JSON object a line, or lines for people.',
  }),
  receivers: text('SERIN_RECEIVERS', '', {
    by: both,
    about: 'Path of the receivers file; without it nothing listens on the hooks port.',
  }),
  trustedProxies: text('SERIN_TRUSTED_PROXIES', '', {
    by: starter,
    about: 'Networks of your ingress, such as `10.0.0.0/8`: only their word for who called a receiver counts.',
  }),
  callsPerCaller: number(
    'SERIN_CALLS_PER_CALLER',
    100,
    {
      by: starter,
      about: 'Most calls of receivers a second from one address; raise it where an ingress hides who called.',
    },
    [1, 100_000],
  ),
  hintsPerSecond: number(
    'SERIN_HINTS_PER_SECOND',
    50,
    { by: starter, about: 'Most messages to Temporal a second.' },
    [1, 100_000],
  ),
  resyncSeconds: number('SERIN_RESYNC_SECONDS', 0, {
    by: starter,
    about: 'Look at every Canary this often; 0 for never.',
  }),
  fieldManager: text('SERIN_FIELD_MANAGER', fieldManager, {
    by: starter,
    about: 'Name that the worker writes under; its writes are not hints.',
  }),
  argoNamespace: label('SERIN_ARGOCD_NAMESPACE', 'argocd', {
    by: worker,
    about: "Where Argo CD's Applications are that own pushed images.",
  }),
  tokenIssuers: text('SERIN_TOKEN_ISSUERS', '', {
    by: worker,
    about: 'Path of the file with issuers whose tokens are believed.',
  }),
  verifiedActors: yesOrNo('SERIN_VERIFIED_ACTORS', false, {
    by: worker,
    about: '`approve` and `promote` are refused without such a token.',
  }),
  auditSink: {
    ...text('SERIN_AUDIT_SINK', '', { by: worker, about: 'Where what happens in releases is kept.' }),
    parse: (value) => (/^(file:\/\/\/|s3:\/\/[^/])/.test(value) ? value : undefined),
    expected: 'file:///folder or s3://bucket/prefix',
  },
  minimumIntervalMs: number(
    'SERIN_MINIMUM_INTERVAL_MS',
    10_000,
    { by: worker, about: 'Shortest analysis interval; lower it only for tests.' },
    [1, 3_600_000],
  ),
  drainMs: number(
    'SERIN_DRAIN_MS',
    2_000,
    { by: worker, about: 'Time the data plane gets to hear of new routes before pods behind the old ones go.' },
    [0, 600_000],
  ),
  shutdownMs: number(
    'SERIN_SHUTDOWN_MS',
    25_000,
    {
      by: worker,
      about: "Time that activities in progress get after SIGTERM; the pod's grace period has to be 10 s longer.",
    },
    [0, 3_600_000],
  ),
  cachedReleases: number(
    'SERIN_CACHED_RELEASES',
    600,
    {
      by: worker,
      about: 'Releases in flight kept in memory, about 0.4 MiB each; more than these cost a replay a step.',
    },
    [1, 100_000],
  ),
  workflowBundle: text('SERIN_WORKFLOW_BUNDLE', '', {
    by: worker,
    about: 'File with the bundled workflows; the one of the build if not set.',
  }),
  deploymentName: text('SERIN_DEPLOYMENT_NAME', '', {
    by: worker,
    about: 'With `SERIN_BUILD_ID`: releases end on the version of the worker they began on.',
  }),
  buildId: text('SERIN_BUILD_ID', '', { by: worker, about: 'Which version of the worker this is.' }),
};

/** Flags of Flagger that mean nothing here, and why. They are accepted, so that its manifests need no edit. */
export const ignoredFlags: ReadonlyMap<string, string> = new Map([
  ['control-loop-interval', 'there is no loop: changes are told, and timers are in Temporal'],
  ['threadiness', 'Temporal gives out the work'],
  ['enable-leader-election', 'the id of a workflow is the lock'],
  ['leader-election-namespace', 'the id of a workflow is the lock'],
  ['zap-replace-globals', 'of a library that is not here'],
  ['ingress-annotations-prefix', 'there is no router for NGINX yet'],
  ['ingress-class', 'there is no router for Contour yet'],
  ...[
    'v',
    'vmodule',
    'logtostderr',
    'alsologtostderr',
    'stderrthreshold',
    'log_dir',
    'log_file',
    'log_backtrace_at',
  ].map((name) => [name, 'of a library that is not here'] as const),
]);

/** The flag of a setting: Flagger's, or the name of its variable. */
export function flagOf({ flagger, env }: Pick<Entry<unknown>, 'flagger' | 'env'>): string {
  return (
    flagger ??
    env[0]!
      .replace(/^SERIN_/, '')
      .toLowerCase()
      .replaceAll('_', '-')
  );
}
