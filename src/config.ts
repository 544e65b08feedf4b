import type { LogFormat, LogLevel } from './log.ts';

/** Settings of the engine, which come from the environment or from flags, read once by an entry and passed on. */
export interface Settings {
  /** Provider of a Canary that names none. */
  readonly meshProvider: string;
  /** Base URL of the Prometheus that answers built-in and inline checks. */
  readonly metricsServer: string;
  /** Pod selector labels, in order of preference. */
  readonly selectorLabels: readonly string[];
  /** Prefixes of labels and annotations that are copied to the primary; `*` copies all. */
  readonly includeLabelPrefix: readonly string[];
  /** ConfigMaps and Secrets that pods refer to are part of a revision, and the primary reads copies of them. */
  readonly configTracking: boolean;
  /** Refuse references to objects in other namespaces. */
  readonly noCrossNamespaceRefs: boolean;
  /** Global event webhook; '' for none. */
  readonly eventWebhook: string;
  /** Shown in alerts; '' for none. */
  readonly clusterName: string;
  /** Shortest analysis interval, in milliseconds. Flagger's is 10 s; shorter ones are for tests and demonstrations. */
  readonly minimumIntervalMs: number;
  /** Time the data plane gets to hear of new routes before pods behind the old ones are scaled down, in milliseconds. */
  readonly drainMs: number;
  /** Only this namespace is watched and written to; '' for all. */
  readonly namespace: string;
  /** Only people whose signed tokens were verified may approve and promote. */
  readonly verifiedActors: boolean;
  /** APIs of other products that may be used: those of routers, and KEDA's. What is not among them is neither watched nor written. */
  readonly apis: readonly ApiName[];
  /** Namespace of Argo CD's Applications, which are told to look when they own a pushed image. */
  readonly argoNamespace: string;
  /** Where what happens in releases is kept, `file:///folder` or `s3://bucket/prefix`; '' for nowhere but in Temporal. */
  readonly auditSink: string;
}

/** Name under which the worker writes, in `metadata.managedFields`; the starter's watches take such writes for our own. */
export const fieldManager = 'serin';

/** APIs of other products that Serin knows, as `SERIN_PROVIDERS` and the chart's `providers` name them. */
export const apiNames = ['istio', 'gatewayapi', 'knative', 'keda'] as const;
export type ApiName = (typeof apiNames)[number];

/** What the entries need beside the settings of the engine. */
export interface ProcessSettings extends Settings {
  /** Kubeconfig of the cluster with the workloads; '' for `KUBECONFIG` or the pod's own. */
  readonly kubeconfig: string;
  /** Kubeconfig of the mesh's control plane; '' when it is the same cluster. */
  readonly meshKubeconfig: string;
  /** URL of the API server instead of the one in the kubeconfigs; '' for theirs. */
  readonly master: string;
  /** Most requests to one cluster a second, on average and at once. */
  readonly kubernetesQps: number;
  readonly kubernetesBurst: number;
  readonly taskQueue: string;
  /** File with the issuers whose tokens tell who a person is; '' for none. */
  readonly tokenIssuers: string;
  /** Where `/healthz`, `/readyz` and `/metrics` listen. */
  readonly host: string;
  readonly port: number;
  /** Where Temporal's own worker metrics listen, `host:port`; '' for nowhere. */
  readonly temporalMetrics: string;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  /** Path of the receivers file; '' for none. Without one nothing listens on the hooks port. */
  readonly receivers: string;
  /** Global notifier: hears the alerts of Canaries that name none. '' for none; Teams wins over Slack. Secrets. */
  readonly slackUrl: string;
  readonly slackToken: string;
  readonly slackProxyUrl: string;
  readonly slackUser: string;
  readonly slackChannel: string;
  readonly msTeamsUrl: string;
  readonly msTeamsProxyUrl: string;
  /** Milliseconds that work in progress gets to finish after SIGTERM. */
  readonly shutdownMs: number;
  /** Releases whose state a worker keeps in memory. One costs about 0.4 MiB. */
  readonly cachedReleases: number;
  /** File with the bundled workflows; '' for the one of the build. */
  readonly workflowBundle: string;
  /**
   * Worker Deployment Versioning, where both are set: a release ends on the version it began on, and workers of that version
   * have to be kept until then. '' for neither: releases go on in the next version.
   */
  readonly deploymentName: string;
  readonly buildId: string;
  /** Where the starter's `/healthz`, `/readyz` and `/metrics` listen; undefined for `port`. */
  readonly healthPort: number | undefined;
  /** Where container registries call. */
  readonly hooksPort: number;
  /** Most calls of receivers a second from one address. */
  readonly callsPerCaller: number;
  /** Networks whose word for who called counts, such as `10.0.0.0/8`; '' for none. */
  readonly trustedProxies: string;
  /** The worker's, whose writes are no news. */
  readonly fieldManager: string;
  /** Most hints to Temporal a second. */
  readonly hintsPerSecond: number;
  /** Every Canary is looked at this often, in seconds, for what no watch shows; 0 for never. */
  readonly resyncSeconds: number;
}

