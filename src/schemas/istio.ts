import * as z from 'zod';
import { atMostOne, choice, exactlyOne, int32, stringMap } from './rules.ts';

/**
 * Istio's types as they appear in a Canary. They are handed on to the mesh as data, so objects here keep fields that
 * they do not name: what the API server stored is what the mesh gets (BC-33).
 */

/** A condition on a text. An empty one asks for presence. `suffix` is no condition of a route in Istio. */
const StringMatch = atMostOne(
  z.object({ exact: z.string().optional(), prefix: z.string().optional(), regex: z.string().optional() }),
  ['exact', 'prefix', 'regex'],
);

/** A condition on a request that the routes of a Canary are limited to. */
export const RouteMatch = z.looseObject({
  uri: StringMatch.optional(),
  scheme: StringMatch.optional(),
  method: StringMatch.optional(),
  authority: StringMatch.optional(),
  headers: z.record(z.string(), StringMatch).optional(),
  queryParams: z.record(z.string(), StringMatch).optional(),
  withoutHeaders: z.record(z.string(), StringMatch).optional(),
  gateways: z.array(z.string()).optional(),
  sourceLabels: stringMap().optional(),
  sourceNamespace: z.string().optional(),
  name: z.string().optional(),
  port: z.int().optional(),
  ignoreUriCase: z.boolean().optional(),
});

const HeaderMatch = exactlyOne(
  z.object({
    exact: z.string().optional(),
    prefix: z.string().optional(),
    suffix: z.string().optional(),
    regex: z.string().optional(),
  }),
  ['exact', 'prefix', 'suffix', 'regex'],
);

/** A condition that sends a request to the canary in an A/B test. Flagger's schema knows these three and prunes others. */
export const AnalysisMatch = z.object({
  headers: z.record(z.string(), HeaderMatch).optional(),
  queryParams: z.record(z.string(), StringMatch).optional(),
  sourceLabels: stringMap().optional(),
});

export const Rewrite = z.object({
  uri: z.string().optional(),
  authority: z.string().optional(),
  type: z.string().optional().describe('ReplaceFullPath, which is the default, or ReplacePrefixMatch.'),
});

export const Retries = z.looseObject({
  attempts: int32().optional(),
  perTryTimeout: z.string().optional(),
  retryOn: z.string().optional().describe('Conditions of a retry, with commas.'),
});

const HeaderOperations = z.looseObject({
  add: stringMap().optional(),
  set: stringMap().optional(),
  remove: z.array(z.string()).optional(),
});

export const Headers = z.looseObject({
  request: HeaderOperations.optional(),
  response: HeaderOperations.optional(),
});

export const CorsPolicy = z.looseObject({
  allowCredentials: z.boolean().optional(),
  allowHeaders: z.array(z.string()).optional(),
  allowMethods: z.array(z.string()).optional(),
  allowOrigin: z.array(z.string()).optional(),
  allowOrigins: z
    .array(
      exactlyOne(
        z.looseObject({ exact: z.string().optional(), prefix: z.string().optional(), regex: z.string().optional() }),
        ['exact', 'prefix', 'regex'],
      ),
    )
    .optional(),
  exposeHeaders: z.array(z.string()).optional(),
  maxAge: z.string().optional(),
});

const hashKeys = ['httpHeaderName', 'httpCookie', 'useSourceIp', 'httpQueryParameterName'] as const;

const ConsistentHash = z.looseObject({
  httpHeaderName: z.string().optional(),
  httpCookie: z
    .looseObject({ name: z.string().optional(), path: z.string().optional(), ttl: z.string().optional() })
    .optional(),
  useSourceIp: z.boolean().optional(),
  httpQueryParameterName: z.string().optional(),
  minimumRingSize: z.int().optional(),
});

/** Flagger's rule: `simple`, or `consistentHash` with exactly one key, and not both. Locality alone is refused. */
const LoadBalancer = z
  .looseObject({
    simple: choice(['ROUND_ROBIN', 'LEAST_CONN', 'RANDOM', 'PASSTHROUGH', 'LEAST_REQUEST']).optional(),
    consistentHash: ConsistentHash.optional(),
    localityLbSetting: z
      .looseObject({
        enabled: z.boolean().optional(),
        distribute: z
          .array(z.looseObject({ from: z.string().optional(), to: z.record(z.string(), z.int()).optional() }))
          .optional(),
        failover: z.array(z.looseObject({ from: z.string().optional(), to: z.string().optional() })).optional(),
        failoverPriority: z.array(z.string()).optional(),
      })
      .optional(),
    warmupDurationSecs: z.string().optional(),
  })
  .refine(
    ({ simple, consistentHash }) => {
      const hashes = consistentHash && hashKeys.filter((key) => consistentHash[key] !== undefined).length === 1;
      return (simple !== undefined) !== (hashes === true);
    },
    { error: () => `needs either simple or consistentHash, the latter with exactly one of ${hashKeys.join(', ')}` },
  )
  .meta({
    oneOf: [
      { required: ['simple'] },
      {
        required: ['consistentHash'],
        properties: { consistentHash: { oneOf: hashKeys.map((key) => ({ required: [key] })) } },
      },
    ],
  });

const ConnectionPool = z.looseObject({
  tcp: z
    .looseObject({
      maxConnections: int32().optional(),
      connectTimeout: z.string().optional(),
      maxConnectionDuration: z.string().optional(),
      idleTimeout: z.string().optional(),
      tcpKeepalive: z
        .looseObject({ probes: z.int().optional(), time: z.string().optional(), interval: z.string().optional() })
        .optional(),
    })
    .optional(),
  http: z
    .looseObject({
      h2UpgradePolicy: choice(['DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE']).optional(),
      http1MaxPendingRequests: int32().optional(),
      http2MaxRequests: int32().optional(),
      maxRequestsPerConnection: int32().optional(),
      maxRetries: int32().optional(),
      idleTimeout: z.string().optional(),
    })
    .optional(),
});

const OutlierDetection = z.looseObject({
  baseEjectionTime: z.string().optional(),
  interval: z.string().optional(),
  consecutive5xxErrors: z.int().optional(),
  consecutiveErrors: int32().optional(),
  consecutiveGatewayErrors: int32().optional(),
  consecutiveLocalOriginFailures: int32().optional(),
  maxEjectionPercent: int32().optional(),
  minHealthPercent: int32().optional(),
  splitExternalLocalOriginErrors: z.boolean().optional(),
});

const Tls = z.looseObject({
  mode: choice(['DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL']).optional(),
  caCertificates: z.string().optional(),
  clientCertificate: z.string().optional(),
  privateKey: z.string().optional(),
  sni: z.string().optional(),
  subjectAltNames: z.array(z.string()).optional(),
});

const portPolicy = {
  connectionPool: ConnectionPool.optional(),
  loadBalancer: LoadBalancer.optional(),
  outlierDetection: OutlierDetection.optional(),
  tls: Tls.optional(),
};

/** How clients talk to the pods: goes into the DestinationRules of both hosts. */
export const TrafficPolicy = z.looseObject({
  ...portPolicy,
  portLevelSettings: z
    .array(z.looseObject({ port: z.looseObject({ number: z.int().optional() }).optional(), ...portPolicy }))
    .optional(),
});
