/**
 * Where the requests come from that canaries are judged by. Today they are simulated (`simulated.ts`); Istio's control
 * plane with Envoy proxies and a load generator would be another source, and nothing outside this folder would notice.
 */
export interface TrafficSource {
  /** What Prometheus has to scrape to see Istio's standard metrics, `host:port` each, path `/metrics`. */
  readonly scrapeAddresses: readonly string[];
  stop(): Promise<void>;
}

/** A source whose requests are made up, so that a test or a demonstration can say how many and how good they are. */
export interface AdjustableTraffic extends TrafficSource {
  /** Changes some rules, everywhere or in one namespace. What is not named stays as it is. */
  set(rules: Partial<TrafficRules>, namespace?: string): void;
}

export interface TrafficRules {
  /** Requests a second arriving at each VirtualService. */
  readonly rps: number;
  /** Requests a second that a load test sends straight to each canary while it has ready pods. */
  readonly loadtestRps: number;
  /** The part of requests, 0 to 1, that meets the match conditions of a route (A/B testing). */
  readonly matchShare: number;
  /** How images answer, where their tag should not decide. The last one that matches wins. */
  readonly images: readonly ImageRule[];
}

export interface ImageRule {
  /** Regular expression on the image, tag included. */
  readonly match: string;
  /** Part of the answers, 0 to 1, that are 500. */
  readonly errorRate?: number;
  readonly latencyMs?: number;
}

export const defaultRules: TrafficRules = { rps: 100, loadtestRps: 20, matchShare: 0.3, images: [] };