/** Who reads a setting. */
export type Reader = 'worker' | 'starter';

interface Entry<T> {
  /** The environment variables it is read from, first one set wins. */
  readonly env: readonly string[];
  /** Flagger's flag of the same meaning, accepted so that existing `args` go on working. */
  readonly flagger?: string;
  /** As in Flagger, where these variables win over its flags. */
  readonly envWins?: true;
  readonly fallback: T;
  readonly parse: (text: string) => T | undefined;
  /** What the value has to look like, for the error. */
  readonly expected: string;
  readonly by: readonly Reader[];
  /** One sentence for people. */
  readonly about: string;
  /** Never shown. */
  readonly secret?: true;
}

type Common<T> = Pick<Entry<T>, 'by' | 'about'> & Partial<Pick<Entry<T>, 'flagger' | 'envWins' | 'secret'>>;

const both: readonly Reader[] = ['worker', 'starter'];
const worker: readonly Reader[] = ['worker'];
const starter: readonly Reader[] = ['starter'];

const text = (env: string | readonly string[], fallback: string, common: Common<string>): Entry<string> => ({
  ...{ ...common, env: [env].flat(), fallback },
  parse: (value) => value,
  expected: 'a text',
});

/** A whole number; `least` and `most` belong to it. */
const number = (
  env: string,
  fallback: number,
  common: Common<number>,
  [least, most]: readonly [number, number] = [0, Number.MAX_SAFE_INTEGER],
): Entry<number> => ({
  ...{ ...common, env: [env], fallback },
  parse: (value) => (/^\d{1,15}$/.test(value) && +value >= least && +value <= most ? +value : undefined),
  expected:
    most === Number.MAX_SAFE_INTEGER
      ? `a whole number${least > 0 ? `, ${least} or more` : ''}`
      : `a whole number from ${least} to ${most}`,
});

const ports = [0, 65_535] as const;

const list = (
  env: string,
  fallback: readonly string[],
  common: Common<readonly string[]>,
): Entry<readonly string[]> => ({
  ...{ ...common, env: [env], fallback },
  parse: (value) => value.split(',').map((item) => item.trim()),
  expected: 'a list with commas',
});

const chosen = <T extends string>(
  env: string,
  choices: Readonly<Record<string, T>>,
  fallback: T,
  common: Common<T>,
): Entry<T> => ({
  ...{ ...common, env: [env], fallback },
  parse: (value) => choices[value.toLowerCase()],
  expected: `one of ${Object.keys(choices).join(', ')}`,
});

/** Flagger's levels; both spellings of a warning. */
const levels: Readonly<Record<string, LogLevel>> = {
  debug: 'debug',
  info: 'info',
  warn: 'warn',
  warning: 'warn',
  error: 'error',
  fatal: 'error',
  panic: 'error',
};

/** `console` is what Flagger calls the one for people. */
const formats: Readonly<Record<string, LogFormat>> = { json: 'json', pretty: 'pretty', console: 'pretty' };

