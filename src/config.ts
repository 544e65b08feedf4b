import type { LogLevel } from './log.ts';

/** Settings that come from the environment (or Flagger's flags of the same meaning), read once by an entry and passed on. */
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
  /** Namespace of Argo CD's Applications, which are told to look when they own a pushed image. */
  readonly argoNamespace: string;
  /** Where what happens in releases is kept, `file:///folder` or `s3://bucket/prefix`; '' for nowhere but in Temporal. */
  readonly auditSink: string;
}

/** Name under which the worker writes, in `metadata.managedFields`; the starter's watches take such writes for our own. */
export const fieldManager = 'serin';

/** What both entries need beside the settings of the engine. */
export interface ProcessSettings extends Settings {
  /** Kubeconfig of the cluster with the workloads; '' for `KUBECONFIG` or the pod's own. */
  readonly kubeconfig: string;
  /** Kubeconfig of the mesh's control plane; '' when it is the same cluster. */
  readonly meshKubeconfig: string;
  readonly taskQueue: string;
  /** File with the issuers whose tokens tell who a person is; '' for none. */
  readonly tokenIssuers: string;
  /** Where `/healthz`, `/readyz` and `/metrics` listen. */
  readonly host: string;
  readonly port: number;
  /** Where Temporal's own worker metrics listen, `host:port`; '' for nowhere. */
  readonly temporalMetrics: string;
  readonly logLevel: LogLevel;
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
}

interface Entry<T> {
  /** The environment variables it is read from, first one set wins. */
  readonly env: readonly string[];
  /** Flagger's flag of the same meaning, accepted so that existing `args` go on working. */
  readonly flag?: string;
  readonly fallback: T;
  readonly parse: (text: string) => T | undefined;
  /** What the value has to look like, for the error. */
  readonly expected: string;
}

const text = (env: readonly string[], fallback = '', flag?: string): Entry<string> => ({
  env,
  flag,
  fallback,
  parse: (value) => value,
  expected: 'a text',
});

const number = (env: readonly string[], fallback: number, flag?: string): Entry<number> => ({
  env,
  flag,
  fallback,
  parse: (value) => (/^\d+$/.test(value) ? Number(value) : undefined),
  expected: 'a whole number',
});

const list = (env: readonly string[], fallback: readonly string[], flag?: string): Entry<readonly string[]> => ({
  env,
  flag,
  fallback,
  parse: (value) => value.split(',').map((item) => item.trim()),
  expected: 'a list with commas',
});

/** Flagger's levels; both spellings of a warning. */
const level = (env: readonly string[], fallback: LogLevel, flag?: string): Entry<LogLevel> => ({
  env,
  flag,
  fallback,
  parse: (value) => levelNames[value.toLowerCase()],
  expected: `one of ${Object.keys(levelNames).join(', ')}`,
});

const levelNames: Readonly<Record<string, LogLevel>> = {
  debug: 'debug',
  info: 'info',
  warn: 'warn',
  warning: 'warn',
  error: 'error',
  fatal: 'error',
  panic: 'error',
};

const flagged = (env: readonly string[], fallback: boolean, flag?: string): Entry<boolean> => ({
  env,
  flag,
  fallback,
  parse: (value) => (/^(true|1|)$/i.test(value) ? true : /^(false|0)$/i.test(value) ? false : undefined),
  expected: 'true or false',
});

