/** The manifests of the podinfo tutorial, for one cluster. */
export interface TutorialOptions {
  readonly namespace: string;
  /** `<registry>/podinfo`, without a tag. */
  readonly image?: string;
  readonly tag?: string;
  /** URL of the load tester, with its slash. */
  readonly loadTester: string;
  /** Run 1 has a CPU autoscaler and the built-in checks; run 2 an external one and a MetricTemplate. */
  readonly run?: 1 | 2;
  readonly interval?: string;
  /** Of run 1's autoscaler. */
  readonly minReplicas?: number;
  readonly analysis?: Readonly<Record<string, unknown>>;
  readonly progressDeadlineSeconds?: number;
  readonly prometheus?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

const metadata = (namespace: string, name: string) => ({ name, namespace });

/** The application: no Service of its own. */
export function deployment({ namespace, image = 'stefanprodan/podinfo', tag = '3.1.0' }: TutorialOptions): object {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { ...metadata(namespace, 'podinfo'), labels: { app: 'podinfo' } },
    spec: {
      minReadySeconds: 0,
      revisionHistoryLimit: 5,
      progressDeadlineSeconds: 60,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1 } },
      selector: { matchLabels: { app: 'podinfo' } },
      template: {
        metadata: {
          labels: { app: 'podinfo' },
          annotations: { 'prometheus.io/scrape': 'true', 'prometheus.io/port': '9797' },
        },
        spec: {
          containers: [
            {
              name: 'podinfod',
              image: `${image}:${tag}`,
              imagePullPolicy: 'IfNotPresent',
              command: ['./podinfo', '--port=9898', '--port-metrics=9797', '--level=info'],
              ports: [
                { name: 'http', containerPort: 9898, protocol: 'TCP' },
                { name: 'http-metrics', containerPort: 9797, protocol: 'TCP' },
              ],
              resources: { requests: { cpu: '100m', memory: '64Mi' }, limits: { cpu: '2', memory: '512Mi' } },
            },
          ],
        },
      },
    },
  };
}

export function autoscaler({ namespace, run = 1, minReplicas = 2 }: TutorialOptions): object {
  const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'podinfo' };
  if (run === 1) {
    const target = { type: 'Utilization', averageUtilization: 99 };
    return {
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: metadata(namespace, 'podinfo'),
      spec: {
        scaleTargetRef,
        minReplicas,
        maxReplicas: 4,
        metrics: [{ type: 'Resource', resource: { name: 'cpu', target } }],
      },
    };
  }
  const metric = { name: 'prometheus-query', selector: { matchLabels: { 'query-name': 'requests-per-second' } } };
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: metadata(namespace, 'podinfo-total'),
    spec: {
      scaleTargetRef,
      minReplicas: 1,
      maxReplicas: 5,
      metrics: [{ type: 'External', external: { metric, target: { type: 'AverageValue', averageValue: '10' } } }],
    },
  };
}

/** Run 2's share of 404 answers, in percent. */
export function metricTemplate({ namespace, prometheus = 'http://prometheus:9090' }: TutorialOptions): object {
  const series = (more: string) =>
    'sum(rate(istio_requests_total{reporter="destination",destination_workload_namespace="{{ namespace }}",' +
    `destination_workload="{{ target }}"${more}}[{{ interval }}]))`;
  return {
    apiVersion: 'flagger.app/v1beta1',
    kind: 'MetricTemplate',
    metadata: metadata(namespace, 'not-found-percentage'),
    spec: {
      provider: { type: 'prometheus', address: prometheus },
      query: `100 - ${series(',response_code!="404"')} / ${series('')} * 100`,
    },
  };
}

export function canary(options: TutorialOptions): object {
  const { namespace, loadTester, run = 1, interval = '10s', progressDeadlineSeconds = 60, annotations } = options;
  const metrics =
    run === 1
      ? [
          { name: 'request-success-rate', thresholdRange: { min: 99 }, interval: '10s' },
          { name: 'request-duration', thresholdRange: { max: 500 }, interval: '10s' },
        ]
      : [
          {
            name: '404s percentage',
            templateRef: { name: 'not-found-percentage', namespace },
            thresholdRange: { max: 5 },
            interval: '10s',
          },
        ];
  return {
    apiVersion: 'flagger.app/v1beta1',
    kind: 'Canary',
    metadata: { ...metadata(namespace, 'podinfo'), ...(annotations ? { annotations } : {}) },
    spec: {
      targetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'podinfo' },
      progressDeadlineSeconds,
      autoscalerRef: {
        apiVersion: 'autoscaling/v2beta2',
        kind: 'HorizontalPodAutoscaler',
        name: run === 1 ? 'podinfo' : 'podinfo-total',
      },
      service: {
        port: 9898,
        targetPort: 9898,
        gateways: ['public-gateway.istio-system.svc.cluster.local'],
        hosts: ['*'],
        trafficPolicy: { tls: { mode: 'DISABLE' } },
        retries: { attempts: 3, perTryTimeout: '1s', retryOn: 'gateway-error,connect-failure,refused-stream' },
      },
      analysis: {
        interval,
        threshold: 5,
        maxWeight: 50,
        stepWeight: 10,
        metrics,
        webhooks: [
          {
            name: 'acceptance-test',
            type: 'pre-rollout',
            url: loadTester,
            timeout: '30s',
            metadata: { type: 'bash', cmd: 'echo token | grep token' },
          },
          { name: 'load-test', url: loadTester, timeout: '5s', metadata: { cmd: 'sleep 0.1' } },
        ],
        ...options.analysis,
      },
    },
  };
}

/** Everything one run applies. */
export function tutorial(options: TutorialOptions): object[] {
  return [
    deployment(options),
    autoscaler(options),
    ...(options.run === 2 ? [metricTemplate(options)] : []),
    canary(options),
  ];
}