const yesOrNo = (env: string, fallback: boolean, common: Common<boolean>): Entry<boolean> => ({
  ...{ ...common, env: [env], fallback },
  parse: (value) => (/^(true|1|)$/i.test(value) ? true : /^(false|0)$/i.test(value) ? false : undefined),
  expected: 'true or false',
});

const url = (env: string | readonly string[], fallback: string, common: Common<string>): Entry<string> => ({
  ...text(env, fallback, common),
  parse: (value) => (/^https?:\/\/[^\s/]+/.test(value) && URL.canParse(value) ? value : undefined),
  expected: 'a URL with http:// or https://',
});

const apiList = (env: string, common: Common<readonly ApiName[]>): Entry<readonly ApiName[]> => ({
  ...{ ...common, env: [env], fallback: apiNames },
  parse(value) {
    const named = value === 'none' ? [] : value.split(',').map((item) => item.trim());
    const isKnown = (name: string): name is ApiName => (apiNames as readonly string[]).includes(name);
    return named.every(isKnown) ? named : undefined;
  },
  expected: `a list with commas of ${apiNames.join(', ')}, or none`,
});

const label = (env: string, fallback: string, common: Common<string>): Entry<string> => ({
  ...text(env, fallback, common),
  parse: (value) => (/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(value) ? value : undefined),
  expected: 'the name of a namespace',
});

