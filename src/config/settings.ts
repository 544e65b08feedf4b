import type { LogFormat, LogLevel } from '../log.ts';

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
  readonly apis: readonly string[];
  /** What a Canary made in the cluster of a mesh that is another one goes away with it. */
  readonly meshCleanup: boolean;
  /** Namespace of Argo CD's Applications, which are told to look when they own a pushed image. */
  readonly argoNamespace: string;
  /** Where what happens in releases is kept, `file:///folder` or `s3://bucket/prefix`; '' for nowhere but in Temporal. */
  readonly auditSink: string;
}

/** Name under which the worker writes, in `metadata.managedFields`; the starter's watches take such writes for our own. */
export const fieldManager = 'serin';

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
