/** Upper bounds of the latency histogram in milliseconds: those of Istio's proxies. */
const bounds = [0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000] as const;

export interface Answered {
  readonly namespace: string;
  readonly workload: string;
  /** Need not be whole: rates times seconds seldom are. */
  readonly count: number;
  /** 0 to 1. */
  readonly errorRate: number;
  readonly latencyMs: number;
}

export interface Counters {
  add(answered: Answered): void;
  /** Forgets the workloads of namespaces that are gone. */
  keep(namespaces: ReadonlySet<string>): void;
  /** The text Prometheus scrapes: `istio_requests_total` and `istio_request_duration_milliseconds`. */
  page(): string;
}

interface Series {
  readonly namespace: string;
  readonly workload: string;
  readonly codes: { 200: number; 500: number };
  readonly buckets: number[];
  count: number;
  sumMs: number;
}

/** What Istio's proxies at the destinations would have counted so far. Counters only go up, as Prometheus expects. */
export function createCounters(): Counters {
  const all = new Map<string, Series>();
  return {
    add({ namespace, workload, count, errorRate, latencyMs }) {
      const key = `${namespace}/${workload}`;
      const empty = () => ({
        namespace,
        workload,
        codes: { 200: 0, 500: 0 },
        buckets: bounds.map(() => 0),
        count: 0,
        sumMs: 0,
      });
      const series = all.get(key) ?? empty();
      all.set(key, series);
      series.codes[200] += count * (1 - errorRate);
      series.codes[500] += count * errorRate;
      for (const [index, bound] of bounds.entries())
        if (latencyMs <= bound) series.buckets[index] = (series.buckets[index] ?? 0) + count;
      series.count += count;
      series.sumMs += count * latencyMs;
    },
    keep(namespaces) {
      for (const [key, { namespace }] of all) if (!namespaces.has(namespace)) all.delete(key);
    },
    page() {
      const series = [...all.values()];
      return [
        '# TYPE istio_requests_total counter',
        ...series.flatMap(requestLines),
        '# TYPE istio_request_duration_milliseconds histogram',
        ...series.flatMap(durationLines),
        '',
      ].join('\n');
    },
  };
}

function requestLines(series: Series): string[] {
  return Object.entries(series.codes).map(
    ([code, count]) => `istio_requests_total{${labels(series)},response_code="${code}"} ${count.toFixed(3)}`,
  );
}

function durationLines(series: Series): string[] {
  const name = 'istio_request_duration_milliseconds';
  const bucket = (bound: number | string, count: number) =>
    `${name}_bucket{${labels(series)},le="${bound}"} ${count.toFixed(3)}`;
  return [
    ...bounds.map((bound, index) => bucket(bound, series.buckets[index] ?? 0)),
    bucket('+Inf', series.count),
    `${name}_count{${labels(series)}} ${series.count.toFixed(3)}`,
    `${name}_sum{${labels(series)}} ${series.sumMs.toFixed(3)}`,
  ];
}

function labels({ namespace, workload }: Series): string {
  return (
    `reporter="destination",request_protocol="http",` +
    `destination_workload_namespace="${namespace}",destination_workload="${workload}"`
  );
}