/** Every setting, where it comes from, what it is when nobody says anything, and what it means. */
export const settingsTable: { readonly [K in keyof ProcessSettings]: Entry<ProcessSettings[K]> } = {
  meshProvider: text('SERIN_MESH_PROVIDER', 'istio', {
    ...{ by: both, flagger: 'mesh-provider' },
    about: 'Provider of a Canary that names none.',
  }),
  apis: apiList('SERIN_PROVIDERS', {
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
  master: url('SERIN_MASTER', '', {
    ...{ by: both, flagger: 'master' },
    about: 'URL of the API server, instead of what both kubeconfigs say.',
  }),
  kubernetesQps: number(
    'SERIN_KUBERNETES_QPS',
    100,
    { by: both, flagger: 'kubeconfig-qps', about: 'Most requests a second to one cluster, on average.' },
    [1, 100_000],
  ),
  kubernetesBurst: number(
    'SERIN_KUBERNETES_BURST',
    250,
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

/** Where a value comes from: a variable by its name, a flag with its dash, or nowhere. */
export type Origin = { readonly variable: string } | { readonly flag: string } | 'default';

/** A setting as it is. */
export interface Effective<K extends keyof ProcessSettings = keyof ProcessSettings> {
  readonly key: K;
  readonly value: ProcessSettings[K];
  readonly origin: Origin;
}

/**
 * Reads the settings of a process. Flags win over the environment, the environment over the defaults; for the addresses of
 * chat rooms and of the event webhook the environment wins, as in Flagger.
 *
 * @throws Error naming the variable or flag, its value (unless it is a secret) and what it has to look like
 */
export function readSettings(env: NodeJS.ProcessEnv, args: readonly string[] = []): ProcessSettings {
  return Object.fromEntries(
    effectiveSettings(env, args).map(({ key, value }) => [key, value]),
  ) as unknown as ProcessSettings;
}

/** Like `readSettings`, with where each value comes from. @throws Error as there */
export function effectiveSettings(env: NodeJS.ProcessEnv, args: readonly string[] = []): readonly Effective[] {
  const { flags } = parseFlags(args);
  const keys = Object.keys(settingsTable) as (keyof ProcessSettings)[];
  return keys.map((key) => effective(key, env, flags));
}

function effective<K extends keyof ProcessSettings>(
  key: K,
  env: NodeJS.ProcessEnv,
  flags: ReadonlyMap<string, string>,
): Effective<K> {
  const entry: Entry<ProcessSettings[K]> = settingsTable[key];
  const name = flagOf(entry);
  const flag = flags.get(name);
  const variable = entry.env.find((one) => env[one] !== undefined && env[one] !== '');
  const takesFlag = flag !== undefined && !(entry.envWins && variable !== undefined);
  const raw = takesFlag ? flag : variable === undefined ? undefined : env[variable];
  if (raw === undefined) return { key, value: entry.fallback, origin: 'default' };
  const value = entry.parse(raw);
  if (value === undefined) throw new Error(wrong(takesFlag ? `-${name}` : variable!, raw, entry));
  return { key, value, origin: takesFlag ? { flag: `-${name}` } : { variable: variable! } };
}

function wrong(name: string, raw: string, { secret, expected }: Pick<Entry<unknown>, 'secret' | 'expected'>): string {
  // Kubernetes puts such variables into pods for every Service of their namespace.
  const linked = /^tcp:\/\/[\d.:[\]a-f]+$/.test(raw)
    ? `; Kubernetes sets it for a Service called ${name.replace(/_PORT$/, '').toLowerCase()}: set enableServiceLinks: false`
    : '';
  return `${name} is ${secret ? 'not what it should be' : `"${raw}"`}, expected ${expected}${linked}`;
}

/** Flags that were given and mean nothing here, with the reason. @throws Error for flags that nobody knows */
export function ignoredIn(args: readonly string[]): readonly string[] {
  return parseFlags(args).ignored.map((name) => `-${name}: ${ignoredFlags.get(name)}`);
}

/** Variables of other programs of ours, which a process may meet in its environment. */
const elsewhere = /^SERIN_(ACTOR|TOKEN|TOKEN_FILE|TEST_.*)$/;

/** What Kubernetes sets for a Service whose name begins with `serin-`. */
const serviceLink = /_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_\d+_(TCP|UDP|SCTP)(_.+)?)?)$/;

/** Variables that look like settings and are none, each with what was probably meant. */
export function unknownVariables(env: NodeJS.ProcessEnv): readonly string[] {
  const known = new Set(Object.values(settingsTable).flatMap((entry) => entry.env));
  return Object.entries(env)
    .filter(([name]) => name.startsWith('SERIN_') && !known.has(name) && !elsewhere.test(name))
    .filter(([name, value = '']) => !serviceLink.test(name) && !value.startsWith('tcp://'))
    .map(([name]) => `${name} is no setting; did you mean ${nearest(name, known)}?`);
}

/** Go's flag syntax: `-x=v`, `--x v`, and `-x` alone for true. */
function parseFlags(args: readonly string[]): {
  readonly flags: ReadonlyMap<string, string>;
  readonly ignored: readonly string[];
} {
  const known = new Set(Object.values(settingsTable).map(flagOf));
  const flags = new Map<string, string>();
  const ignored: string[] = [];
  for (let index = 0; index < args.length; index += 1) {
    const match = /^--?([^=]+)(?:=(.*))?$/s.exec(args[index] ?? '');
    if (!match?.[1]) throw new Error(`"${args[index]}" is not a flag`);
    const [, name, inline] = match;
    const next = args[index + 1];
    const takesNext = inline === undefined && next !== undefined && !next.startsWith('-');
    if (takesNext) index += 1;
    if (ignoredFlags.has(name)) ignored.push(name);
    else if (known.has(name)) flags.set(name, inline ?? (takesNext ? next : 'true'));
    else throw new Error(`unknown flag -${name}; did you mean -${nearest(name, known)}?`);
  }
  return { flags, ignored };
}

/** The name that takes the fewest changes to get to. */
function nearest(name: string, known: ReadonlySet<string>): string {
  const distances = [...known].map((other) => [distance(name, other), other] as const);
  return distances.reduce((best, next) => (next[0] < best[0] ? next : best))[1];
}

/** Levenshtein's. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...from].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...to].entries())
      next.push(Math.min(row[j + 1]! + 1, next[j]! + 1, row[j]! + (letter === other ? 0 : 1)));
    row = next;
  }
  return row[to.length]!;
}