/** Every setting, where it comes from and what it is when nobody says anything. `docs/operations.md` tells them at length. */
export const settingsTable: { readonly [K in keyof ProcessSettings]: Entry<ProcessSettings[K]> } = {
  meshProvider: text(['SERIN_MESH_PROVIDER'], 'istio', 'mesh-provider'),
  metricsServer: text(['SERIN_METRICS_SERVER'], 'http://prometheus:9090', 'metrics-server'),
  selectorLabels: list(['SERIN_SELECTOR_LABELS'], ['app', 'name', 'app.kubernetes.io/name'], 'selector-labels'),
  includeLabelPrefix: list(['SERIN_INCLUDE_LABEL_PREFIX'], [], 'include-label-prefix'),
  configTracking: flagged(['SERIN_CONFIG_TRACKING'], true, 'enable-config-tracking'),
  noCrossNamespaceRefs: flagged(['SERIN_NO_CROSS_NAMESPACE_REFS'], false, 'no-cross-namespace-refs'),
  eventWebhook: text(['EVENT_WEBHOOK_URL', 'SERIN_EVENT_WEBHOOK'], '', 'event-webhook'),
  clusterName: text(['SERIN_CLUSTER_NAME'], '', 'cluster-name'),
  argoNamespace: text(['SERIN_ARGOCD_NAMESPACE'], 'argocd'),
  minimumIntervalMs: number(['SERIN_MINIMUM_INTERVAL_MS'], 10_000),
  drainMs: number(['SERIN_DRAIN_MS'], 2_000),
  namespace: text(['SERIN_NAMESPACE'], '', 'namespace'),
  auditSink: text(['SERIN_AUDIT_SINK']),
  verifiedActors: flagged(['SERIN_VERIFIED_ACTORS'], false),
  tokenIssuers: text(['SERIN_TOKEN_ISSUERS']),
  kubeconfig: text(['SERIN_KUBECONFIG'], '', 'kubeconfig'),
  meshKubeconfig: text(['SERIN_MESH_KUBECONFIG'], '', 'kubeconfig-service-mesh'),
  taskQueue: text(['SERIN_TASK_QUEUE'], 'serin'),
  host: text(['SERIN_HOST'], '127.0.0.1'),
  port: number(['SERIN_PORT'], 8080, 'port'),
  temporalMetrics: text(['SERIN_TEMPORAL_METRICS']),
  logLevel: level(['SERIN_LOG_LEVEL'], 'info', 'log-level'),
  slackUrl: text(['SLACK_URL'], '', 'slack-url'),
  slackToken: text(['SLACK_TOKEN'], '', 'slack-token'),
  slackProxyUrl: text(['SLACK_PROXY_URL'], '', 'slack-proxy-url'),
  slackUser: text(['SERIN_SLACK_USER'], 'flagger', 'slack-user'),
  slackChannel: text(['SERIN_SLACK_CHANNEL'], 'general', 'slack-channel'),
  msTeamsUrl: text(['MSTEAMS_URL'], '', 'msteams-url'),
  msTeamsProxyUrl: text(['MSTEAMS_PROXY_URL'], '', 'msteams-proxy-url'),
  shutdownMs: number(['SERIN_SHUTDOWN_MS'], 25_000),
};

/** Flags of Flagger that mean nothing here. They are accepted, so that its manifests need no edit. */
const ignoredFlags = new Set([
  'control-loop-interval',
  'threadiness',
  'enable-leader-election',
  'leader-election-namespace',
  'kubeconfig-qps',
  'kubeconfig-burst',
  'zap-replace-globals',
  'zap-encoding',
  'ingress-annotations-prefix',
  'ingress-class',
  'v',
]);

/**
 * Reads the settings of a process. Flags win over the environment, the environment over the defaults.
 *
 * @throws Error naming the variable or flag, its value and what it has to look like
 */
export function readSettings(env: NodeJS.ProcessEnv, args: readonly string[] = []): ProcessSettings {
  const flags = parseFlags(args);
  const read = <K extends keyof ProcessSettings>(key: K): [K, ProcessSettings[K]] => {
    const entry: Entry<ProcessSettings[K]> = settingsTable[key];
    const flag = entry.flag === undefined ? undefined : flags.get(entry.flag);
    const variable = entry.env.find((name) => env[name] !== undefined && env[name] !== '');
    const raw = flag ?? (variable === undefined ? undefined : env[variable]);
    if (raw === undefined) return [key, entry.fallback];
    const value = entry.parse(raw);
    if (value !== undefined) return [key, value];
    throw new Error(`${flag === undefined ? variable : `-${entry.flag}`} is "${raw}", expected ${entry.expected}`);
  };
  const keys = Object.keys(settingsTable) as (keyof ProcessSettings)[];
  return Object.fromEntries(keys.map(read)) as unknown as ProcessSettings;
}

/** Go's flag syntax: `-x=v`, `--x v`, and `-x` alone for true. */
function parseFlags(args: readonly string[]): ReadonlyMap<string, string> {
  const known = new Set(Object.values(settingsTable).flatMap(({ flag }) => (flag === undefined ? [] : [flag])));
  const flags = new Map<string, string>();
  for (let index = 0; index < args.length; index += 1) {
    const match = /^--?([^=]+)(?:=(.*))?$/s.exec(args[index] ?? '');
    if (!match?.[1]) throw new Error(`"${args[index]}" is not a flag`);
    const [, name, inline] = match;
    const next = args[index + 1];
    const takesNext = inline === undefined && next !== undefined && !next.startsWith('-');
    if (takesNext) index += 1;
    if (ignoredFlags.has(name)) continue;
    if (!known.has(name)) throw new Error(`unknown flag -${name}; did you mean -${nearest(name, known)}?`);
    flags.set(name, inline ?? (takesNext ? next : 'true'));
  }
  return flags;
}

function nearest(name: string, known: ReadonlySet<string>): string {
  const shared = (other: string) => [...name].filter((letter, index) => other[index] === letter).length;
  return [...known].reduce((best, other) => (shared(other) > shared(best) ? other : best));
}
